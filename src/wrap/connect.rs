//! Opening the websocket: headers, limits, and what another answer than a websocket means.

use std::sync::Once;

use anyhow::Context as _;
use futures_util::SinkExt as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::{Request, generate_request};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::dial::{Stream, by_way_of, dial};
use super::http::Answer;
use super::prove;
use super::say::say;
use crate::config::way::Way;
use crate::config::wrap::{Endpoint, websocket};
use crate::core::proof::Fingerprint;
use crate::wire::{
    self, BUFFER_BYTES, ENROL_PATH, ENROL_SUBPROTOCOL, MAX_FRAME_BYTES, MAX_MESSAGE_BYTES, PATH, SUBPROTOCOL, close,
};

/// An open connection.
pub type Socket = WebSocketStream<Stream>;

/// Why there is none.
#[derive(Debug)]
pub enum Failure {
    /// The hub is not there, or not yet.
    Unreachable(String),
    /// The hub is there and does not want us; what it said of it.
    Refused(Refused, String),
}

/// A refusal that lasts until a person does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The agent token is not known, or revoked.
    Token,
    /// The token may not do this.
    Forbidden,
    /// The hub speaks another version.
    Version,
}

impl Refused {
    /// What a close code means.
    pub fn from_close(code: u16) -> Option<Self> {
        match code {
            close::UNAUTHORISED => Some(Self::Token),
            close::FORBIDDEN => Some(Self::Forbidden),
            close::UPGRADE_REQUIRED => Some(Self::Version),
            _ => None,
        }
    }

    /// What the hub's own header means. Only that counts: a 403 may be anybody's on the way.
    fn from_header(value: Option<&str>) -> Option<Self> {
        match value? {
            wire::refused::TOKEN => Some(Self::Token),
            wire::refused::VERSION => Some(Self::Version),
            _ => None,
        }
    }

    /// Whether the hub knows who we are and does not let us in; a hub of another version is as good as away.
    pub fn is_about_us(self) -> bool {
        matches!(self, Self::Token | Self::Forbidden)
    }

    /// What to do about it; `hub` is the hub's name in words, `reason` what it said itself, if anything, and `local`
    /// whether it is this user's own.
    pub fn advice(self, hub: &str, reason: &str, local: bool) -> String {
        let said = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        match self {
            Self::Token if local => format!(
                "{hub} does not accept its own agent token{said}; end hitl-hub: it is started again, with a new one. \
                 Until then all calls are refused"
            ),
            Self::Token => format!(
                "{hub} does not accept the agent token, which is unknown or revoked{said}; make a new one with \
                 `hitl-hub agent add NAME` and put it in agent_token_file. Until then all calls are refused"
            ),
            Self::Forbidden => {
                format!("{hub} does not let this agent in{said}; ask its admin. Until then all calls are refused")
            }
            Self::Version => format!(
                "{hub} speaks another protocol version than hitl-wrap {}; install the same release of both. Calls \
                 that need approval are refused",
                env!("CARGO_PKG_VERSION")
            ),
        }
    }
}

/// Opens a connection.
pub async fn open(endpoint: &Endpoint) -> Result<Socket, Failure> {
    let unreachable = |error: anyhow::Error| Failure::Unreachable(format!("{error:#}{}", by_way_of(&endpoint.way)));
    let mut request = request(&endpoint.base, PATH, SUBPROTOCOL).map_err(unreachable)?;
    let token = HeaderValue::from_str(&format!("Bearer {}", endpoint.token.0));
    let mut token = token.context("the agent token holds characters that no token has").map_err(unreachable)?;
    token.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, token);
    let stream = dial_proved(endpoint).await.map_err(unreachable)?;
    match upgrade(stream, request).await.map_err(unreachable)? {
        Upgraded::Socket(socket) => Ok(*socket),
        Upgraded::Not(said) => Err(match said.refused {
            Some(refused) => Failure::Refused(refused, said.words),
            None => unreachable(said.into()),
        }),
    }
}

