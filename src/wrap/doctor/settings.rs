//! The shim's own settings, the data of the hub on this machine, and the hub itself.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::{Finding, Looked};
#[cfg(not(unix))]
use crate::config::private;
use crate::config::wrap::{Endpoint, Flags, HubAt, Wrap};
use crate::config::{env, paths};
use crate::wire;
use crate::wrap::connect::{self, Failure, Refused};
use crate::wrap::dial::{CertificateFault, dial};
use crate::wrap::http::Answer;
use crate::wrap::local::Local;

/// How long a hub may take to answer.
const WITHIN: Duration = Duration::from_secs(5);
/// A clock further apart than this, in seconds, makes links and deadlines look wrong.
const APART_SECONDS: u64 = 60;
/// Where the hub on this machine listens when nobody says otherwise.
const PORT: u16 = 7420;

pub(super) async fn check(_: &Looked<'_>) -> Vec<Finding> {
    let settings = match Wrap::load(Flags::default(), "server", &env::var) {
        Ok(settings) => settings,
        Err(error) => return vec![unusable(&format!("{error:#}"))],
    };
    match settings.hub {
        HubAt::Local { data_dir, .. } => local(&data_dir).await,
        HubAt::Remote { endpoint } => {
            let mut findings = Vec::new();
            if endpoint.is_plain_text() {
                let text = "the connection is not encrypted, and the token crosses the network in the clear";
                findings.push(Finding::wrong("plain_text", &endpoint.base, text, "use https://"));
            }
            findings.extend(hub(&endpoint).await);
            findings
        }
    }
}

/// The settings cannot be used; each kind of fault has its own mend.
fn unusable(text: &str) -> Finding {
    let (kind, mend) = match text {
        text if text.contains("no agent token") => {
            ("token_missing", "hitl-wrap login URL, or name a file with agent_token_file")
        }
        text if text.contains("is not safe") => {
            ("token_readable", "do as it says, and make another token if others could read it: hitl-wrap login URL")
        }
        text if text.contains("agent token") => ("token_unreadable", "hitl-wrap login URL makes and stores another"),
        text if text.contains("config file") => {
            ("config", "mend the line it names; config.example.toml explains every key")
        }
        _ => ("settings", "hitl-wrap --help names the settings"),
    };
    Finding::wrong(kind, "settings", text, mend)
}

async fn local(data_dir: &Path) -> Vec<Finding> {
    let mut findings: Vec<Finding> = data(data_dir).into_iter().collect();
    if let Ok(endpoint) = Local::new(data_dir.to_owned(), None).locate() {
        findings.extend(hub(&endpoint).await);
        return findings;
    }
    if TcpListener::bind(("127.0.0.1", PORT)).is_err() {
        let text = format!("port {PORT} is taken by another program, so the hub on this machine will choose another");
        findings.push(Finding::note(
            "port_taken",
            "hub on this machine",
            text,
            "`hitl-hub open` finds it all the same",
        ));
    }
    let text = "it does not run; the first wrapped server starts it";
    let mend = format!("its log is {}", paths::local_log(data_dir).display());
    findings.push(Finding::note("hub_not_running", "hub on this machine", text, mend));
    findings
}

/// The directory of the hub on this machine: ours alone, and writable.
#[cfg(unix)]
fn data(data_dir: &Path) -> Option<Finding> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::files::shell;
    let metadata = std::fs::metadata(data_dir).ok()?;
    let (own, shown) = (rustix::process::geteuid().as_raw(), data_dir.display().to_string());
    if metadata.uid() != own {
        let text = format!("it belongs to the user with uid {}; a `sudo` may have done that", metadata.uid());
        return Some(Finding::wrong("data_owner", &shown, text, format!("sudo chown -R {own} {}", shell(&shown))));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        let text = format!("others may enter it (mode {mode:04o})");
        return Some(Finding::wrong("data_mode", &shown, text, format!("chmod 700 {}", shell(&shown))));
    }
    let is_writable = mode & 0o300 == 0o300;
    (!is_writable).then(|| {
        Finding::wrong(
            "data_read_only",
            &shown,
            format!("nothing can be written in it (mode {mode:04o})"),
            format!("chmod 700 {}", shell(&shown)),
        )
    })
}

