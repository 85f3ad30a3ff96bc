//! Which hub this is: a key that is made once for each store, and named by every token.
//!
//! Hubs on one store are one hub here: they share the key, and a token is good at each.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::{Store, StoreError};
use crate::core::proof::{Fingerprint, statement};
use crate::wire::Proof;

/// A hub's key.
pub struct Identity {
    pair: Ed25519KeyPair,
    fingerprint: Fingerprint,
}

impl Identity {
    fn read(pkcs8: &str) -> Option<Self> {
        let pair = Ed25519KeyPair::from_pkcs8(&STANDARD.decode(pkcs8).ok()?).ok()?;
        let fingerprint = Fingerprint::of(pair.public_key().as_ref());
        Some(Self { pair, fingerprint })
    }

    fn generate() -> Option<String> {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok()?;
        Some(STANDARD.encode(made.as_ref()))
    }

    /// What tokens name.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The proof for whoever asked with `nonce` under `host`.
    pub fn prove(&self, nonce: &str, host: &str) -> Proof {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signature = self.pair.sign(&statement(nonce, host));
        Proof { key: encode(self.pair.public_key().as_ref()), signature: encode(signature.as_ref()) }
    }
}

impl Store {
    /// The hub's key; read once, and made by whichever hub or command on this store needs it first.
    pub async fn identity(&self) -> Result<Arc<Identity>, StoreError> {
        self.0.identity.get_or_try_init(|| self.read_identity()).await.cloned()
    }

    async fn read_identity(&self) -> Result<Arc<Identity>, StoreError> {
        let select = "select pkcs8 from hub_key where id = 1";
        let found: Option<String> = sqlx::query_scalar(select).fetch_optional(self.read()).await?;
        let stored = match found {
            Some(stored) => stored,
            None => {
                let made = Identity::generate().ok_or_else(|| StoreError::Failed("cannot make a key".to_owned()))?;
                self.write(move |tx| {
                    Box::pin(async move {
                        let insert = "insert into hub_key (id, pkcs8) values (1, $1) on conflict (id) do nothing";
                        sqlx::query(insert).bind(made).execute(tx.sql()).await?;
                        Ok::<String, StoreError>(sqlx::query_scalar(select).fetch_one(tx.sql()).await?)
                    })
                })
                .await?
            }
        };
        let identity = Identity::read(&stored);
        identity.map(Arc::new).ok_or_else(|| StoreError::Failed("the stored key of the hub is none".to_owned()))
    }
}
