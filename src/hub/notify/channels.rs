//! Changing channels: those of the page, which administrators change, and those of the config file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::stored::{Stored, all, drop_unheard, put, remove, revision_of, shown};
use super::view::View;
use super::{check, kinds};
use crate::config::notify::{Channel, Hidden, Kind, Settings};
use crate::hub::error::ChangeError;
use crate::hub::model::Role;
use crate::hub::notify::Notify;
use crate::hub::store::{Entry, StoreError, Target, Tx};
use crate::hub::who::Actor;

/// The body of `PUT /notifications`: all channels of the page; one that is left out is removed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The channels. Secret settings that are left out stay as they are while the address does; an empty text clears
    /// them.
    pub channels: Vec<Channel>,
    /// The `revision` this change was made from; when given and another was faster, nothing is changed.
    #[serde(default)]
    pub revision: Option<String>,
}

/// The answer to it.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// All channels, as they are now.
    pub items: Vec<View>,
    /// For the next change.
    pub revision: String,
    /// Signing secrets that were made just now, by channel id; shown this one time.
    pub new_secrets: BTreeMap<String, String>,
}

impl Notify {
    /// Replaces the channels of the page.
    pub async fn change_notifications(&self, change: Change, by: &Actor) -> Result<Changed, ChangeError> {
        if matches!(by, Actor::User(user) if user.role < Role::Admin) {
            return Err(ChangeError::Forbidden);
        }
        let mut connection = self.store.read().acquire().await.map_err(StoreError::from)?;
        let before = all(&mut connection).await?;
        drop(connection);
        let basis = revision_of(&before);
        if change.revision.is_some_and(|revision| revision != basis) {
            return Err(meanwhile());
        }
        // Making senders takes a while, so it is tried before the writer is asked.
        let (channels, new_secrets) = completed(change.channels, &before)?;
        let (hub, name) = (self.clone(), by.name().to_owned());
        self.store
            .write(move |tx| Box::pin(async move { replace(tx, &channels, &basis, &name, hub.now()).await }))
            .await?;
        let (items, revision) = self.notifications().await?;
        Ok(Changed { items, revision, new_secrets })
    }

    /// Makes the channels of the config file those that are stored as such.
    pub async fn use_channels_of_file(&self, channels: Vec<Channel>) -> Result<(), StoreError> {
        let hub = self.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let now = hub.now();
                    let before = all(tx.sql()).await?;
                    for gone in before.iter().filter(|old| old.from_file && !has(&channels, &old.channel.id)) {
                        remove(tx, &gone.channel.id).await?;
                    }
                    for (place, channel) in channels.iter().enumerate() {
                        let old = before.iter().find(|old| old.channel.id == channel.id);
                        if old.is_none_or(|old| !old.from_file || old.channel != *channel) {
                            put(tx, channel, place, true, now).await?;
                        }
                    }
                    drop_unheard(tx, now).await
                })
            })
            .await
    }
}

fn has(channels: &[Channel], id: &str) -> bool {
    channels.iter().any(|channel| channel.id == id)
}

type NewSecrets = BTreeMap<String, String>;

fn meanwhile() -> ChangeError {
    ChangeError::Conflict("the channels were changed by somebody else meanwhile; load them again".to_owned())
}

async fn replace(tx: &mut Tx, channels: &[Channel], basis: &str, by: &str, now: i64) -> Result<(), ChangeError> {
    let before = all(tx.sql()).await?;
    if revision_of(&before) != basis {
        return Err(meanwhile());
    }
    for gone in before.iter().filter(|old| !old.from_file && !has(channels, &old.channel.id)) {
        remove(tx, &gone.channel.id).await?;
    }
    for (place, channel) in channels.iter().enumerate() {
        put(tx, channel, place, false, now).await?;
    }
    drop_unheard(tx, now).await?;
    let ids: Vec<_> = channels.iter().map(|channel| &channel.id).collect();
    let detail = json!({ "channels": ids });
    let entry = Entry { at: now, actor: by, action: "notifications.changed", subject: "notifications", detail };
    tx.audit(entry, Target::Pages).await?;
    Ok(())
}

/// The channels with ids, and with the secrets that were left out.
fn completed(channels: Vec<Channel>, before: &[Stored]) -> Result<(Vec<Channel>, NewSecrets), ChangeError> {
    let mut complete: Vec<Channel> = Vec::new();
    let mut new_secrets = NewSecrets::new();
    for mut channel in channels {
        if channel.id.is_empty() {
            channel.id = uuid::Uuid::now_v7().simple().to_string();
        }
        let old = before.iter().find(|old| old.channel.id == channel.id);
        if old.is_some_and(|old| old.from_file) {
            let why = format!("the channel {} is managed by the config file", channel.id);
            return Err(ChangeError::Conflict(why));
        }
        let kept = old.filter(|old| old.channel.kind == channel.kind);
        keep_secrets(&mut channel.settings, kept.map(|old| &old.channel.settings))
            .map_err(|why| ChangeError::Invalid(format!("{}: {why}", shown(&channel))))?;
        if channel.kind == Kind::Webhook && channel.settings.secret.is_none() {
            let secret =
                kinds::new_secret().map_err(|error| ChangeError::Store(StoreError::Failed(error.to_string())))?;
            new_secrets.insert(channel.id.clone(), secret.clone());
            channel.settings.secret = Some(Hidden(secret));
        }
        check::one(&channel).map_err(|why| ChangeError::Invalid(format!("{}: {why}", shown(&channel))))?;
        if has(&complete, &channel.id) {
            return Err(ChangeError::Invalid(format!("two channels have the id {}", channel.id)));
        }
        complete.push(channel);
    }
    if complete.len() > check::MOST {
        return Err(ChangeError::Invalid(format!("there may be at most {} channels", check::MOST)));
    }
    Ok((complete, new_secrets))
}

/// A secret that is left out stays, one that is empty goes; none follows a channel to another address, where whoever
/// changes channels could read what was never shown to them.
fn keep_secrets(new: &mut Settings, old: Option<&Settings>) -> Result<(), String> {
    keep(&mut new.url, old.and_then(|old| old.url.as_ref()));
    let moved = old.is_some_and(|old| address(old) != address(new));
    let others = [
        ("secret", &mut new.secret, old.and_then(|old| old.secret.as_ref())),
        ("token", &mut new.token, old.and_then(|old| old.token.as_ref())),
        ("topic", &mut new.topic, old.and_then(|old| old.topic.as_ref())),
        ("password", &mut new.password, old.and_then(|old| old.password.as_ref())),
    ];
    for (key, new, old) in others {
        if moved && new.is_none() && old.is_some() {
            return Err(format!("the channel goes to another address now, so settings.{key} must be entered again"));
        }
        keep(new, old);
    }
    Ok(())
}

fn keep(new: &mut Option<Hidden>, old: Option<&Hidden>) {
    match new {
        None => *new = old.cloned(),
        Some(hidden) if hidden.0.is_empty() => *new = None,
        Some(_) => {}
    }
}

/// Who gets to see the secrets of a channel: scheme, host and port of its URL, or the mail server.
fn address(settings: &Settings) -> impl PartialEq + use<> {
    let origin = settings.url.as_ref().and_then(|url| reqwest::Url::parse(&url.0).ok()).map(|url| url.origin());
    (origin, settings.host.clone(), settings.port, settings.tls.unwrap_or_default())
}
