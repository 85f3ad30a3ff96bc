//! The environment, read in one place.

use std::ffi::OsString;

/// A variable that is set and is text; a client config that passes an empty one means "not set".
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable as bytes, for what need not be text.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// All of it.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn all() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}