/// The directory of the hub on this machine: ours alone, or the hub refuses it.
#[cfg(not(unix))]
fn data(data_dir: &Path) -> Option<Finding> {
    let shown = data_dir.display().to_string();
    match private::meddler(data_dir) {
        Ok(meddler) => meddler.map(|meddler| {
            let text = format!("it {}, so the hub refuses it", meddler.why);
            Finding::wrong("data_shared", shown, text, format!("{} with HITL_DATA_DIR", meddler.mend))
        }),
        Err(error) => {
            let text = format!("nobody can tell who may use it: {error}");
            Some(Finding::wrong("data_shared", shown, text, "choose another data dir with HITL_DATA_DIR"))
        }
    }
}

/// A hub: whether it is there, is one, tells the time that we have, and lets us in.
#[expect(clippy::disallowed_methods, reason = "the two clocks are compared")]
async fn hub(endpoint: &Endpoint) -> Vec<Finding> {
    let base = &endpoint.base;
    let mut findings = match within(alive(endpoint)).await {
        Ok(answer) => of_answer(base, &answer, std::time::SystemTime::now()),
        Err(error) if error.is::<CertificateFault>() => vec![untrusted(base, &error)],
        Err(error) => vec![unreachable(base, &format!("{error:#}"))],
    };
    // Whoever is no hub is not shown a token.
    if findings.iter().all(|finding| finding.kind == "clock") {
        findings.extend(token(endpoint).await);
    }
    findings
}

/// Whether the token opens the connection that the shim would open.
async fn token(endpoint: &Endpoint) -> Option<Finding> {
    let base = &endpoint.base;
    match timeout(WITHIN, connect::open(endpoint)).await {
        Ok(Ok(_)) => None,
        Ok(Err(Failure::Refused(refused, said))) => {
            let kind = if refused == Refused::Version { "versions_apart" } else { "token_refused" };
            let text = refused.advice(&format!("the hub at {base}"), &said, false);
            Some(Finding::wrong(kind, base, text, "hitl-wrap login URL makes and stores another token"))
        }
        Ok(Err(Failure::Unreachable(why))) => Some(unreachable(base, &why)),
        Err(_) => Some(unreachable(base, "it takes the connection and says nothing")),
    }
}

async fn within<T>(asking: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    timeout(WITHIN, asking).await.unwrap_or_else(|_| Err(anyhow::anyhow!("it does not answer")))
}

fn untrusted(base: &str, error: &anyhow::Error) -> Finding {
    let text = format!("{error:#}; gated calls are refused meanwhile");
    Finding::wrong("certificate", base, text, "name the authority's certificate with ca_file in config.toml")
}

fn unreachable(base: &str, why: &str) -> Finding {
    let text = format!("it cannot be reached: {why}; gated calls are refused meanwhile");
    Finding::wrong("hub_unreachable", base, text, "start the hub, or correct `hub` in config.toml")
}

