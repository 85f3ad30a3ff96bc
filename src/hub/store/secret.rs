//! Secrets that are handed out once and kept as a hash.

use crate::chance;
use crate::core::ids::Digest;
use crate::hub::store::StoreError;

/// 256 random bits behind a prefix that says what they open.
pub fn random(prefix: &str) -> Result<String, StoreError> {
    Ok(chance::secret().map(|secret| format!("{prefix}{secret}"))?)
}

/// As it is stored. A fast hash is enough: nobody can guess 256 bits.
pub fn hashed(secret: &str) -> String {
    Digest::of(secret.as_bytes()).0
}
