//! The shims that are connected to this process now, and those that may still come back.
//!
//! A session is known by its agent and its instance, so that no agent can meddle with another's by naming its
//! instance. A lock is held for a moment and never across an await.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, watch};

use crate::core::ids::{ApprovalId, ClientId, InstanceId};
use crate::core::messages::Ungated;
use crate::hub::store::Target;
use crate::hub::who::Shim;

/// How many of its approvals may have news for one session; a session that falls further behind is cut.
const NEWS: usize = 256;
/// So many servers without a shim are kept of a session, each with names of so many bytes.
const MAX_UNGATED: usize = 50;
const MAX_NAME: usize = 200;

/// Why the hub ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its agent is revoked.
    Revoked,
    /// Its agent may not stand in front of this server any more.
    Elsewhere,
    /// Its server was removed.
    Removed,
    /// The same shim connected again.
    Replaced,
    /// It does not read what it is sent.
    Slow,
}

type Key = (ClientId, InstanceId);

/// See the module.
#[derive(Clone, Default)]
pub(super) struct Live {
    shims: Arc<Mutex<Shims>>,
    /// How often somebody told what its client starts without a shim.
    told: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct Shims {
    connected: HashMap<Key, Connected>,
    away: HashMap<Key, Away>,
    last_number: u64,
}

/// A lost shim.
struct Away {
    /// When it is given up.
    until: i64,
    /// Whom the session spoke for that people could see.
    shown: Option<Shim>,
}

/// That a session's policy may have changed, however often.
#[derive(Default)]
pub(super) struct Changes {
    /// By what people did.
    pub(super) policy: Notify,
    /// By what agents told of the server's tools.
    pub(super) tools: Notify,
}

struct Connected {
    number: u64,
    server: String,
    news: mpsc::Sender<ApprovalId>,
    changes: Arc<Changes>,
    cut: watch::Sender<Option<Cut>>,
    /// It has listed tools or asked for something, so people may see it.
    counts: bool,
    /// What its client starts without a shim.
    ungated: Vec<Ungated>,
}

/// A session's end of its entry.
pub(super) struct Joined {
    pub(super) number: u64,
    /// The approvals to which something happened.
    pub(super) news: mpsc::Receiver<ApprovalId>,
    pub(super) changes: Arc<Changes>,
    pub(super) cut: watch::Receiver<Option<Cut>>,
}

impl Connected {
    fn tell(&self, approval: ApprovalId) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.news.try_send(approval) {
            self.cut.send_replace(Some(Cut::Slow));
        }
    }
}

impl Live {
    fn shims(&self) -> MutexGuard<'_, Shims> {
        // Every change below is a single insert or remove, so a panic elsewhere cannot leave it half done.
        self.shims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shim is there; an older connection of the same instance ends.
    pub(super) fn join(&self, client_id: &ClientId, instance: &InstanceId, server: &str) -> Joined {
        let (tell, news) = mpsc::channel(NEWS);
        let changes = Arc::new(Changes::default());
        let (cut, cut_seen) = watch::channel(None);
        let mut shims = self.shims();
        shims.last_number += 1;
        let number = shims.last_number;
        let key = (client_id.clone(), instance.clone());
        // The same run, connected again, is the same session to people.
        let before = shims.away.remove(&key).and_then(|away| away.shown);
        let before = before.is_some_and(|shim| shim.server == server);
        // An older connection's entry is dropped here, and with it what brings that session news: it ends.
        let older = shims.connected.remove(&key);
        let counts = before || older.is_some_and(|older| older.counts && older.server == server);
        let (server, ungated) = (server.to_owned(), Vec::new());
        let connected = Connected { number, server, news: tell, changes: changes.clone(), cut, counts, ungated };
        shims.connected.insert(key, connected);
        Joined { number, news, changes, cut: cut_seen }
    }

    /// A session ended: whether people saw it. `None`: a newer one speaks for the instance.
    pub(super) fn leave(&self, client_id: &ClientId, instance: &InstanceId, number: u64) -> Option<bool> {
        let mut shims = self.shims();
        leave(&mut shims, &(client_id.clone(), instance.clone()), number)
    }

    /// A session was lost, and its shim may come back until then; `false`: a newer one speaks for the instance.
    pub(super) fn lose(&self, shim: &Shim, number: u64, until: i64) -> bool {
        let mut shims = self.shims();
        let key = (shim.client_id.clone(), shim.instance.clone());
        let Some(seen) = leave(&mut shims, &key, number) else { return false };
        shims.away.insert(key, Away { until, shown: seen.then(|| shim.clone()) });
        true
    }

