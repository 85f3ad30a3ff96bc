//! Before a token goes out in plain HTTP, the hub proves on the same connection that it is the one the token is for:
//! whoever listens at its address when it is away could be anybody.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::http::Answer;
use crate::chance;
use crate::core::ids::hex;
use crate::core::proof::{self, Fingerprint};
use crate::wire::{HUB_PATH, Proof};

/// How long a hub may take to prove itself.
const WITHIN: Duration = Duration::from_secs(10);
/// The largest answer that is read, head and body, in bytes.
const MAX_ANSWER: usize = 16 << 10;

/// Makes sure that the hub with this key is at the other end; nothing secret was said when it is not.
pub async fn expect<S>(stream: &mut S, base: &str, peer: SocketAddr, key: &Fingerprint) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let proved = key_at(stream, base, peer).await?;
    ensure!(proved == *key, "what answers at {peer} is another hub than the agent token is for; it was not sent there");
    Ok(())
}

/// The key of the hub at the other end.
pub async fn key_at<S>(stream: &mut S, base: &str, peer: SocketAddr) -> anyhow::Result<Fingerprint>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asking = timeout(WITHIN, ask(stream, base, peer)).await.context("no answer in time").flatten();
    asking
        .with_context(|| format!("what answers at {peer} is no hub, or cannot prove it; the token was not sent there"))
}

async fn ask<S>(stream: &mut S, base: &str, peer: SocketAddr) -> anyhow::Result<Fingerprint>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (nonce, (host, path)) = (hex(&chance::bytes::<16>()?), place(base, peer));
    let request = format!("GET {path}{HUB_PATH}?nonce={nonce} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let body = answer(stream).await?;
    let Proof { key, signature } = serde_json::from_slice(&body).context("it is no proof")?;
    proof::verify(&key, &signature, &nonce, &host).context("the signature does not fit")
}

/// The host that the hub signs, and the path before ours. Several programs may listen under one name of this machine, so
/// it is asked under the address that was found.
fn place(base: &str, peer: SocketAddr) -> (String, &str) {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let name = authority.rsplit_once(':').map_or(authority, |(name, _)| name);
    let host = match (name, peer.port()) {
        ("localhost", 80) if peer.is_ipv6() => format!("[{}]", peer.ip()),
        ("localhost", 80) => peer.ip().to_string(),
        ("localhost", _) => peer.to_string(),
        _ => authority.strip_suffix(":80").unwrap_or(authority).to_owned(),
    };
    (host, path)
}

/// The body of a plain answer that says how long it is; not a byte beyond it is read.
async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> anyhow::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        ensure!(head.len() < MAX_ANSWER, "its answer has no end");
        head.push(stream.read_u8().await?);
    }
    let answer = Answer::read(&mut head.as_slice()).await?;
    if answer.status != 200 {
        bail!("it answered {}", answer.in_words(stream).await);
    }
    let length = answer.header("content-length").and_then(|length| length.trim().parse().ok());
    let Some(length) = length.filter(|length| *length <= MAX_ANSWER) else {
        bail!("its answer says no length");
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use tokio::io::duplex;

    use super::*;

    const BASE: &str = "http://localhost:7420";

    fn peer() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7420))
    }

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    /// What `said` is answered with; `host` is what the answering hub believes to be asked under.
    fn signed(pair: &Ed25519KeyPair, said: &str, host: Option<&str>) -> String {
        let nonce = said.split("nonce=").nth(1).unwrap().split(' ').next().unwrap();
        let asked = said.split("Host: ").nth(1).unwrap().split('\r').next().unwrap();
        let statement = proof::statement(nonce, host.unwrap_or(asked));
        let encode = |bytes: &[u8]| BASE64.encode(bytes);
        let body = serde_json::to_string(&Proof {
            key: encode(pair.public_key().as_ref()),
            signature: encode(pair.sign(&statement).as_ref()),
        });
        let body = body.unwrap();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}and more", body.len())
    }

    async fn asked(answer: impl FnOnce(&str) -> String) -> (anyhow::Result<()>, String) {
        let (mut ours, mut theirs) = duplex(4096);
        let key = Fingerprint::of(pair(1).public_key().as_ref());
        let answering = async {
            let mut said = vec![0; 1024];
            let count = theirs.read(&mut said).await.unwrap();
            theirs.write_all(answer(&String::from_utf8_lossy(&said[..count])).as_bytes()).await.unwrap();
            theirs
        };
        let (expected, theirs) = tokio::join!(expect(&mut ours, BASE, peer(), &key), answering);
        drop(theirs);
        let mut rest = String::new();
        ours.read_to_string(&mut rest).await.unwrap();
        (expected, rest)
    }

    #[tokio::test]
    async fn only_the_hub_that_the_token_names_proves_itself() {
        let (right, rest) = asked(|said| signed(&pair(1), said, None)).await;
        assert!(right.is_ok(), "{right:?}");
        assert_eq!(rest, "and more", "what follows belongs to the connection");
        let (other, _) = asked(|said| signed(&pair(2), said, None)).await;
        assert!(format!("{:#}", other.unwrap_err()).contains("another hub"));
        let (passed_on, _) = asked(|said| signed(&pair(1), said, Some("127.0.0.1:7421"))).await;
        assert!(format!("{:#}", passed_on.unwrap_err()).contains("was not sent"));
    }

    #[tokio::test]
    async fn what_is_no_hub_is_said_to_be_none() {
        for answer in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nsign in first",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
            "SSH-2.0-x\r\n\r\n",
        ] {
            let (expected, _) = asked(|_| answer.to_owned()).await;
            let error = format!("{:#}", expected.unwrap_err());
            assert!(error.contains("127.0.0.1:7420 is no hub"), "{answer}: {error}");
            assert_eq!(answer.contains("403"), error.contains("403 Forbidden: sign in"), "{error}");
        }
    }

    #[test]
    fn a_hub_is_asked_under_the_address_that_was_found() {
        let six = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 7420));
        assert_eq!(place(BASE, peer()), ("127.0.0.1:7420".to_owned(), ""));
        assert_eq!(place(BASE, six), ("[::1]:7420".to_owned(), ""));
        assert_eq!(place("http://hub.lan:80/hitl", peer()), ("hub.lan".to_owned(), "/hitl"));
    }
}
