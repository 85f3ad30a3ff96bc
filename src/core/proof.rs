//! How a hub proves which one it is, before it is given anything.
//!
//! A hub has a key for life. A token names it by its fingerprint, so that whoever holds a token knows which hub it is
//! for without any other set-up. Asked with a number that nobody used before, the hub signs the number and the host it
//! was asked under: what another program passed on from elsewhere was asked under another host.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use super::ids::Digest;

/// What a signature is about, so that it never passes for one about something else.
const CONTEXT: &str = "hitl.hub.v1";
/// Between a token's secret and the fingerprint of the hub it is for.
const SEPARATOR: char = '.';
/// Bytes of a key's digest in its fingerprint.
const BYTES: usize = 16;
/// Characters of those.
const CHARACTERS: usize = 22;
/// How long a nonce may be, in characters.
const NONCE: std::ops::RangeInclusive<usize> = 16..=128;

/// The name of a hub's key: the beginning of its SHA-256, base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a public key.
    pub fn of(key: &[u8]) -> Self {
        Self(BASE64.encode(&Sha256::digest(key)[..BYTES]))
    }

    /// The one that a token names; tokens of older hubs name none.
    pub fn named_by(token: &str) -> Option<Self> {
        let (_, name) = token.rsplit_once(SEPARATOR)?;
        let fits = name.len() == CHARACTERS && BASE64.decode(name).is_ok_and(|bytes| bytes.len() == BYTES);
        fits.then(|| Self(name.to_owned()))
    }

    /// A token with this secret that names the hub it is for.
    pub fn named_in(&self, secret: &str) -> String {
        format!("{secret}{SEPARATOR}{}", self.0)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Enough of it to tell the hubs of one machine apart.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a hub signs it: long enough never to come twice, and plain.
pub fn is_nonce(nonce: &str) -> bool {
    NONCE.contains(&nonce.len()) && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// What the hub signs when it is asked with `nonce` under `host`.
pub fn statement(nonce: &str, host: &str) -> Vec<u8> {
    let host = host.to_ascii_lowercase();
    Digest::of_fields(&[CONTEXT.as_bytes(), nonce.as_bytes(), host.as_bytes()]).0.into_bytes()
}

/// The fingerprint of the key that signed it, if one did; `key` and `signature` are base64url.
pub fn verify(key: &str, signature: &str, nonce: &str, host: &str) -> Option<Fingerprint> {
    let (key, signature) = (BASE64.decode(key).ok()?, BASE64.decode(signature).ok()?);
    UnparsedPublicKey::new(&ED25519, &key).verify(&statement(nonce, host), &signature).ok()?;
    Some(Fingerprint::of(&key))
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";
    const HOST: &str = "127.0.0.1:7420";

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn signed(pair: &Ed25519KeyPair, nonce: &str, host: &str) -> (String, String) {
        (BASE64.encode(pair.public_key()), BASE64.encode(pair.sign(&statement(nonce, host))))
    }

    #[test]
    fn only_the_key_that_signed_this_nonce_under_this_host_is_proved() {
        let (key, signature) = signed(&pair(1), NONCE, HOST);
        assert_eq!(verify(&key, &signature, NONCE, HOST), Some(Fingerprint::of(pair(1).public_key().as_ref())));
        assert!(verify(&key, &signature, NONCE, "127.0.0.1:7421").is_none(), "another program passed it on");
        assert!(verify(&key, &signature, "1123456789abcdef0123456789abcdef", HOST).is_none(), "it was said before");
        let (other, _) = signed(&pair(2), NONCE, HOST);
        assert!(verify(&other, &signature, NONCE, HOST).is_none());
        assert!(verify("", "", NONCE, HOST).is_none() && verify(&key, "%", NONCE, HOST).is_none());
    }

    #[test]
    fn a_token_names_its_hub_and_an_old_one_names_none() {
        let fingerprint = Fingerprint::of(b"key");
        assert_eq!(Fingerprint::named_by(&fingerprint.named_in("hitl_a_x")), Some(fingerprint));
        for old in ["", "hitl_a_x", "hitl_a_x.", "hitl_a_x.short", "hitl_a_x.ü23456789012345678901", "a.b.c"] {
            assert_eq!(Fingerprint::named_by(old), None, "{old}");
        }
    }

    #[test]
    fn a_nonce_is_long_and_plain() {
        assert!(is_nonce(NONCE));
        for odd in ["", "short", &"a".repeat(129), "0123456789abcdef 123456789abcdef", "0123456789abcdefü"] {
            assert!(!is_nonce(odd), "{odd}");
        }
    }
}
