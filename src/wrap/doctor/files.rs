//! What the clients' files say: servers that are not gated, wiped, shadowed, doubled, or let through by the client.

use super::{Finding, Looked};
use crate::config::env;
use crate::wrap::install::clients::Client;
use crate::wrap::install::entry::{Entry, State, words};
use crate::wrap::install::place::Scope;
use crate::wrap::install::show::tilde;
use crate::wrap::install::survey::Site;
use crate::wrap::install::tree::Dialect;

/// The journal cannot be read.
pub(super) fn broken_journal(error: &anyhow::Error) -> Finding {
    Finding::wrong(
        "journal",
        "the installation's journal",
        format!("{error:#}"),
        "hitl-wrap status still tells what is gated",
    )
}

pub(super) fn check(looked: &Looked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if looked.sites.is_empty() {
        let text = "no client on this machine has a file of MCP servers";
        findings.push(Finding::note(
            "no_client",
            "clients",
            text,
            "hitl-wrap install --config PATH, if there is one elsewhere",
        ));
    }
    for site in looked.sites {
        match &site.read {
            Err(error) => findings.push(unreadable(looked, site, error)),
            Ok((_, entries)) => findings.extend(entries.iter().flat_map(|entry| of_entry(looked, site, entry))),
        }
        if site.client.dialect == Dialect::Yaml {
            let text = "it is YAML, which is read by its client and not by this program";
            findings.push(Finding::note(
                "by_hand",
                about(looked, site, None),
                text,
                "hitl-wrap install prints the edit",
            ));
        }
        findings.extend(owner(looked, site));
    }
    findings.extend(shadowed(looked));
    findings.extend(wiped(looked));
    findings.extend(same_name(looked));
    findings.extend(stripped());
    findings
}

fn about(looked: &Looked<'_>, site: &Site, entry: Option<&Entry>) -> String {
    let server = entry.map(|entry| format!(", {}", entry.name)).unwrap_or_default();
    format!("{} ({}){server}", site.client.title, tilde(&site.path, &looked.home))
}

fn unreadable(looked: &Looked<'_>, site: &Site, error: &anyhow::Error) -> Finding {
    let text = format!("{error:#}");
    let (kind, mend) = match text.as_str() {
        text if text.contains("stands twice") => ("twice", "remove one of the two; the client takes the last"),
        text if text.contains("leads nowhere") => ("dangling_link", "make its target, or remove the link"),
        _ => ("unreadable", "mend the file; its client may lose all its servers over it"),
    };
    Finding::wrong(kind, about(looked, site, None), text, mend)
}

fn of_entry(looked: &Looked<'_>, site: &Site, entry: &Entry) -> Vec<Finding> {
    let about = about(looked, site, Some(entry));
    let mut findings = Vec::new();
    match &entry.state {
        State::Direct => {
            let mend = format!("hitl-wrap install --client {} --server {}", site.client.id, shell(&entry.name));
            findings.push(Finding::wrong("not_gated", &about, "its calls reach it without the shim", mend));
        }
        State::Remote(url) => {
            let text = format!("it lies at {url}; the shim stands in front of programs on this machine only");
            findings.push(Finding::note(
                "remote",
                &about,
                text,
                "put a stdio bridge such as mcp-remote in front of it, and wrap that",
            ));
        }
        State::LeftAlone(why) => findings.push(Finding::note("left_alone", &about, *why, "")),
        State::Gated(wrapped) if wrapped.server.is_none() => {
            let text = "it has no --server, so policy goes by the name of its program";
            let mend =
                format!("hitl-wrap uninstall --server {0} && hitl-wrap install --server {0}", shell(&entry.name));
            findings.push(Finding::note("unnamed", &about, text, mend));
        }
        State::Gated(_) | State::Ours => {}
    }
    findings.extend(client_approves(&about, entry));
    findings.extend(own_variables(&about, entry));
    findings.extend(short_limit(&about, site.client, entry));
    findings.extend(unset_variables(&about, entry));
    findings.extend(home_in_project(&about, site, entry));
    findings
}

