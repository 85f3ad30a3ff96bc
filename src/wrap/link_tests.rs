//! The connection against a hub of a few lines, over real sockets.

#![expect(clippy::result_large_err, reason = "the library fixes the type of the callbacks")]

use futures_util::FutureExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;
use crate::PATIENCE;
use crate::config::way::Way;
use crate::config::wrap::Secret;
use crate::core::gate::Ask;
use crate::core::ids::Digest;
use crate::core::messages::{Cancel, Decided, Decision, Request as Held};
use crate::core::policy::Table;
use crate::wire::Welcome;
use crate::wrap::hub_client::HubClient;
use crate::wrap::identity::Identity;

/// Where nobody listens, and no test ever does: a port that was handed out and given back is another test's next.
const NOBODY: &str = "http://127.0.0.1:1";

struct Hub(TcpListener);

impl Hub {
    async fn start() -> (Self, Endpoint) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        (Self(listener), Endpoint { base, token: Secret("hitl_a_x".to_owned()), way: Way::default() })
    }

    async fn accept(&self) -> WebSocketStream<TcpStream> {
        let (stream, _) = tokio::time::timeout(PATIENCE, self.0.accept()).await.expect("a connection").unwrap();
        let answer = |request: &Request, mut response: Response| {
            assert_eq!(request.headers()["authorization"], "Bearer hitl_a_x");
            assert_eq!(request.uri().path(), wire::PATH);
            let protocol = request.headers()["sec-websocket-protocol"].clone();
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok::<_, ErrorResponse>(response)
        };
        accept_hdr_async(stream, answer).await.unwrap()
    }

    /// A connection up to its welcome.
    async fn welcome(&self, client: &mut HubClient) -> WebSocketStream<TcpStream> {
        let (mut socket, ()) = tokio::join!(self.accept(), greet(client));
        welcome(&mut socket, client).await;
        socket
    }
}

async fn welcome(socket: &mut WebSocketStream<TcpStream>, client: &mut HubClient) {
    assert!(matches!(hear(socket).await, ToHub::Hello(_)));
    let welcome = Welcome { version: 1, client_id: "agent".into(), table: table() };
    tell(socket, &ToWrap::Welcome(welcome)).await;
    assert!(matches!(answer(client).await, Answer::Welcome { .. }));
}

async fn greet(client: &mut HubClient) {
    let connected = tokio::time::timeout(PATIENCE, client.next()).await.expect("a connection");
    assert!(matches!(connected, FromHub::Connected), "{connected:?}");
    client.hello(Identity::new("s".into(), &[], None).hello(None, Vec::new()));
}

async fn answer(client: &mut HubClient) -> Answer {
    match tokio::time::timeout(PATIENCE, client.next()).await.expect("an answer") {
        FromHub::Answer(answer) => answer,
        FromHub::Connected => panic!("an unexpected connection"),
    }
}

async fn hear(socket: &mut WebSocketStream<TcpStream>) -> ToHub {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("a message").unwrap().unwrap();
        if let Message::Text(text) = message {
            return wire::decode(&text).unwrap();
        }
    }
}

async fn tell(socket: &mut WebSocketStream<TcpStream>, message: &ToWrap) {
    socket.send(Message::text(wire::encode(message))).await.unwrap();
}

fn table() -> Table {
    let unlisted = Ruling { verdict: Verdict::Pass, bypass: false, trust: Level::Low, reasons: Vec::new() };
    Table { tools: Default::default(), unlisted, timeout_seconds: 300, accepted: Default::default() }
}

fn cancel(approval: &str) -> Cancel {
    Cancel { approval: approval.into(), reason: "r".into(), keep: false }
}

