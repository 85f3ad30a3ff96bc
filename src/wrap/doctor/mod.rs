//! `hitl-wrap doctor`: what is wrong with the shim on this machine, and the command that mends each thing.
//!
//! It changes nothing. A check is a function from what was looked at to findings, so each is tested without the world.

mod files;
mod handshake;
mod programs;
mod settings;

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::install::command::Selection;
use super::install::journal::Journal;
use super::install::place::Surroundings;
use super::install::survey::{Site, survey};
use crate::config::{env, paths};
use crate::core::inert::inert;

/// Something to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind, a word that stays the same.
    pub kind: &'static str,
    /// Whether it is wrong, or only worth knowing.
    pub is_wrong: bool,
    /// What it is about: a file, a server, the hub.
    pub about: String,
    /// What is the matter.
    pub text: String,
    /// What mends it.
    pub mend: String,
}

/// What the checks look at.
pub struct Looked<'l> {
    /// The clients' files.
    pub sites: &'l [Site],
    /// What was installed.
    pub journal: &'l Journal,
    /// The home directory.
    pub home: PathBuf,
    /// This program's own path.
    pub own: PathBuf,
    /// The directories where programs are looked for.
    pub path: Vec<PathBuf>,
}

impl Finding {
    fn wrong(kind: &'static str, about: impl Into<String>, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { kind, is_wrong: true, about: about.into(), text: text.into(), mend: mend.into() }
    }

    fn note(kind: &'static str, about: impl Into<String>, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { is_wrong: false, ..Self::wrong(kind, about, text, mend) }
    }
}

/// Looks at everything; the exit code is 1 if something is wrong.
pub async fn run(selection: Selection, json: bool, start_servers: bool) -> anyhow::Result<u8> {
    let (home, choice) = (super::install::command::home()?, selection.choice());
    let sites = super::install::command::with_surroundings(&home, |here: &Surroundings<'_>| survey(here, &choice))?;
    let journal = Journal::open(&paths::state_dir()?);
    let mut findings: Vec<Finding> = journal.as_ref().err().map(files::broken_journal).into_iter().collect();
    let journal = journal.unwrap_or_else(|_| Journal::empty());
    let path = env::os("PATH").unwrap_or_default();
    let looked = Looked {
        sites: &sites,
        journal: &journal,
        home,
        own: std::env::current_exe().unwrap_or_default(),
        path: std::env::split_paths(&path).collect(),
    };
    findings.extend(files::check(&looked));
    findings.extend(programs::check(&looked));
    findings.extend(settings::check(&looked).await);
    if start_servers {
        findings.extend(handshake::check(&looked).await);
    }
    super::install::command::print(&if json {
        serde_json::to_string_pretty(&findings)? + "\n"
    } else {
        told(&findings)
    })?;
    Ok(u8::from(findings.iter().any(|finding| finding.is_wrong)))
}

fn told(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let mark = if finding.is_wrong { "wrong" } else { "note " };
        let _ = writeln!(text, "{mark}  {}: {}", inert(&finding.about), inert(&finding.text));
        if !finding.mend.is_empty() {
            let _ = writeln!(text, "       {}", inert(&finding.mend));
        }
    }
    let wrong = findings.iter().filter(|finding| finding.is_wrong).count();
    let _ = match wrong {
        0 => writeln!(text, "Nothing is wrong."),
        1 => writeln!(text, "One thing is wrong."),
        _ => writeln!(text, "{wrong} things are wrong."),
    };
    text
}