/// The client's own question is switched off: the shim's is the only one then.
fn client_approves(about: &str, entry: &Entry) -> Option<Finding> {
    let on = |key: &&str| {
        entry.whole.get(key).is_some_and(|node| node.is_true() || node.list().is_some_and(|list| !list.is_empty()))
    };
    let key = ["autoApprove", "alwaysAllow", "trust"].into_iter().find(|key| on(key))?;
    let text = format!("`{key}` is on: the client asks nobody itself, so what policy does not gate runs at once");
    Some(Finding::note(
        "client_approves",
        about,
        text,
        "nothing, if that is what you want; else take it out of the entry",
    ))
}

fn own_variables(about: &str, entry: &Entry) -> Vec<Finding> {
    let names =
        ["env", "envs", "environment"].iter().filter_map(|key| entry.node.get(key)).flat_map(|env| env.members());
    let ours = names.map(|member| member.name.as_str()).filter(|name| name.starts_with("HITL_"));
    let finding = |name: &str| match name {
        "HITL_AGENT_TOKEN" => Some(Finding::wrong(
            "token_in_file",
            about,
            "the agent's token stands in the client's file, which others may read",
            "put it into a file of mode 0600 and name that with agent_token_file in config.toml",
        )),
        name => env::complaint(name)
            .map(|text| Finding::wrong("unknown_variable", about, text, "hitl-wrap --help names the settings")),
    };
    ours.filter_map(finding).collect()
}

/// Settings in the environment of this shell, which clients do not hand on: the shim works by others than its user sees.
fn stripped() -> Vec<Finding> {
    let set = env::all().filter_map(|(name, _)| name.into_string().ok());
    let ours = set.filter(|name| env::is_setting(name) && name != "HITL_CONFIG");
    let finding = |name: String| {
        let text =
            "it is set here, and most clients hand their own environment to no server, so the shim does not see it";
        Finding::note("stripped_variable", name, text, "write it to config.toml, or into `env` of the server's entry")
    };
    ours.map(finding).collect()
}

/// The client gives up before a person can have decided.
fn short_limit(about: &str, client: &Client, entry: &Entry) -> Option<Finding> {
    let timeout = client.timeout.filter(|_| matches!(entry.state, State::Gated(_)))?;
    let set = entry.whole.get(timeout.key)?.number()? / f64::from(timeout.per_second);
    let text = format!("`{}` ends a call after {set} seconds, before the five minutes an approver has", timeout.key);
    let mend = format!("raise it to {} or take it out", 3600 * timeout.per_second);
    (set < 300.0).then(|| Finding::wrong("short_limit", about, text, mend))
}

/// `${VAR}` that nobody set is handed to the server as it is, or as nothing.
fn unset_variables(about: &str, entry: &Entry) -> Vec<Finding> {
    let Some(env) = entry.node.get("env") else { return Vec::new() };
    let values = env.members().iter().filter_map(|member| member.node.text());
    let named = values.filter_map(|value| value.strip_prefix("${")?.strip_suffix('}'));
    let plain = named.map(|name| name.strip_prefix("env:").unwrap_or(name));
    let plain =
        plain.filter(|name| !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()));
    let unset = plain.filter(|name| env::os(name).is_none());
    let finding = |name: &str| {
        let text = format!("its environment takes {name} from the client's, where it is not set");
        Finding::note(
            "unset_variable",
            about,
            text,
            format!("export {name} where the client is started, or write the value"),
        )
    };
    unset.map(finding).collect()
}

/// A file that a team shares names a directory of one of them.
fn home_in_project(about: &str, site: &Site, entry: &Entry) -> Option<Finding> {
    let State::Gated(wrapped) = &entry.state else { return None };
    let is_path = wrapped.shim.contains(['/', '\\']);
    (site.place.scope == Scope::Project && is_path).then(|| {
        let text = format!("a file of the project starts {}, which others do not have there", wrapped.shim);
        Finding::note("path_in_project", about, text, "write hitl-wrap alone, and have it on PATH")
    })
}

/// The same server in a narrower scope wins, and there the shim does not stand in front of it.
fn shadowed(looked: &Looked<'_>) -> Vec<Finding> {
    let all = || {
        looked.sites.iter().flat_map(|site| {
            let entries = site.read.as_ref().map(|(_, entries)| entries.as_slice()).unwrap_or_default();
            entries.iter().map(move |entry| (site, entry))
        })
    };
    let open = all().filter(|(site, entry)| site.place.scope != Scope::User && entry.state == State::Direct);
    let gated = |client: &str, name: &str| {
        all().any(|(site, entry)| {
            let is_gated = matches!(entry.state, State::Gated(_)) && site.place.scope == Scope::User;
            is_gated && site.client.id == client && entry.name == name
        })
    };
    open.filter(|(site, entry)| gated(site.client.id, &entry.name))
        .map(|(site, entry)| {
            let text = "it is gated in your own file, but this entry of the same name is the one that the client takes";
            let mend = format!("hitl-wrap install --client {} --scope {}", site.client.id, site.place.scope.as_str());
            Finding::wrong("shadowed", about(looked, site, Some(entry)), text, mend)
        })
        .collect()
}

