//! The way to one browser: the push service it named.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use futures_util::future::BoxFuture;
use reqwest::Client;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

use super::browsers::Stored;
use super::hosts::address;
use super::message;
use super::seal::Recipient;
use super::vapid::Key;
use crate::hub::notify::Notify;
use crate::hub::notify::http::{Endpoint, Failure, unguarded};
use crate::hub::notify::kinds::Sender;
use crate::hub::notify::message::Message;
use crate::hub::store::StoreError;

/// A person needs no more than one message a second.
const PACE_MS: i64 = 1_000;

/// Writes to one browser.
struct ToBrowser {
    endpoint: Endpoint,
    recipient: Recipient,
    key: Arc<Key>,
}

impl Notify {
    /// The sender for a browser, or why there is none.
    pub(in crate::hub::notify) async fn browser_sender(
        &self,
        id: &str,
    ) -> Result<Result<Arc<dyn Sender>, String>, StoreError> {
        let Some(Stored { endpoint: url, p256dh, auth, .. }) = self.stored_browser(id).await? else {
            return Ok(Err("this browser was removed".to_owned()));
        };
        let key = self.push_key().await?;
        let made = || {
            let url = address(&url, &self.push_hosts)?;
            let endpoint = Endpoint::over(self.push_client()?, url);
            let recipient = Recipient::new(&p256dh, &auth)?;
            Ok(Arc::new(ToBrowser { endpoint, recipient, key }) as Arc<dyn Sender>)
        };
        Ok(made())
    }

    /// The client for all push services: browsers are many, and their services few.
    fn push_client(&self) -> Result<Client, String> {
        if let Some(client) = self.push_client.get() {
            return Ok(client.clone());
        }
        let made = unguarded().map_err(|error| format!("cannot make a client: {error}"))?;
        Ok(self.push_client.get_or_init(|| made).clone())
    }
}

impl Sender for ToBrowser {
    fn send<'s>(&'s self, message: &'s Message) -> BoxFuture<'s, Result<(), Failure>> {
        Box::pin(async move {
            let text = message::body(message).to_string();
            let body = self.recipient.seal(text.as_bytes());
            let body = body.map_err(|_| Failure::Permanent("the message cannot be sealed".to_owned()))?;
            let headers = self.headers(message);
            let headers = headers.ok_or_else(|| Failure::Permanent("the message cannot be signed".to_owned()))?;
            self.endpoint.send(headers, body).await
        })
    }

    fn pace_ms(&self) -> i64 {
        PACE_MS
    }
}

impl ToBrowser {
    fn headers(&self, message: &Message) -> Option<HeaderMap> {
        let envelope = message::envelope(message);
        // Operators of push services want to know whom to write to, in a form that leads somewhere.
        let contact = Some(message.base.as_str()).filter(|base| base.starts_with("https://"));
        let authorization = self.key.authorization(&self.endpoint.origin(), contact, message.now)?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert(HeaderName::from_static("ttl"), HeaderValue::from(envelope.ttl));
        headers.insert(HeaderName::from_static("urgency"), HeaderValue::from_static(envelope.urgency));
        headers.insert(HeaderName::from_static("topic"), HeaderValue::try_from(envelope.topic).ok()?);
        let mut authorization = HeaderValue::try_from(authorization).ok()?;
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
        Some(headers)
    }
}
