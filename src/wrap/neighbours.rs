//! The servers that this shim's own client starts without a shim, so that the hub can say so: nothing is changed here.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::install::command;
use super::install::entry::{Entry, State};
use super::install::survey::{Choice, Site, survey};
use crate::core::messages::Ungated;

/// So many are told of.
const MOST: usize = 50;
/// How long after the first welcome it looks: a session's first calls come first, and a short session does without.
const AFTER: Duration = Duration::from_secs(1);

/// Looks once, beside everything else, and tells each hub that it meets.
#[derive(Debug, Default)]
pub struct Neighbours {
    since: Option<Instant>,
    looking: Option<oneshot::Receiver<Vec<Ungated>>>,
    found: Option<Vec<Ungated>>,
}

impl Neighbours {
    /// The servers without a shim in the files that have this one behind a shim. Cancel safe.
    pub async fn of(&mut self, server: &str) -> Vec<Ungated> {
        if self.found.is_none() {
            sleep_until(*self.since.get_or_insert_with(Instant::now) + AFTER).await;
            let looking = self.looking.get_or_insert_with(|| in_background(server.to_owned()));
            // A look that failed is no reason to look again.
            self.found = Some(looking.await.unwrap_or_default());
        }
        self.found.clone().unwrap_or_default()
    }
}

/// On a thread that the end of the program does not wait for.
fn in_background(server: String) -> oneshot::Receiver<Vec<Ungated>> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || drop(tell.send(look(&server))));
    told
}

fn look(server: &str) -> Vec<Ungated> {
    let sites = command::home()
        .and_then(|home| command::with_surroundings(&home, |here| survey(here, &Choice::default())))
        .unwrap_or_default();
    ungated(&sites, server)
}

/// What the clients start directly that start this server through a shim.
fn ungated(sites: &[Site], server: &str) -> Vec<Ungated> {
    let is_this = |entry: &Entry| match &entry.state {
        State::Gated(wrapped) => wrapped.server.as_deref().unwrap_or(&entry.name) == server,
        _ => false,
    };
    let clients: Vec<&str> =
        sites.iter().filter(|site| entries(site).iter().any(is_this)).map(|site| site.client.id).collect();
    let theirs = sites.iter().filter(|site| clients.contains(&site.client.id));
    let direct = theirs.flat_map(|site| {
        let direct = entries(site).iter().filter(|entry| entry.state == State::Direct);
        direct.map(|entry| Ungated { client: site.client.id.to_owned(), server: entry.name.clone() })
    });
    direct.take(MOST).collect()
}

fn entries(site: &Site) -> &[Entry] {
    site.read.as_ref().map(|(_, entries)| entries.as_slice()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::install::place::{Surroundings, System};

    #[test]
    fn only_the_client_that_starts_this_server_is_told_of() {
        let home = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let gated = r#"{"command":"hitl-wrap","args":["--server","repos","--","npx"]}"#;
        file(
            ".cursor/mcp.json",
            &format!(r#"{{"mcpServers":{{"r":{gated},"files":{{"command":"npx"}},"far":{{"url":"https://x"}}}}}}"#),
        );
        file(".warp/.mcp.json", r#"{"mcpServers":{"other":{"command":"npx"}}}"#);
        let here = Surroundings {
            system: System::Linux,
            home: home.path().to_owned(),
            project: home.path().join("project"),
            env: &|_| None,
        };
        let sites = survey(&here, &Choice::default()).unwrap();
        let files = Ungated { client: "cursor".to_owned(), server: "files".to_owned() };
        assert_eq!(ungated(&sites, "repos"), [files]);
        assert_eq!(ungated(&sites, "elsewhere"), []);
    }
}
