//! Names that many servers share: what starts servers that somebody else wrote, and what such scripts are called.
//! Policy goes by the server's name, so that each of them wants one of its own.

use crate::core::names;

/// Programs that start many different servers.
const LAUNCHERS: [&str; 88] = [
    "ash",
    "asdf",
    "bash",
    "bun",
    "bundle",
    "bunx",
    "busybox",
    "cargo",
    "cmd",
    "conda",
    "dash",
    "deno",
    "devbox",
    "direnv",
    "dnx",
    "doas",
    "docker",
    "docker-compose",
    "dotenv",
    "dotnet",
    "env",
    "exec",
    "fish",
    "fnm",
    "go",
    "hatch",
    "java",
    "jbang",
    "just",
    "kotlin",
    "ksh",
    "kubectl",
    "lua",
    "make",
    "mamba",
    "mcp-proxy",
    "mcp-remote",
    "micromamba",
    "mise",
    "mono",
    "nerdctl",
    "nice",
    "nix",
    "nix-shell",
    "node",
    "nohup",
    "npm",
    "npx",
    "nvm",
    "op",
    "pdm",
    "perl",
    "php",
    "pip",
    "pipenv",
    "pipx",
    "pnpm",
    "pnpx",
    "podman",
    "poetry",
    "powershell",
    "pwsh",
    "py",
    "pypy",
    "python",
    "pythonw",
    "ruby",
    "rye",
    "setsid",
    "sh",
    "ssh",
    "stdbuf",
    "sudo",
    "supergateway",
    "task",
    "time",
    "timeout",
    "ts-node",
    "tsx",
    "uv",
    "uvx",
    "volta",
    "wsl",
    "xargs",
    "yarn",
    "yarnpkg",
    "zsh",
    "nodejs",
];
/// What scripts and programs are called that say nothing of themselves.
const COMMON: [&str; 20] = [
    "__main__",
    "app",
    "bin",
    "build",
    "cli",
    "dist",
    "entrypoint",
    "index",
    "launch",
    "main",
    "mcp",
    "mcp-server",
    "mcp_server",
    "mcpserver",
    "run",
    "serve",
    "server",
    "src",
    "start",
    "stdio",
];
/// Words of launchers between them and what they start.
const BETWEEN: [&str; 14] = [
    "c",
    "compose",
    "create",
    "dlx",
    "exec",
    "gateway",
    "run",
    "run-script",
    "shell",
    "start",
    "tool",
    "tsx",
    "x",
    "up",
];
/// Options whose value is not what is started.
const WITH_VALUE: [&str; 33] = [
    "--cwd",
    "--directory",
    "--entrypoint",
    "--env",
    "--env-file",
    "--file",
    "--filter",
    "--from",
    "--import",
    "--index-url",
    "--label",
    "--loader",
    "--mount",
    "--name",
    "--network",
    "--package",
    "--platform",
    "--prefix",
    "--project",
    "--project-directory",
    "--python",
    "--require",
    "--user",
    "--volume",
    "--with",
    "--workdir",
    "-C",
    "-e",
    "-f",
    "-p",
    "-r",
    "-u",
    "-v",
];
/// Endings that say in what something is written.
const ENDINGS: [&str; 14] =
    [".bat", ".cjs", ".cmd", ".exe", ".jar", ".js", ".mjs", ".mts", ".php", ".ps1", ".py", ".rb", ".sh", ".ts"];

/// Whether a server that goes by the name of this program shares it with others.
pub fn is_shared(program: &str) -> bool {
    let stem = stem(program);
    is_launcher(&stem) || COMMON.contains(&stem.as_str())
}

