//! A person at the hub, over the same API as the page.

use std::sync::Once;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::eventually;

/// A signed-in session.
#[derive(Clone)]
pub struct Approver {
    http: reqwest::Client,
    url: String,
    csrf: String,
}

/// What the hub answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The JSON, or null.
    pub body: Value,
}

/// A client that keeps cookies, as a browser does.
pub fn browser() -> reqwest::Client {
    static TLS: Once = Once::new();
    TLS.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    reqwest::Client::builder().no_proxy().cookie_store(true).build().unwrap()
}

/// A page that listens.
pub struct Listener {
    response: reqwest::Response,
    unread: String,
}

impl Listener {
    /// The next event and its id, where it has one; `None` at the end of the stream, however that comes.
    pub async fn next(&mut self) -> Option<(String, Option<i64>)> {
        loop {
            if let Some((message, rest)) = self.unread.split_once("\n\n") {
                let field = |name: &str| {
                    message.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
                };
                let (event, id) = (field("event:"), field("id:").and_then(|id| id.parse().ok()));
                self.unread = rest.to_owned();
                if let Some(event) = event {
                    return Some((event, id));
                }
                continue;
            }
            let chunk = self.response.chunk().await.ok()??;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// All that it is told from here to the end of the stream, as it comes.
    pub async fn rest(mut self) -> String {
        while let Ok(Some(chunk)) = self.response.chunk().await {
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        self.unread
    }
}

impl Approver {
    /// Opens a one-time link, as the page does.
    pub async fn sign_in(url: &str, link: &str) -> Self {
        let code = link.split_once("/signin#").unwrap_or_else(|| panic!("not a sign-in link: {link}")).1;
        let mut approver = Self { http: browser(), url: url.to_owned(), csrf: String::new() };
        let answer = approver.ask(Method::POST, "/session", Some(json!({ "code": code }))).await;
        assert!(answer.status < 300, "the link signs in: {answer:?}");
        answer.body["csrf"].as_str().expect("the session has another half").clone_into(&mut approver.csrf);
        approver
    }

    /// Sends one request to `/api/v1…`.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, format!("{}/api/v1{path}", self.url));
        request = request.header("Origin", &self.url).header("X-HITL-CSRF", &self.csrf);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::Null) }
    }

    /// Reads something that must be there.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "GET {path}: {}", answer.body);
        answer.body
    }

    /// Changes something that must be changeable.
    pub async fn put(&self, path: &str, body: Value) {
        let answer = self.ask(Method::PUT, path, Some(body)).await;
        assert!(answer.status < 300, "PUT {path}: {answer:?}");
    }

    /// Adds something that must be addable.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.ask(Method::POST, path, Some(body)).await;
        assert!(answer.status < 300, "POST {path}: {answer:?}");
        answer.body
    }

    /// The approvals that wait now.
    pub async fn queue(&self) -> Vec<Value> {
        self.get("/approvals?status=pending").await["items"].as_array().unwrap().clone()
    }

    /// Waits until exactly one approval waits, and returns it.
    pub async fn the_pending_approval(&self) -> Value {
        eventually("an approval in the queue", || async {
            let mut queue = self.queue().await;
            assert!(queue.len() < 2, "one approval was expected: {queue:?}");
            queue.pop()
        })
        .await
    }

    /// Waits until so many approvals wait, and returns them, oldest first.
    pub async fn pending_approvals(&self, count: usize) -> Vec<Value> {
        eventually("approvals in the queue", || async {
            let queue = self.queue().await;
            (queue.len() == count).then_some(queue)
        })
        .await
    }

    /// One approval by its id.
    pub async fn approval(&self, id: &str) -> Value {
        self.get(&format!("/approvals/{id}")).await
    }

    /// Waits until an approval's field has a value.
    pub async fn wait_for(&self, id: &str, field: &str, value: &str) -> Value {
        eventually(&format!("{field} = {value} of approval {id}"), || async {
            let approval = self.approval(id).await;
            (approval[field] == value).then_some(approval)
        })
        .await
    }

    /// Presses Approve.
    pub async fn approve(&self, approval: &Value) -> Answer {
        self.decide(approval, "approve", json!({})).await
    }

    /// Presses Approve at a hub that may be gone at any moment; nobody knows whether it heard.
    pub async fn approve_if_there(&self, approval: &Value) {
        let id = approval["id"].as_str().expect("an approval has an id");
        let request = self.http.post(format!("{}/api/v1/approvals/{id}/approve", self.url));
        let request = request.header("Origin", &self.url).header("X-HITL-CSRF", &self.csrf);
        drop(request.json(&json!({})).send().await);
    }

    /// Presses Approve on whatever waits, for ever, whether hubs are there or not.
    pub async fn keep_approving(&self) -> std::convert::Infallible {
        loop {
            let request = self.http.get(format!("{}/api/v1/approvals?status=pending", self.url));
            if let Ok(answer) = request.header("X-HITL-CSRF", &self.csrf).send().await
                && let Ok(queue) = answer.json::<Value>().await
            {
                for approval in queue["items"].as_array().into_iter().flatten() {
                    self.approve_if_there(approval).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Live events, from after this one on; `None` where nobody answers.
    pub async fn listen(&self, after: Option<i64>) -> Option<Listener> {
        let request = self.http.get(format!("{}/api/v1/events", self.url)).header("X-HITL-CSRF", &self.csrf);
        let request = after.into_iter().fold(request, |request, id| request.header("Last-Event-ID", id));
        let response = request.send().await.ok().filter(|response| response.status() == StatusCode::OK)?;
        Some(Listener { response, unread: String::new() })
    }

    /// Presses Reject, with a reason.
    pub async fn reject(&self, approval: &Value, reason: &str) -> Answer {
        self.decide(approval, "reject", json!({ "reason": reason })).await
    }

    async fn decide(&self, approval: &Value, action: &str, body: Value) -> Answer {
        let id = approval["id"].as_str().expect("an approval has an id");
        self.ask(Method::POST, &format!("/approvals/{id}/{action}"), Some(body)).await
    }

    /// Waits until the hub knows a server's tool, as a shim reported it.
    pub async fn knows_tool(&self, server: &str, tool: &str) {
        eventually(&format!("tool {tool} of {server}"), || async {
            let answer = self.ask(Method::GET, &format!("/servers/{server}"), None).await;
            let tools = answer.body["tools"].as_array().cloned().unwrap_or_default();
            tools.iter().any(|known| known["name"] == tool).then_some(())
        })
        .await
    }

    /// Sets a tool's toggle.
    pub async fn gate(&self, server: &str, tool: &str) {
        self.put(&format!("/servers/{server}/tools/{tool}"), json!({ "hitl": true })).await;
    }

    /// Changes a server's policy.
    pub async fn set_policy(&self, server: &str, change: Value) {
        self.put(&format!("/servers/{server}/policy"), change).await;
    }
}
