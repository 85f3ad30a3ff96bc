//! What stands in front of which server: gated, not gated, remote, or ours.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::entry::{Entry, State};
use super::show::tilde;
use super::survey::Site;
use crate::core::inert::inert;

/// One line of the table.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The client's id; empty where no client has the server.
    pub client: &'static str,
    /// `user`, `local` or `project`; empty as the client.
    pub scope: &'static str,
    /// The file; empty as the client.
    pub file: String,
    /// The server's name in it; `None` where the file cannot be read.
    pub server: Option<String>,
    /// `gated`, `not gated`, `remote`, `ours`, `unreadable` or, for a server that the hub alone knows, `hub only`.
    pub state: &'static str,
    /// What there is to say: the address of a remote server, why something is left alone.
    pub detail: Option<String>,
    /// The name the hub knows it by, where that is another.
    #[serde(skip)]
    hub_name: Option<String>,
}

impl Row {
    /// Where it stands, for people.
    fn place(&self, home: &Path) -> String {
        if self.client.is_empty() {
            return "the hub knows, and no client's file has:\n".to_owned();
        }
        format!("{} ({}): {}\n", self.client, self.scope, inert(&tilde(Path::new(&self.file), home)))
    }

    /// The name the hub knows it by.
    fn named(&self) -> Option<&String> {
        self.hub_name.as_ref().or(self.server.as_ref())
    }
}

/// The table.
pub fn rows(sites: &[Site]) -> Vec<Row> {
    let row = |site: &Site, server: Option<&str>, state: &'static str, detail: Option<String>| Row {
        client: site.client.id,
        scope: site.place.scope.as_str(),
        file: site.path.display().to_string(),
        server: server.map(str::to_owned),
        state,
        detail,
        hub_name: None,
    };
    let of_site = |site: &Site| match &site.read {
        Err(error) => vec![row(site, None, "unreadable", Some(format!("{error:#}")))],
        Ok((_, entries)) => {
            let entry = |entry: &Entry| {
                let hub_name = other_name(entry);
                let (state, detail) = match &entry.state {
                    State::Gated(_) => ("gated", hub_name.as_ref().map(|server| format!("as {server}"))),
                    State::Direct => ("not gated", None),
                    State::Remote(url) => ("remote", Some(url.clone())),
                    State::Ours => ("ours", None),
                    State::LeftAlone(why) => ("not gated", Some((*why).to_owned())),
                };
                Row { hub_name, ..row(site, Some(&entry.name), state, detail) }
            };
            entries.iter().map(entry).collect()
        }
    };
    sites.iter().flat_map(of_site).collect()
}

/// The name that a gated server has at the hub, where that is another than in the file.
fn other_name(entry: &Entry) -> Option<String> {
    let State::Gated(wrapped) = &entry.state else { return None };
    wrapped.server.clone().filter(|server| *server != entry.name)
}

/// The servers that the hub knows and none of these rows gates: wrapped by hand elsewhere, or gone.
pub fn elsewhere(rows: &[Row], known: &[String]) -> Vec<Row> {
    let gated = |name: &String| rows.iter().any(|row| row.state == "gated" && row.named() == Some(name));
    let row = |name: &String| Row {
        client: "",
        scope: "",
        file: String::new(),
        server: Some(name.clone()),
        state: "hub only",
        detail: None,
        hub_name: None,
    };
    known.iter().filter(|name| !gated(name)).map(row).collect()
}

/// Whether a server's calls reach it without the shim.
pub fn is_open(rows: &[Row]) -> bool {
    rows.iter().any(|row| matches!(row.state, "not gated" | "unreadable"))
}

/// The table for people.
pub fn table(rows: &[Row], home: &Path) -> String {
    let mut text = String::new();
    let mut last = None;
    for row in rows {
        let place = (row.client, &row.file);
        if last.replace(place) != Some(place) {
            text += &row.place(home);
        }
        let detail = row.detail.as_ref().map(|detail| format!("  ({})", inert(detail))).unwrap_or_default();
        let _ = writeln!(text, "  {:<10} {}{detail}", row.state, inert(row.server.as_deref().unwrap_or_default()));
    }
    text
}
