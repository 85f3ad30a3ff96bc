//! What stands in front of which server: gated, not gated, remote, or ours.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::entry::State;
use super::show::tilde;
use super::survey::Site;
use crate::core::inert::inert;

/// One line of the table.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The client's id.
    pub client: &'static str,
    /// `user`, `local` or `project`.
    pub scope: &'static str,
    /// The file.
    pub file: String,
    /// The server's name in it; `None` where the file cannot be read.
    pub server: Option<String>,
    /// `gated`, `not gated`, `remote`, `ours` or `unreadable`.
    pub state: &'static str,
    /// What there is to say: the address of a remote server, why something is left alone.
    pub detail: Option<String>,
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
    };
    let of_site = |site: &Site| match &site.read {
        Err(error) => vec![row(site, None, "unreadable", Some(format!("{error:#}")))],
        Ok((_, entries)) => {
            let entry = |entry: &super::entry::Entry| {
                let (state, detail) = match &entry.state {
                    State::Gated(wrapped) => {
                        let other = wrapped.server.as_ref().filter(|server| **server != entry.name);
                        ("gated", other.map(|server| format!("as {server}")))
                    }
                    State::Direct => ("not gated", None),
                    State::Remote(url) => ("remote", Some(url.clone())),
                    State::Ours => ("ours", None),
                    State::LeftAlone(why) => ("not gated", Some((*why).to_owned())),
                };
                row(site, Some(&entry.name), state, detail)
            };
            entries.iter().map(entry).collect()
        }
    };
    sites.iter().flat_map(of_site).collect()
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
        if last != Some((row.client, &row.file)) {
            let _ = writeln!(text, "{} ({}): {}", row.client, row.scope, inert(&tilde(Path::new(&row.file), home)));
            last = Some((row.client, &row.file));
        }
        let detail = row.detail.as_ref().map(|detail| format!("  ({})", inert(detail))).unwrap_or_default();
        let _ = writeln!(text, "  {:<10} {}{detail}", row.state, inert(row.server.as_deref().unwrap_or_default()));
    }
    text
}
