//! Opening the websocket: TLS, headers, limits, and what a refusal means.

use std::sync::{Arc, Once};

use anyhow::Context as _;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, client_async_with_config, connect_async_tls_with_config,
};

use super::prove;
use super::say::say;
use crate::config::wrap::Endpoint;
use crate::core::proof::Fingerprint;
use crate::wire::{BUFFER_BYTES, ENROL_PATH, ENROL_SUBPROTOCOL, MAX_MESSAGE_BYTES, PATH, SUBPROTOCOL, close};

/// An open connection.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Why there is none.
#[derive(Debug)]
pub enum Failure {
    /// The hub is not there, or not yet.
    Unreachable(String),
    /// The hub is there and does not want us.
    Refused(Refused),
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
    let unreachable = |error: anyhow::Error| Failure::Unreachable(format!("{error:#}"));
    let request = request(endpoint).map_err(unreachable)?;
    let opened = if endpoint.base.starts_with("https:") {
        // The certificate says which hub it is.
        let connector = Connector::Rustls(tls().await.map_err(unreachable)?);
        connect_async_tls_with_config(request, Some(limits()), true, Some(connector)).await
    } else {
        let stream = dial_proved(endpoint).await.map_err(unreachable)?;
        client_async_with_config(request, MaybeTlsStream::Plain(stream), Some(limits())).await
    };
    match opened {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(match response.status().as_u16() {
            401 => Failure::Refused(Refused::Token),
            403 => Failure::Refused(Refused::Forbidden),
            426 => Failure::Refused(Refused::Version),
            status => Failure::Unreachable(format!("it answered with HTTP status {status}")),
        }),
        Err(error) => Err(Failure::Unreachable(cause(&error))),
    }
}

/// A connection in plain HTTP, at whose other end is the hub that the token is for.
async fn dial_proved(endpoint: &Endpoint) -> anyhow::Result<TcpStream> {
    let mut stream = dial(&endpoint.base).await?;
    let peer = stream.peer_addr()?;
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

async fn dial(base: &str) -> anyhow::Result<TcpStream> {
    let authority = base.strip_prefix("http://").unwrap_or(base).split('/').next().unwrap_or_default();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn request(endpoint: &Endpoint) -> anyhow::Result<Request> {
    let mut request = endpoint.websocket(PATH).into_client_request().context("the hub URL cannot be used")?;
    let mut token = HeaderValue::from_str(&format!("Bearer {}", endpoint.token.0))
        .ok()
        .context("the agent token holds characters that no token has")?;
    token.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, token);
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    Ok(request)
}

/// Opens a connection without a token, to be enrolled, and says which hub is there where no certificate does; an error
/// is in words.
pub async fn open_to_enrol(base: &str) -> anyhow::Result<(Socket, Option<Fingerprint>)> {
    let url = format!("ws{}{ENROL_PATH}", base.strip_prefix("http").unwrap_or(base));
    let mut request = url.into_client_request().context("the hub URL cannot be used")?;
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(ENROL_SUBPROTOCOL));
    let mut key = None;
    let opened = if base.starts_with("https:") {
        let connector = Connector::Rustls(tls().await?);
        connect_async_tls_with_config(request, Some(limits()), true, Some(connector)).await
    } else {
        let away = || format!("the hub at {base} cannot be reached");
        let mut stream = dial(base).await.with_context(away)?;
        let peer = stream.peer_addr().with_context(away)?;
        key = Some(prove::key_at(&mut stream, base, peer).await?);
        client_async_with_config(request, MaybeTlsStream::Plain(stream), Some(limits())).await
    };
    match opened {
        Ok((socket, _)) => Ok((socket, key)),
        Err(tungstenite::Error::Http(response)) => Err(match response.status().as_u16() {
            429 => anyhow::anyhow!("the hub at {base} was asked too often; try again in a minute"),
            404 => anyhow::anyhow!("the hub at {base} cannot enrol machines; use `hitl-hub agent add` there"),
            status => anyhow::anyhow!("the hub at {base} answered with HTTP status {status}"),
        }),
        Err(error) => Err(anyhow::anyhow!("the hub at {base} cannot be reached: {}", cause(&error))),
    }
}

/// The error in words, once: the library's own name the system's error, and have it as their source, too.
fn cause(error: &tungstenite::Error) -> String {
    match error {
        tungstenite::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    }
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES))
}

/// The machine's root certificates, read once and on a thread of their own: that takes long.
async fn tls() -> anyhow::Result<Arc<ClientConfig>> {
    static CONFIG: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
    CONFIG.get_or_try_init(|| async { tokio::task::spawn_blocking(load_tls).await? }).await.cloned()
}

fn load_tls() -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    anyhow::ensure!(added > 0, "no root certificates on this machine; install ca-certificates");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}
