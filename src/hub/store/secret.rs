//! Secrets that are handed out once and kept as a hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::core::ids::Digest;
use crate::hub::store::StoreError;

/// 256 random bits behind a prefix that says what they open.
pub(in crate::hub) fn random(prefix: &str) -> Result<String, StoreError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| StoreError::Failed(format!("the system has no random numbers: {error}")))?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// As it is stored. A fast hash is enough: nobody can guess 256 bits.
pub(in crate::hub) fn hashed(secret: &str) -> String {
    Digest::of(secret.as_bytes()).0
}
