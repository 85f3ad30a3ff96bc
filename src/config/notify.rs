//! A notification channel, as `[[notify]]` in `config.toml` and the API's `/notifications` both write it.
//!
//! Types only; which settings a kind needs is checked where channels are made, in `hub::notify`.

use std::fmt;

use anyhow::bail;
use serde::{Deserialize, Serialize};

use crate::core::trust::Level;

/// One way to tell people, or programs, about approvals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its id; chosen by whoever writes the file, and by the hub for those made on the page.
    #[serde(default)]
    pub id: String,
    /// What it is.
    pub kind: Kind,
    /// What people call it; without one, its kind.
    #[serde(default)]
    pub name: String,
    /// Whether it is used.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// What it tells; without a list, what fits the kind: `created` for people, everything for webhooks.
    #[serde(default)]
    pub events: Option<Vec<Event>>,
    /// Only approvals of these servers; empty for all.
    #[serde(default)]
    pub servers: Vec<String>,
    /// Only approvals of this trust level or above.
    #[serde(default)]
    pub threshold: Option<Level>,
    /// When it stays silent.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
    /// How to reach it; which keys there are depends on the kind.
    #[serde(default)]
    pub settings: Settings,
}

fn yes() -> bool {
    true
}

impl Channel {
    /// The channel by which one browser is told.
    pub fn of_browser(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            kind: Kind::Browser,
            name: String::new(),
            enabled: true,
            events: None,
            servers: Vec::new(),
            threshold: None,
            quiet_hours: None,
            settings: Settings::default(),
        }
    }
}

/// Hosts of push services, from the environment (with commas between them), else from the file.
pub fn push_hosts(env: Option<String>, file: Option<Vec<String>>) -> anyhow::Result<Vec<String>> {
    let listed = |text: String| text.split(',').map(str::to_owned).collect();
    let hosts: Vec<String> = env.map(listed).or(file).unwrap_or_default();
    let hosts: Vec<_> = hosts.iter().map(|host| host.trim().to_ascii_lowercase()).collect();
    match hosts.iter().find(|host| host.is_empty() || host.contains(['/', '*', '@', ' '])) {
        Some(host) => bail!("push_hosts: {host:?} is not the name of a host, such as push.example.org"),
        None => Ok(hosts),
    }
}

/// What a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Mail through an SMTP server.
    Email,
    /// A Slack incoming webhook.
    Slack,
    /// A Microsoft Teams webhook (Workflows).
    Teams,
    /// A Discord webhook.
    Discord,
    /// A Telegram bot.
    Telegram,
    /// An ntfy topic.
    Ntfy,
    /// Any program, by Standard Webhooks.
    Webhook,
    /// A browser, by Web Push; browsers subscribe themselves, on the page.
    Browser,
}

/// What happened to an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It waits for a decision.
    Created,
    /// It will time out in a minute.
    Expiring,
    /// It was approved or rejected.
    Decided,
    /// Nobody decided in time.
    TimedOut,
    /// The agent took it back or went away.
    Cancelled,
}

/// From when to when nothing is sent, in a time zone; over midnight when `from` is later than `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuietHours {
    /// Such as `22:00`; the first quiet minute.
    pub from: String,
    /// Such as `07:00`; the first minute that is not quiet any more.
    pub to: String,
    /// An IANA name, such as `Europe/Berlin`.
    pub zone: String,
}

/// How mail travels to the SMTP server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Plain at first, then upgraded; refused if the server cannot.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// In the clear; only to this machine.
    None,
}

/// The settings of all kinds; each kind takes some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where to send; secret where whoever knows it may post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Hidden>,
    /// webhook: the signing secret, `whsec_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Hidden>,
    /// ntfy, telegram: the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Hidden>,
    /// ntfy: the topic, as good as a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<Hidden>,
    /// telegram: whom to write to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chat_id: Option<String>,
    /// All but email: plain http, private addresses and other hosts than the vendor's are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_private: Option<bool>,
    /// email: the SMTP server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// email: its port; without one, what is usual for `tls`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// email: how it is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// email: PEM certificates to trust beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_pem: Option<String>,
    /// email: the login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// email: its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Hidden>,
    /// email: the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// email: who gets it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// email: seconds to wait before telling of a new approval, which by then may be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_after: Option<u32>,
    /// email: put the arguments into the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<bool>,
}

/// A secret setting: stored and used, never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

impl Kind {
    /// The kind as it stands in JSON and SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Slack => "slack",
            Self::Teams => "teams",
            Self::Discord => "discord",
            Self::Telegram => "telegram",
            Self::Ntfy => "ntfy",
            Self::Webhook => "webhook",
            Self::Browser => "browser",
        }
    }

    /// What it tells when nothing else is said.
    pub fn usual_events(self) -> Vec<Event> {
        match self {
            Self::Webhook => Event::ALL.to_vec(),
            // What became of an approval takes the place of the notification that it waits.
            Self::Browser => vec![Event::Created, Event::Decided, Event::TimedOut, Event::Cancelled],
            _ => vec![Event::Created],
        }
    }
}

impl Event {
    /// Every event, in the order of an approval's life.
    pub const ALL: [Self; 5] = [Self::Created, Self::Expiring, Self::Decided, Self::TimedOut, Self::Cancelled];

    /// The event as it stands in JSON and SQL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Expiring => "expiring",
            Self::Decided => "decided",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
        }
    }

    /// The event of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_of_the_file_needs_little_and_hides_its_secrets() {
        let channel: Channel =
            toml::from_str("id = \"ops\"\nkind = \"slack\"\nsettings.url = \"https://hooks.slack.com/x\"").unwrap();
        assert!(channel.enabled && channel.events.is_none());
        assert!(!format!("{channel:?}").contains("hooks.slack.com"));
    }

    #[test]
    fn push_hosts_are_names_of_hosts() {
        let named = push_hosts(Some("Push.example.org, 127.0.0.1".to_owned()), Some(vec!["other".to_owned()]));
        assert_eq!(named.unwrap(), ["push.example.org", "127.0.0.1"]);
        for wrong in ["https://push.example.org", "*.example.org", ""] {
            assert!(push_hosts(None, Some(vec![wrong.to_owned()])).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_the_same_in_sql_and_json() {
        for event in Event::ALL {
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
            assert_eq!(Event::from_name(event.as_str()), Some(event));
        }
        for kind in [
            Kind::Email,
            Kind::Slack,
            Kind::Teams,
            Kind::Discord,
            Kind::Telegram,
            Kind::Ntfy,
            Kind::Webhook,
            Kind::Browser,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