/// A connection at whose other end is the hub that the token is for: a certificate says so, or the hub itself.
async fn dial_proved(endpoint: &Endpoint) -> anyhow::Result<Stream> {
    let mut stream = dial(&endpoint.base, &endpoint.way).await?;
    if endpoint.base.starts_with("https:") {
        return Ok(stream);
    }
    let peer = stream.get_ref().peer_addr()?;
    match Fingerprint::named_by(&endpoint.token.0) {
        Some(key) => prove::expect(&mut stream, &endpoint.base, peer, &key).await?,
        None => UNNAMED.call_once(|| {
            say(&format!(
                "the agent token does not say which hub it is for, so whoever listens at {} gets it; make a new one with \
                 `hitl-hub agent add NAME`",
                endpoint.base
            ));
        }),
    }
    Ok(stream)
}

static UNNAMED: Once = Once::new();

/// Opens a connection without a token, to be enrolled, and says which hub is there where no certificate does; an error
/// is in words.
pub async fn open_to_enrol(base: &str, way: &Way) -> anyhow::Result<(Socket, Option<Fingerprint>)> {
    let away = || format!("the hub at {base} cannot be reached{}", by_way_of(way));
    let request = request(base, ENROL_PATH, ENROL_SUBPROTOCOL)?;
    let mut stream = dial(base, way).await.with_context(away)?;
    let peer = stream.get_ref().peer_addr().with_context(away)?;
    let key = match base.starts_with("https:") {
        true => None,
        false => Some(prove::key_at(&mut stream, base, peer).await?),
    };
    match upgrade(stream, request).await.with_context(away)? {
        Upgraded::Socket(socket) => Ok((*socket, key)),
        Upgraded::Not(said) => Err(match said.status {
            429 if said.is_the_hubs => anyhow::anyhow!("the hub at {base} was asked too often; try again in a minute"),
            404 if said.is_the_hubs => {
                anyhow::anyhow!("the hub at {base} cannot enrol machines; use `hitl-hub agent add` there")
            }
            _ => anyhow::Error::from(said).context(away()),
        }),
    }
}

/// What became of the request for a websocket.
enum Upgraded {
    Socket(Box<Socket>),
    Not(Said),
}

/// An answer that is no websocket.
#[derive(Debug, thiserror::Error)]
#[error("{}answered {words}", if *is_the_hubs { "it " } else { "something that is not the hub " })]
struct Said {
    status: u16,
    /// It proves to be a hub's answer.
    is_the_hubs: bool,
    refused: Option<Refused>,
    words: String,
}

fn request(base: &str, path: &str, subprotocol: &'static str) -> anyhow::Result<Request> {
    let mut request = websocket(base, path).into_client_request().context("the hub URL cannot be used")?;
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
    Ok(request)
}

async fn upgrade(mut stream: Stream, request: Request) -> anyhow::Result<Upgraded> {
    let protocol = request.headers().get(header::SEC_WEBSOCKET_PROTOCOL).cloned();
    let (bytes, key) = generate_request(request).context("the hub URL cannot be used")?;
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    let answer = Answer::read(&mut stream).await?;
    if answer.status != 101 {
        let is_the_hubs = answer.header(wire::HUB_HEADER).is_some();
        let refused = Refused::from_header(answer.header(wire::REFUSED_HEADER));
        let (status, words) = (answer.status, answer.in_words(&mut stream).await);
        return Ok(Upgraded::Not(Said { status, is_the_hubs, refused, words }));
    }
    let accepts = answer.header("sec-websocket-accept") == Some(derive_accept_key(key.as_bytes()).as_str());
    let speaks =
        answer.header("sec-websocket-protocol").map(str::as_bytes) == protocol.as_ref().map(HeaderValue::as_bytes);
    anyhow::ensure!(accepts && speaks, "what answers there opens no websocket of a hub");
    let socket = WebSocketStream::from_partially_read(stream, answer.rest, Role::Client, Some(limits())).await;
    Ok(Upgraded::Socket(Box::new(socket)))
}

/// Sends a message, a long one in several frames. Not cancel safe: a message that was begun must be ended.
pub async fn send_text<S>(socket: &mut WebSocketStream<S>, text: String) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if text.len() <= MAX_FRAME_BYTES {
        return socket.send(Message::text(text)).await;
    }
    let (bytes, mut at) = (Bytes::from(text), 0);
    while at < bytes.len() {
        let end = (at + MAX_FRAME_BYTES).min(bytes.len());
        let kind = if at == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(bytes.slice(at..end), OpCode::Data(kind), end == bytes.len());
        socket.feed(Message::Frame(frame)).await?;
        at = end;
    }
    socket.flush().await
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}
