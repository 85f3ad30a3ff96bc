//! Who writes to a browser: a key that is made once for each store, and short-lived tokens signed with it (RFC 8292).
//!
//! A browser's subscription is bound to the key, so hubs on one store share it, and it lives as long as the store.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use crate::hub::notify::Notify;
use crate::hub::store::StoreError;

/// How long a token holds; push services take at most a day.
const TOKEN_SECONDS: i64 = 12 * 3600;

/// The hub's key.
pub(in crate::hub::notify) struct Key {
    pair: EcdsaKeyPair,
    /// As browsers and push services want it: an uncompressed point, base64url.
    pub(super) public: String,
}

impl Key {
    fn read(pkcs8: &str) -> Option<Self> {
        let pkcs8 = STANDARD.decode(pkcs8).ok()?;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pkcs8, &random).ok()?;
        let public = BASE64.encode(pair.public_key());
        Some(Self { pair, public })
    }

    fn generate() -> Option<String> {
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).ok()?;
        Some(STANDARD.encode(made.as_ref()))
    }

    /// The value of `Authorization` for the push service at `origin`; `contact` is where its operators find ours.
    pub(super) fn authorization(&self, origin: &str, contact: Option<&str>, now: i64) -> Option<String> {
        let mut claims = json!({ "aud": origin, "exp": now / 1000 + TOKEN_SECONDS });
        if let Some(contact) = contact {
            claims["sub"] = json!(contact);
        }
        let header = BASE64.encode(json!({ "typ": "JWT", "alg": "ES256" }).to_string());
        let signed = format!("{header}.{}", BASE64.encode(claims.to_string()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).ok()?;
        Some(format!("vapid t={signed}.{},k={}", BASE64.encode(signature), self.public))
    }
}

impl Notify {
    /// Makes the key by which push services know this hub, if the store has none yet.
    pub async fn make_push_key(&self) -> Result<(), StoreError> {
        self.push_key().await.map(drop)
    }

    /// The key; read once, and made by whichever hub on this store needs it first.
    pub(super) async fn push_key(&self) -> Result<Arc<Key>, StoreError> {
        self.push_key.get_or_try_init(|| self.read_push_key()).await.cloned()
    }

    async fn read_push_key(&self) -> Result<Arc<Key>, StoreError> {
        let select = "select pkcs8 from push_key where id = 1";
        let found: Option<String> = sqlx::query_scalar(select).fetch_optional(self.store.read()).await?;
        let stored = match found {
            Some(stored) => stored,
            None => {
                let made = Key::generate().ok_or_else(|| StoreError::Failed("cannot make a push key".to_owned()))?;
                self.store
                    .write(move |tx| {
                        Box::pin(async move {
                            let insert = "insert into push_key (id, pkcs8) values (1, $1) on conflict (id) do nothing";
                            sqlx::query(insert).bind(made).execute(tx.sql()).await?;
                            Ok::<String, StoreError>(sqlx::query_scalar(select).fetch_one(tx.sql()).await?)
                        })
                    })
                    .await?
            }
        };
        let key = Key::read(&stored).ok_or_else(|| StoreError::Failed("the stored push key is none".to_owned()))?;
        Ok(Arc::new(key))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_token_names_the_service_and_the_hub_and_is_signed() {
        let key = Key::read(&Key::generate().unwrap()).unwrap();
        let value = key.authorization("https://push.example", Some("https://hub.example"), 1_000_000).unwrap();
        let token = value.strip_prefix("vapid t=").unwrap();
        let (token, public) = token.split_once(",k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (_, claims) = signed.split_once('.').unwrap();
        let claims: Value = serde_json::from_slice(&BASE64.decode(claims).unwrap()).unwrap();
        let expected = json!({ "aud": "https://push.example", "sub": "https://hub.example", "exp": 1_000 + 43_200 });
        assert_eq!(claims, expected);
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, BASE64.decode(public).unwrap());
        public.verify(signed.as_bytes(), &BASE64.decode(signature).unwrap()).unwrap();
    }
}
