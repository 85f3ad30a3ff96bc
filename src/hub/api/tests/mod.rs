//! The HTTP side over real sockets: a hub on port 0 with a fresh store for every test.

mod deciding;
mod enrolling;
mod events;
mod guard;
mod metrics;
mod notifications;
mod page;
mod policy;
mod roles;
mod signing_in;

use std::net::SocketAddr;
use std::path::Path;

use futures_util::StreamExt as _;
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::site::Site;
use crate::PATIENCE;
use crate::config::hub::Settings;
use crate::core::call;
use crate::core::ids::{ApprovalId, InstanceId};
use crate::core::messages::Request;
use crate::hub::clock::Clock;
use crate::hub::model::{Agent, Role};
use crate::hub::people::LinkKind;
use crate::hub::store::Store;
use crate::hub::who::Actor;
use crate::hub::{Hub, Settings as HubSettings, serve};
use crate::wire::{self, Hello, ToHub, ToWrap};
use crate::wrap::connect::send_text;

const PASSWORD: &str = "correct horse battery";

/// A hub that serves until it is dropped.
struct Running {
    hub: Hub,
    addr: SocketAddr,
    dir: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.hub.shutdown().cancel();
    }
}

impl Running {
    async fn start() -> Self {
        Self::start_with(&[], Clock::real()).await
    }

    /// One where nothing comes back with time, however long the test takes.
    async fn while_no_time_passes() -> Self {
        Self::start_with(&[], Clock::settable(1_800_000_000_000)).await
    }

    async fn start_with(env: &[(&str, &str)], clock: Clock) -> Self {
        // The process has one; the second installation is refused.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::of_env(dir.path(), env);
        let store = Store::open(&settings.database).await.unwrap();
        let threshold = settings.new_server_threshold;
        let hub = Hub::open(store, HubSettings { new_server_threshold: threshold, ..HubSettings::default() }, clock);
        let hub = hub.await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let site = Site::new(&settings, addr, false);
        hub.set_base_url(&site.base_url);
        tokio::spawn(serve::serve(hub.clone(), site, listener, None));
        Self { hub, addr, dir }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A client nobody knows.
    fn stranger(&self) -> Person {
        let http = reqwest::Client::builder().no_proxy().cookie_store(true).build().unwrap();
        Person { http, base: self.url(""), csrf: String::new() }
    }

    async fn add_user(&self, name: &str, role: Role) {
        self.hub.people.add_user(name, role, Some(PASSWORD), &Actor::Operator).await.unwrap();
    }

    /// A new user, signed in.
    async fn person(&self, name: &str, role: Role) -> Person {
        self.hub.people.add_user(name, role, None, &Actor::Operator).await.unwrap();
        let code = self.hub.people.mint_link(LinkKind::SignIn(name.to_owned())).await.unwrap();
        let mut person = self.stranger();
        person.sign_in(&json!({ "code": code })).await;
        person
    }

    /// A shim of a new agent in front of the server `repos`.
    async fn shim(&self) -> Shim {
        let (agent, token) = self.hub.agents.add_agent("cursor", None, &Actor::Operator).await.unwrap();
        Shim::connect(self, agent, &token).await
    }

    /// Opens the websocket with this token, and headers on top.
    async fn open_socket(&self, token: &str, headers: &[(&str, &str)]) -> Result<Socket, tungstenite::Error> {
        let mut request = format!("ws://{}{}", self.addr, wire::PATH).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", wire::SUBPROTOCOL.parse().unwrap());
        for (name, value) in headers {
            let name: tungstenite::http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        tokio_tungstenite::connect_async(request).await.map(|(socket, _)| socket)
    }

    /// The store's file, for a second process.
    fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// A browser.
struct Person {
    http: reqwest::Client,
    base: String,
    csrf: String,
}

impl Person {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// As the page does it.
    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).header("x-hitl-csrf", &self.csrf).send().await.unwrap()
    }

    async fn read(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// As the page does it.
    async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.request(method, path).header("x-hitl-csrf", &self.csrf).json(body).send().await.unwrap()
    }

    async fn post(&self, path: &str, body: Value) -> Response {
        self.send(Method::POST, path, &body).await
    }

    async fn put(&self, path: &str, body: Value) -> Response {
        self.send(Method::PUT, path, &body).await
    }

    async fn sign_in(&mut self, body: &Value) {
        let response = self.request(Method::POST, "/api/v1/session").json(body).send().await.unwrap();
        self.signed_in(response).await;
    }

    /// Keeps the half of the session that comes with this answer.
    async fn signed_in(&mut self, response: Response) {
        assert_eq!(response.status(), 200);
        let who: Value = response.json().await.unwrap();
        self.csrf = who["csrf"].as_str().unwrap().to_owned();
    }
}

/// Checks status and form of a refusal, and gives its body.
async fn problem(response: Response, status: u16) -> Value {
    assert_eq!(response.status(), status);
    assert_eq!(header(response.headers(), "content-type"), "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    assert!(!body["detail"].as_str().unwrap().is_empty() && !body["title"].as_str().unwrap().is_empty(), "{body}");
    body
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A shim, as far as the hub can tell.
struct Shim {
    socket: Socket,
    agent: Agent,
    server: String,
}

impl Shim {
    async fn connect(running: &Running, agent: Agent, token: &str) -> Self {
        let socket = running.open_socket(token, &[]).await.unwrap();
        let mut shim = Self { socket, agent, server: "repos".to_owned() };
        let hello = Hello {
            version: wire::VERSION,
            instance: InstanceId::from("instance"),
            server: shim.server.clone(),
            command: vec!["server".to_owned()],
            client: None,
            user: None,
            resume: Vec::new(),
        };
        shim.say(&ToHub::Hello(hello)).await;
        assert!(matches!(shim.hear().await, ToWrap::Welcome(_)));
        shim
    }

    async fn say(&mut self, message: &ToHub) {
        send_text(&mut self.socket, wire::encode(message)).await.unwrap();
    }

    async fn hear(&mut self) -> ToWrap {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the hub says something");
            if let Message::Text(text) = message.expect("the socket is open").unwrap() {
                return wire::decode(&text).unwrap();
            }
        }
    }

    /// Waits until the hub ends the connection.
    async fn hear_end(&mut self) {
        let ended = async { while self.socket.next().await.is_some_and(|message| message.is_ok()) {} };
        tokio::time::timeout(PATIENCE, ended).await.expect("the hub ends it");
    }

    /// Asks for `delete_repo` and waits until it is on the page.
    async fn hold(&mut self, arguments: &str) -> ApprovalId {
        let id = ApprovalId(uuid::Uuid::now_v7().to_string());
        let digest =
            call::digest(&call::Bound::plain(&self.agent.client_id, &self.server, "delete_repo", None, arguments));
        let request = Request {
            id: id.clone(),
            tool: "delete_repo".to_owned(),
            arguments: arguments.to_owned(),
            extra: None,
            definition: None,
            digest,
            client: None,
        };
        self.say(&ToHub::Request(request)).await;
        loop {
            if let ToWrap::Registered(registered) = self.hear().await {
                assert_eq!(registered.approval, id);
                return id;
            }
        }
    }
}
