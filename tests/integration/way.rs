//! The way to a hub that is reached through a proxy only, and whose certificate comes from a company's own authority.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Hub, Ledger, Wrap, binary, command, eventually, test_file, text_of};

/// A name that only the proxy knows; it is the one in the hub's certificate.
const HUB: &str = "https://hitl.test";

/// A proxy that asks for a password and leads everybody to one hub.
struct Proxy {
    url: String,
    used: Arc<AtomicUsize>,
}

impl Proxy {
    async fn to(hub: &Hub) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://al%69ce:secret@{}", listener.local_addr().unwrap());
        let (used, hub) = (Arc::new(AtomicUsize::new(0)), hub.url.split("://").nth(1).unwrap().to_owned());
        let count = used.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lead(stream, hub.clone(), count.clone()));
            }
        });
        Self { url, used }
    }
}

async fn lead(mut stream: TcpStream, hub: String, used: Arc<AtomicUsize>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("CONNECT hitl.test:443 HTTP/1.1\r\n"), "{head}");
    if !head.to_ascii_lowercase().contains("proxy-authorization: basic ywxpy2u6c2vjcmv0") {
        stream.write_all(b"HTTP/1.1 407 Who\r\ncontent-length: 2\r\n\r\nno").await.unwrap();
        return;
    }
    let mut there = TcpStream::connect(hub).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await.unwrap();
    used.fetch_add(1, Ordering::SeqCst);
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
}

async fn company_hub() -> Hub {
    let (certificate, key) = (test_file("tls/hub.pem"), test_file("tls/hub.key"));
    Hub::start_with(&[("HITL_TLS_CERT", &certificate), ("HITL_TLS_KEY", &key), ("HITL_PUBLIC_URL", HUB)]).await
}

#[tokio::test]
async fn shim_and_commands_go_through_the_proxy_and_believe_the_companys_authority() {
    let hub = company_hub().await;
    let (proxy, token, ledger) = (Proxy::to(&hub).await, hub.add_agent("claude").await, Ledger::new());
    let authority = test_file("tls/authority.pem");
    let wrap = Wrap::around(ledger.server()).named("repos").with_hub_at(HUB, &token);
    let mut client = wrap.env("HITL_CA_FILE", authority.as_str()).env("HTTPS_PROXY", &proxy.url).start();
    client.initialize().await;
    let id = client.call("list_repos", json!({})).await;
    assert!(text_of(&client.answer(id).await).contains("list_repos done"));
    assert!(proxy.used.load(Ordering::SeqCst) > 0);

    let person = hub.run(&["user", "add", "ada", "--role", "admin"]).await;
    let used = proxy.used.load(Ordering::SeqCst);
    let mut list = command(&binary("hitl-hub"), hub.data_dir());
    list.args(["approvals", "list", "--hub", HUB]).env("HITL_USER_TOKEN", "hitl_u_none");
    let output = list.env("HITL_CA_FILE", authority).env("HITL_PROXY", &proxy.url).output().await.unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("token"), "the hub answered: {stderr} {person}");
    assert!(proxy.used.load(Ordering::SeqCst) > used);
}

#[tokio::test]
async fn an_unknown_authority_and_an_unwilling_proxy_are_said_with_what_to_do() {
    let hub = company_hub().await;
    let (proxy, token) = (Proxy::to(&hub).await, hub.add_agent("claude").await);
    let stranger = proxy.url.replace("secret", "guess");
    for (url, said) in
        [(&proxy.url, "ca_file"), (&stranger, "the proxy answered 407 Who: no through the proxy 127.0.0.1:")]
    {
        let wrap = Wrap::around(vec!["cat".into()]).with_hub_at(HUB, &token).env("HITL_PROXY", url.as_str());
        let client = wrap.start();
        let stderr = || async { client.stderr.text().contains(said).then_some(()) };
        eventually(said, stderr).await;
        let all = client.stderr.text();
        assert!(all.contains("HITL_PROXY") && !all.contains("secret") && !all.contains("guess"), "{all}");
    }
}
