//! Places at which a test lets a program die or stop: behind every commit of the hub, and around *go*, mark and write
//! of the shim.
//!
//! Only builds with debug assertions have them; a release holds neither this code nor the names. `HITL_FAILPOINT` is
//! `NAME[:COUNT]=kill|stop`: when the place is reached for the count-th time, the process ends as by SIGKILL, or stops
//! as by SIGSTOP until somebody sends SIGCONT. `HITL_FAILPOINT_LOG` names a file that gets a line for each place that is
//! reached.

#[cfg(debug_assertions)]
mod armed;

/// The program is at the place of this name.
#[inline]
pub fn reach(name: &str) {
    #[cfg(debug_assertions)]
    armed::reach(|| name.to_owned());
    #[cfg(not(debug_assertions))]
    let _ = name;
}

/// The program is about to deal with this value of an enum: the place is named after its kind.
#[inline]
pub fn reach_with(what: &str, value: &impl std::fmt::Debug) {
    #[cfg(debug_assertions)]
    armed::reach(|| format!("{what}.{}", armed::kind(value)));
    #[cfg(not(debug_assertions))]
    let _ = (what, value);
}

/// Places that are reached together: the changes of one transaction, each named after the function that asked for it.
#[derive(Debug, Default)]
pub struct Places {
    #[cfg(debug_assertions)]
    types: Vec<&'static str>,
}

impl Places {
    /// Adds the function that this closure is in.
    #[inline]
    pub fn add<F>(&mut self) {
        #[cfg(debug_assertions)]
        self.types.push(std::any::type_name::<F>());
    }

    /// The program is at all of them, one after the other.
    #[inline]
    pub fn reach(&self) {
        #[cfg(debug_assertions)]
        for closure in &self.types {
            armed::reach(|| armed::function(closure));
        }
    }
}