    /// A shim that another hub or run of this one knew may come back until then; `false`: it is here, or expected.
    pub(super) fn expect_back(&self, client_id: &ClientId, instance: &InstanceId, until: i64) -> bool {
        let mut shims = self.shims();
        let key = (client_id.clone(), instance.clone());
        if shims.connected.contains_key(&key) || shims.away.contains_key(&key) {
            return false;
        }
        shims.away.insert(key, Away { until, shown: None });
        true
    }

    /// No lost shim is given up before that.
    pub(super) fn put_off(&self, until: i64) {
        for away in self.shims().away.values_mut() {
            away.until = away.until.max(until);
        }
    }

    /// Whether a shim is connected, or may still come back.
    pub(super) fn is_about(&self, client_id: &ClientId, instance: &InstanceId) -> bool {
        let (shims, key) = (self.shims(), (client_id.clone(), instance.clone()));
        shims.connected.contains_key(&key) || shims.away.contains_key(&key)
    }

    /// When the first lost shim is given up.
    pub(super) fn next_given_up(&self) -> Option<i64> {
        self.shims().away.values().map(|away| away.until).min()
    }

    /// Lost shims whose time is up, with the session that people saw; they stay listed until
    /// [`forget`](Self::forget), so that a store that fails now is asked again.
    pub(super) fn given_up(&self, now: i64) -> Vec<(ClientId, InstanceId, Option<Shim>)> {
        let shims = self.shims();
        let over = shims.away.iter().filter(|(_, away)| away.until <= now);
        over.map(|((client_id, instance), away)| (client_id.clone(), instance.clone(), away.shown.clone())).collect()
    }

    /// Whether that lost shim's time was up by `now`, and it has not come back since.
    pub(super) fn is_given_up(&self, client_id: &ClientId, instance: &InstanceId, now: i64) -> bool {
        self.shims().away.get(&(client_id.clone(), instance.clone())).is_some_and(|away| away.until <= now)
    }

    /// A lost shim whose time was up by `now` is dealt with; one that came back and was lost again is not.
    pub(super) fn forget(&self, client_id: &ClientId, instance: &InstanceId, now: i64) {
        let (mut shims, key) = (self.shims(), (client_id.clone(), instance.clone()));
        if shims.away.get(&key).is_some_and(|away| away.until <= now) {
            shims.away.remove(&key);
        }
    }

    /// Whether the shim is connected now.
    pub(super) fn is_connected(&self, client_id: &ClientId, instance: &InstanceId) -> bool {
        self.shims().connected.contains_key(&(client_id.clone(), instance.clone()))
    }

    /// From now on the session is shown; whether it was not before.
    pub(super) fn count(&self, client_id: &ClientId, instance: &InstanceId) -> bool {
        let mut shims = self.shims();
        let connected = shims.connected.get_mut(&(client_id.clone(), instance.clone()));
        connected.is_some_and(|connected| !std::mem::replace(&mut connected.counts, true))
    }

    /// What the session's client starts without a shim, as far as a page has room for it, which is returned.
    pub(super) fn tell_of(&self, client_id: &ClientId, instance: &InstanceId, mut items: Vec<Ungated>) -> Vec<Ungated> {
        items.retain(|item| item.client.len() <= MAX_NAME && item.server.len() <= MAX_NAME);
        items.truncate(MAX_UNGATED);
        if let Some(connected) = self.shims().connected.get_mut(&(client_id.clone(), instance.clone())) {
            connected.ungated.clone_from(&items);
        }
        self.ungated_changed();
        items
    }

    /// There is more to say of what clients start without a shim, here or at another hub.
    pub(super) fn ungated_changed(&self) {
        self.told.send_modify(|told| *told += 1);
    }