/// A name for the server of this command line, taken from what it starts.
pub fn suggestion(command: &[String]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let of_script = || named(program).filter(|name| !is_shared(name));
    if !is_launcher(&stem(program)) {
        return of_script();
    }
    let mut skip = false;
    let candidates = arguments.iter().filter(|argument| {
        let is_value = std::mem::replace(&mut skip, WITH_VALUE.contains(&argument.as_str()));
        let is_option = argument.starts_with('-') || (argument.starts_with('/') && argument.len() == 2);
        let bare = argument.to_ascii_lowercase();
        !(is_value
            || is_option
            || argument.contains(['=', ' '])
            || BETWEEN.contains(&bare.as_str())
            || is_launcher(&stem(argument)))
    });
    candidates.filter_map(|argument| named(argument)).find(|name| !is_shared(name))
}

fn is_launcher(stem: &str) -> bool {
    // Such as python3.12 and node22.
    let plain = stem.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    LAUNCHERS.contains(&stem) || LAUNCHERS.contains(&plain)
}

/// The last part of a path in small letters, without an ending that says what it is written in.
fn stem(path: &str) -> String {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name).to_owned()
}

/// What a path, a package or an image is called: `@org/server-git@1.2` and `ghcr.io/org/server-git:1` are `server-git`;
/// `~/server-git/dist/index.js` is, too.
fn named(text: &str) -> Option<String> {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    let parts =
        text.rsplit(['/', '\\']).map(|part| part.split_once(['#', ':', '?']).map_or(part, |(before, _)| before));
    let parts =
        parts.map(|part| part.split_once('@').filter(|(name, _)| !name.is_empty()).map_or(part, |(name, _)| name));
    let mut stems = parts.filter(|part| !part.is_empty() && !part.starts_with(['@', '.', '~'])).map(stem);
    stems.find(|stem| !is_shared(stem) && names::is_name(stem) && stem.contains(|c: char| c.is_ascii_alphabetic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_others_have_too_is_known_in_any_spelling() {
        for program in [
            "npx",
            "NPX.CMD",
            "/usr/bin/python3.12",
            r"C:\Program Files\nodejs\node.exe",
            "nodejs",
            "bunx",
            "uvx",
            "Docker",
            "docker-compose",
            "cmd",
            "cmd.exe",
            "pwsh",
            "nix",
            "deno",
            "node22",
            "/srv/a/server.py",
            "./index.js",
            "main.mjs",
            "run.sh",
            "dist/server",
            "mcp-server",
            "APP.PY",
            "server.jar",
            "start.bat",
        ] {
            assert!(is_shared(program), "{program}");
        }
        for program in ["/opt/mcp-server-git", "github", "server-memory", "nodered", "weather.py", "dockerd-mcp"] {
            assert!(!is_shared(program), "{program}");
        }
    }

    #[test]
    fn the_name_is_taken_from_what_the_launcher_starts() {
        for (line, name) in [
            ("npx -y @modelcontextprotocol/server-filesystem /srv", Some("server-filesystem")),
            ("npx -y github-mcp@1.2.3", Some("github-mcp")),
            ("cmd /c npx -y server-memory", Some("server-memory")),
            ("uvx --from git+https://h/x mcp-server-git", Some("mcp-server-git")),
            ("uv --directory /srv/weather run weather.py", Some("weather")),
            ("pnpm dlx tool-server", Some("tool-server")),
            ("bunx server-x", Some("server-x")),
            ("pipx run mcp-clock", Some("mcp-clock")),
            ("python -m mail_server", Some("mail_server")),
            ("python3 /srv/mail/server.py", Some("mail")),
            ("node /home/me/jira/dist/index.js", Some("jira")),
            ("nodejs ./index.js", None),
            ("docker run -i --rm -e TOKEN -v /a:/b ghcr.io/github/github-mcp-server:v1", Some("github-mcp-server")),
            ("docker compose -f x.yml run mailer", Some("mailer")),
            ("nix run github:org/tool-mcp#default", Some("tool-mcp")),
            ("env A=1 uvx mcp-server-time", Some("mcp-server-time")),
            ("/srv/notes/server.py", Some("notes")),
            ("npx", None),
            ("bash -c true", Some("true")),
        ] {
            let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(suggestion(&command).as_deref(), name, "{line}");
        }
    }
}
