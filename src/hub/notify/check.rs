//! Whether a channel makes sense, before anything is kept of it.

use std::collections::BTreeSet;

use super::{kinds, push, quiet};
use crate::config::notify::{Channel, Kind};

/// How many channels there may be.
pub(super) const MOST: usize = 100;

/// Why a channel cannot be used, if it cannot.
pub(super) fn one(channel: &Channel) -> Result<(), String> {
    let id_fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if channel.id.is_empty() || channel.id.len() > 64 || !channel.id.bytes().all(id_fits) {
        return Err("id must be 1 to 64 letters, digits, _ and -".to_owned());
    }
    if channel.kind == Kind::Browser || channel.id.starts_with(push::PREFIX) {
        return Err("browsers subscribe themselves, on the page; no other channel is called browser_…".to_owned());
    }
    if channel.name.chars().count() > 100 || channel.name.contains('\0') {
        return Err("name has at most 100 characters".to_owned());
    }
    if channel.servers.len() > 100 || channel.servers.iter().any(|name| name.is_empty() || name.len() > 1000) {
        return Err("servers lists at most 100 names".to_owned());
    }
    if channel.settings.to.len() > 50 {
        return Err("settings.to has at most 50 addresses".to_owned());
    }
    if channel.settings.email_after.is_some_and(|seconds| seconds > 3600) {
        return Err("settings.email_after is at most 3600 seconds".to_owned());
    }
    if let Some(hours) = &channel.quiet_hours {
        quiet::check(hours)?;
    }
    only_its_own_settings(channel)?;
    kinds::sender(channel).map(drop)
}

fn only_its_own_settings(channel: &Channel) -> Result<(), String> {
    let (known, _) = kinds::keys(channel.kind);
    let settings = serde_json::to_value(&channel.settings).unwrap_or_default();
    let given = settings.as_object().into_iter().flat_map(|object| object.keys());
    match given.into_iter().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("settings.{key} is no setting of kind {}", channel.kind.as_str())),
        None => Ok(()),
    }
}

/// Why these channels of the config file cannot be used, if they cannot.
pub(super) fn of_file(channels: &[Channel]) -> Result<(), String> {
    let mut ids = BTreeSet::new();
    for (place, channel) in channels.iter().enumerate() {
        let name = || if channel.id.is_empty() { format!("number {}", place + 1) } else { channel.id.clone() };
        one(channel).map_err(|why| format!("[[notify]] {}: {why}", name()))?;
        if !ids.insert(&channel.id) {
            return Err(format!("[[notify]] {}: another channel has this id too", channel.id));
        }
    }
    if channels.len() > MOST { Err(format!("there may be at most {MOST} channels")) } else { Ok(()) }
}