    /// Changes when somebody tells what its client starts without a shim.
    pub(super) fn ungated_news(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    /// The same of all sessions, by agent, each once.
    pub(super) fn ungated(&self) -> BTreeSet<(ClientId, Ungated)> {
        let shims = self.shims();
        let all = shims.connected.iter().flat_map(|((client_id, _), connected)| {
            connected.ungated.iter().map(|item| (client_id.clone(), item.clone()))
        });
        all.collect()
    }

    /// How many connections an agent has, in front of whatever server.
    pub(super) fn of_agent(&self, agent: &ClientId) -> usize {
        self.shims().connected.keys().filter(|(client_id, _)| client_id == agent).count()
    }

    /// Whether any shim stands in front of a server.
    pub(super) fn is_served(&self, server: &str) -> bool {
        self.shims().connected.values().any(|connected| connected.server == server)
    }

    /// How many shown sessions each server has.
    pub(super) fn sessions(&self) -> HashMap<String, u64> {
        let mut sessions = HashMap::new();
        for connected in self.shims().connected.values().filter(|connected| connected.counts) {
            *sessions.entry(connected.server.clone()).or_insert(0) += 1;
        }
        sessions
    }

    /// Wakes the sessions that a record concerns.
    pub(super) fn hear(&self, target: &Target) {
        match target {
            Target::Pages => {}
            Target::Approval { id, client_id, instance, .. } => {
                if let Some(connected) = self.shims().connected.get(&(client_id.clone(), instance.clone())) {
                    connected.tell(id.clone());
                }
            }
            Target::Server(name) => self.changed(|changes| &changes.policy, |_, server| server == name),
            Target::Tools(name) => self.changed(|changes| &changes.tools, |_, server| server == name),
            Target::Agent(agent) => self.changed(|changes| &changes.policy, |client_id, _| client_id == agent),
            Target::Revoked(agent) => self.cut(agent, Cut::Revoked),
            Target::Everyone => self.changed(|changes| &changes.policy, |_, _| true),
        }
    }

    /// Tells all sessions of that kind (by agent and server) of such a change.
    fn changed(&self, which: impl Fn(&Changes) -> &Notify, concerned: impl Fn(&ClientId, &str) -> bool) {
        for ((client_id, _), connected) in &self.shims().connected {
            if concerned(client_id, &connected.server) {
                which(&connected.changes).notify_one();
            }
        }
    }

    /// Ends all sessions of an agent.
    fn cut(&self, agent: &ClientId, why: Cut) {
        for ((client_id, _), connected) in &self.shims().connected {
            if client_id == agent {
                connected.cut.send_replace(Some(why));
            }
        }
    }
}

/// Takes a connection out, if it is still the instance's own; whether it was shown.
fn leave(shims: &mut Shims, key: &Key, number: u64) -> Option<bool> {
    shims.connected.get(key).filter(|connected| connected.number == number)?;
    shims.connected.remove(key).map(|connected| connected.counts)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_session_that_falls_too_far_behind_is_cut_and_the_others_are_not() {
        let live = Live::default();
        let (agent, slow, quick) = (ClientId::from("a"), InstanceId::from("slow"), InstanceId::from("quick"));
        let (behind, mut ahead) = (live.join(&agent, &slow, "s"), live.join(&agent, &quick, "s"));
        let news = |instance: &InstanceId| Target::Approval {
            id: ApprovalId::from("x"),
            client_id: agent.clone(),
            instance: instance.clone(),
            ended: None,
        };
        for _ in 0..=NEWS {
            live.hear(&news(&slow));
            live.hear(&news(&quick));
            while ahead.news.try_recv().is_ok() {}
        }
        assert_eq!((*behind.cut.borrow(), *ahead.cut.borrow()), (Some(Cut::Slow), None));
    }

    #[test]
    fn policy_that_changes_again_and_again_is_one_piece_of_news_and_cuts_nobody() {
        let live = Live::default();
        let joined = live.join(&ClientId::from("a"), &InstanceId::from("i"), "s");
        for _ in 0..10 * NEWS {
            live.hear(&Target::Server("s".to_owned()));
        }
        assert_eq!(*joined.cut.borrow(), None);
        assert!(joined.changes.policy.notified().now_or_never().is_some());
        assert!(joined.changes.policy.notified().now_or_never().is_none());
        live.hear(&Target::Server("other".to_owned()));
        assert!(joined.changes.policy.notified().now_or_never().is_none());
    }

    #[test]
    fn another_agent_naming_the_same_instance_touches_nothing() {
        let live = Live::default();
        let instance = InstanceId::from("i");
        let (own, other) = (ClientId::from("a"), ClientId::from("b"));
        let joined = live.join(&own, &instance, "s");
        let stranger = live.join(&other, &instance, "s");
        assert_eq!(*joined.cut.borrow(), None);
        assert_eq!(live.leave(&own, &instance, stranger.number), None);
        assert_eq!(live.leave(&other, &instance, stranger.number), Some(false));
        assert!(live.is_connected(&own, &instance));
    }
}
