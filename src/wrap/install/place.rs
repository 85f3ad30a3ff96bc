//! Where a client's file may lie: a path with variables and wildcards, for one operating system or all.

use std::path::{Path, PathBuf};

/// A place where a client may keep servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is looked for.
    pub system: System,
    /// Whose servers they are.
    pub scope: Scope,
    /// `~` is the home directory, `{NAME:default}` an environment variable, `*` anything within one part; a project's
    /// path is relative to the project.
    pub path: &'static str,
    /// The way from the top of the file to the servers; `*` is every member.
    pub keys: &'static [&'static str],
}

/// An operating system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// All of them.
    Any,
    /// Linux, and what is like it.
    Linux,
    /// macOS.
    Macos,
    /// Windows.
    Windows,
}

/// Whose servers a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// This user's, everywhere.
    User,
    /// This user's, in one project; kept in the user's own file.
    Local,
    /// Everybody's in one project; the file is part of it.
    Project,
}

impl Scope {
    /// The word for it, as `--scope` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Local => "local",
            Self::Project => "project",
        }
    }
}

/// What a path depends on.
pub struct Surroundings<'e> {
    /// The operating system.
    pub system: System,
    /// The home directory.
    pub home: PathBuf,
    /// The project: the working directory, if nothing else is said.
    pub project: PathBuf,
    /// Looks up an environment variable.
    pub env: &'e dyn Fn(&str) -> Option<String>,
}

impl System {
    /// The one this program runs on.
    pub fn here() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::Macos
        } else {
            Self::Linux
        }
    }
}

impl Surroundings<'_> {
    /// The files at this place that exist.
    pub fn files(&self, place: &Place) -> Vec<PathBuf> {
        if place.system != System::Any && place.system != self.system {
            return Vec::new();
        }
        let path = PathBuf::from(self.expand(place.path));
        let path = if path.is_absolute() { path } else { self.project.join(path) };
        let mut found = matching(&path);
        found.sort();
        found
    }

    /// Replaces `~` and `{NAME:default}`, whose default may hold others.
    fn expand(&self, path: &str) -> String {
        if let Some(start) = path.rfind('{')
            && let Some(length) = path[start..].find('}')
        {
            let (name, default) = path[start + 1..start + length].split_once(':').unwrap_or_default();
            let value = (self.env)(name).filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_owned());
            return self.expand(&format!("{}{value}{}", &path[..start], &path[start + length + 1..]));
        }
        match path.strip_prefix('~') {
            Some(rest) => format!("{}{rest}", self.home.display()),
            None => path.to_owned(),
        }
    }
}

/// The files that a path with wildcards stands for. A link that leads nowhere counts: it is told of, not passed over.
fn matching(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for part in path.components() {
        let name = part.as_os_str().to_string_lossy();
        match name.split_once('*') {
            None => found.iter_mut().for_each(|path| path.push(part)),
            Some((before, after)) => found = found.iter().flat_map(|path| inside(path, before, after)).collect(),
        }
    }
    found.retain(|path| path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()));
    found
}

fn inside(directory: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let Ok(entries) = directory.read_dir() else { return Vec::new() };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
    let fits = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
    };
    names.filter(fits).map(|name| directory.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::install::clients;

    #[test]
    fn variables_homes_and_wildcards_lead_to_the_files_that_exist() {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "").unwrap();
            path
        };
        let env = |name: &str| (name == "CODEX_HOME").then(|| dir.path().join("c o").display().to_string());
        let here =
            Surroundings { system: System::Linux, home: dir.path().into(), project: dir.path().join("p"), env: &env };
        let files = |id: &str| -> Vec<PathBuf> {
            clients::of(id).unwrap().places.iter().flat_map(|place| here.files(place)).collect()
        };
        assert!(files("vscode").is_empty());
        let one = make(".config/Code/User/profiles/1a/mcp.json");
        let two = make(".config/Code/User/profiles/ünï/mcp.json");
        make("Library/Application Support/Code/User/mcp.json");
        assert_eq!(files("vscode"), [one, two]);
        let (home, project) = (make("c o/config.toml"), make("p/.codex/config.toml"));
        assert_eq!(files("codex"), [home, project]);
        let cline = make(".cline/data/settings/cline_mcp_settings.json");
        assert_eq!(files("cline"), [cline]);
    }

    #[test]
    fn windows_has_its_own_places() {
        let dir = tempfile::tempdir().unwrap();
        let store = "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json";
        let path = dir.path().join(store);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, "{}").unwrap();
        let here = Surroundings {
            system: System::Windows,
            home: dir.path().into(),
            project: dir.path().join("p"),
            env: &|_| None,
        };
        let found: Vec<_> =
            clients::of("claude-desktop").unwrap().places.iter().flat_map(|place| here.files(place)).collect();
        assert_eq!(found, [path]);
    }
}
