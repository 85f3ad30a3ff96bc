//! What an installation or its undoing makes of each file, before anything is written.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use super::clients::{Client, Shape};
use super::entry::{Entry, State};
use super::file::Found;
use super::journal::{Journal, Record, Server};
use super::place::Scope;
use super::remote::{self, Remote};
use super::splice::{self, Before, Front};
use super::survey::{Choice, Site, servers};
use crate::core::ids::Digest;
use crate::core::names;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// Put the shim, found at this path, in front of servers that have none.
    Install(&'a str),
    /// Take the shim away.
    Uninstall,
}

/// All changes, and what is left alone.
#[derive(Debug, Default)]
pub struct Plan {
    /// What changes, by file.
    pub changes: Vec<Change>,
    /// What does not.
    pub left: Vec<Left>,
}

/// Changes to one file.
#[derive(Debug)]
pub struct Change {
    /// Whose file it is.
    pub client: &'static Client,
    /// As it was read.
    pub found: Found,
    /// As it is to be.
    pub text: String,
    /// The servers concerned, by name.
    pub names: Vec<String>,
    /// The servers with the shim in front of them afterwards that we put there.
    servers: Vec<Server>,
}

/// Something that is not changed.
#[derive(Debug)]
pub struct Left {
    /// Whose file it is.
    pub client: &'static Client,
    /// Which file.
    pub path: PathBuf,
    /// The server, unless it is the whole file.
    pub server: Option<String>,
    /// Why, in words.
    pub why: String,
    /// It was meant to be changed and cannot be.
    pub is_fault: bool,
}

impl Plan {
    /// Plans it for everything that was chosen.
    pub fn make(sites: Vec<Site>, choice: &Choice, action: Action<'_>, journal: &Journal) -> Self {
        let mut plan = Self::default();
        // A file that is two places of its client is changed once.
        let mut files: Vec<(Found, Vec<Site>)> = Vec::new();
        for site in sites {
            match &site.read {
                Err(error) => plan.leave(&site, None, format!("{error:#}"), true),
                Ok((found, _)) => match files.iter_mut().find(|(other, _)| other.real == found.real) {
                    Some((_, sites)) => sites.push(site),
                    None => files.push((found.clone(), vec![site])),
                },
            }
        }
        for (found, sites) in files {
            plan.file(found, &sites, choice, action, journal);
        }
        plan
    }

    fn file(&mut self, found: Found, sites: &[Site], choice: &Choice, action: Action<'_>, journal: &Journal) {
        let known = journal.of(&found.real).map(|record| record.servers.clone()).unwrap_or_default();
        let (mut text, mut done, mut names, mut others) = (found.text.clone(), Vec::new(), Vec::new(), 0);
        for site in sites {
            let entries = site.read.as_ref().map(|(_, entries)| entries.as_slice()).unwrap_or_default();
            for entry in entries {
                if let State::LeftAlone(why) = &entry.state {
                    self.leave(site, Some(entry), (*why).to_owned(), false);
                }
                let is_remote = choice.remote && matches!(entry.state, State::Remote(_));
                if let Some(why) = remote::obstacle(&entry.node).filter(|_| is_remote) {
                    self.leave(site, Some(entry), why, false);
                    continue;
                }
                if !choice.means(entry) || !action.concerns(&entry.state, choice) {
                    others += usize::from(matches!(entry.state, State::Gated(_)));
                    continue;
                }
                match action.step(&text, site, entry, &known) {
                    Ok((changed, server)) => {
                        text = changed;
                        done.push(server);
                        names.push(entry.name.clone());
                    }
                    Err(error) => {
                        others += 1;
                        self.leave(site, Some(entry), format!("{error:#}"), true);
                    }
                }
            }
        }
        let Some(site) = sites.first().filter(|_| !done.is_empty()) else { return };
        if let Action::Uninstall = action
            && others == 0
            && let Some(original) = journal.original(&found.real, &found.text)
        {
            text = original;
        }
        let servers = action.servers(known, done);
        self.changes.push(Change { client: site.client, found, text, names, servers });
    }

    fn leave(&mut self, site: &Site, entry: Option<&Entry>, why: String, is_fault: bool) {
        let server = entry.map(|entry| entry.name.clone());
        self.left.push(Left { client: site.client, path: site.path.clone(), server, why, is_fault });
    }
}

