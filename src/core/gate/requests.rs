//! The requests of the client whose ids are still somebody's: one table by the key of the id, oldest first.
//!
//! Whether an id is in use is a look-up, and a gated call goes through the states of its one entry.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::forms;
use super::held::Held;
use super::passing::{Passing, RUNNING_AFTER};
use super::released::{Paused, Released};
use crate::core::approval::Outcome;
use crate::core::frame::Call;
use crate::core::messages::Activity;

/// So many requests that passed are waited for; of more, the oldest is forgotten.
pub(super) const MAX_PASSED: usize = 4096;
/// So many gated calls are remembered after their end.
const MAX_ENDED: usize = 64;
/// So many calls wait for their client to go on with them.
const MAX_PAUSED: usize = 64;

/// What stands under an id.
#[derive(Debug)]
pub(super) enum State {
    /// A request that passed.
    Passed,
    /// The same, and its answer is a page of the tools.
    List {
        /// Whether that is the first page.
        first: bool,
    },
    /// A call that passed.
    Running(Passing),
    /// A request that passed and that its client took back: its answer comes never, or a moment too late.
    TakenBack,
    /// A gated call that waits.
    Held(Box<Held>),
    /// A gated call that the server has been given.
    Released(Box<Released>),
    /// A gated call that the server has answered with a question to its client.
    Paused(Box<Paused>),
    /// A gated call that was answered, or taken back.
    Ended {
        /// The server was given it.
        sent: bool,
    },
}

/// States as they are counted and bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Passed,
    List,
    Held,
    Released,
    Paused,
    Ended,
}

impl State {
    fn kind(&self) -> Kind {
        match self {
            Self::Passed | Self::Running(_) | Self::TakenBack => Kind::Passed,
            Self::List { .. } => Kind::List,
            Self::Held(_) => Kind::Held,
            Self::Released(_) => Kind::Released,
            Self::Paused(_) => Kind::Paused,
            Self::Ended { .. } => Kind::Ended,
        }
    }

    /// Whether an answer would be taken for that of a call that needs approval.
    pub(super) fn is_open_gated(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Released(_))
    }

    /// Whether the server has been given it, and its client waits for the answer.
    pub(super) fn is_awaited(&self) -> bool {
        match self {
            Self::Passed | Self::List { .. } | Self::Running(_) => true,
            Self::Released(released) => !released.cancelled,
            Self::TakenBack | Self::Held(_) | Self::Paused(_) | Self::Ended { .. } => false,
        }
    }

    /// Whether the server has answered it, or never will.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Paused(_))
    }
}

/// An entry's place in the order in which they came.
pub(super) type Number = u64;

#[derive(Debug)]
struct Entry {
    key: Arc<str>,
    state: State,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Requests {
    entries: BTreeMap<Number, Entry>,
    index: HashMap<Arc<str>, Number>,
    next: Number,
    counts: [usize; 6],
    /// How many ids are strings that some client takes for a number.
    numeric_texts: usize,
    held_bytes: usize,
    /// How many passing calls were told of while they ran.
    told: u64,
    /// When the next is to be: set by the first call and kept until it has passed, because a timer of its own for every
    /// call would cost more than all else here.
    wake: Option<Instant>,
}

impl Requests {
    /// Whether the server owes an answer that its client waits for. Looks at every entry.
    pub(super) fn is_any_awaited(&self) -> bool {
        self.entries.values().any(|entry| entry.state.is_awaited())
    }

    /// Whether what the server says may matter for what passes.
    pub(super) fn guards(&self) -> bool {
        self.is_gating() || self.lists() > 0
    }

    /// Whether a gated call has not ended.
    pub(super) fn is_gating(&self) -> bool {
        self.held_count() + self.count(Kind::Released) > 0
    }

    /// How many pages of tools are awaited.
    pub(super) fn lists(&self) -> usize {
        self.count(Kind::List)
    }

