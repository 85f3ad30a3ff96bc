//! Mail over SMTP: text and HTML, typed headers, arguments only where switched on.

use futures_util::future::BoxFuture;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls as Encryption, TlsParameters};
use lettre::transport::smtp::{Error, PoolConfig};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::Sender;
use crate::config::notify::{Settings, Tls};
use crate::hub::notify::TIMEOUT;
use crate::hub::notify::http::{Failure, needed};
use crate::hub::notify::message::{Message, NO_ARGUMENTS};
use crate::hub::notify::text::{escape, plain};

/// Connections kept to one server.
const POOL: u32 = 2;
/// The longest arguments in a mail, in characters.
const ARGUMENTS: usize = 10_000;

struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

pub(super) fn sender(settings: &Settings) -> Result<impl Sender + use<>, String> {
    let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|_| format!("{text:?} is not an address"));
    let from = mailbox(settings.from.as_deref().ok_or_else(|| "settings.from is missing".to_owned())?)?;
    if settings.to.is_empty() {
        return Err("settings.to names nobody".to_owned());
    }
    for to in &settings.to {
        mailbox(to)?;
    }
    Ok(Email { transport: transport(settings)?, from })
}

fn transport(settings: &Settings) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let host = settings.host.as_deref().map(str::trim).filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| "settings.host is missing".to_owned())?;
    let tls = settings.tls.unwrap_or_default();
    let usual = match tls {
        Tls::Starttls => 587,
        Tls::Tls => 465,
        Tls::None => 25,
    };
    let pool = PoolConfig::new().max_size(POOL);
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(settings.port.unwrap_or(usual))
        .tls(encryption(host, tls, settings.ca_pem.as_deref())?)
        .timeout(Some(TIMEOUT))
        .pool_config(pool);
    Ok(match &settings.username {
        Some(name) => {
            let password = needed(settings.password.as_ref(), "settings.password")?;
            builder.credentials(Credentials::new(name.clone(), password.to_owned())).build()
        }
        None => builder.build(),
    })
}

fn encryption(host: &str, tls: Tls, ca_pem: Option<&str>) -> Result<Encryption, String> {
    if tls == Tls::None {
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        return if here { Ok(Encryption::None) } else { Err("mail in the clear goes only to this machine".to_owned()) };
    }
    let mut parameters = TlsParameters::builder(host.to_owned());
    if let Some(pem) = ca_pem {
        let certificate = Certificate::from_pem(pem.as_bytes());
        parameters = parameters
            .add_root_certificate(certificate.map_err(|_| "settings.ca_pem is not a PEM certificate".to_owned())?);
    }
    let parameters = parameters.build_rustls().map_err(|error| format!("TLS cannot be used: {error}"))?;
    Ok(if tls == Tls::Tls { Encryption::Wrapper(parameters) } else { Encryption::Required(parameters) })
}

impl Sender for Email {
    fn send<'s>(&'s self, message: &'s Message) -> BoxFuture<'s, Result<(), Failure>> {
        Box::pin(async move {
            let mail = self.mail(message).map_err(Failure::Permanent)?;
            self.transport.send(mail).await.map(drop).map_err(|error| failure(&error))
        })
    }

    fn pace_ms(&self) -> i64 {
        0
    }
}

impl Email {
    fn mail(&self, message: &Message) -> Result<lettre::Message, String> {
        let to = message.recipient.parse::<Mailbox>().map_err(|_| "the recipient is not an address".to_owned())?;
        let raw = |name, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        lettre::Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(message.headline())
            .message_id(Some(format!("<{}@hitl>", message.id)))
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .raw_header(raw("X-Auto-Response-Suppress", "All"))
            .multipart(MultiPart::alternative_plain_html(text(message), html(message)))
            .map_err(|error| format!("the mail cannot be written: {error}"))
    }
}

