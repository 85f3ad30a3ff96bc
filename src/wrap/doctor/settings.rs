//! The shim's own settings, the data of the hub on this machine, and the hub itself.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::files::shell;
use super::{Finding, Looked};
use crate::config::paths;
use crate::config::wrap::{Flags, HubAt, Wrap};

/// How long a hub may take to answer.
const WITHIN: Duration = Duration::from_secs(5);
/// A clock further apart than this, in seconds, makes links and deadlines look wrong.
const APART_SECONDS: u64 = 60;
/// Where the hub on this machine listens when nobody says otherwise.
const PORT: u16 = 7420;

pub(super) async fn check(_: &Looked<'_>) -> Vec<Finding> {
    let settings = match Wrap::load(Flags::default(), "server", &|name| std::env::var(name).ok()) {
        Ok(settings) => settings,
        Err(error) => return vec![unusable(&format!("{error:#}"))],
    };
    match settings.hub {
        HubAt::Local { data_dir, .. } => local(&data_dir),
        HubAt::Remote { endpoint } => {
            let mut findings = Vec::new();
            if endpoint.is_plain_text() {
                let text = "the connection is not encrypted, and the token crosses the network in the clear";
                findings.push(Finding::wrong("plain_text", &endpoint.base, text, "use https://"));
            }
            findings.extend(hub(&endpoint.base).await);
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
        text if text.contains("chmod 600") => {
            ("token_readable", "chmod 600 the file, and make another token if others could read it")
        }
        text if text.contains("agent token") => ("token_unreadable", "hitl-wrap login URL makes and stores another"),
        text if text.contains("config file") => {
            ("config", "mend the line it names; config.example.toml explains every key")
        }
        _ => ("settings", "hitl-wrap --help names the settings"),
    };
    Finding::wrong(kind, "settings", text, mend)
}

fn local(data_dir: &Path) -> Vec<Finding> {
    let mut findings: Vec<Finding> = data(data_dir).into_iter().collect();
    let runs = crate::wrap::local::Local::new(data_dir.to_owned(), None).locate().is_ok();
    let taken = || TcpListener::bind(("127.0.0.1", PORT)).is_err();
    if !runs && taken() {
        let text = format!("port {PORT} is taken by another program, so the hub on this machine will choose another");
        findings.push(Finding::note(
            "port_taken",
            "hub on this machine",
            text,
            "`hitl-hub open` finds it all the same",
        ));
    }
    if !runs {
        let text = "it does not run; the first wrapped server starts it";
        findings.push(Finding::note(
            "hub_not_running",
            "hub on this machine",
            text,
            format!("its log is {}", paths::local_log(data_dir).display()),
        ));
    }
    findings
}

/// The directory of the hub on this machine: ours alone, and writable.
#[cfg(unix)]
fn data(data_dir: &Path) -> Option<Finding> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
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

#[cfg(not(unix))]
fn data(_: &Path) -> Option<Finding> {
    None
}

/// A hub elsewhere: whether it is there, and whether its clock is ours.
async fn hub(base: &str) -> Vec<Finding> {
    let Some((scheme, rest)) = base.split_once("://") else { return Vec::new() };
    let host = rest.split('/').next().unwrap_or_default();
    let port = if scheme == "https" { 443 } else { 80 };
    let address = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
        host.to_owned()
    } else {
        format!("{host}:{port}")
    };
    let stream = match timeout(WITHIN, TcpStream::connect(&address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return vec![unreachable(base, &error.to_string())],
        Err(_) => return vec![unreachable(base, "it does not answer")],
    };
    if scheme == "https" {
        return Vec::new();
    }
    match timeout(WITHIN, ask(stream, host)).await {
        Ok(Ok(answer)) => of_answer(base, &answer, std::time::SystemTime::now()).into_iter().collect(),
        Ok(Err(error)) => vec![unreachable(base, &error.to_string())],
        Err(_) => vec![unreachable(base, "it takes the connection and says nothing")],
    }
}

fn unreachable(base: &str, why: &str) -> Finding {
    let text = format!("it cannot be reached ({why}); gated calls are refused meanwhile");
    Finding::wrong("hub_unreachable", base, text, "start the hub, or correct `hub` in config.toml")
}

async fn ask(mut stream: TcpStream, host: &str) -> std::io::Result<String> {
    let request = format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(16 << 10).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn of_answer(base: &str, answer: &str, now: std::time::SystemTime) -> Option<Finding> {
    let status = answer.lines().next().unwrap_or_default();
    if !status.contains(" 200 ") {
        let text = format!("what answers there is no hub, or not under this name: {status}");
        return Some(Finding::wrong(
            "not_a_hub",
            base,
            text,
            "correct `hub` in config.toml, or `public_url` of the hub",
        ));
    }
    let date =
        answer.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("date")))?.1;
    let apart = apart(date.trim(), now)?;
    (apart > APART_SECONDS).then(|| {
        let text = format!("its clock and this machine's are {apart} seconds apart");
        Finding::wrong("clock", base, text, "set both by NTP; deadlines go by the hub's")
    })
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

    #[test]
    fn a_hub_whose_clock_is_apart_is_told_of() {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_795_827_600);
        assert_eq!(apart("Sat, 28 Nov 2026 01:00:00 GMT", now), Some(0));
        assert_eq!(apart("Thu, 01 Jan 1970 00:00:10 GMT", std::time::UNIX_EPOCH), Some(10));
        let answer = |date: &str| format!("HTTP/1.1 200 OK\r\ndate: {date}\r\n\r\nok\n");
        assert_eq!(of_answer("h", &answer("Sat, 28 Nov 2026 00:59:30 GMT"), now), None);
        assert_eq!(of_answer("h", &answer("Sat, 28 Nov 2026 00:50:00 GMT"), now).unwrap().kind, "clock");
        assert_eq!(of_answer("h", "HTTP/1.1 403 Forbidden\r\n\r\n", now).unwrap().kind, "not_a_hub");
        assert_eq!(of_answer("h", "SSH-2.0\r\n", now).unwrap().kind, "not_a_hub");
    }

    #[test]
    fn settings_that_cannot_be_used_have_each_their_mend() {
        for (text, kind) in [
            ("a hub is set but no agent token: put", "token_missing"),
            ("the agent token in /x can be read by others (0644); chmod 600 it", "token_readable"),
            ("cannot read the agent token /x", "token_unreadable"),
            ("config file /c, line 2, column 1: unknown field", "config"),
            ("hub_wait is 4000", "settings"),
        ] {
            assert_eq!(unusable(text).kind, kind, "{text}");
        }
    }

    #[tokio::test]
    async fn a_hub_that_is_not_there_is_told_of() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(hub(&format!("http://{free}")).await[0].kind, "hub_unreachable");
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