    /// How many calls wait.
    pub(super) fn held_count(&self) -> usize {
        self.count(Kind::Held)
    }

    /// How long their lines are together.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    fn count(&self, kind: Kind) -> usize {
        self.counts[kind as usize]
    }

    /// What stands under an id.
    pub(super) fn state(&self, key: &str) -> Option<&State> {
        self.index.get(key).and_then(|number| self.entries.get(number)).map(|entry| &entry.state)
    }

    /// The same, to be changed within its kind.
    pub(super) fn state_mut(&mut self, key: &str) -> Option<&mut State> {
        let number = self.index.get(key)?;
        self.entries.get_mut(number).map(|entry| &mut entry.state)
    }

    /// Whether something that `matters` stands under another id that some client takes for this one.
    pub(super) fn has_alike(&self, key: &str, matters: impl Fn(&State) -> bool) -> bool {
        // Two integers are the same number only when they are the same id.
        if self.numeric_texts == 0 && !key.starts_with('"') {
            return false;
        }
        let Some(number) = forms::number(key) else { return false };
        self.alike(&number, matters).any(|other| *other.key != *key)
    }

    fn alike(&self, number: &str, matters: impl Fn(&State) -> bool) -> impl Iterator<Item = &Entry> {
        let matter = self.entries.values().filter(move |entry| matters(&entry.state));
        matter.filter(move |entry| forms::number(&entry.key).is_some_and(|other| other == number))
    }

    /// A request has this id now; returns what stood under it and what had to make room.
    pub(super) fn insert(&mut self, key: &str, state: State) -> Vec<State> {
        let mut lost: Vec<State> = self.take(key).into_iter().collect();
        lost.extend(self.make_room(state.kind()));
        if let State::Running(call) = &state {
            self.wake.get_or_insert(call.at + RUNNING_AFTER);
        }
        let key: Arc<str> = key.into();
        let number = self.next;
        self.next += 1;
        self.index.insert(key.clone(), number);
        self.tally(&key, &state, true);
        self.entries.insert(number, Entry { key, state });
        lost
    }

    fn make_room(&mut self, kind: Kind) -> Option<State> {
        let passed = [Kind::Passed, Kind::List];
        let (kinds, most): (&[Kind], usize) = match kind {
            Kind::Passed | Kind::List => (&passed, MAX_PASSED),
            Kind::Paused => (&[Kind::Paused], MAX_PAUSED),
            Kind::Ended => (&[Kind::Ended], MAX_ENDED),
            Kind::Held | Kind::Released => return None,
        };
        if kinds.iter().map(|kind| self.count(*kind)).sum::<usize>() < most {
            return None;
        }
        let oldest = self.entries.iter().find(|(_, entry)| kinds.contains(&entry.state.kind()));
        let number = oldest.map(|(number, _)| *number)?;
        self.take_at(number)
    }

    fn tally(&mut self, key: &str, state: &State, comes: bool) {
        let change = |count: &mut usize, by: usize| *count = if comes { *count + by } else { count.saturating_sub(by) };
        change(&mut self.counts[state.kind() as usize], 1);
        if key.starts_with('"') && forms::number(key).is_some() {
            change(&mut self.numeric_texts, 1);
        }
        if let State::Held(held) = state {
            change(&mut self.held_bytes, held.line_len());
        }
    }

    /// Takes what stands under an id; the id is free again.
    pub(super) fn take(&mut self, key: &str) -> Option<State> {
        let number = *self.index.get(key)?;
        self.take_at(number)
    }

    fn take_at(&mut self, number: Number) -> Option<State> {
        let entry = self.entries.remove(&number)?;
        self.index.remove(&entry.key);
        self.tally(&entry.key, &entry.state, false);
        Some(entry.state)
    }

    /// Takes everything that `is` so, oldest first.
    pub(super) fn take_all(&mut self, is: impl Fn(&State) -> bool) -> Vec<State> {
        let numbers: Vec<Number> =
            self.entries.iter().filter(|(_, entry)| is(&entry.state)).map(|(number, _)| *number).collect();
        numbers.into_iter().filter_map(|number| self.take_at(number)).collect()
    }

