//! How much of messages that are still on their way the hub holds: little of each connection, and more only as far as
//! its agent and all of them together have room.
//!
//! A connection's [`Meter`] is asked before it is read from; where there is no room, it is not, and its peer waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::core::ids::ClientId;
use crate::hub::shims::turns::Turns;

/// So many bytes of a message each connection may send without more ado.
pub(super) const SMALL: usize = 64 << 10;
/// Room is taken in steps of so many bytes.
pub(super) const STEP: usize = 64 << 10;
/// A message that takes more steps is long; each agent sends one of these at a time.
const LONG: usize = (1 << 20) / STEP;
/// So many steps there are for the messages of one agent, and of all: for one of the longest and a quarter more, and for
/// four agents.
const OF_ONE: usize = LONGEST + LONGEST / 4;
const OF_ALL: usize = 4 * OF_ONE;
const LONGEST: usize = crate::wire::MAX_MESSAGE_BYTES / STEP;
/// A message that is not small is there in this time, or its connection ends.
const WHOLE_WITHIN: Duration = Duration::from_secs(30);

/// The room of all agents; clones are the same.
#[derive(Clone)]
pub struct Room {
    all: Arc<Semaphore>,
    of: Turns,
    long: Turns,
}

impl Default for Room {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(OF_ALL)), of: Turns::new(OF_ONE), long: Turns::new(1) }
    }
}

impl Room {
    /// The room that this agent's connections share.
    pub(super) fn of(&self, agent: &ClientId) -> Shared {
        Shared { own: self.of.of(agent), all: self.all.clone(), long: self.long.of(agent), becomes_long: false }
    }
}

/// What one agent's connections share.
#[derive(Clone, Debug)]
pub struct Shared {
    own: Arc<Semaphore>,
    all: Arc<Semaphore>,
    long: Arc<Semaphore>,
    /// The next step makes the message long.
    becomes_long: bool,
}

/// A step of room; given back when it is dropped.
#[derive(Debug)]
pub struct Step {
    _long: Option<OwnedSemaphorePermit>,
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

impl Shared {
    /// Waits for a step.
    pub async fn step(self) -> Option<Step> {
        // First its agent's: who waits for that keeps nothing from others. And first the turn, so that two long messages
        // do not each wait for the room that the other has.
        let long = if self.becomes_long { Some(self.long.acquire_owned().await.ok()?) } else { None };
        let own = self.own.acquire_owned().await.ok()?;
        let all = self.all.acquire_owned().await.ok()?;
        Some(Step { _long: long, _own: own, _all: all })
    }
}

/// One connection's count; clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Count>>);

#[derive(Debug, Default)]
struct Count {
    /// Counting begins with the websocket.
    begun: bool,
    shared: Option<Shared>,
    /// Bytes read since the last whole message.
    read: usize,
    steps: Vec<Step>,
    /// When the message that is on its way was more than small.
    since: Option<Instant>,
}

/// What may be read.
#[derive(Debug)]
pub enum Reading {
    /// Whatever comes.
    Free,
    /// So many bytes.
    UpTo(usize),
    /// Nothing, before there is a step more.
    After(Shared),
    /// Nothing ever: nobody has vouched for the connection.
    Never,
}

impl Meter {
    fn count(&self) -> MutexGuard<'_, Count> {
        // Counting does not panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on bytes are counted; no message may be more than small yet.
    pub fn begin(&self) {
        self.count().begun = true;
    }

    /// The connection is this agent's.
    pub(super) fn vouch(&self, shared: Shared) {
        self.count().shared = Some(shared);
    }

    /// How much may be read now.
    pub fn reading(&self) -> Reading {
        let count = self.count();
        if !count.begun {
            return Reading::Free;
        }
        match (SMALL + count.steps.len() * STEP).saturating_sub(count.read) {
            0 => count.shared.clone().map_or(Reading::Never, |shared| {
                Reading::After(Shared { becomes_long: count.steps.len() == LONG, ..shared })
            }),
            room => Reading::UpTo(room),
        }
    }

    /// So many bytes were read.
    pub fn note_read(&self, bytes: usize) {
        let mut count = self.count();
        if !count.begun {
            return;
        }
        count.read += bytes;
        if count.read > SMALL && count.since.is_none() {
            count.since = Some(Instant::now());
        }
    }

