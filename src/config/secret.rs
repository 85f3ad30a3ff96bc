//! Secrets: read from files that nobody but their owner can open, and shown by no log.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};

use super::private;

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Reads a token from a file that nobody but its owner can open; `what` names it in errors.
pub fn read(path: &Path, what: &str) -> anyhow::Result<Secret> {
    let shown = path.display();
    let mut opened = std::fs::File::open(path).with_context(|| format!("cannot read {what} file {shown}"))?;
    // The opened file is looked at, not its name, so that it cannot be exchanged in between.
    let others = private::others(&opened).with_context(|| format!("cannot tell who may read {what} file {shown}"))?;
    if let Some(others) = others {
        bail!("{what} file {shown} is not safe: {others}");
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut opened, &mut text)
        .with_context(|| format!("cannot read {what} file {shown}"))?;
    let token = text.trim();
    ensure!(!token.is_empty(), "{what} file {shown} is empty");
    ensure!(token.bytes().all(|byte| byte.is_ascii_graphic()), "{what} file {shown} holds more than one token");
    Ok(Secret(token.to_owned()))
}
