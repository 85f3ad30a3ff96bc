//! A hub that listens, and a shim made of a bare websocket.

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::any;
use futures_util::StreamExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::PATIENCE;
use crate::core::approval::{Outcome, Status};
use crate::core::ids::{ApprovalId, InstanceId};
use crate::core::messages::{Decided, Decision, Registered, Release, Request};
use crate::hub::shims::{self, Meter};
use crate::hub::tests::desk::{Desk, request};
use crate::wire::{self, Hello, ToHub, ToWrap, Welcome};
use crate::wrap::connect::send_text;

/// A hub that listens.
pub(in crate::hub::tests) struct Served {
    pub(in crate::hub::tests) desk: Desk,
    url: String,
}

impl Served {
    pub(in crate::hub::tests) async fn new() -> Self {
        Self::with(Desk::new().await).await
    }

    pub(in crate::hub::tests) async fn with(desk: Desk) -> Self {
        let hub = desk.hub.clone();
        hub.store.beat(hub.now()).await.unwrap();
        let bearer = hub.agents.bearer(&desk.token).await.unwrap().unwrap();
        let upgrade = move |upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(move |socket| shims::handle(hub.shims.clone(), socket, bearer, Meter::default(), None))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}{}", listener.local_addr().unwrap(), wire::PATH);
        tokio::spawn(axum::serve(listener, Router::new().route(wire::PATH, any(upgrade))).into_future());
        let hub = desk.hub.clone();
        tokio::spawn(async move { hub.run_background().await });
        Self { desk, url }
    }

    /// A connection that has said nothing yet.
    pub(in crate::hub::tests) async fn mute(&self) -> Wire {
        Wire(tokio_tungstenite::connect_async(&self.url).await.unwrap().0)
    }

    /// A shim that said hello, and the welcome it got.
    pub(in crate::hub::tests) async fn shim(&self, instance: &str, resume: Vec<ApprovalId>) -> (Wire, Welcome) {
        let mut wire = self.mute().await;
        wire.say(&ToHub::Hello(hello(instance, resume))).await;
        match wire.hear().await {
            ToWrap::Welcome(welcome) => (wire, welcome),
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// A shim with one call registered.
    pub(super) async fn holding(&self) -> (Wire, Request) {
        let (mut wire, _) = self.shim("shim-1", Vec::new()).await;
        let request = request(&self.desk.shim, "delete_repo", "{\"repo\":\"a\"}");
        wire.register(&request).await;
        (wire, request)
    }

    /// Waits until the approval looks like that.
    pub(super) async fn becomes(&self, id: &ApprovalId, status: Status, outcome: Outcome) {
        let mut newest = self.desk.hub.store().subscribe();
        let reached = async {
            while (self.desk.now(id).await.status, self.desk.now(id).await.outcome) != (status, outcome) {
                newest.changed().await.unwrap();
            }
        };
        assert!(tokio::time::timeout(PATIENCE, reached).await.is_ok(), "it is {:?}", self.desk.now(id).await);
    }
}

pub(in crate::hub::tests) fn hello(instance: &str, resume: Vec<ApprovalId>) -> Hello {
    Hello {
        version: wire::VERSION,
        instance: InstanceId::from(instance),
        server: "github".into(),
        command: vec!["server".into()],
        client: None,
        user: Some("somebody".into()),
        resume,
    }
}

/// The shim's end of the websocket.
pub(in crate::hub::tests) struct Wire(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Wire {
    pub(in crate::hub::tests) async fn say(&mut self, message: &ToHub) {
        self.say_text(&wire::encode(message)).await;
    }

    pub(in crate::hub::tests) async fn say_text(&mut self, text: &str) {
        send_text(&mut self.0, text.to_owned()).await.unwrap();
    }

    /// The next message, or the close code.
    pub(super) async fn next(&mut self) -> Result<ToWrap, u16> {
        loop {
            match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("the hub says something") {
                Some(Ok(Message::Text(text))) => return Ok(wire::decode(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(0, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
                None => return Err(0),
            }
        }
    }

    /// The next message, but for the word that nobody described a server's tools.
    pub(in crate::hub::tests) async fn hear(&mut self) -> ToWrap {
        loop {
            match self.next().await.expect("a message, not the end") {
                ToWrap::Undescribed { .. } => {}
                message => return message,
            }
        }
    }

    pub(in crate::hub::tests) async fn hear_end(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }

    pub(super) async fn register(&mut self, request: &Request) -> Registered {
        self.say(&ToHub::Request(request.clone())).await;
        match self.hear().await {
            ToWrap::Registered(registered) => registered,
            other => panic!("not registered: {other:?}"),
        }
    }

    pub(super) async fn hear_decision(&mut self) -> Decision {
        match self.hear().await {
            ToWrap::Decision(Decided { decision, .. }) => decision,
            other => panic!("no decision: {other:?}"),
        }
    }
}

pub(super) fn release_of(request: &Request) -> Release {
    Release { approval: request.id.clone(), digest: request.digest.clone() }
}
