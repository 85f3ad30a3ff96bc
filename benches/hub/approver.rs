//! A person at the hub: the API, and the events that an open page hears.

use std::time::Instant;

use futures_util::StreamExt as _;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::hub::Hub;

/// A signed-in session.
#[derive(Clone)]
pub struct Approver {
    http: Client,
    url: String,
    csrf: String,
}

/// An approval that an open page just heard of.
pub struct Heard {
    /// When its event was here.
    pub at: Instant,
    /// The approval.
    pub approval: Value,
}

impl Approver {
    /// Opens a one-time link.
    pub async fn sign_in(hub: &Hub) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = Client::builder().cookie_store(true).tcp_nodelay(true).build().unwrap();
        let mut open = Command::from(hub.command(&["open", "--no-browser"]));
        let link = String::from_utf8(open.output().await.unwrap().stdout).unwrap();
        let code = link.trim().split_once('#').unwrap().1.to_owned();
        let mut approver = Self { http, url: hub.url.clone(), csrf: String::new() };
        let session = approver.ask(Method::POST, "/session", Some(json!({ "code": code }))).await;
        session["csrf"].as_str().unwrap().clone_into(&mut approver.csrf);
        approver
    }

    /// One request that must succeed.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        request = request.header("Origin", &self.url).header("X-HITL-CSRF", &self.csrf);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Approves.
    pub async fn approve(&self, id: &str) {
        self.ask(Method::POST, &format!("/approvals/{id}/approve"), Some(json!({}))).await;
    }

    /// Every pending approval from now on, as an open page hears of it.
    pub async fn listen(&self) -> mpsc::UnboundedReceiver<Heard> {
        let request = self.http.get(format!("{}/api/v1/events", self.url)).header("X-HITL-CSRF", &self.csrf);
        let response = request.send().await.unwrap().error_for_status().unwrap();
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut chunks = response.bytes_stream();
        // The first event says that the stream stands.
        let mut text = chunks.next().await.unwrap().unwrap().to_vec();
        tokio::spawn(async move {
            while let Some(Ok(chunk)) = chunks.next().await {
                let at = Instant::now();
                // What was looked at is not looked at again: an event may come in many chunks.
                let mut looked = text.len().saturating_sub(1);
                text.extend_from_slice(&chunk);
                while let Some(end) = text[looked..].windows(2).position(|two| two == b"\n\n") {
                    let event: Vec<u8> = text.drain(..looked + end + 2).collect();
                    looked = 0;
                    let event = String::from_utf8_lossy(&event);
                    let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                    let mut data: Value = data.and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
                    if data["approval"]["status"] == "pending" {
                        drop(sender.send(Heard { at, approval: data["approval"].take() }));
                    }
                }
            }
        });
        receiver
    }
}
