//! What calls are weighed by, kept in memory: it is read with every call and seldom changes.
//!
//! The database counts the changes of each [`Topic`] itself. The writer reads the counts with the head of the chain, in
//! the transaction that has the write lock, and what was kept at another count is not there for it: no call is weighed
//! by anything older than the store.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _, Transaction};

use super::{Store, StoreError};

/// So much of a topic is kept, by weight in bytes or so; what is more is read anew.
const MOST: usize = 32 << 20;
const TOPICS: usize = 3;

/// What changes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Agents and users.
    Callers,
    /// Servers, their tools and their bypasses.
    Policy,
    /// Who is notified.
    Channels,
}

/// How often each topic has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions([i64; TOPICS]);

/// The columns of `chain` that [`Versions::of`] reads.
pub(super) const COLUMNS: &str = "callers, policy, channels";

impl Versions {
    pub(super) fn of(row: &AnyRow) -> Result<Self, sqlx::Error> {
        Ok(Self([row.try_get("callers")?, row.try_get("policy")?, row.try_get("channels")?]))
    }
}

/// Something that is kept under a name, as it was read.
pub trait Remembered: Any + Send + Sync {
    /// What it changes with.
    const TOPIC: Topic;

    /// How much memory it takes, in bytes or so.
    fn weight(&self) -> usize {
        size_of_val(self)
    }
}

/// See the module; clones are the same memory.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    newest: Versions,
    shelves: [Shelf; TOPICS],
}

#[derive(Default)]
struct Shelf {
    version: i64,
    weight: usize,
    kept: HashMap<(TypeId, String), Arc<dyn Any + Send + Sync>>,
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing below panics half way through a change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest that this process has heard of.
    pub fn newest(&self) -> Versions {
        self.state().newest
    }

    /// The store is at least there.
    pub(super) fn note(&self, versions: Versions) {
        let mut state = self.state();
        for (newest, seen) in state.newest.0.iter_mut().zip(versions.0) {
            *newest = seen.max(*newest);
        }
    }

    /// What is kept under this name, if it was read when the store was exactly there.
    pub fn recall<T: Remembered>(&self, at: Versions, name: &str) -> Option<Arc<T>> {
        let (state, topic) = (self.state(), T::TOPIC as usize);
        let shelf = state.shelves.get(topic).filter(|shelf| at.0.get(topic) == Some(&shelf.version))?;
        let kept = shelf.kept.get(&(TypeId::of::<T>(), name.to_owned()))?;
        Arc::clone(kept).downcast().ok()
    }

    /// Keeps what was read when the store was there, unless there is something newer.
    pub fn keep<T: Remembered>(&self, at: Versions, name: &str, value: Arc<T>) {
        let (mut state, topic) = (self.state(), T::TOPIC as usize);
        let (Some(shelf), Some(version)) = (state.shelves.get_mut(topic), at.0.get(topic).copied()) else { return };
        if shelf.version > version {
            return;
        }
        let weight = value.weight().saturating_add(name.len());
        if shelf.version < version || shelf.weight.saturating_add(weight) > MOST {
            *shelf = Shelf { version, ..Shelf::default() };
        }
        if shelf.kept.insert((TypeId::of::<T>(), name.to_owned()), value).is_none() {
            shelf.weight = shelf.weight.saturating_add(weight);
        }
    }
}

/// Sees the store as it is at one moment, and knows what is in memory of that.
pub trait Sees: Send {
    /// For queries.
    fn sql(&mut self) -> &mut AnyConnection;

    /// The memory, and what it must be of.
    fn memory(&self) -> Option<(&Memory, Versions)>;

    /// What is kept under this name, if that is what the store holds.
    fn recall<T: Remembered>(&self, name: &str) -> Option<Arc<T>> {
        let (memory, at) = self.memory()?;
        memory.recall(at, name)
    }

    /// Keeps what was read here.
    fn keep<T: Remembered>(&self, name: &str, value: &Arc<T>) {
        if let Some((memory, at)) = self.memory() {
            memory.keep(at, name, Arc::clone(value));
        }
    }
}

/// A moment of the store, for reading.
pub struct Moment {
    snapshot: Transaction<'static, sqlx::Any>,
    memory: Memory,
    at: Versions,
}

impl Sees for Moment {
    fn sql(&mut self) -> &mut AnyConnection {
        &mut self.snapshot
    }

    fn memory(&self) -> Option<(&Memory, Versions)> {
        Some((&self.memory, self.at))
    }
}

impl Store {
    /// What is kept in memory of this store.
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// How often each topic has changed by now.
    pub async fn versions(&self) -> Result<Versions, StoreError> {
        self.versions_seen(&mut *self.read().acquire().await?).await
    }

    /// The store as it is now.
    pub async fn moment(&self) -> Result<Moment, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let at = self.versions_seen(&mut snapshot).await?;
        Ok(Moment { snapshot, memory: self.0.memory.clone(), at })
    }

    async fn versions_seen(&self, connection: &mut AnyConnection) -> Result<Versions, StoreError> {
        let row = sqlx::query("select callers, policy, channels from chain where id = 1").fetch_one(connection).await?;
        let versions = Versions::of(&row)?;
        self.0.memory.note(versions);
        Ok(versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Word(&'static str);

    impl Remembered for Word {
        const TOPIC: Topic = Topic::Policy;

        fn weight(&self) -> usize {
            MOST / 3
        }
    }

    fn at(policy: i64) -> Versions {
        Versions([7, policy, 0])
    }

    #[test]
    fn what_was_kept_at_another_version_is_not_there() {
        let memory = Memory::default();
        memory.keep(at(2), "a", Arc::new(Word("two")));
        assert_eq!(memory.recall(at(2), "a"), Some(Arc::new(Word("two"))));
        assert_eq!((memory.recall::<Word>(at(1), "a"), memory.recall::<Word>(at(3), "a")), (None, None));
        memory.keep(at(1), "a", Arc::new(Word("older, and too late")));
        assert_eq!(memory.recall(at(2), "a"), Some(Arc::new(Word("two"))));
        memory.keep(at(3), "b", Arc::new(Word("three")));
        assert_eq!((memory.recall::<Word>(at(3), "a"), memory.recall::<Word>(at(2), "a")), (None, None));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let memory = Memory::default();
        for name in ["a", "b", "c", "d"] {
            memory.keep(at(1), name, Arc::new(Word("w")));
        }
        let kept = ["a", "b", "c", "d"].map(|name| memory.recall::<Word>(at(1), name).is_some());
        assert_eq!(kept, [false, false, true, true]);
    }
}