    /// The calls that wait, oldest first.
    pub(super) fn held(&self) -> impl Iterator<Item = (Number, &Held)> {
        self.entries.iter().filter_map(|(number, entry)| match &entry.state {
            State::Held(held) => Some((*number, held.as_ref())),
            _ => None,
        })
    }

    /// Their places.
    pub(super) fn held_numbers(&self) -> Vec<Number> {
        if self.held_count() == 0 {
            return Vec::new();
        }
        self.held().map(|(number, _)| number).collect()
    }

    /// Where a request stands.
    pub(super) fn number(&self, key: &str) -> Option<Number> {
        self.index.get(key).copied()
    }

    /// The call at a place, if it waits.
    pub(super) fn held_at(&self, number: Number) -> Option<&Held> {
        match &self.entries.get(&number)?.state {
            State::Held(held) => Some(held),
            _ => None,
        }
    }

    /// The same, to be changed; its line stays as it is.
    pub(super) fn held_at_mut(&mut self, number: Number) -> Option<&mut Held> {
        match &mut self.entries.get_mut(&number)?.state {
            State::Held(held) => Some(held),
            _ => None,
        }
    }

    /// Where the first one is that waits and `is` so.
    pub(super) fn find_held(&self, is: impl Fn(&Held) -> bool) -> Option<Number> {
        self.held().find(|(_, held)| is(held)).map(|(number, _)| number)
    }

    /// Takes a call that waits; its id is free again.
    pub(super) fn take_held(&mut self, number: Number) -> Option<Box<Held>> {
        self.held_at(number)?;
        match self.take_at(number)? {
            State::Held(held) => Some(held),
            _ => None,
        }
    }

    /// The calls that the server has been given.
    pub(super) fn released(&self) -> impl Iterator<Item = &Released> {
        self.entries.values().filter_map(|entry| match &entry.state {
            State::Released(released) => Some(released.as_ref()),
            _ => None,
        })
    }

    /// The calls that wait for their client to go on.
    pub(super) fn paused(&self) -> impl Iterator<Item = &Paused> {
        self.entries.values().filter_map(|entry| match &entry.state {
            State::Paused(paused) => Some(paused.as_ref()),
            _ => None,
        })
    }

    /// The paused call that this one goes on with; it is used up.
    pub(super) fn take_continued(&mut self, call: &Call<'_>, client: &str, now: Instant) -> Option<Box<Paused>> {
        let goes_on = |paused: &Paused| paused.goes_on_with(call, client, now);
        let continued = |entry: &Entry| matches!(&entry.state, State::Paused(paused) if goes_on(paused));
        if self.count(Kind::Paused) == 0 {
            return None;
        }
        let (number, key) =
            self.entries.iter().find(|(_, entry)| continued(entry)).map(|(n, e)| (*n, e.key.clone()))?;
        let State::Paused(paused) = self.take_at(number)? else { return None };
        self.insert(&key, State::Ended { sent: true });
        Some(paused)
    }

    /// When [`running`](Self::running) wants to be asked.
    pub(super) fn wake(&self) -> Option<Instant> {
        self.wake
    }

    /// The passing calls that have been running long enough to be told of, each once, oldest first.
    pub(super) fn running(&mut self, now: Instant) -> Vec<Activity> {
        if self.wake.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.wake = None;
        let mut running = Vec::new();
        for entry in self.entries.values_mut() {
            let State::Running(call) = &mut entry.state else { continue };
            if call.number.is_some() {
                continue;
            }
            if call.at + RUNNING_AFTER > now {
                self.wake = Some(call.at + RUNNING_AFTER);
                break;
            }
            self.told += 1;
            call.number = Some(self.told);
            running.push(call.clone().activity(Outcome::Released, now));
        }
        running
    }
}
