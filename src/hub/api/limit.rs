//! How often one may try to sign in: per name and per address, so that neither one account nor one network can be
//! guessed through.
//!
//! A name under attack from elsewhere still signs in by link (`hitl-hub open`), which only the address limits.

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
/// Beyond so many remembered keys the ones that are full again are forgotten.
const MAX_KEYS: usize = 10_000;

/// The attempts of late.
pub struct Attempts {
    // Digests, so that long names take no more room than short ones.
    names: DefaultKeyedRateLimiter<Digest>,
    addresses: DefaultKeyedRateLimiter<IpAddr>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { names: RateLimiter::keyed(quota(PER_NAME)), addresses: RateLimiter::keyed(quota(PER_ADDRESS)) }
    }
}

fn quota((burst, period): (NonZeroU32, Duration)) -> Quota {
    // The period is a constant above zero.
    Quota::with_period(period).unwrap_or_else(|| Quota::per_minute(burst)).allow_burst(burst)
}

impl Attempts {
    /// Counts an attempt from this address, and with this name where there is one.
    pub fn count(&self, address: IpAddr, name: Option<&str>) -> Result<(), Problem> {
        self.forget();
        self.addresses.check_key(&network(address)).map_err(|until| too_often(&until))?;
        let Some(name) = name else { return Ok(()) };
        self.names.check_key(&Digest::of(name.as_bytes())).map_err(|until| too_often(&until))
    }

    fn forget(&self) {
        if self.names.len() > MAX_KEYS {
            self.names.retain_recent();
        }
        if self.addresses.len() > MAX_KEYS {
            self.addresses.retain_recent();
        }
    }
}

fn too_often(until: &governor::NotUntil<governor::clock::QuantaInstant>) -> Problem {
    Problem::too_often(until.wait_time_from(DefaultClock::default().now()).as_secs() + 1)
}

/// One household or machine has a whole /64 to itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
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
        let allowed = (0..20).filter(|n| attempts.count(address(*n), Some("ada")).is_ok()).count();
        assert_eq!(allowed, 8);
        let allowed = (0..60).filter(|n| attempts.count(address(99), Some(&format!("user{n}"))).is_ok()).count();
        assert_eq!(allowed, 30);
        assert!(attempts.count(address(98), Some("bob")).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let attempts = Attempts::default();
        let address = |n: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
        assert_eq!((0..60).filter(|n| attempts.count(address(*n), None).is_ok()).count(), 30);
    }
}
