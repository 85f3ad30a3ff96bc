//! How much may be done at once and over time: stores that empty with use and fill up again by themselves.

use std::collections::HashMap;
use std::hash::Hash;

/// A store's size, and how fast it fills.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// How much may be spent at once.
    pub most: i64,
    /// In how many milliseconds one comes back.
    pub every_ms: i64,
}

/// Beyond so many stores the full ones are forgotten.
const MANY: usize = 10_000;

/// A store for each key; one that nobody knows is full.
#[derive(Debug)]
pub struct Stores<K> {
    full_at: HashMap<K, i64>,
}

impl<K> Default for Stores<K> {
    fn default() -> Self {
        Self { full_at: HashMap::new() }
    }
}

impl<K: Eq + Hash> Stores<K> {
    /// Spends that much, or says when there will be enough.
    pub fn spend(&mut self, key: K, quota: Quota, amount: i64, now: i64) -> Result<(), i64> {
        let after = self.full_at(&key, now).saturating_add(amount.saturating_mul(quota.every_ms));
        let enough_at = after - quota.most * quota.every_ms;
        if enough_at > now {
            return Err(enough_at);
        }
        if self.full_at.len() >= MANY {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        self.full_at.insert(key, after);
        Ok(())
    }

    /// Spends that much, there or not; until when there is nothing, if so.
    pub fn owe(&mut self, key: K, quota: Quota, amount: i64, now: i64) -> Option<i64> {
        let full_at = self.full_at.entry(key).or_insert(now);
        *full_at = (*full_at).max(now).saturating_add(amount.saturating_mul(quota.every_ms));
        Some(*full_at - quota.most * quota.every_ms).filter(|enough_at| *enough_at > now)
    }

    /// Spends as much of that as there is, and returns it.
    pub fn spend_up_to(&mut self, key: K, quota: Quota, amount: i64, now: i64) -> i64 {
        let missing = (self.full_at(&key, now) - now).div_euclid(quota.every_ms);
        let there = (quota.most - missing - 1).clamp(0, amount);
        if self.spend(key, quota, there, now).is_ok() { there } else { 0 }
    }

    /// When this store is full.
    fn full_at(&self, key: &K, now: i64) -> i64 {
        self.full_at.get(key).map_or(now, |at| (*at).max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_stores_are_forgotten_and_empty_ones_are_not() {
        let (mut stores, quota) = (Stores::default(), Quota { most: 1, every_ms: 1_000 });
        assert_eq!(stores.spend(MANY, quota, 1, 500), Ok(()));
        for key in 0..MANY - 1 {
            assert_eq!(stores.spend(key, quota, 1, 0), Ok(()));
        }
        assert_eq!(stores.spend(MANY + 1, quota, 1, 1_000), Ok(()));
        assert_eq!(stores.full_at.len(), 2, "the one that is still empty, and the new one");
        assert_eq!(stores.spend(MANY, quota, 1, 1_000), Err(1_500));
    }
}
