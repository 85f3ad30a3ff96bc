//! How the hub's memory goes back to the system.

/// Longer pieces are the system's own, and go back to it at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: std::ffi::c_int = 128 << 10;

/// Has what long messages took given back when they were dealt with.
///
/// Left alone, glibc puts the line between small and large higher with each large piece that is freed, until messages
/// of megabytes lie among small pieces that keep them from going back.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back() {
    #[expect(unsafe_code, reason = "nothing safe sets it, and a plain number cannot be a wrong pointer")]
    // SAFETY: mallopt reads its two numbers and locks the allocator while it changes the setting.
    let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    if done == 0 {
        tracing::warn!("the allocator does not take its setting, so memory of long messages may be kept");
    }
}

/// See the other; here the allocator does so by itself.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {}
