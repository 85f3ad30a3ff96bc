//! From a hub's URL to a stream of bytes: TCP, through a proxy where one is named, and TLS where the URL says so.

use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, InvalidMessage};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::MaybeTlsStream;

use super::http::Answer;
use crate::config::way::{Proxy, Way, host_and_port};

/// A stream of bytes to the hub.
pub type Stream = MaybeTlsStream<TcpStream>;

/// Connects to the hub at `base`; an error is in words, and names the proxy if there is one.
pub async fn dial(base: &str, way: &Way) -> anyhow::Result<Stream> {
    let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
    let secure = scheme == "https";
    let at = rest.split('/').next().unwrap_or_default();
    let (host, port) = host_and_port(at, if secure { 443 } else { 80 });
    let tcp = match &way.proxy {
        Some(proxy) => through(proxy, host, port).await?,
        None => TcpStream::connect((host, port)).await?,
    };
    tcp.set_nodelay(true)?;
    if !secure {
        return Ok(MaybeTlsStream::Plain(tcp));
    }
    let name =
        ServerName::try_from(host.to_owned()).context("the hub URL holds no name that a certificate can have")?;
    let stream = TlsConnector::from(tls(way).await?).connect(name, tcp).await.map_err(|error| in_words(&error, way))?;
    Ok(MaybeTlsStream::Rustls(stream))
}

/// The hub's certificate is nobody's that is believed here; why, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CertificateFault(String);

/// How the way is said where it is not plain.
pub fn by_way_of(way: &Way) -> String {
    let proxy = way.proxy.as_ref();
    proxy.map_or_else(String::new, |proxy| {
        format!(" through the proxy {}:{} that {} names", proxy.host, proxy.port, proxy.named_by)
    })
}

async fn through(proxy: &Proxy, host: &str, port: u16) -> anyhow::Result<TcpStream> {
    let mut stream =
        TcpStream::connect((proxy.host.as_str(), proxy.port)).await.context("the proxy cannot be reached")?;
    let at = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let user = proxy.user.as_ref().map_or_else(String::new, |user| {
        let user = base64::engine::general_purpose::STANDARD.encode(percent_decoded(&user.0));
        format!("Proxy-Authorization: Basic {user}\r\n")
    });
    let ask = format!("CONNECT {at} HTTP/1.1\r\nHost: {at}\r\n{user}\r\n");
    stream.write_all(ask.as_bytes()).await.context("the proxy closed the connection")?;
    let answer = Answer::read(&mut stream).await.context("the proxy does not answer as one")?;
    if (200..300).contains(&answer.status) && answer.rest.is_empty() {
        return Ok(stream);
    }
    anyhow::bail!("the proxy answered {}", answer.in_words(&mut stream).await)
}

/// User and password as they are, where a URL has to write some bytes as `%40`.
fn percent_decoded(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

/// Why there is no TLS, and what to do about it.
fn in_words(error: &io::Error, way: &Way) -> anyhow::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(fault)) => CertificateFault(certificate_in_words(fault, way)).into(),
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            anyhow::anyhow!("what answers there does not speak TLS; perhaps its URL begins with http://")
        }
        _ => anyhow::anyhow!("{error}"),
    }
}

fn certificate_in_words(fault: &CertificateError, way: &Way) -> String {
    use CertificateError as Fault;
    let why = match fault {
        Fault::UnknownIssuer if way.ca_file.is_some() => {
            "its certificate comes neither from the authorities in ca_file nor from one that this machine knows"
        }
        Fault::UnknownIssuer => {
            "its certificate comes from an authority that this machine does not know; if it is your own, name that \
             authority's certificate with ca_file in config.toml, or HITL_CA_FILE"
        }
        Fault::Expired | Fault::ExpiredContext { .. } => {
            "its certificate has expired, if the clock of this machine is right"
        }
        Fault::NotValidYet | Fault::NotValidYetContext { .. } => {
            "its certificate is not valid yet, if the clock of this machine is right"
        }
        Fault::NotValidForName | Fault::NotValidForNameContext { .. } => {
            "its certificate is for another name than the one in its URL"
        }
        // The library has no name of its own for this, and it is what one command of openssl makes.
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's own; give the hub one that the authority signed (CA:FALSE), and name \
             the authority's with ca_file"
        }
        other => return format!("its certificate cannot be believed: {other}"),
    };
    why.to_owned()
}

/// What is believed: read once and on a thread of its own, because that takes long.
async fn tls(way: &Way) -> anyhow::Result<Arc<ClientConfig>> {
    static LAST: Mutex<Option<(Way, Arc<ClientConfig>)>> = Mutex::const_new(None);
    let mut last = LAST.lock().await;
    if let Some((_, config)) = last.as_ref().filter(|(known, _)| known == way) {
        return Ok(Arc::clone(config));
    }
    let wanted = way.clone();
    let config = tokio::task::spawn_blocking(move || load_tls(&wanted)).await??;
    *last = Some((way.clone(), Arc::clone(&config)));
    Ok(config)
}

fn load_tls(way: &Way) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    let (mut added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &way.ca_file {
        let broken = || format!("cannot use ca_file {}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).with_context(broken)? {
            roots.add(certificate.with_context(broken)?).with_context(broken)?;
            added += 1;
        }
    }
    anyhow::ensure!(added > 0, "no root certificates on this machine; install ca-certificates");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the library calls it.
    #[derive(Debug, thiserror::Error)]
    #[error("not for servers")]
    struct CaUsedAsEndEntity;

    #[test]
    fn what_is_wrong_with_a_certificate_is_said_in_words() {
        use CertificateError as Fault;
        let authority = Way { ca_file: Some("/ca.pem".into()), ..Way::default() };
        for (fault, way, said) in [
            (Fault::UnknownIssuer, &Way::default(), "HITL_CA_FILE"),
            (Fault::UnknownIssuer, &authority, "neither from the authorities in ca_file"),
            (Fault::Expired, &authority, "expired"),
            (Fault::NotValidYet, &authority, "not valid yet"),
            (Fault::NotValidForName, &authority, "another name"),
            (Fault::Other(rustls::OtherError(Arc::new(CaUsedAsEndEntity))), &authority, "CA:FALSE"),
            (Fault::Revoked, &authority, "cannot be believed"),
        ] {
            let words = certificate_in_words(&fault, way);
            assert!(words.contains(said), "{words}");
        }
    }
}