#[tokio::test]
async fn messages_pass_both_ways_until_the_goodbye() {
    let (hub, endpoint) = Hub::start().await;
    let mut client = HubClient::start(HubAt::Remote { endpoint });
    let mut socket = hub.welcome(&mut client).await;
    client.ask(Ask::Cancel(cancel("a")));
    assert_eq!(hear(&mut socket).await, ToHub::Cancel(cancel("a")));
    let decided = Decided { approval: "a".into(), decision: Decision::TimedOut };
    socket.send(Message::text(r#"{"type":"from_the_future"}"#)).await.unwrap();
    tell(&mut socket, &ToWrap::Decision(decided.clone())).await;
    assert_eq!(answer(&mut client).await, Answer::Decided(decided), "an unknown message is ignored");
    let (said, ()) = tokio::join!(hear(&mut socket), client.goodbye());
    assert_eq!(said, ToHub::Bye);
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_forgets_what_was_said_before() {
    let (hub, endpoint) = Hub::start().await;
    let mut client = HubClient::start(HubAt::Remote { endpoint });
    drop(hub.welcome(&mut client).await);
    assert_eq!(answer(&mut client).await, Answer::Lost);
    client.ask(Ask::Cancel(cancel("stale")));
    let mut socket = hub.accept().await;
    assert!(matches!(client.next().await, FromHub::Connected));
    client.ask(Ask::Cancel(cancel("stale too")));
    client.hello(Identity::new("s".into(), &[], None).hello(None, Vec::new()));
    welcome(&mut socket, &mut client).await;
    client.ask(Ask::Cancel(cancel("fresh")));
    assert_eq!(hear(&mut socket).await, ToHub::Cancel(cancel("fresh")));
}

#[tokio::test]
async fn a_hub_that_drains_or_talks_nonsense_is_connected_to_again() {
    let (hub, endpoint) = Hub::start().await;
    let mut client = HubClient::start(HubAt::Remote { endpoint });
    let mut socket = hub.welcome(&mut client).await;
    tell(&mut socket, &ToWrap::Draining).await;
    assert_eq!(answer(&mut client).await, Answer::Lost);
    let mut socket = hub.welcome(&mut client).await;
    socket.send(Message::text("{\"type\":\"go\"}")).await.unwrap();
    assert_eq!(answer(&mut client).await, Answer::Lost);
    hub.welcome(&mut client).await;
}

#[tokio::test]
async fn a_call_too_large_for_the_hub_is_denied() {
    let (hub, endpoint) = Hub::start().await;
    let mut client = HubClient::start(HubAt::Remote { endpoint });
    let _socket = hub.welcome(&mut client).await;
    client.ask(Ask::Request(Held {
        id: "a".into(),
        tool: "t".into(),
        arguments: "\"".repeat(MAX_MESSAGE_BYTES / 2),
        extra: None,
        definition: None,
        digest: Digest::of(b""),
        client: None,
    }));
    let Answer::Ruled(ruled) = answer(&mut client).await else { panic!("a ruling") };
    assert_eq!((ruled.id.as_str(), ruled.ruling.verdict), ("a", Verdict::Deny));
}

#[tokio::test]
async fn a_hub_that_does_not_keep_up_is_connected_to_again() {
    let (hub, endpoint) = Hub::start().await;
    let mut client = HubClient::start(HubAt::Remote { endpoint });
    let _socket = hub.welcome(&mut client).await;
    for _ in 0..=QUEUE {
        client.ask(Ask::Cancel(cancel("a")));
    }
    assert!(!client.takes_calls());
    assert_eq!(answer(&mut client).await, Answer::Lost);
    hub.welcome(&mut client).await;
}

/// What comes of an answer that opens no websocket.
async fn answered(answer: &'static str) -> connect::Failure {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (hub, endpoint) = Hub::start().await;
    let refuse = async {
        let (mut stream, _) = hub.0.accept().await.unwrap();
        let (mut request, head) = (Vec::new(), answer.find("\r\n\r\n").unwrap() + 4);
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        // The body comes after the head was read.
        stream.write_all(&answer.as_bytes()[..head]).await.unwrap();
        tokio::task::yield_now().await;
        stream.write_all(&answer.as_bytes()[head..]).await.unwrap();
    };
    let (result, ()) = tokio::join!(connect::open(&endpoint), refuse);
    result.expect_err("no connection")
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nhitl-hub: 1\r\nHitl-Refused: token\r\n\r\n{\"detail\":\"revoked\"}";
    let connect::Failure::Refused(refused, said) = answered(answer).await else { panic!("it is refused") };
    assert_eq!((refused, said.as_str()), (Refused::Token, "401 Unauthorized: revoked"));
    let advice = refused.advice("the hub", "", false);
    assert!(advice.contains("hitl-hub agent add") && advice.contains("all calls are refused"), "{advice}");
    let own = refused.advice("the hub on this machine", "", true);
    assert!(own.contains("started again") && !own.contains("agent_token_file"), "{own}");
    let older = "HTTP/1.1 426 Upgrade Required\r\nhitl-hub: 1\r\nhitl-refused: version\r\ncontent-length: 0\r\n\r\n";
    assert!(matches!(answered(older).await, connect::Failure::Refused(Refused::Version, _)));
}

#[tokio::test]
async fn what_anybody_else_on_the_way_answers_is_not_the_hubs_word_and_is_said() {
    for (answer, said) in [
        (
            "403 Forbidden\r\n\r\n<b>blocked</b> by IT",
            "something that is not the hub answered 403 Forbidden: blocked by IT",
        ),
        ("401 Unauthorized\r\ncontent-length: 0\r\n\r\n", "something that is not the hub answered 401 Unauthorized"),
        (
            "302 Found\r\nlocation: /login\r\ncontent-length: 0\r\n\r\n",
            "something that is not the hub answered 302 Found",
        ),
        ("200 OK\r\n\r\nwelcome", "something that is not the hub answered 200 OK: welcome"),
        // The hub's own, about the name it was called by.
        (
            "403 Forbidden\r\nhitl-hub: 1\r\n\r\n{\"detail\":\"not this Host\"}",
            "it answered 403 Forbidden: not this Host",
        ),
        ("421 X\r\nhitl-hub: 1\r\nhitl-refused: later\r\n\r\n", "it answered 421 X"),
        (
            "101 Switching Protocols\r\nsec-websocket-accept: x\r\n\r\n",
            "what answers there opens no websocket of a hub",
        ),
    ] {
        let answer = format!("HTTP/1.1 {answer}").leak();
        let failure = answered(answer).await;
        assert!(matches!(&failure, connect::Failure::Unreachable(why) if why == said), "{failure:?}");
    }
}

#[tokio::test]
async fn a_close_code_ends_in_the_refusal_it_stands_for_with_the_hubs_own_reason() {
    for (code, refused) in [(4401, Refused::Token), (4403, Refused::Forbidden), (4426, Refused::Version)] {
        let end = closed_with(code, "too many\u{1b}[2J servers").await;
        assert_eq!(end, End::Refused(refused, "too many\\u{1b}[2J servers".to_owned()));
    }
    let advice = Refused::Forbidden.advice("the hub", "too many servers", false);
    assert!(advice.starts_with("the hub does not let this agent in (too many servers)"), "{advice}");
}

#[tokio::test]
async fn a_connection_that_the_hub_closes_is_lost_for_the_reason_it_gives() {
    let end = closed_with(4400, "no\nsuch\u{202e} server").await;
    assert_eq!(end, End::Lost("it closed the connection (code 4400: no\\u{a}such\\u{202e} server)".to_owned()));
    assert_eq!(closed_with(1012, "").await, End::Lost("it closed the connection (code 1012)".to_owned()));
}

/// How a connection ends that the hub closes like this.
async fn closed_with(code: u16, reason: &'static str) -> End {
    let (hub, endpoint) = Hub::start().await;
    let close = async {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        hub.accept().await.close(Some(frame)).await.unwrap();
    };
    let (socket, ()) = tokio::join!(connect::open(&endpoint), close);
    next(&mut socket.unwrap()).await.unwrap_err()
}

#[tokio::test]
async fn everything_that_is_said_at_once_after_a_welcome_arrives() {
    let (hub, endpoint) = Hub::start().await;
    let mut client = HubClient::start(HubAt::Remote { endpoint });
    let mut socket = hub.welcome(&mut client).await;
    let said = MAX_HELD + MAX_OUTCOMES_AWAY + 1;
    for number in 0..said {
        client.ask(Ask::Cancel(cancel(&number.to_string())));
    }
    for number in 0..said {
        assert_eq!(hear(&mut socket).await, ToHub::Cancel(cancel(&number.to_string())));
    }
}

#[tokio::test]
async fn what_kept_a_connection_from_being_made_is_said_once() {
    let error = format!("{:#}", connect::open_to_enrol(NOBODY, &Way::default()).await.unwrap_err());
    assert_eq!(error.matches("refused").count(), 1, "{error}");
}

#[tokio::test]
async fn a_goodbye_does_not_wait_for_the_welcome() {
    let (hub, endpoint) = Hub::start().await;
    let mut client = HubClient::start(HubAt::Remote { endpoint });
    let (mut socket, ()) = tokio::join!(hub.accept(), greet(&mut client));
    client.ask(Ask::Cancel(cancel("a")));
    // Were the welcome waited for, nothing of this would be heard: it never comes.
    client.goodbye().await;
    assert!(matches!(hear(&mut socket).await, ToHub::Hello(_)));
    assert_eq!(hear(&mut socket).await, ToHub::Cancel(cancel("a")), "what was said first is not lost");
    assert_eq!(hear(&mut socket).await, ToHub::Bye);
}

#[tokio::test]
async fn a_goodbye_to_nobody_does_not_wait() {
    // A port that takes connections and never answers.
    let (_hub, endpoint) = Hub::start().await;
    let client = HubClient::start(HubAt::Remote { endpoint });
    assert_eq!(client.goodbye().now_or_never(), Some(()));
}

#[tokio::test]
async fn why_there_is_no_connection_is_told_to_those_who_wait_for_it() {
    let (_hub, endpoint) = Hub::start().await;
    let endpoint = Endpoint { base: NOBODY.to_owned(), ..endpoint };
    let mut client = HubClient::start(HubAt::Remote { endpoint });
    let told = answer(&mut client).await;
    assert!(matches!(&told, Answer::Away(why) if why.contains("refused")), "{told:?}");

    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("local"), "no directory").unwrap();
    let mut client = HubClient::start(HubAt::Local { data_dir: dir.path().to_owned(), config: None });
    let told = answer(&mut client).await;
    assert!(matches!(&told, Answer::Away(why) if why.contains("HITL_DATA_DIR")), "{told:?}");
}
