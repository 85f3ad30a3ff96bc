//! The way to one browser: the push service it named, and where such services may be.

use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue};
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Url};

use super::seal::Recipient;
use super::vapid::Key;
use super::{browsers::Stored, message};
use crate::hub::notify::Notify;
use crate::hub::notify::http::{Endpoint, Failure, parse, unguarded};
use crate::hub::notify::kinds::Sender;
use crate::hub::notify::message::Message;
use crate::hub::store::StoreError;

/// The push services of Chrome and its kin, Firefox, Safari and Edge. The address comes from whoever is signed in, so
/// it is taken only from these, or from hosts that the hub's settings name.
const HOSTS: [&str; 5] = [
    "fcm.googleapis.com",
    "updates.push.services.mozilla.com",
    "*.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
];
/// A person needs no more than one message a second.
const PACE_MS: i64 = 1_000;

/// A push service as a browser named it: `https` to a known one, or whatever leads to a host of `ours`.
pub(super) fn address(url: &str, ours: &[String]) -> Result<Url, String> {
    let host = url.parse().ok().and_then(|url: Url| url.host_str().map(str::to_owned)).unwrap_or_default();
    if ours.contains(&host) {
        return parse(url, &[], true);
    }
    parse(url, &HOSTS, false).map_err(|_| {
        format!("{host:?} is no push service that this hub knows; an administrator can name it in push_hosts")
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_push_services_and_those_of_the_settings_are_written_to() {
        let ours = ["push.example.org".to_owned(), "127.0.0.1".to_owned()];
        for url in [
            "https://fcm.googleapis.com/fcm/send/x",
            "https://updates.push.services.mozilla.com/wpush/v2/x",
            "https://web.push.apple.com/x",
            "https://wns2-par02p.notify.windows.com/w/?token=x",
            "https://push.example.org/x",
            "http://127.0.0.1:8080/x",
        ] {
            assert!(address(url, &ours).is_ok(), "{url}");
        }
        for url in [
            "http://fcm.googleapis.com/fcm/send/x",
            "https://fcm.googleapis.com.evil.example/x",
            "https://evil.example/fcm.googleapis.com",
            "https://user:pass@fcm.googleapis.com/",
            "https://10.0.0.1/",
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://localhost/",
            "https://169.254.169.254/latest",
            "file:///etc/passwd",
            "",
        ] {
            assert!(address(url, &[]).is_err(), "{url}");
        }
    }
}