fn text(message: &Message) -> String {
    let mut lines = vec![message.title().to_owned(), String::new()];
    lines.extend(message.facts().into_iter().map(|(label, value)| format!("{label}: {value}")));
    lines.extend(message.more());
    lines.push(String::new());
    match &message.arguments {
        Some(arguments) => lines.push(format!("Arguments: {}", plain(arguments, ARGUMENTS))),
        None => lines.push(NO_ARGUMENTS.to_owned()),
    }
    lines.push(format!("{}: {}", message.link_words(), message.link()));
    lines.push(CLOSING.to_owned());
    lines.join("\r\n")
}

const CLOSING: &str = "The link only opens the page; nothing is decided by following it.";

fn html(message: &Message) -> String {
    let mut rows = String::new();
    for (label, value) in message.facts() {
        rows.push_str(&format!(
            "<tr><td style=\"padding:2px 16px 2px 0;color:#666\">{label}</td><td><bdi>{}</bdi></td></tr>\r\n",
            escape(&value)
        ));
    }
    let more = message.more().map(|more| format!("<p><b>{more}</b></p>\r\n")).unwrap_or_default();
    let arguments = match &message.arguments {
        Some(arguments) => format!(
            "<pre style=\"white-space:pre-wrap;background:#f4f4f4;padding:8px\">{}</pre>",
            escape(&plain(arguments, ARGUMENTS))
        ),
        None => format!("<p style=\"color:#666\">{NO_ARGUMENTS}</p>"),
    };
    format!(
        "<!doctype html>\r\n<html><body style=\"font-family:sans-serif\">\r\n<h2>{}</h2>\r\n<table>{rows}</table>\r\n\
         {more}{arguments}\r\n<p><a href=\"{}\">{}</a></p>\r\n<p style=\"color:#666\">{CLOSING}</p>\r\n</body></html>",
        message.title(),
        escape(&message.link()),
        message.link_words(),
    )
}

fn failure(error: &Error) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let said = plain(&cause.to_string(), 200);
    match error.status() {
        Some(code) if error.is_permanent() => Failure::Permanent(format!("the mail server answered {code}: {said}")),
        Some(code) => Failure::Transient(format!("the mail server answered {code}: {said}")),
        None if error.is_tls() => Failure::Unreachable(format!("TLS with the mail server failed: {said}")),
        None if error.is_client() => Failure::Permanent(format!("the mail server cannot be used: {said}")),
        None => Failure::Unreachable(format!("the mail server cannot be reached: {said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::notify::Event;
    use crate::hub::notify::message::Notice;

    fn email() -> Email {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::unencrypted_localhost();
        Email { transport, from: "hitl <hub@example.org>".parse().unwrap() }
    }

    fn message(tool: &str, arguments: Option<&str>) -> Message {
        Message {
            id: "msg_1".to_owned(),
            event: Event::Created,
            notice: Notice { tool: tool.to_owned(), ..Notice::example(0) },
            more: 0,
            recipient: "ada@example.org".to_owned(),
            arguments: arguments.map(str::to_owned),
            test: false,
            base: "https://hub.example.org".to_owned(),
            now: 0,
        }
    }

    // The pool of connections lives on a runtime.
    #[tokio::test]
    async fn no_name_becomes_a_header_or_markup() {
        let message = message("x\r\nBcc: eve@example.org\r\n\r\n<script>\u{202e}", Some("{\"a\":\"</pre><b>\"}"));
        let mail = String::from_utf8(email().mail(&message).unwrap().formatted()).unwrap();
        let (head, _) = mail.split_once("\r\n\r\n").unwrap();
        let names: Vec<_> = head
            .lines()
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':').map(|(name, _)| name.to_ascii_lowercase()))
            .collect();
        assert!(!names.contains(&"bcc".to_owned()) && names.contains(&"subject".to_owned()), "{head}");
        assert_eq!(names.iter().filter(|name| *name == "to").count(), 1);
        let html = html(&message);
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains('\u{202e}'), "{html}");
    }

    #[test]
    fn mail_in_the_clear_stays_on_this_machine() {
        assert!(encryption("mail.example.org", Tls::None, None).is_err());
        assert!(encryption("10.0.0.1", Tls::None, None).is_err());
        for host in ["localhost", "127.0.0.1", "::1"] {
            assert!(encryption(host, Tls::None, None).is_ok());
        }
    }
}
