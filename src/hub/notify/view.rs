//! Channels as the API and the page show them: without secrets, with what became of the last delivery.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::http::Failure;
use super::kinds::{self, Sender};
use super::message::{Message, Notice};
use super::row::{self, State};
use super::stored::{self, revision_of};
use crate::config::notify::{Channel, Event, Kind, QuietHours};
use crate::core::trust::Level;
use crate::hub::error::ChangeError;
use crate::hub::model::Role;
use crate::hub::notify::Notify;
use crate::hub::store::StoreError;
use crate::hub::store::rows::text;
use crate::hub::who::Actor;

/// A channel.
#[derive(Clone, Debug, Serialize)]
pub struct View {
    /// Its id.
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// What people call it; may be empty.
    pub name: String,
    /// Whether it is used.
    pub enabled: bool,
    /// It comes from the config file and cannot be changed here.
    pub from_file: bool,
    /// What it tells.
    pub events: Vec<Event>,
    /// Only these servers; empty for all.
    pub servers: Vec<String>,
    /// Only this trust level or above.
    pub threshold: Option<Level>,
    /// When it stays silent.
    pub quiet_hours: Option<QuietHours>,
    /// Its settings, without those that are secret.
    pub settings: Value,
    /// Which secret settings it has, and whether they are set.
    pub secrets: BTreeMap<String, bool>,
    /// Where it sends to, as far as that is no secret.
    pub target: String,
    /// How it does.
    pub state: State,
}

impl Notify {
    /// All channels, and the revision a change starts from.
    pub async fn notifications(&self) -> Result<(Vec<View>, String), StoreError> {
        let mut connection = self.store.read().acquire().await?;
        let stored = stored::all(&mut connection).await?;
        let mut states = BTreeMap::new();
        let found = sqlx::query(
            "select id, last_at, last_error, \
             (select count(*) from outbox where channel = channels.id and ended_at is null \
             and (event <> 'expiring' or attempts > 0 or next_at <= $1)) as waiting, \
             (select count(*) from outbox where channel = channels.id and ended = 'given_up') as given_up \
             from channels",
        );
        for row in found.bind(self.now()).fetch_all(&mut *connection).await? {
            states.insert(text(&row, "id")?, row::state(&row)?);
        }
        let revision = revision_of(&stored);
        let views = stored.into_iter().map(|one| {
            let state = states.remove(&one.channel.id).unwrap_or_default();
            view(one.channel, one.from_file, state)
        });
        Ok((views.collect(), revision))
    }

    /// Sends a made-up message through a channel at once; `Ok(Err(_))` says in words why it did not arrive.
    pub async fn test_notification(&self, id: &str, by: &Actor) -> Result<Result<(), String>, ChangeError> {
        // A browser is tried by its owner, and by nobody else.
        let allowed = match (self.owner_of_browser(id).await?, by) {
            (Some(owner), by) => owner == by.name(),
            (None, Actor::User(user)) => user.role >= Role::Admin,
            (None, Actor::Operator | Actor::Hub) => true,
        };
        if !allowed {
            return Err(ChangeError::Forbidden);
        }
        let Some((channel, _)) = self.stored_channel(id).await? else {
            return Err(ChangeError::NotFound(format!("channel {id:?}")));
        };
        let outcome = match self.sender(&channel).await? {
            Ok(sender) => self.try_out(&channel, &*sender).await,
            Err(why) => Err(Failure::Permanent(why)),
        };
        self.note_outcome(id, outcome.clone().err()).await?;
        Ok(outcome.map_err(|failure| failure.to_string()))
    }

    async fn try_out(&self, channel: &Channel, sender: &dyn Sender) -> Result<(), Failure> {
        let recipients = if channel.kind == Kind::Email { channel.settings.to.clone() } else { vec![String::new()] };
        for recipient in recipients {
            let now = self.now();
            let message = Message {
                id: format!("test_{}", uuid::Uuid::now_v7().simple()),
                event: Event::Created,
                notice: Notice::example(now),
                more: 0,
                recipient,
                arguments: None,
                test: true,
                base: self.base_url.get(),
                now,
            };
            super::courier::within(super::TIMEOUT, sender.send(&message)).await?;
        }
        Ok(())
    }
}

fn view(channel: Channel, from_file: bool, state: State) -> View {
    let mut settings = serde_json::to_value(&channel.settings).unwrap_or_default();
    let mut secrets = BTreeMap::new();
    for key in kinds::keys(channel.kind).1 {
        let value = settings.as_object_mut().and_then(|object| object.remove(*key));
        secrets.insert((*key).to_owned(), value.is_some());
    }
    let target = kinds::target(&channel);
    View {
        target,
        events: channel.events.unwrap_or_else(|| channel.kind.usual_events()),
        id: channel.id,
        kind: channel.kind,
        name: channel.name,
        enabled: channel.enabled,
        from_file,
        servers: channel.servers,
        threshold: channel.threshold,
        quiet_hours: channel.quiet_hours,
        settings,
        secrets,
        state,
    }
}
