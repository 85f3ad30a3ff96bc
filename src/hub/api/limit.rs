//! How often one may try to sign in or to enrol: passwords per name and per address, so that neither one account nor
//! one network can be guessed through.
//!
//! Whoever guesses at one of them does not shut out the others: a name or an address under attack still signs in by
//! link (`hitl-hub open`), which counts only when it is wrong.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use super::problem::Problem;
use crate::core::ids::Digest;
use crate::hub::quota::{Quota, Stores};

/// Attempts at once, and how long one takes to come back.
const PER_NAME: Quota = Quota { most: 8, every_ms: 10_000 };
const PER_ADDRESS: Quota = Quota { most: 30, every_ms: 4_000 };
/// Wrong links. They cannot be guessed, so that this only keeps them from filling the log.
const LINKS: Quota = Quota { most: 100, every_ms: 1_000 };

/// The attempts of late.
#[derive(Debug, Default)]
pub struct Attempts {
    // Digests, so that long names take no more room than short ones.
    names: Mutex<Stores<Digest>>,
    addresses: Mutex<Stores<IpAddr>>,
    links: Mutex<Stores<IpAddr>>,
    machines: Mutex<Stores<IpAddr>>,
    codes: Mutex<Stores<Digest>>,
}

impl Attempts {
    /// Counts a password, right or wrong, from this address and for this name.
    pub fn password(&self, address: IpAddr, name: &str, now: i64) -> Result<(), Problem> {
        count(&self.addresses, network(address), PER_ADDRESS, now)?;
        count(&self.names, Digest::of(name.as_bytes()), PER_NAME, now)
    }

    /// Counts a sign-in link that was wrong.
    pub fn wrong_link(&self, address: IpAddr, now: i64) -> Result<(), Problem> {
        count(&self.links, network(address), LINKS, now)
    }

    /// Counts a machine that wants to be enrolled.
    pub fn machine(&self, address: IpAddr, now: i64) -> Result<(), Problem> {
        count(&self.machines, network(address), PER_ADDRESS, now)
    }

    /// Counts an enrolment code that this user looked up.
    pub fn code(&self, user: &str, now: i64) -> Result<(), Problem> {
        count(&self.codes, Digest::of(user.as_bytes()), PER_NAME, now)
    }
}

fn count<K: Eq + Hash>(stores: &Mutex<Stores<K>>, key: K, quota: Quota, now: i64) -> Result<(), Problem> {
    // Every change is a single insert or remove.
    let mut stores = stores.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = |until: i64| u64::try_from((until - now).div_euclid(1_000) + 1).unwrap_or(1);
    stores.spend(key, quota, 1, now).map_err(|until| Problem::too_often(seconds(until)))
}

/// One household or machine has a whole /64 to itself.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_limited_from_everywhere_and_an_address_for_every_name() {
        let attempts = Attempts::default();
        let address = |n: u8| IpAddr::from([10, 0, 0, n]);
        let allowed = (0..20).filter(|n| attempts.password(address(*n), "ada", 0).is_ok()).count();
        assert_eq!(allowed, 8);
        let allowed = (0..60).filter(|n| attempts.password(address(99), &format!("user{n}"), 0).is_ok()).count();
        assert_eq!(allowed, 30);
        assert!(attempts.password(address(98), "bob", 0).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let attempts = Attempts::default();
        let address = |n: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
        assert_eq!((0..60).filter(|n| attempts.machine(address(*n), 0).is_ok()).count(), 30);
    }

    #[test]
    fn who_uses_up_one_kind_of_attempt_leaves_the_others() {
        type Attempt = fn(&Attempts, IpAddr) -> Result<(), Problem>;
        let kinds: [Attempt; 4] = [
            |attempts, address| attempts.password(address, "ada", 0),
            |attempts, address| attempts.wrong_link(address, 0),
            |attempts, address| attempts.machine(address, 0),
            |attempts, _| attempts.code("ada", 0),
        ];
        let address = IpAddr::from([10, 0, 0, 1]);
        for used_up in 0..kinds.len() {
            let attempts = Attempts::default();
            assert!((0..1000).any(|_| kinds[used_up](&attempts, address).is_err()));
            let open = (0..kinds.len()).filter(|kind| kinds[*kind](&attempts, address).is_ok()).count();
            assert_eq!(open, kinds.len() - 1, "kind {used_up}");
        }
    }
}
