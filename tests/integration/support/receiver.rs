//! An HTTP endpoint on this machine that takes whatever it is sent.

use axum::Router;
use axum::body::Bytes;
use axum::http::Uri;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::PATIENCE;

/// A running one.
pub struct Receiver {
    /// Its base URL, without a slash at its end.
    pub url: String,
    got: watch::Receiver<Vec<(String, Value)>>,
}

impl Receiver {
    /// Starts it on a free port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (all, got) = watch::channel(Vec::new());
        let app = Router::new().fallback(move |uri: Uri, body: Bytes| {
            let message = (uri.path().to_owned(), serde_json::from_slice(&body).unwrap());
            all.send_modify(|all| all.push(message));
            async {}
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, got }
    }

    /// Waits for a message to this path.
    pub async fn at(&self, path: &str) -> Value {
        let is = |(at, _): &&(String, Value)| at == path;
        let mut got = self.got.clone();
        let waited = tokio::time::timeout(PATIENCE, got.wait_for(|all| all.iter().any(|one| is(&one)))).await;
        let all = waited.unwrap_or_else(|_| panic!("nothing came to {path}")).unwrap();
        all.iter().find(is).unwrap().1.clone()
    }
}
