//! The shims that are connected to this process now, and those that may still come back.
//!
//! A session is known by its agent and its instance, so that no agent can meddle with another's by naming its
//! instance. A lock is held for a moment and never across an await.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, watch};

use crate::core::ids::{ApprovalId, ClientId, InstanceId};

/// How much news may wait for one session; a session that falls further behind is cut.
const WAKES: usize = 256;

/// News for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Wake {
    /// Something happened to one of its approvals.
    Approval(ApprovalId),
    /// Its policy may have changed.
    Policy,
}

/// Why the hub ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Cut {
    /// Its agent is revoked.
    Revoked,
    /// Its agent may not stand in front of this server any more.
    Elsewhere,
    /// The same shim connected again.
    Replaced,
    /// It does not read what it is sent.
    Slow,
}

type Key = (ClientId, InstanceId);

/// See the module.
#[derive(Default)]
pub(in crate::hub) struct Live(Mutex<Shims>);

#[derive(Default)]
struct Shims {
    connected: HashMap<Key, Connected>,
    /// When each lost shim is given up.
    away: HashMap<Key, i64>,
    last_number: u64,
}

struct Connected {
    number: u64,
    server: String,
    wakes: mpsc::Sender<Wake>,
    cut: watch::Sender<Option<Cut>>,
    /// It has listed tools or asked for something, so people may see it.
    counts: bool,
}

/// A session's end of its entry.
pub(in crate::hub) struct Joined {
    pub(in crate::hub) number: u64,
    pub(in crate::hub) wakes: mpsc::Receiver<Wake>,
    pub(in crate::hub) cut: watch::Receiver<Option<Cut>>,
}

impl Connected {
    fn wake(&self, wake: Wake) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.wakes.try_send(wake) {
            self.cut.send_replace(Some(Cut::Slow));
        }
    }
}

impl Live {
    fn shims(&self) -> MutexGuard<'_, Shims> {
        // Every change below is a single insert or remove, so a panic elsewhere cannot leave it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shim is there; an older connection of the same instance ends.
    pub(in crate::hub) fn join(&self, client_id: &ClientId, instance: &InstanceId, server: &str) -> Joined {
        let (wake, wakes) = mpsc::channel(WAKES);
        let (cut, cut_seen) = watch::channel(None);
        let mut shims = self.shims();
        shims.last_number += 1;
        let number = shims.last_number;
        let key = (client_id.clone(), instance.clone());
        shims.away.remove(&key);
        let connected = Connected { number, server: server.to_owned(), wakes: wake, cut, counts: false };
        // An older connection's entry is dropped here, and with it what wakes that session: it ends.
        shims.connected.insert(key, connected);
        Joined { number, wakes, cut: cut_seen }
    }

    /// A session ended. Whether it was still the instance's own; if not, a newer one speaks for the instance.
    pub(in crate::hub) fn leave(&self, client_id: &ClientId, instance: &InstanceId, number: u64) -> bool {
        let mut shims = self.shims();
        let key = (client_id.clone(), instance.clone());
        let own = shims.connected.get(&key).is_some_and(|connected| connected.number == number);
        if own {
            shims.connected.remove(&key);
        }
        own
    }

    /// The shim may come back until then.
    pub(in crate::hub) fn expect_back(&self, client_id: ClientId, instance: InstanceId, until: i64) {
        let mut shims = self.shims();
        let key = (client_id, instance);
        if !shims.connected.contains_key(&key) {
            shims.away.insert(key, until);
        }
    }

    /// When the first lost shim is given up.
    pub(in crate::hub) fn next_given_up(&self) -> Option<i64> {
        self.shims().away.values().copied().min()
    }

    /// Lost shims whose time is up; they stay listed until [`forget`](Self::forget), so that a store that fails now
    /// is asked again.
    pub(in crate::hub) fn given_up(&self, now: i64) -> Vec<(ClientId, InstanceId)> {
        self.shims().away.iter().filter(|(_, until)| **until <= now).map(|(key, _)| key.clone()).collect()
    }

    /// A lost shim is dealt with.
    pub(in crate::hub) fn forget(&self, client_id: &ClientId, instance: &InstanceId) {
        self.shims().away.remove(&(client_id.clone(), instance.clone()));
    }

    /// Whether the shim is connected now.
    pub(in crate::hub) fn is_connected(&self, client_id: &ClientId, instance: &InstanceId) -> bool {
        self.shims().connected.contains_key(&(client_id.clone(), instance.clone()))
    }

    /// From now on the session is shown; whether it was not before.
    pub(in crate::hub) fn count(&self, client_id: &ClientId, instance: &InstanceId) -> bool {
        let mut shims = self.shims();
        let connected = shims.connected.get_mut(&(client_id.clone(), instance.clone()));
        connected.is_some_and(|connected| !std::mem::replace(&mut connected.counts, true))
    }

    /// Whether this very connection is shown.
    pub(in crate::hub) fn counts(&self, client_id: &ClientId, instance: &InstanceId, number: u64) -> bool {
        let shims = self.shims();
        let connected = shims.connected.get(&(client_id.clone(), instance.clone()));
        connected.is_some_and(|connected| connected.number == number && connected.counts)
    }

    /// How many shown sessions each server has.
    pub(in crate::hub) fn sessions(&self) -> HashMap<String, u64> {
        let mut sessions = HashMap::new();
        for connected in self.shims().connected.values().filter(|connected| connected.counts) {
            *sessions.entry(connected.server.clone()).or_insert(0) += 1;
        }
        sessions
    }

    /// Wakes one session, if it is here.
    pub(in crate::hub) fn wake_one(&self, client_id: &ClientId, instance: &InstanceId, wake: Wake) {
        if let Some(connected) = self.shims().connected.get(&(client_id.clone(), instance.clone())) {
            connected.wake(wake);
        }
    }

    /// Tells all sessions of that kind (by agent and server) that policy may have changed.
    pub(in crate::hub) fn wake_where(&self, concerned: impl Fn(&ClientId, &str) -> bool) {
        for ((client_id, _), connected) in &self.shims().connected {
            if concerned(client_id, &connected.server) {
                connected.wake(Wake::Policy);
            }
        }
    }

    /// Ends all sessions of an agent.
    pub(in crate::hub) fn cut(&self, agent: &ClientId, why: Cut) {
        for ((client_id, _), connected) in &self.shims().connected {
            if client_id == agent {
                connected.cut.send_replace(Some(why));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_falls_too_far_behind_is_cut_and_the_others_are_not() {
        let live = Live::default();
        let (agent, slow, quick) = (ClientId::from("a"), InstanceId::from("slow"), InstanceId::from("quick"));
        let (behind, mut ahead) = (live.join(&agent, &slow, "s"), live.join(&agent, &quick, "s"));
        for _ in 0..=WAKES {
            live.wake_where(|_, server| server == "s");
            while ahead.wakes.try_recv().is_ok() {}
        }
        assert_eq!((*behind.cut.borrow(), *ahead.cut.borrow()), (Some(Cut::Slow), None));
    }

    #[test]
    fn another_agent_naming_the_same_instance_touches_nothing() {
        let live = Live::default();
        let instance = InstanceId::from("i");
        let (own, other) = (ClientId::from("a"), ClientId::from("b"));
        let joined = live.join(&own, &instance, "s");
        let stranger = live.join(&other, &instance, "s");
        assert_eq!(*joined.cut.borrow(), None);
        assert!(!live.leave(&own, &instance, stranger.number));
        assert!(live.leave(&other, &instance, stranger.number));
        assert!(live.is_connected(&own, &instance));
    }
}
