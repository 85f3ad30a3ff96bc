//! Whether the programs that entries name are there, and whether a client started from the desktop finds them.

use std::path::{Path, PathBuf};

use super::{Finding, Looked};
use crate::wrap::install::entry::{Entry, State, words};
use crate::wrap::install::show::tilde;
use crate::wrap::install::survey::Site;

/// Clients that are started from the desktop, where PATH is the system's and not that of a shell.
const DESKTOP: [&str; 8] =
    ["claude-desktop", "cursor", "vscode", "windsurf", "devin", "zed", "lm-studio", "jetbrains-ai"];
/// What such a client sees.
const DESKTOP_PATH: [&str; 6] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/snap/bin"];

pub(super) fn check(looked: &Looked<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for site in looked.sites {
        let entries = site.read.as_ref().map(|(_, entries)| entries.as_slice()).unwrap_or_default();
        for entry in entries {
            findings.extend(shim(looked, site, entry));
            findings.extend(server(looked, site, entry));
        }
    }
    findings.extend(hub_program(looked));
    findings
}

fn about(site: &Site, entry: &Entry) -> String {
    format!("{}, {}", site.client.title, entry.name)
}

/// The shim that an entry starts: there, and this one.
fn shim(looked: &Looked<'_>, site: &Site, entry: &Entry) -> Option<Finding> {
    let State::Gated(wrapped) = &entry.state else { return None };
    let shown = &wrapped.shim;
    let Some(found) = find(shown, &looked.path) else {
        let mend =
            format!("hitl-wrap uninstall --client {0} --yes && hitl-wrap install --client {0} --yes", site.client.id);
        let text = if shown.contains(['/', '\\']) {
            format!("{shown} is not there any more, so the server does not start")
        } else {
            format!("{shown} is not on PATH ({})", listed(&looked.path))
        };
        return Some(Finding::wrong("stale_shim", about(site, entry), text, mend));
    };
    let (real, own) =
        (found.canonicalize().unwrap_or(found), looked.own.canonicalize().unwrap_or_else(|_| looked.own.clone()));
    (real != own).then(|| {
        let text = format!("it starts {}, and this program is {}", real.display(), own.display());
        Finding::note("other_shim", about(site, entry), text, "nothing, if both are of one version")
    })
}

/// The server's own program.
fn server(looked: &Looked<'_>, site: &Site, entry: &Entry) -> Option<Finding> {
    let words = words(&entry.node, site.client.shape)?;
    let program = match &entry.state {
        State::Gated(wrapped) => words.get(wrapped.words)?,
        State::Direct => words.first()?,
        _ => return None,
    };
    // What the client replaces, only the client knows.
    if program.contains("${") {
        return None;
    }
    let Some(found) = find(program, &looked.path) else {
        let text = format!("its program {program} is not found; looked in {}", listed(&looked.path));
        return Some(Finding::wrong("program_missing", about(site, entry), text, "install it, or write its full path"));
    };
    let is_bare = !program.contains(['/', '\\']);
    let seen = DESKTOP_PATH.iter().any(|dir| is_program(&Path::new(dir).join(program)));
    let is_desktop = DESKTOP.contains(&site.client.id) && cfg!(unix);
    (is_bare && is_desktop && !seen).then(|| {
        let path = tilde(&found, &looked.home);
        let text = format!("a client started from the desktop may not find {program}, which is {path}");
        Finding::note("desktop_path", about(site, entry), text, format!("write {path} instead"))
    })
}

/// Without a hub elsewhere, the shim starts the one beside it.
fn hub_program(looked: &Looked<'_>) -> Option<Finding> {
    let name = format!("hitl-hub{}", std::env::consts::EXE_SUFFIX);
    let beside = looked.own.parent().map(|dir| dir.join(&name)).is_some_and(|path| is_program(&path));
    (!beside && find(&name, &looked.path).is_none()).then(|| {
        let text = format!("it is neither beside {} nor on PATH, so no hub can be started here", looked.own.display());
        Finding::note("no_hub_program", "hitl-hub", text, "install it, or name a hub elsewhere: hitl-wrap login URL")
    })
}

/// The program as the system finds it.
pub(super) fn find(program: &str, path: &[PathBuf]) -> Option<PathBuf> {
    let completed = crate::wrap::program::find(program.as_ref());
    let program = Path::new(&completed);
    if program.components().count() > 1 || program.is_absolute() {
        return is_program(program).then(|| program.to_owned());
    }
    path.iter().map(|dir| dir.join(program)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    let Ok(metadata) = std::fs::metadata(path) else { return false };
    #[cfg(unix)]
    let may_run = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let may_run = true;
    metadata.is_file() && may_run
}

fn listed(path: &[PathBuf]) -> String {
    let between = if cfg!(windows) { ";" } else { ":" };
    path.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(between)
}
