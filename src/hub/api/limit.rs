//! How often one may try to sign in or to enrol: passwords per name and per address, so that neither one account nor
//! one network can be guessed through.
//!
//! Whoever guesses at one of them does not shut out the others: a name or an address under attack still signs in by
//! link (`hitl-hub open`), which counts only when it is wrong.
//!
//! Hubs on one store count together; what one of them has refused by itself costs the others nothing.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::problem::Problem;
use crate::core::ids::Digest;
use crate::hub::quota::{Quota, Stores};
use crate::hub::store::{Allowance, Store};

/// Attempts at once, and how long one takes to come back.
const PER_NAME: Quota = Quota { most: 8, every_ms: 10_000 };
const PER_ADDRESS: Quota = Quota { most: 30, every_ms: 4_000 };
/// Wrong links. They cannot be guessed, so that this only keeps them from filling the log.
const LINKS: Quota = Quota { most: 100, every_ms: 1_000 };

/// The attempts of late, here and at other hubs on the store.
#[derive(Debug)]
pub struct Attempts {
    store: Store,
    here: Mutex<Here>,
}

/// What was tried at this hub: the kind, and by or for whom. Names are digests, so that long ones take no more room.
type Here = Stores<(&'static str, String)>;

impl Attempts {
    /// The attempts at the hubs on this store.
    pub fn at(store: Store) -> Self {
        Self { store, here: Mutex::default() }
    }

    /// Counts a password, right or wrong, from this address and for this name.
    pub async fn password(&self, address: IpAddr, name: &str, now: i64) -> Result<(), Problem> {
        self.count("password from", network(address).to_string(), PER_ADDRESS, now).await?;
        self.count("password for", Digest::of(name.as_bytes()).to_string(), PER_NAME, now).await
    }

    /// Counts a sign-in link that was wrong.
    pub async fn wrong_link(&self, address: IpAddr, now: i64) -> Result<(), Problem> {
        self.count("link from", network(address).to_string(), LINKS, now).await
    }

    /// Counts a machine that wants to be enrolled.
    pub async fn machine(&self, address: IpAddr, now: i64) -> Result<(), Problem> {
        self.count("machine from", network(address).to_string(), PER_ADDRESS, now).await
    }

    /// Counts an enrolment code that this user looked up.
    pub async fn code(&self, user: &str, now: i64) -> Result<(), Problem> {
        self.count("code by", Digest::of(user.as_bytes()).to_string(), PER_NAME, now).await
    }

    async fn count(&self, what: &'static str, whose: String, quota: Quota, now: i64) -> Result<(), Problem> {
        let too_often =
            |until: i64| Problem::too_often(u64::try_from((until - now).div_euclid(1_000) + 1).unwrap_or(1));
        self.here().spend((what, whose.clone()), quota, 1, now).map_err(too_often)?;
        let allowance = Allowance { what, whose: &whose, quota };
        self.store.spend_one(allowance, now).await?.map_err(too_often)
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        // Every change is a single insert or remove.
        self.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    use crate::hub::store::testing::{Fresh, every_store, sqlite};

    async fn attempts() -> (Attempts, Fresh) {
        let fresh = sqlite().await;
        (Attempts::at(fresh.store.clone()), fresh)
    }

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[tokio::test]
    async fn a_name_is_limited_from_everywhere_and_an_address_for_every_name() {
        let (attempts, _fresh) = attempts().await;
        let (mut of_name, mut of_address) = (0, 0);
        for n in 0..20 {
            of_name += usize::from(attempts.password(address(n), "ada", 0).await.is_ok());
        }
        for n in 0..60 {
            of_address += usize::from(attempts.password(address(99), &format!("user{n}"), 0).await.is_ok());
        }
        assert_eq!((of_name, of_address), (8, 30));
        assert!(attempts.password(address(98), "bob", 0).await.is_ok());
    }

    #[tokio::test]
    async fn hubs_on_one_store_count_together() {
        for fresh in every_store().await.into_iter().filter(|fresh| fresh.store.is_shared()) {
            let hubs = [Attempts::at(fresh.store.clone()), Attempts::at(Store::open(&fresh.url).await.unwrap())];
            let mut allowed = 0;
            for n in 0..20 {
                allowed += usize::from(hubs[usize::from(n % 2)].password(address(n), "ada", 1_000).await.is_ok());
            }
            assert_eq!(allowed, 8);
            let other = &hubs[1];
            let after = other.password(address(50), "ada", 1_000).await.unwrap_err();
            assert!(after.detail().contains("in 11 seconds"), "{}", after.detail());
            assert!(other.password(address(51), "ada", 11_000).await.is_ok(), "one has come back");
            assert!(other.password(address(52), "bob", 1_000).await.is_ok());
        }
    }

    #[tokio::test]
    async fn an_ipv6_network_is_one_address() {
        let (attempts, _fresh) = attempts().await;
        let mut allowed = 0;
        for n in 0..60 {
            let address = IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, n));
            allowed += usize::from(attempts.machine(address, 0).await.is_ok());
        }
        assert_eq!(allowed, 30);
    }

    #[tokio::test]
    async fn who_uses_up_one_kind_of_attempt_leaves_the_others() {
        async fn attempt(attempts: &Attempts, kind: usize) -> bool {
            match kind {
                0 => attempts.password(address(1), "ada", 0).await.is_ok(),
                1 => attempts.wrong_link(address(1), 0).await.is_ok(),
                2 => attempts.machine(address(1), 0).await.is_ok(),
                _ => attempts.code("ada", 0).await.is_ok(),
            }
        }
        for used_up in 0..4 {
            let (attempts, _fresh) = attempts().await;
            while attempt(&attempts, used_up).await {}
            for kind in (0..4).filter(|kind| *kind != used_up) {
                assert!(attempt(&attempts, kind).await, "kind {kind} after {used_up}");
            }
        }
    }
}
