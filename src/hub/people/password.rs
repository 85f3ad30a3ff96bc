//! Passwords: argon2id, off the runtime's threads, as slow for a name that does not exist.

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::hub::error::ChangeError;
use crate::hub::store::StoreError;

/// Each hash takes 19 MiB; more than this many at once wait.
static AT_ONCE: Semaphore = Semaphore::const_new(4);

/// Refuses what is too short to be a password, or too long to be hashed in good time.
pub(in crate::hub) fn check(password: &str) -> Result<(), ChangeError> {
    if (8..=1024).contains(&password.chars().count()) {
        return Ok(());
    }
    Err(ChangeError::Invalid("a password has 8 to 1024 characters".to_owned()))
}

/// The PHC string to store.
pub(in crate::hub) async fn hash(password: &str) -> Result<String, StoreError> {
    let password = password.to_owned();
    aside(move || hash_now(&password)).await?
}

/// Whether it is the password; without a stored one, the same work and `false`.
pub(in crate::hub) async fn verify(password: &str, stored: Option<String>) -> Result<bool, StoreError> {
    let password = password.to_owned();
    aside(move || {
        let known = stored.is_some();
        let Some(stored) = stored.or_else(|| nobodys().clone()) else { return false };
        let Ok(parsed) = PasswordHash::new(&stored) else { return false };
        Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known
    })
    .await
}

fn hash_now(password: &str) -> Result<String, StoreError> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| StoreError::Failed(format!("cannot hash a password: {error}")))?;
    Ok(hash.to_string())
}

/// A hash of nothing anybody knows.
fn nobodys() -> &'static Option<String> {
    static NOBODYS: OnceLock<Option<String>> = OnceLock::new();
    NOBODYS.get_or_init(|| crate::hub::store::secret::random("").and_then(|secret| hash_now(&secret)).ok())
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, StoreError> {
    let _permit = AT_ONCE.acquire().await.map_err(|_| StoreError::Closed)?;
    tokio::task::spawn_blocking(work).await.map_err(|error| StoreError::Failed(format!("hashing failed: {error}")))
}
