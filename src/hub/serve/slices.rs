//! How long a thread of the hub runs on a core that others want, too.

/// As short as Linux allows, in nanoseconds.
#[cfg(target_os = "linux")]
const SLICE_NS: u64 = 100_000;

/// Has this thread, and all that it starts, run for short times in turn with others.
///
/// A call goes through a dozen hands of several threads until it is on the page. On a busy core each of them waits for
/// whoever runs there; the scheduler lets a thread of shorter times go first, and so none waits milliseconds for one that
/// works on much. Linux before 6.12 knows no such times, and changes nothing.
#[cfg(target_os = "linux")]
pub fn short() {
    // Whoever chose another policy for the hub has said what they want.
    if let Some(mut own) = own().filter(|own| i64::from(own.sched_policy) == i64::from(libc::SCHED_OTHER)) {
        own.sched_runtime = SLICE_NS;
        #[expect(unsafe_code, reason = "nothing safe sets it")]
        // SAFETY: the kernel reads the structure, which says its own size.
        let _refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const own, 0) };
    }
}

/// How this thread is scheduled.
#[cfg(target_os = "linux")]
fn own() -> Option<libc::sched_attr> {
    let mut own = libc::sched_attr {
        size: 0,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    let size = size_of_val(&own);
    #[expect(unsafe_code, reason = "nothing safe asks for it")]
    // SAFETY: the kernel writes no more than `size` bytes to the structure, which has so many.
    let got = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut own, size, 0) };
    (got == 0).then_some(own)
}

/// See the other; elsewhere there is nothing to ask for.
#[cfg(not(target_os = "linux"))]
pub fn short() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn threads_that_are_started_later_have_short_times_and_the_same_priority() {
        let before = own().unwrap().sched_nice;
        let start = || {
            short();
            std::thread::spawn(own).join().unwrap()
        };
        let after = std::thread::spawn(start).join().unwrap().unwrap();
        // As in "6.12.0-1-amd64".
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
        let known = (numbers.next(), numbers.next()) >= (Some(6), Some(12));
        assert_eq!((after.sched_runtime, after.sched_nice), (if known { SLICE_NS } else { 0 }, before));
    }
}
