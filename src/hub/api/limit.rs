//! How often one may try to sign in or to enrol: passwords per name and per address, so that neither one account nor
//! one network can be guessed through.
//!
//! Whoever guesses at one of them does not shut out the others: a name or an address under attack still signs in by
//! link (`hitl-hub open`), which counts only when it is wrong.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Problem;
use crate::core::ids::Digest;

/// Attempts at once, and how long one takes to come back.
const PER_NAME: (NonZeroU32, Duration) = (NonZeroU32::new(8).expect("not zero"), Duration::from_secs(10));
const PER_ADDRESS: (NonZeroU32, Duration) = (NonZeroU32::new(30).expect("not zero"), Duration::from_secs(4));
/// Wrong links. They cannot be guessed, so that this only keeps them from filling the log.
const LINKS: (NonZeroU32, Duration) = (NonZeroU32::new(100).expect("not zero"), Duration::from_secs(1));
/// Beyond so many remembered keys the ones that are full again are forgotten.
const MAX_KEYS: usize = 10_000;

/// The attempts of late.
pub struct Attempts {
    // Digests, so that long names take no more room than short ones.
    names: DefaultKeyedRateLimiter<Digest>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
    links: DefaultKeyedRateLimiter<IpAddr>,
    machines: DefaultKeyedRateLimiter<IpAddr>,
    codes: DefaultKeyedRateLimiter<Digest>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            names: RateLimiter::keyed(quota(PER_NAME)),
            addresses: RateLimiter::keyed(quota(PER_ADDRESS)),
            links: RateLimiter::keyed(quota(LINKS)),
            machines: RateLimiter::keyed(quota(PER_ADDRESS)),
            codes: RateLimiter::keyed(quota(PER_NAME)),
        }
    }
}

fn quota((burst, period): (NonZeroU32, Duration)) -> Quota {
    // The period is a constant above zero.
    Quota::with_period(period).unwrap_or_else(|| Quota::per_minute(burst)).allow_burst(burst)
}

impl Attempts {
    /// Counts a password, right or wrong, from this address and for this name.
    pub fn password(&self, address: IpAddr, name: &str) -> Result<(), Problem> {
        count(&self.addresses, &network(address))?;
        count(&self.names, &Digest::of(name.as_bytes()))
    }

    /// Counts a sign-in link that was wrong.
    pub fn wrong_link(&self, address: IpAddr) -> Result<(), Problem> {
        count(&self.links, &network(address))
    }

    /// Counts a machine that wants to be enrolled.
    pub fn machine(&self, address: IpAddr) -> Result<(), Problem> {
        count(&self.machines, &network(address))
    }

    /// Counts an enrolment code that this user looked up.
    pub fn code(&self, user: &str) -> Result<(), Problem> {
        count(&self.codes, &Digest::of(user.as_bytes()))
    }
}

fn count<K: Clone + Eq + Hash>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<(), Problem> {
    if limiter.len() > MAX_KEYS {
        limiter.retain_recent();
    }
    limiter.check_key(key).map_err(|until| too_often(&until))
}

fn too_often(until: &governor::NotUntil<governor::clock::QuantaInstant>) -> Problem {
    Problem::too_often(until.wait_time_from(DefaultClock::default().now()).as_secs() + 1)
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
        let allowed = (0..20).filter(|n| attempts.password(address(*n), "ada").is_ok()).count();
        assert_eq!(allowed, 8);
        let allowed = (0..60).filter(|n| attempts.password(address(99), &format!("user{n}")).is_ok()).count();
        assert_eq!(allowed, 30);
        assert!(attempts.password(address(98), "bob").is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let attempts = Attempts::default();
        let address = |n: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
        assert_eq!((0..60).filter(|n| attempts.machine(address(*n)).is_ok()).count(), 30);
    }

    #[test]
    fn who_uses_up_one_kind_of_attempt_leaves_the_others() {
        type Attempt = fn(&Attempts, IpAddr) -> Result<(), Problem>;
        let kinds: [Attempt; 4] = [
            |attempts, address| attempts.password(address, "ada"),
            |attempts, address| attempts.wrong_link(address),
            |attempts, address| attempts.machine(address),
            |attempts, _| attempts.code("ada"),
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
