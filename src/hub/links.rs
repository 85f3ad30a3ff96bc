//! One-time links: 256-bit codes, stored hashed, used once.

use super::Hub;
use super::model::User;
use super::store::StoreError;

/// What a code is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// The first account: makes this user as administrator when it is redeemed. Good until used, until the next one
    /// is minted, or until there is any user.
    SetUp(String),
    /// Signs this user in; good for ten minutes.
    SignIn(String),
}

#[allow(clippy::todo, unused_variables)]
impl Hub {
    /// A new code; the link is `BASE/signin#CODE`.
    pub async fn mint_link(&self, kind: LinkKind) -> Result<String, StoreError> {
        todo!()
    }

    /// The user whom this code signs in; the code is used up.
    pub async fn redeem_link(&self, code: &str) -> Result<Option<User>, StoreError> {
        todo!()
    }
}
