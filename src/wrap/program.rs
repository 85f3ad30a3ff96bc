//! Finds the program that a command names.
//!
//! On Unix the system does it. On Windows it looks for `.exe` only, but clients write `npx`, which is `npx.cmd` there:
//! the name is completed as a shell would (`PATH`, `PATHEXT`), and the standard library runs such a script with its
//! arguments quoted for it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::config::env;

/// What Windows completes a name with when `PATHEXT` is not set.
const EXTENSIONS: &str = ".COM;.EXE;.BAT;.CMD";

/// The program to start for `name`.
pub fn find(name: &OsStr) -> OsString {
    if cfg!(windows) {
        let path = env::os("PATH").unwrap_or_default();
        let extensions = env::var("PATHEXT").unwrap_or_else(|| EXTENSIONS.to_owned());
        return complete(name, std::env::split_paths(&path), &extensions, Path::is_file).into_os_string();
    }
    name.to_owned()
}

/// `name` with the first of the `extensions` (`.EXE;.CMD`) that makes it a file: where it stands if it has a directory,
/// else in the first of the `directories` that has one; as it is if none does. The working directory is not looked in.
fn complete(
    name: &OsStr,
    directories: impl Iterator<Item = PathBuf>,
    extensions: &str,
    is_file: impl Fn(&Path) -> bool,
) -> PathBuf {
    let name = Path::new(name);
    let extensions: Vec<&str> = extensions.split(';').filter(|extension| !extension.is_empty()).collect();
    let written = name.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    if written.is_some_and(|written| extensions.iter().any(|extension| extension.eq_ignore_ascii_case(&written))) {
        return name.to_owned();
    }
    let has_directory = name.parent().is_some_and(|parent| !parent.as_os_str().is_empty());
    let places: Vec<PathBuf> =
        if has_directory { vec![name.to_owned()] } else { directories.map(|directory| directory.join(name)).collect() };
    let candidates = places.iter().flat_map(|place| extensions.iter().map(|extension| with(place, extension)));
    candidates.into_iter().find(|candidate| is_file(candidate)).unwrap_or_else(|| name.to_owned())
}

/// Appends, because a dot in the name need not begin an extension.
fn with(place: &Path, extension: &str) -> PathBuf {
    let mut text = place.as_os_str().to_owned();
    text.push(extension.to_ascii_lowercase());
    PathBuf::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> String {
        let files = ["/node/npx.cmd", "/node/npx", "/tools/npx.exe", "/py/uvx.exe", "/own/server.v2.bat"];
        let directories = ["/empty", "/node", "/tools", "/py"].map(PathBuf::from);
        let text = |path: &Path| path.to_string_lossy().replace('\\', "/");
        let is_file = |path: &Path| files.contains(&text(path).as_str());
        text(&complete(OsStr::new(name), directories.into_iter(), EXTENSIONS, is_file))
    }

    #[test]
    fn a_name_is_completed_as_a_windows_shell_does() {
        for (name, program) in [
            ("npx", "/node/npx.cmd"),
            ("uvx", "/py/uvx.exe"),
            ("uvx.EXE", "uvx.EXE"),
            ("/own/server.v2", "/own/server.v2.bat"),
            ("missing", "missing"),
            ("/own/missing", "/own/missing"),
        ] {
            assert_eq!(found(name), program);
        }
    }

    #[cfg(unix)]
    #[test]
    fn elsewhere_the_system_finds_it() {
        assert_eq!(find(OsStr::new("npx")), "npx");
    }
}