/// What was gated once and is not any more: some clients rewrite their files.
fn wiped(looked: &Looked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for record in looked.journal.records() {
        let about = format!("{} ({})", record.client, tilde(&record.file, &looked.home));
        let Some(site) =
            looked.sites.iter().find(|site| site.read.as_ref().is_ok_and(|(found, _)| found.real == record.file))
        else {
            if !record.file.exists() {
                let text = "the shim was put in front of servers in it, and the file is gone";
                findings.push(Finding::wrong("file_gone", about, text, "hitl-wrap uninstall forgets it"));
            }
            continue;
        };
        let same = looked.sites.iter().filter(|other| other.path == site.path);
        let now: Vec<&Entry> =
            same.filter_map(|site| site.read.as_ref().ok()).flat_map(|(_, entries)| entries).collect();
        for server in &record.servers {
            let name = server.path.last().map(String::as_str).unwrap_or_default();
            match now.iter().find(|entry| entry.path == server.path).map(|entry| &entry.state) {
                Some(State::Gated(_)) => {}
                Some(_) => findings.push(Finding::wrong(
                    "wiped",
                    format!("{about}, {name}"),
                    "the shim was in front of it and is not any more: the file was rewritten",
                    format!("hitl-wrap install --client {}", record.client),
                )),
                None => findings.push(Finding::note(
                    "entry_gone",
                    format!("{about}, {name}"),
                    "the shim was in front of it, and the server is not in the file any more",
                    "nothing, if it was removed on purpose",
                )),
            }
        }
    }
    findings
}

/// Two servers that start different programs under one name share one policy.
fn same_name(looked: &Looked<'_>) -> Vec<Finding> {
    let mut seen: Vec<(String, Vec<String>, String)> = Vec::new();
    let mut findings = Vec::new();
    for site in looked.sites {
        let Ok((_, entries)) = &site.read else { continue };
        for entry in entries {
            let State::Gated(wrapped) = &entry.state else { continue };
            let Some(name) = wrapped.server.clone() else { continue };
            let command = words(&entry.node, site.client.shape).unwrap_or_default().split_off(wrapped.words);
            let here = about(looked, site, Some(entry));
            match seen.iter().find(|(other, ..)| *other == name) {
                Some((_, other, place)) if program(other) != program(&command) => {
                    let text = format!("the hub knows it as {name}, and another program, too: that of {place}");
                    findings.push(Finding::note("same_name", here, text, "give one of them another --server"));
                }
                Some(_) => {}
                None => seen.push((name, command, here)),
            }
        }
    }
    findings
}

/// What makes a command this server and no other: program and package, without paths and options.
fn program(command: &[String]) -> Vec<&str> {
    let plain = command
        .iter()
        .filter(|word| !word.starts_with('-'))
        .map(|word| word.rsplit(['/', '\\']).next().unwrap_or(word));
    plain.take(2).collect()
}

#[cfg(unix)]
fn owner(looked: &Looked<'_>, site: &Site) -> Option<Finding> {
    use std::os::unix::fs::MetadataExt as _;
    let (own, owner) = (rustix::process::geteuid().as_raw(), std::fs::metadata(&site.path).ok()?.uid());
    (owner != own).then(|| {
        let text = format!("it belongs to the user with uid {owner}, and you are {own}; a `sudo` may have done that");
        let mend = format!("sudo chown {own} {}", shell(&site.path.display().to_string()));
        Finding::wrong("owner", about(looked, site, None), text, mend)
    })
}

#[cfg(not(unix))]
fn owner(_: &Looked<'_>, _: &Site) -> Option<Finding> {
    None
}

/// The word as a shell takes it.
pub(super) fn shell(word: &str) -> String {
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./:@%+=,".contains(&byte));
    if plain && !word.is_empty() { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
