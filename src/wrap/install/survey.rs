//! Which clients have which servers on this machine: the files that exist, read as each client reads them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::clients::{CLIENTS, Client};
use super::entry::{Entry, entries};
use super::file::Found;
use super::place::{Place, Scope, Surroundings, System};
use super::tree::{Dialect, parse};

/// What somebody chose to look at; empty lists and `None` are everything.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// Clients, by id.
    pub clients: Vec<String>,
    /// Servers, by name.
    pub servers: Vec<String>,
    /// Whose servers.
    pub scope: Option<Scope>,
    /// This file alone.
    pub file: Option<PathBuf>,
    /// Servers that lie elsewhere are meant, too.
    pub remote: bool,
}

/// A file in which a client keeps servers.
#[derive(Debug)]
pub struct Site {
    /// Whose it is.
    pub client: &'static Client,
    /// Which of its places.
    pub place: Place,
    /// The file as the client names it.
    pub path: PathBuf,
    /// What is in it, or why it cannot be read.
    pub read: anyhow::Result<(Found, Vec<Entry>)>,
}

impl Choice {
    fn takes(&self, client: &Client, place: &Place) -> bool {
        let client =
            self.clients.is_empty() || self.clients.iter().any(|id| id.eq_ignore_ascii_case(client.id) || id == "all");
        client && self.scope.is_none_or(|scope| scope == place.scope)
    }

    /// Whether nothing was left out.
    pub fn is_everything(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty() && self.scope.is_none() && self.file.is_none()
    }

    /// Whether this server is meant.
    pub fn means(&self, entry: &Entry) -> bool {
        self.servers.is_empty() || self.servers.contains(&entry.name)
    }
}

/// Reads everything that was chosen.
pub fn survey(here: &Surroundings<'_>, choice: &Choice) -> anyhow::Result<Vec<Site>> {
    if let Some(id) = choice.clients.iter().find(|id| *id != "all" && super::clients::of(id).is_none()) {
        let known: Vec<_> = CLIENTS.iter().map(|client| client.id).collect();
        bail!("there is no client {id:?}; known are {}", known.join(", "));
    }
    if let Some(path) = &choice.file {
        return Ok(vec![named(here, choice, path)?]);
    }
    let places = CLIENTS.iter().flat_map(|client| client.places.iter().map(move |place| (client, place)));
    let chosen = places.filter(|(client, place)| choice.takes(client, place));
    let files =
        chosen.flat_map(|(client, place)| here.files(place).into_iter().map(move |path| (client, *place, path)));
    Ok(once(files.map(|(client, place, path)| site(client, place, path)).collect()))
}

/// In the home directory, a project's file is this user's own as well.
fn once(sites: Vec<Site>) -> Vec<Site> {
    let mut kept: Vec<Site> = Vec::new();
    for site in sites {
        let file = |site: &Site| site.read.as_ref().ok().map(|(found, _)| found.real.clone());
        let is_same = |other: &Site| {
            other.client.id == site.client.id && other.place.keys == site.place.keys && file(other) == file(&site)
        };
        if file(&site).is_none() || !kept.iter().any(is_same) {
            kept.push(site);
        }
    }
    kept
}

fn site(client: &'static Client, place: Place, path: PathBuf) -> Site {
    let read = read(client, &place, &path);
    Site { client, place, path, read }
}

fn read(client: &Client, place: &Place, path: &Path) -> anyhow::Result<(Found, Vec<Entry>)> {
    let found = Found::read(path)?;
    if client.dialect == Dialect::Yaml {
        return Ok((found, Vec::new()));
    }
    let entries = servers(&found.text, client, place)?;
    Ok((found, entries))
}

/// The servers at a place of a client's file.
pub fn servers(text: &str, client: &Client, place: &Place) -> anyhow::Result<Vec<Entry>> {
    let root = parse(text, client.dialect)?;
    // A name that stands twice on the way: the client takes one, and we might take the other.
    let mut node = &root;
    for key in place.keys {
        if let Some(name) = node.twice() {
            bail!("{name:?} stands twice in it; remove one");
        }
        match node.get(key) {
            Some(next) => node = next,
            None => break,
        }
    }
    if let Some(name) = node.twice() {
        bail!("the server {name:?} stands twice in it; remove one");
    }
    Ok(entries(&root, place.keys, client.shape))
}

/// A file that was named on the command line: of the client that was named, or that keeps a file there, or that reads
/// files of this kind.
fn named(here: &Surroundings<'_>, choice: &Choice, path: &Path) -> anyhow::Result<Site> {
    let real = path.canonicalize().with_context(|| format!("cannot find {}", path.display()))?;
    let places = || CLIENTS.iter().flat_map(|client| client.places.iter().map(move |place| (client, place)));
    let chosen = |client: &Client| choice.clients.iter().any(|id| id.eq_ignore_ascii_case(client.id));
    let known = |place: &Place| here.files(place).iter().any(|file| file.canonicalize().is_ok_and(|file| file == real));
    let by_client = || places().find(|(client, _)| chosen(client));
    let by_place = || places().find(|(_, place)| known(place));
    let by_kind = || places().find(|(client, place)| client.id == kind(path) && place.scope == Scope::User);
    let (client, place) = by_client().or_else(by_place).or_else(by_kind).context("no client reads such a file")?;
    let text = Found::read(path)?.text;
    // The member that holds servers differs from client to client; the file itself says which it has.
    let tree = parse(&text, client.dialect).with_context(|| format!("cannot read {}", path.display()))?;
    let has = |place: &&Place| place.keys.first().is_some_and(|key| tree.get(key).is_some());
    let place = client.places.iter().find(has).unwrap_or(place);
    Ok(site(client, Place { system: System::Any, ..*place }, path.to_owned()))
}

/// The client whose kind of file this looks like.
fn kind(path: &Path) -> &'static str {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => "codex",
        Some("yaml" | "yml") => "goose",
        _ => {
            let tree = parse(&text, Dialect::Jsonc);
            let has = |key: &str| tree.as_ref().is_ok_and(|tree| tree.get(key).is_some());
            let member =
                [("mcpServers", "shared"), ("servers", "vscode"), ("context_servers", "zed"), ("mcp", "opencode")];
            member.into_iter().find(|(key, _)| has(key)).map_or("shared", |(_, id)| id)
        }
    }
}