impl Action<'_> {
    fn concerns(self, state: &State, choice: &Choice) -> bool {
        match self {
            Self::Install(_) => *state == State::Direct || choice.remote && matches!(state, State::Remote(_)),
            Self::Uninstall => matches!(state, State::Gated(_)),
        }
    }

    /// The file after one more server. Each step moves what stands behind it, so the entry is looked for again.
    fn step(self, text: &str, site: &Site, entry: &Entry, known: &[Server]) -> anyhow::Result<(String, Server)> {
        match self {
            Self::Install(shim) => install(text, site, entry, shim),
            Self::Uninstall => uninstall(text, site, entry, known),
        }
    }

    /// What stands behind a shim of ours after these are done.
    fn servers(self, mut known: Vec<Server>, done: Vec<Server>) -> Vec<Server> {
        known.retain(|server| !done.iter().any(|other| other.path == server.path));
        if let Self::Install(_) = self {
            known.extend(done);
        }
        known
    }
}

impl Change {
    /// Writes it: first the journal's copy, then the file, then what is known of it.
    pub fn make(&self, journal: &mut Journal) -> anyhow::Result<()> {
        let file = &self.found.real;
        if !self.servers.is_empty() {
            journal.keep(file, &self.found.text)?;
        }
        self.found.replace(&self.text)?;
        if self.servers.is_empty() {
            return journal.forget(file);
        }
        let (file, client) = (file.clone(), self.client.id.to_owned());
        journal.note(Record { file, client, after: Digest::of(self.text.as_bytes()), servers: self.servers.clone() })
    }
}

fn install(text: &str, site: &Site, entry: &Entry, shim: &str) -> anyhow::Result<(String, Server)> {
    let mut now = again(text, site, entry)?;
    let (mut text, mut remote) = (std::borrow::Cow::Borrowed(text), None);
    if let State::Remote(_) = now.state {
        let (bridged, was) = bridged(&text, &now, site.client)?;
        (text, remote) = (bridged.into(), Some(was));
        now = again(&text, site, entry)?;
    }
    // What a team shares must not name a directory of one of them.
    let shim = if site.place.scope == Scope::Project { "hitl-wrap" } else { shim };
    let server = hub_name(&entry.name);
    let front = front(site.client, entry, shim, &server);
    let before = Before { remote, ..Before::of(&text, &now, &front) };
    Ok((splice::wrap(&text, &now, &front)?, Server { path: entry.path.clone(), before }))
}

fn bridged(text: &str, entry: &Entry, client: &Client) -> anyhow::Result<(String, Remote)> {
    ensure!(client.shape == Shape::CommandAndArgs, "this client writes such servers in another way; do it by hand");
    remote::bridged(text, entry, client.dialect)
}

fn uninstall(text: &str, site: &Site, entry: &Entry, known: &[Server]) -> anyhow::Result<(String, Server)> {
    let now = again(text, site, entry)?;
    let before = known.iter().find(|server| server.path == entry.path).map(|server| server.before.clone());
    let before = before.unwrap_or_default();
    let mut changed = splice::unwrap(text, &now, &front(site.client, entry, "", ""), &before)?;
    if let Some(was) = &before.remote {
        changed = remote::restored(&changed, &again(&changed, site, entry)?, site.client.dialect, was)?;
    }
    Ok((changed, Server { path: entry.path.clone(), before }))
}

/// The entry in the file as it is by now.
fn again(text: &str, site: &Site, entry: &Entry) -> anyhow::Result<Entry> {
    let now = servers(text, site.client, &site.place)?;
    now.into_iter().find(|other| other.path == entry.path).context("it cannot be found again")
}

fn front<'f>(client: &Client, entry: &Entry, shim: &'f str, server: &'f str) -> Front<'f> {
    // A limit stands beside what names the command, not in it.
    let timeout = client.timeout.filter(|_| entry.path.last() == Some(&entry.name));
    Front { shim, server, shape: client.shape, dialect: client.dialect, timeout }
}

/// The name the hub knows a server by: the key in the client's file, which stays when the command changes.
fn hub_name(key: &str) -> String {
    if names::is_name(key) {
        return key.to_owned();
    }
    let kept: String = key.chars().filter(|c| !c.is_control() && !crate::core::inert::deceives(*c)).take(100).collect();
    let kept = kept.trim().trim_matches('.').to_owned();
    if names::is_name(&kept) { kept } else { "unnamed".to_owned() }
}