    /// There is a step more to read.
    pub fn grant(&self, step: Step) {
        self.count().steps.push(step);
    }

    /// A whole message was dealt with; what it took is given back. Returns its size.
    pub(super) fn dealt_with(&self) -> usize {
        let mut count = self.count();
        count.steps = Vec::new();
        count.since = None;
        std::mem::take(&mut count.read)
    }

    /// So much of what was read is part of no message.
    pub(super) fn forgive(&self, bytes: usize) {
        let mut count = self.count();
        count.read = count.read.saturating_sub(bytes);
    }

    /// Whether a message takes too long to come.
    pub(super) fn is_overdue(&self) -> bool {
        self.count().since.is_some_and(|since| since.elapsed() > WHOLE_WITHIN)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Reads that much of a message, as far as there is room now.
    fn read(meter: &Meter, mut bytes: usize) -> usize {
        let mut done = 0;
        while bytes > 0 {
            match meter.reading() {
                Reading::Free => return done + bytes,
                Reading::UpTo(room) => {
                    let now = room.min(bytes);
                    meter.note_read(now);
                    (done, bytes) = (done + now, bytes - now);
                }
                Reading::After(shared) => match shared.step().now_or_never().flatten() {
                    Some(step) => meter.grant(step),
                    None => return done,
                },
                Reading::Never => return done,
            }
        }
        done
    }

    fn vouched(room: &Room, agent: &str) -> Meter {
        let meter = Meter::default();
        meter.begin();
        meter.vouch(room.of(&ClientId::from(agent)));
        meter
    }

    #[test]
    fn a_connection_that_nobody_vouched_for_sends_little() {
        let meter = Meter::default();
        assert_eq!(read(&meter, 1 << 30), 1 << 30, "it is no websocket yet");
        meter.begin();
        assert_eq!(read(&meter, 1 << 30), SMALL);
        meter.dealt_with();
        assert_eq!(read(&meter, SMALL), SMALL);
    }

    #[test]
    fn one_agent_has_room_for_a_long_message_and_leaves_room_to_others() {
        let room = Room::default();
        let long = LONGEST * STEP;
        let flood: Vec<_> = (0..60).map(|_| vouched(&room, "flood")).collect();
        let held: usize = flood.iter().map(|meter| read(meter, long - 1)).sum();
        assert!(held <= OF_ONE * STEP + 60 * SMALL, "{held}");
        let other = vouched(&room, "other");
        assert_eq!(read(&other, long), long);
        assert!(read(&flood[59], 1 << 20) == 0, "no more of it");
        flood[0].dealt_with();
        assert!(read(&flood[59], 1 << 20) == 1 << 20, "what was dealt with is given back");
    }

    #[test]
    fn long_messages_of_an_agent_come_one_after_the_other_and_short_ones_beside_them() {
        let room = Room::default();
        let long = LONGEST * STEP;
        let [first, second, short] = [(); 3].map(|()| vouched(&room, "a"));
        assert_eq!(read(&first, 3 << 20), 3 << 20);
        assert_eq!(read(&second, long), SMALL + LONG * STEP, "it waits for its turn, with little");
        assert_eq!(read(&short, 1 << 20), 1 << 20);
        short.dealt_with();
        assert_eq!(read(&first, long - (3 << 20)), long - (3 << 20), "the first has the room that it needs");
        first.dealt_with();
        assert_eq!(read(&second, 2 << 20), 2 << 20);
    }

    #[test]
    fn pings_of_days_are_no_message() {
        let meter = vouched(&Room::default(), "a");
        for _ in 0..100_000 {
            assert_eq!(read(&meter, 6 + 22), 28);
            meter.forgive(6);
            meter.forgive(256);
        }
        assert!(!meter.is_overdue() && meter.dealt_with() <= 28);
    }

    #[test]
    fn what_a_lost_connection_took_is_given_back() {
        let room = Room::default();
        let long = LONGEST * STEP;
        let lost = vouched(&room, "a");
        assert_eq!(read(&lost, long), long);
        let next = vouched(&room, "a");
        assert_eq!(read(&next, long), SMALL + LONG * STEP);
        drop(lost);
        assert_eq!(read(&next, 2 << 20), 2 << 20);
    }
}