async fn alive(endpoint: &Endpoint) -> anyhow::Result<Answer> {
    let (_, rest) = endpoint.base.split_once("://").unwrap_or_default();
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let mut stream = dial(&endpoint.base, &endpoint.way).await?;
    let request = format!("GET {path}/livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    Ok(Answer::read(&mut stream).await?)
}

fn of_answer(base: &str, answer: &Answer, now: std::time::SystemTime) -> Vec<Finding> {
    if answer.status != 200 || answer.header(wire::HUB_HEADER).is_none() {
        let text = format!("what answers there is no hub, or not under this name ({})", answer.status);
        let mend = "correct `hub` in config.toml, or `public_url` of the hub";
        return vec![Finding::wrong("not_a_hub", base, text, mend)];
    }
    let apart = answer.header("date").and_then(|date| apart(date.trim(), now)).unwrap_or_default();
    if apart <= APART_SECONDS {
        return Vec::new();
    }
    let text = format!("its clock and this machine's are {apart} seconds apart");
    vec![Finding::wrong("clock", base, text, "set both by NTP; deadlines go by the hub's")]
}

/// Seconds between a `Date` of HTTP, such as `Sat, 28 Nov 2026 01:00:00 GMT`, and now.
fn apart(date: &str, now: std::time::SystemTime) -> Option<u64> {
    let part: Vec<&str> = date.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, ..] = part.as_slice() else { return None };
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().position(|name| name == month)? as u64;
    let number = |text: &str| text.parse::<u64>().ok();
    // Years begin in March here, so that the leap day is the last.
    let (year, month) = if month < 2 { (number(year)? - 1, month + 10) } else { (number(year)?, month - 2) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + number(day)? - 1 - 719_468;
    let then = ((days * 24 + number(hour)?) * 60 + number(minute)?) * 60 + number(second)?;
    let now = now.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    Some(now.abs_diff(then))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hub_whose_clock_is_apart_is_told_of() {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_795_827_600);
        assert_eq!(apart("Sat, 28 Nov 2026 01:00:00 GMT", now), Some(0));
        assert_eq!(apart("Thu, 01 Jan 1970 00:00:10 GMT", std::time::UNIX_EPOCH), Some(10));
        let found = async |head: &str| {
            let answer = Answer::read(&mut format!("{head}\r\n\r\n").as_bytes()).await.unwrap();
            of_answer("h", &answer, now).first().map(|finding| finding.kind)
        };
        let dated = |date: &str| format!("HTTP/1.1 200 OK\r\nhitl-hub: 1\r\ndate: {date}");
        assert_eq!(found(&dated("Sat, 28 Nov 2026 00:59:30 GMT")).await, None);
        assert_eq!(found(&dated("Sat, 28 Nov 2026 00:50:00 GMT")).await, Some("clock"));
        assert_eq!(found("HTTP/1.1 403 Forbidden").await, Some("not_a_hub"));
        assert_eq!(found("HTTP/1.1 200 OK\r\nserver: nginx").await, Some("not_a_hub"));
    }

    #[test]
    fn settings_that_cannot_be_used_have_each_their_mend() {
        for (text, kind) in [
            ("a hub is set but no agent token: put", "token_missing"),
            ("agent token file /x is not safe: its mode is 0644; run chmod 600 on it", "token_readable"),
            (r"agent token file C:\x is not safe: S-1-1-0 can read it; run icacls on it", "token_readable"),
            ("cannot read agent token file /x", "token_unreadable"),
            ("config file /c, line 2, column 1: unknown field", "config"),
            ("hub_wait is 4000", "settings"),
        ] {
            assert_eq!(unusable(text).kind, kind, "{text}");
        }
    }

    #[cfg(windows)]
    #[test]
    fn a_data_dir_that_is_open_to_others_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let [own, open] = ["own", "open"].map(|name| dir.path().join(name));
        assert_eq!(data(&own), None);
        private::make_dir(&own).unwrap();
        assert_eq!(data(&own), None);
        private::make_open_dir(&open).unwrap();
        let found = data(&open).unwrap();
        assert_eq!(found.kind, "data_shared");
        assert!(found.text.contains("open to others (S-1-1-0)"), "{}", found.text);
    }

    #[cfg(unix)]
    #[test]
    fn a_data_dir_that_others_may_enter_is_told_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let set = |mode| std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        set(0o700);
        assert_eq!(data(dir.path()), None);
        set(0o750);
        assert_eq!(data(dir.path()).unwrap().kind, "data_mode");
        set(0o500);
        assert_eq!(data(dir.path()).unwrap().kind, "data_read_only");
        set(0o700);
    }
}
