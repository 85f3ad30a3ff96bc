//! Passwords: argon2id, off the runtime's threads, as slow for a name that does not exist.

use std::sync::{Mutex, OnceLock, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::Semaphore;

use crate::chance;
use crate::hub::error::ChangeError;
use crate::hub::store::StoreError;

/// Each hash takes 19 MiB; more than this many at once wait.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// Refuses what is too short to be a password, or too long to be hashed in good time.
pub(super) fn check(password: &str) -> Result<(), ChangeError> {
    if (8..=1024).contains(&password.chars().count()) {
        return Ok(());
    }
    Err(ChangeError::Invalid("a password has 8 to 1024 characters".to_owned()))
}

/// The PHC string to store.
pub(super) async fn hash(password: &str) -> Result<String, StoreError> {
    let password = password.to_owned();
    aside(move || hash_now(&password)).await?
}

/// Whether it is the password; without a stored one, the same work and `false`.
pub(super) async fn verify(password: &str, stored: Option<String>) -> Result<bool, StoreError> {
    let password = password.to_owned();
    aside(move || {
        let known = stored.is_some();
        let Some(stored) = stored.or_else(|| nobodys().clone()) else { return false };
        let Ok(parsed) = PasswordHash::new(&stored) else { return false };
        is_hash_of(&parsed, &password).unwrap_or(false) && known
    })
    .await
}

fn hash_now(password: &str) -> Result<String, StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Failed(format!("cannot hash a password: {error}"));
    let salt = chance::bytes::<{ Salt::RECOMMENDED_LENGTH }>()?;
    let (params, version) = (Params::default(), Version::default());
    let hash = derive(&params, version, password, &salt, Params::DEFAULT_OUTPUT_LEN).map_err(|error| failed(&error))?;
    let whole = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(version.into()),
        params: ParamsString::try_from(&params).map_err(|error| failed(&error))?,
        salt: Some(Salt::new(&salt).map_err(|error| failed(&error))?),
        hash: Some(Output::new(&hash).map_err(|error| failed(&error))?),
    };
    Ok(whole.to_string())
}

/// `None` for what is no hash of ours.
fn is_hash_of(stored: &PasswordHash, password: &str) -> Option<bool> {
    if Algorithm::try_from(stored.algorithm.as_str()) != Ok(Algorithm::Argon2id) {
        return None;
    }
    let (params, salt, hash) = (Params::try_from(stored).ok()?, stored.salt?, stored.hash?);
    let version = stored.version.map_or(Ok(Version::default()), Version::try_from).ok()?;
    let derived = derive(&params, version, password, &salt, hash.len()).ok()?;
    // Outputs are compared in a time that says nothing about them.
    Some(Output::new(&derived).ok()? == hash)
}

/// The same few buffers again and again: what a fresh one takes is not always given back.
static BUFFERS: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

fn derive(params: &Params, version: Version, password: &str, salt: &[u8], length: usize) -> argon2::Result<Vec<u8>> {
    let buffers = || BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut memory = buffers().pop().unwrap_or_default();
    memory.resize(params.block_count(), Block::default());
    let mut hash = vec![0; length];
    let argon2 = Argon2::new(Algorithm::Argon2id, version, params.clone());
    let hashed = argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut hash, &mut memory);
    buffers().push(memory);
    hashed.map(|()| hash)
}

/// A hash of nothing anybody knows.
fn nobodys() -> &'static Option<String> {
    static NOBODYS: OnceLock<Option<String>> = OnceLock::new();
    NOBODYS.get_or_init(|| crate::hub::store::random("").and_then(|secret| hash_now(&secret)).ok())
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    let _permit = AT_ONCE.acquire().await.map_err(|_| StoreError::Closed)?;
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Failed(format!("hashing failed: {error}")))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;

    #[test]
    fn our_hashes_are_what_others_read_and_theirs_what_we_do() {
        let ours = hash_now("correct horse battery").unwrap();
        assert!(ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{ours}");
        let parsed = PasswordHash::new(&ours).unwrap();
        assert!(Argon2::default().verify_password(b"correct horse battery", &parsed).is_ok());
        let theirs: PasswordHash = Argon2::default().hash_password(b"correct horse battery").unwrap();
        assert_eq!(is_hash_of(&theirs, "correct horse battery"), Some(true));
        assert_eq!(is_hash_of(&theirs, "correct horse batterx"), Some(false));
        assert_ne!(hash_now("correct horse battery").unwrap(), ours, "each has a salt of its own");
    }

    #[tokio::test]
    async fn many_attempts_use_four_buffers() {
        futures_util::future::join_all((0..12).map(|_| verify("wrong password", None))).await;
        let buffers = BUFFERS.lock().unwrap_or_else(PoisonError::into_inner);
        assert!((1..=4).contains(&buffers.len()), "{}", buffers.len());
    }
}
