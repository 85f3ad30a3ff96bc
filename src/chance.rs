//! Chance, from the system: secrets, ids that cannot be guessed, and waits that differ.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The system gave no random numbers.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system has no random numbers: {0}")]
pub struct NoChance(getrandom::Error);

/// So many random bytes.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn bytes<const N: usize>() -> Result<[u8; N], NoChance> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoChance)?;
    Ok(bytes)
}

/// 256 random bits as 43 characters, base64url.
pub fn secret() -> Result<String, NoChance> {
    bytes::<32>().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

/// Between half of it and all of it, so that what failed together does not come back together.
pub fn jittered(wait: Duration) -> Duration {
    jittered_by(wait, any())
}

/// The same by this number, of which any is as likely.
pub fn jittered_by(wait: Duration, any: u32) -> Duration {
    wait / 2 + (wait / 2).mul_f64(f64::from(any) / f64::from(u32::MAX))
}

/// Any number. Without chance always the same: then the waits are alike, and nothing else is lost.
pub fn any() -> u32 {
    bytes().map_or(u32::MAX, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_lie_between_half_and_all_and_differ() {
        let wait = Duration::from_secs(10);
        let waits: Vec<_> = std::iter::repeat_with(|| jittered(wait)).take(50).collect();
        assert!(waits.iter().all(|one| (wait / 2..=wait).contains(one)), "{waits:?}");
        assert!(waits.iter().any(|one| *one != waits[0]));
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert_eq!(one.len(), 43);
        assert_ne!(one, other);
    }
}
