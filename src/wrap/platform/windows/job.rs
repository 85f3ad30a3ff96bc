//! The job that we are in, with every process that we start from then on, and they with theirs: when we die, the kernel
//! closes our handle of it, and with that ends all that are left. So there is no moment in which a server has been
//! started and would survive us.

use std::io;
use std::os::windows::io::{AsRawHandle as _, FromRawHandle as _, OwnedHandle};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT, JOB_OBJECT_LIMIT_BREAKAWAY_OK,
    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation,
    SetInformationJobObject,
};
use windows_sys::Win32::System::Threading::GetCurrentProcess;

/// Ours, once we are in it. Where a system forbids it, a server notices our end by that of its stdin.
static OURS: OnceLock<Option<Job>> = OnceLock::new();
/// A process of it had to be killed, and may have left others.
static KILLED: AtomicBool = AtomicBool::new(false);

#[derive(Debug)]
struct Job(OwnedHandle);

/// Puts us into a job, once.
pub(super) fn enter() {
    OURS.get_or_init(|| Job::with_us().ok());
}

/// From here on everything in the job dies with us, however we end.
pub(super) fn has_killed() {
    KILLED.store(true, Ordering::Relaxed);
}

/// We are about to end as we should: who is left in the job may go on.
pub(super) fn let_go() {
    if let Some(Some(job)) = OURS.get()
        && !KILLED.load(Ordering::Relaxed)
    {
        // If it fails, they end with us.
        let _ = job.limit(JOB_OBJECT_LIMIT_BREAKAWAY_OK);
    }
}

#[expect(unsafe_code, reason = "the standard library has no jobs")]
impl Job {
    fn with_us() -> io::Result<Self> {
        // SAFETY: neither attributes nor a name are given.
        let handle = unsafe { CreateJobObjectW(std::ptr::null(), std::ptr::null()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it was just made, and nobody else has it.
        let job = Self(unsafe { OwnedHandle::from_raw_handle(handle) });
        job.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_BREAKAWAY_OK)?;
        // SAFETY: two open handles.
        if unsafe { AssignProcessToJobObject(job.0.as_raw_handle(), GetCurrentProcess()) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(job)
    }

    fn limit(&self, flags: JOB_OBJECT_LIMIT) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        let size = u32::try_from(size_of_val(&limits)).unwrap_or(0);
        let class = JobObjectExtendedLimitInformation;
        // SAFETY: an open handle, and a structure that outlives the call, of the size that is told.
        if unsafe { SetInformationJobObject(self.0.as_raw_handle(), class, (&raw const limits).cast(), size) } == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}
