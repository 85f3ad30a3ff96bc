//! Wakes whoever waits for news; carries ids only, the store is the truth.
//!
//! After a commit the writer announces it here: live pages see the newest sequence number change, whoever subscribed is
//! handed a notice of each record, and the sweeper learns of an earlier deadline.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::core::approval::Status;
use crate::core::ids::{ApprovalId, ClientId, InstanceId};

/// A committed record, and whom it concerns.
pub(super) struct Notice {
    pub(super) seq: i64,
    pub(super) target: Target,
}

/// Whom a record concerns, apart from live pages.
pub enum Target {
    /// Nobody else.
    Pages,
    /// The session that holds this call; and what this process made of it, where it ended by that.
    Approval {
        /// The approval.
        id: ApprovalId,
        /// Whose it is.
        client_id: ClientId,
        /// The run of the shim that holds it.
        instance: InstanceId,
        /// How it ended, if it did.
        ended: Option<Ended>,
    },
    /// Every session of a server: somebody changed its policy, or what holds for its tools.
    Server(String),
    /// Every session of a server: an agent told of other tools.
    Tools(String),
    /// Every session of an agent: its trust changed.
    Agent(ClientId),
    /// Every session of an agent: it is revoked.
    Revoked(ClientId),
    /// Every session: a person's ceilings changed.
    Everyone,
}

/// The end of an approval.
#[derive(Clone, Copy)]
pub struct Ended {
    /// As what.
    pub status: Status,
    /// How long it waited, in milliseconds.
    pub waited_ms: u64,
}

/// What hubs on one store tell each other beside the record: heard at once or never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// This person has this approval before them, or none any more.
    Looking {
        /// The person.
        user: String,
        /// The approval.
        approval: Option<ApprovalId>,
    },
    /// Something was said to a machine that waits to be enrolled.
    Enrolment,
    /// There is more, or less, that clients start without a shim.
    Ungated,
}

/// Whom a notice is handed to.
type Subscriber = Box<dyn Fn(&Target) + Send>;
type Hearer = Box<dyn Fn(&Word) + Send>;

/// See the module; clones are the same bus.
#[derive(Clone)]
pub struct Bus(Arc<Inner>);

struct Inner {
    newest: watch::Sender<i64>,
    /// Who is handed each notice after its commit.
    subscribers: Mutex<Vec<Subscriber>>,
    /// Who is told what other hubs say.
    hearers: Mutex<Vec<Hearer>>,
    /// When the sweeper will look next.
    next: AtomicI64,
    sooner: Notify,
    /// Ranges of records that other processes wrote, both ends included.
    gaps: Mutex<Vec<(i64, i64)>>,
    gap: Notify,
}

impl Bus {
    pub(super) fn new(newest: i64) -> Self {
        Self(Arc::new(Inner {
            newest: watch::Sender::new(newest),
            subscribers: Mutex::default(),
            hearers: Mutex::default(),
            next: AtomicI64::new(i64::MAX),
            sooner: Notify::new(),
            gaps: Mutex::default(),
            gap: Notify::new(),
        }))
    }

    /// Hands every notice to this one, too. It is called between two commits, so it only passes the word on.
    pub fn subscribe(&self, subscriber: impl Fn(&Target) + Send + 'static) {
        self.subscribers().push(Box::new(subscriber));
    }

    fn subscribers(&self) -> MutexGuard<'_, Vec<Subscriber>> {
        self.0.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells this one what other hubs say, too; it only passes the word on.
    pub fn hear(&self, hearer: impl Fn(&Word) + Send + 'static) {
        self.0.hearers.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hearer));
    }

    /// Another hub said this.
    pub(super) fn heard(&self, word: &Word) {
        for hearer in self.0.hearers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            hearer(word);
        }
    }

    /// Changes to the newest record's number.
    pub(super) fn newest(&self) -> watch::Receiver<i64> {
        self.0.newest.subscribe()
    }

    /// After a commit of this process.
    pub(super) fn announce(&self, notices: Vec<Notice>, due: Option<i64>) {
        if let (Some(first), Some(last)) = (notices.first(), notices.last()) {
            self.note_newest(first.seq - 1);
            let last = last.seq;
            for notice in notices {
                self.deliver(&notice.target);
            }
            self.0.newest.send_if_modified(|newest| {
                let news = *newest < last;
                *newest = last.max(*newest);
                news
            });
        }
        if due.is_some_and(|due| due < self.0.next.load(Ordering::SeqCst)) {
            self.0.sooner.notify_one();
        }
    }

    /// Everything up to `seq` is committed; what was not announced here was written by another process.
    pub(super) fn note_newest(&self, seq: i64) {
        let mut missed = None;
        self.0.newest.send_if_modified(|newest| {
            let behind = *newest < seq;
            if behind {
                missed = Some((*newest + 1, seq));
                *newest = seq;
            }
            behind
        });
        if let Some(missed) = missed {
            self.0.gaps.lock().unwrap_or_else(PoisonError::into_inner).push(missed);
            self.0.gap.notify_one();
        }
    }

    /// Waits for records of other processes and takes their ranges.
    pub async fn gaps(&self) -> Vec<(i64, i64)> {
        self.0.gap.notified().await;
        std::mem::take(&mut *self.0.gaps.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands a notice to whoever subscribed.
    pub(super) fn deliver(&self, target: &Target) {
        for subscriber in self.subscribers().iter() {
            subscriber(target);
        }
    }

    /// Wakes live pages without news.
    pub(super) fn wake_pages(&self) {
        self.0.newest.send_modify(|_| {});
    }

    /// Before the sweeper asks the store when to look next: from here on, every new deadline calls it.
    pub fn sweeper_asks(&self) {
        self.0.next.store(i64::MAX, Ordering::SeqCst);
    }

    /// The sweeper sleeps until then.
    pub fn sweeper_sleeps_until(&self, at: i64) {
        self.0.next.store(at, Ordering::SeqCst);
    }

    /// Looks again at once.
    pub fn wake_sweeper(&self) {
        self.0.sooner.notify_one();
    }

    /// Returns when there is an earlier deadline than the sweeper knows of.
    pub async fn sooner(&self) {
        self.0.sooner.notified().await;
    }
}
