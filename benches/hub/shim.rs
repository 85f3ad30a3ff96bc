//! A shim without a server: its side of the websocket, and nothing else.

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use hitl::core::call;
use hitl::core::ids::{ApprovalId, ClientId, InstanceId};
use hitl::core::messages::Request;
use hitl::wire::{self, Hello, ToHub, ToWrap};
use hitl::wrap::connect::send_text;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

const SERVER: &str = "bench";

/// A connected and welcomed shim.
pub struct Shim {
    socket: WebSocketStream<TcpStream>,
    client_id: ClientId,
}

impl Shim {
    /// Connects, authenticates and waits for the welcome.
    pub async fn connect(url: &str, token: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{address}{}", wire::PATH).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request.headers_mut().insert("sec-websocket-protocol", wire::SUBPROTOCOL.parse().unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let limits = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
        let (socket, _) = client_async_with_config(request, stream, Some(limits)).await.unwrap();
        let mut shim = Self { socket, client_id: ClientId::from("") };
        shim.say(&ToHub::Hello(hello())).await;
        let ToWrap::Welcome(welcome) = shim.hear().await else { panic!("a welcome comes first") };
        shim.client_id = welcome.client_id;
        shim
    }

    /// Holds a call; returns its approval when the hub has it.
    pub async fn hold(&mut self, arguments: &str) -> ApprovalId {
        let request = self.request(arguments);
        self.say(&ToHub::Request(request.clone())).await;
        self.wait(|message| matches!(message, ToWrap::Registered(_))).await;
        request.id
    }

    /// A call to be held.
    pub fn request(&self, arguments: &str) -> Request {
        let tool = "gated";
        Request {
            id: ApprovalId::from(uuid::Uuid::now_v7().to_string().as_str()),
            tool: tool.to_owned(),
            arguments: arguments.to_owned(),
            definition: None,
            digest: call::digest(&call::Bound::plain(&self.client_id, SERVER, tool, None, arguments)),
            extra: None,
            client: None,
        }
    }

    /// Waits for a message; others are not looked at.
    pub async fn wait(&mut self, wanted: impl Fn(&ToWrap) -> bool) {
        while !wanted(&self.hear().await) {}
    }

    /// Sends a message to a hub that may have had enough of us: what it says meanwhile is not looked at, and one that
    /// ends the connection leaves us waiting.
    pub async fn try_say(&mut self, message: &ToHub) {
        let sent = send_text(&mut self.socket, wire::encode(message)).await.is_ok();
        while let Some(heard) = self.socket.next().now_or_never() {
            if !matches!(heard, Some(Ok(_))) {
                std::future::pending::<()>().await;
            }
        }
        if !sent {
            std::future::pending::<()>().await;
        }
    }

    /// Begins a message of so many bytes, in frames of the largest kind, and does not end it.
    pub async fn begin(&mut self, bytes: usize) {
        let payload = Bytes::from(vec![b'x'; wire::MAX_FRAME_BYTES]);
        for at in 0..bytes / wire::MAX_FRAME_BYTES {
            let kind = if at == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message(payload.clone(), OpCode::Data(kind), false);
            if self.socket.send(Message::Frame(frame)).await.is_err() {
                return;
            }
        }
    }

    async fn say(&mut self, message: &ToHub) {
        send_text(&mut self.socket, wire::encode(message)).await.unwrap();
    }

    async fn hear(&mut self) -> ToWrap {
        loop {
            if let Message::Text(text) = self.socket.next().await.expect("the hub is there").unwrap() {
                return wire::decode(&text).unwrap();
            }
        }
    }
}

fn hello() -> Hello {
    Hello {
        version: wire::VERSION,
        instance: InstanceId(uuid::Uuid::now_v7().to_string()),
        server: SERVER.to_owned(),
        command: Vec::new(),
        client: None,
        user: None,
        resume: Vec::new(),
    }
}
