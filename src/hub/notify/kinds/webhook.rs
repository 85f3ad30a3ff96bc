//! Webhooks for programs, signed as Standard Webhooks describes: every event of its own, none collapsed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{Sender, endpoint};
use crate::chance::{self, NoChance};
use crate::config::notify::Settings;
use crate::hub::notify::http::{Endpoint, Failure, needed};
use crate::hub::notify::message::Message;

const PREFIX: &str = "whsec_";

struct Webhook {
    endpoint: Endpoint,
    key: Vec<u8>,
}

pub(super) fn sender(settings: &Settings) -> Result<impl Sender + use<>, String> {
    let secret = needed(settings.secret.as_ref(), "settings.secret")?;
    Ok(Webhook { endpoint: endpoint(settings, &[])?, key: key(secret)? })
}

/// A fresh signing secret.
pub(in crate::hub::notify) fn new_secret() -> Result<String, NoChance> {
    Ok(format!("{PREFIX}{}", STANDARD.encode(chance::bytes::<32>()?)))
}

fn key(secret: &str) -> Result<Vec<u8>, String> {
    let key = secret.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    key.filter(|key| (24..=64).contains(&key.len()))
        .ok_or_else(|| "settings.secret must be whsec_ and 24 to 64 bytes in base64".to_owned())
}

impl Sender for Webhook {
    fn send<'s>(&'s self, message: &'s Message) -> BoxFuture<'s, Result<(), Failure>> {
        let body = body(message).to_string();
        Box::pin(async move { self.endpoint.post(self.headers(message, &body)?, body).await })
    }

    fn pace_ms(&self) -> i64 {
        0
    }

    fn gathers(&self) -> bool {
        false
    }
}

impl Webhook {
    fn headers(&self, message: &Message, body: &str) -> Result<HeaderMap, Failure> {
        let (id, at) = (&message.id, message.now / 1000);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .map_err(|_| Failure::Permanent("settings.secret cannot be used".to_owned()))?;
        mac.update(format!("{id}.{at}.{body}").as_bytes());
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("webhook-id", id.clone()), ("webhook-timestamp", at.to_string()), ("webhook-signature", signature)]
        {
            let value = HeaderValue::try_from(value).map_err(|error| Failure::Permanent(error.to_string()))?;
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

fn body(message: &Message) -> Value {
    let notice = &message.notice;
    let kind = if message.test { "test".to_owned() } else { format!("approval.{}", message.event.as_str()) };
    let at = Timestamp::from_millisecond(notice.at).map(|at| at.to_string()).unwrap_or_default();
    json!({
        "type": kind,
        "timestamp": at,
        "data": {
            "id": notice.approval,
            "status": notice.status,
            "server": notice.server,
            "tool": notice.tool,
            "trust": notice.trust,
            "agent": { "client_id": notice.client_id, "name": notice.agent },
            "client": notice.client,
            "user": notice.user,
            "claimed_user": notice.claimed_user,
            "arguments_sha256": notice.arguments_sha256,
            "created_at": notice.created_at,
            "deadline_at": notice.deadline_at,
            "decided_at": notice.decided_at,
            "decided_by": notice.decided_by,
            "reason": notice.reason,
            "url": message.link(),
        },
    })
}
