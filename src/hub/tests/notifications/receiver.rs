//! An HTTP endpoint that keeps what it gets and answers as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::PATIENCE;

/// What came.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Vec<u8>,
    pub(super) text: String,
    pub(super) body: Value,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// How one request is answered; those after the last planned answer get 200.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// With this status, these headers and this body.
    With(u16, Vec<(&'static str, String)>, String),
    /// Never.
    Hang,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    got: watch::Sender<Vec<Got>>,
    answers: Mutex<VecDeque<Answer>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        Self::answering([]).await
    }

    pub(super) async fn answering(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect());
        let inner = Arc::new(Inner { got: watch::Sender::new(Vec::new()), answers });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Self { url, inner };
        let handler = receiver.clone();
        let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let handler = handler.clone();
            async move { handler.take(&uri, headers, &body).await }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    async fn take(&self, uri: &Uri, headers: HeaderMap, body: &[u8]) -> Response {
        // What is sealed is neither text nor JSON.
        let text = String::from_utf8_lossy(body).into_owned();
        let bytes = body.to_vec();
        let body = serde_json::from_str(&text).unwrap_or_default();
        let got = Got { path: uri.path().to_owned(), headers, bytes, text, body };
        let answer = self.inner.answers.lock().unwrap().pop_front();
        self.inner.got.send_modify(|all| all.push(got));
        match answer {
            None => StatusCode::OK.into_response(),
            Some(Answer::With(status, headers, body)) => {
                let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
                for (name, value) in headers {
                    response.headers_mut().insert(name, value.parse().unwrap());
                }
                response
            }
            Some(Answer::Hang) => std::future::pending().await,
        }
    }

    /// What has come so far.
    pub(super) fn so_far(&self) -> Vec<Got> {
        self.inner.got.borrow().clone()
    }

    /// Waits until so many have come, and gives all there are.
    pub(super) async fn got(&self, count: usize) -> Vec<Got> {
        self.until(&format!("{count} messages"), |all| all.len() >= count).await
    }

    /// Waits until what has come is so.
    pub(super) async fn until(&self, what: &str, is_so: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let mut got = self.inner.got.subscribe();
        match tokio::time::timeout(PATIENCE, got.wait_for(|all| is_so(all))).await {
            Ok(all) => all.unwrap().clone(),
            Err(_) => panic!("waited for {what}; there came {}", self.so_far().len()),
        }
    }

    /// Waits for one.
    pub(super) async fn one(&self) -> Got {
        self.got(1).await.remove(0)
    }
}
