//! Where people reach the hub: known from the start, or as soon as the port is.

use std::sync::{Arc, PoisonError, RwLock};

/// See the module; clones are the same.
#[derive(Clone, Default)]
pub(super) struct BaseUrl(Arc<RwLock<Option<String>>>);

impl BaseUrl {
    /// Such as `http://127.0.0.1:7420`.
    pub(super) fn set(&self, url: &str) {
        let url = Some(url.trim_end_matches('/').to_owned());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = url;
    }

    /// Without a slash at the end; empty while it is not known.
    pub(super) fn get(&self) -> String {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }
}

/// A path segment or query value in which no character means anything.
pub(super) fn percent_encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}
