//! What is known of each client: where its files are, what is in them, how long it waits. Only data; adding a client
//! is adding a row, and a test asks for a new look after 120 days.

use super::place::{Place, Scope, System};
use super::tree::Dialect;

/// A client, as far as putting the shim in front of its servers goes.
#[derive(Debug)]
pub struct Client {
    /// What `--client` takes.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Where it may keep its servers; all that exist are looked at.
    pub places: &'static [Place],
    /// How it starts a server.
    pub shape: Shape,
    /// How it writes its files.
    pub dialect: Dialect,
    /// Its own limit on a tool's answer, where an entry can raise it.
    pub timeout: Option<Timeout>,
    /// What its user does for a change to count.
    pub restart: &'static str,
    /// Where this was read.
    pub source: &'static str,
    /// When, as `YYYY-MM-DD`.
    pub checked_on: &'static str,
}

/// How an entry names program and arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `command` is the program, `args` its arguments.
    CommandAndArgs,
    /// `command` is one list of both.
    OneList,
}

/// How long a client waits for a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout {
    /// The member of an entry.
    pub key: &'static str,
    /// Milliseconds (1000) or seconds (1).
    pub per_second: u32,
    /// What holds without it, in seconds; `None` waits for as long as it takes.
    pub default_seconds: Option<u32>,
}

const MCP_SERVERS: &[&str] = &["mcpServers"];
const LOOKED_UP: &str = "2026-11-27";

const fn user(path: &'static str) -> Place {
    Place { system: System::Any, scope: Scope::User, path, keys: MCP_SERVERS }
}

const fn project(path: &'static str) -> Place {
    Place { scope: Scope::Project, ..user(path) }
}

const fn on(system: System, path: &'static str) -> Place {
    Place { system, ..user(path) }
}

const fn at(keys: &'static [&'static str], place: Place) -> Place {
    Place { keys, ..place }
}

const fn local(keys: &'static [&'static str], place: Place) -> Place {
    Place { scope: Scope::Local, keys, ..place }
}

const SERVERS: &[&str] = &["servers"];
const VS_CODE: &[Place] = &[
    at(SERVERS, on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/Code/User/mcp.json")),
    at(SERVERS, on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/Code/User/profiles/*/mcp.json")),
    at(SERVERS, on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/Code - Insiders/User/mcp.json")),
    at(SERVERS, on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/Code - Insiders/User/profiles/*/mcp.json")),
    at(SERVERS, on(System::Macos, "~/Library/Application Support/Code/User/mcp.json")),
    at(SERVERS, on(System::Macos, "~/Library/Application Support/Code/User/profiles/*/mcp.json")),
    at(SERVERS, on(System::Macos, "~/Library/Application Support/Code - Insiders/User/mcp.json")),
    at(SERVERS, on(System::Macos, "~/Library/Application Support/Code - Insiders/User/profiles/*/mcp.json")),
    at(SERVERS, on(System::Windows, "{APPDATA:~/AppData/Roaming}/Code/User/mcp.json")),
    at(SERVERS, on(System::Windows, "{APPDATA:~/AppData/Roaming}/Code/User/profiles/*/mcp.json")),
    at(SERVERS, on(System::Windows, "{APPDATA:~/AppData/Roaming}/Code - Insiders/User/mcp.json")),
    at(SERVERS, on(System::Windows, "{APPDATA:~/AppData/Roaming}/Code - Insiders/User/profiles/*/mcp.json")),
    at(SERVERS, user("~/.vscode-server/data/User/mcp.json")),
    at(SERVERS, user("~/.vscode-server-insiders/data/User/mcp.json")),
    at(SERVERS, project(".vscode/mcp.json")),
];

/// The extension's file below an editor's own directory.
macro_rules! cline {
    ($editor:literal) => {
        concat!($editor, "/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json")
    };
}

/// The same for Roo.
macro_rules! roo {
    ($editor:literal) => {
        concat!($editor, "/User/globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json")
    };
}

/// Every client there is a row for.
pub const CLIENTS: &[Client] = &[
    Client {
        id: "claude-desktop",
        title: "Claude Desktop",
        places: &[
            on(System::Macos, "~/Library/Application Support/Claude/claude_desktop_config.json"),
            on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/Claude/claude_desktop_config.json"),
            on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/claude/claude_desktop_config.json"),
            on(System::Windows, "{LOCALAPPDATA:~/AppData/Local}/Claude-Data/claude_*/claude_desktop_config.json"),
            on(
                System::Windows,
                "{LOCALAPPDATA:~/AppData/Local}/Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json",
            ),
            on(System::Windows, "{APPDATA:~/AppData/Roaming}/Claude/claude_desktop_config.json"),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "quit Claude Desktop and start it again",
        source: "docker mcp-gateway config.yml, ToolHive config.go, claude-code #26073",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "claude-code",
        title: "Claude Code",
        places: &[
            user("{CLAUDE_CONFIG_DIR:~}/.claude.json"),
            local(&["projects", "*", "mcpServers"], user("{CLAUDE_CONFIG_DIR:~}/.claude.json")),
            project(".mcp.json"),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: Some(Timeout { key: "timeout", per_second: 1000, default_seconds: None }),
        restart: "start a new session of Claude Code",
        source: "agent-scan b9e98ab, rulesync claudecode-mcp.ts; Claude Code 2.1.332",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "cursor",
        title: "Cursor",
        places: &[user("~/.cursor/mcp.json"), project(".cursor/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "Cursor notices by itself and asks once whether to trust the changed server",
        source: "agent-manual #3, argent #986, context7 #563",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "vscode",
        title: "VS Code",
        places: VS_CODE,
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Jsonc,
        timeout: None,
        restart: "restart the server in VS Code (MCP: List Servers) and trust it again",
        source: "code.visualstudio.com/docs/agents/reference/mcp-configuration.md",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "copilot-cli",
        title: "Copilot CLI",
        places: &[user("{COPILOT_HOME:~/.copilot}/mcp-config.json"), project(".github/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: Some(Timeout { key: "timeout", per_second: 1000, default_seconds: None }),
        restart: "start Copilot CLI again",
        source: "VS Code's documentation, rulesync; Copilot CLI 1.0.102",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "codex",
        title: "Codex",
        places: &[
            at(&["mcp_servers"], user("{CODEX_HOME:~/.codex}/config.toml")),
            at(&["mcp_servers"], project(".codex/config.toml")),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Toml,
        timeout: Some(Timeout { key: "tool_timeout_sec", per_second: 1, default_seconds: Some(300) }),
        restart: "start a new Codex session",
        source: "rulesync codexcli-mcp.ts, tuff-adapter-codex; Codex 0.171",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "gemini-cli",
        title: "Gemini CLI",
        places: &[
            user("~/.gemini/settings.json"),
            project(".gemini/settings.json"),
            on(System::Linux, "/etc/gemini-cli/settings.json"),
            on(System::Macos, "/Library/Application Support/GeminiCli/settings.json"),
            on(System::Windows, "C:/ProgramData/gemini-cli/settings.json"),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Jsonc,
        timeout: Some(Timeout { key: "timeout", per_second: 1000, default_seconds: Some(600) }),
        restart: "start Gemini CLI again",
        source: "agent-config audit; Gemini CLI 0.61",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "antigravity",
        title: "Antigravity",
        places: &[
            user("~/.gemini/config/mcp_config.json"),
            user("~/.gemini/antigravity/mcp_config.json"),
            user("~/.gemini/antigravity-cli/mcp_config.json"),
            project(".agents/mcp_config.json"),
            project(".agent/mcp_config.json"),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "press refresh in Antigravity's list of MCP servers",
        source: "rulesync, node9, developer.mescius.com",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "windsurf",
        title: "Windsurf",
        places: &[user("~/.codeium/windsurf/mcp_config.json"), user("~/.codeium/mcp_config.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "press refresh in the list of MCP servers",
        source: "ToolHive config.go, agent-config",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "devin",
        title: "Devin",
        places: &[
            on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/devin/mcp_config.json"),
            on(System::Macos, "~/.config/devin/mcp_config.json"),
            on(System::Windows, "{APPDATA:~/AppData/Roaming}/devin/mcp_config.json"),
            project(".devin/mcp_config.json"),
            project(".devin/mcp_config.local.json"),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "press refresh in Devin's list of MCP servers",
        source: "rulesync devin-mcp.ts",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "zed",
        title: "Zed",
        places: &[
            at(&["context_servers"], on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/zed/settings.json")),
            at(&["context_servers"], on(System::Macos, "~/.config/zed/settings.json")),
            at(&["context_servers"], on(System::Windows, "{APPDATA:~/AppData/Roaming}/Zed/settings.json")),
            at(&["context_servers"], project(".zed/settings.json")),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Jsonc,
        timeout: None,
        restart: "Zed notices by itself",
        source: "rulesync zed-mcp.ts",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "lm-studio",
        title: "LM Studio",
        places: &[user("~/.lmstudio/mcp.json"), user("~/.cache/lm-studio/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "LM Studio notices by itself",
        source: "docker mcp-gateway config.yml",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "cline",
        title: "Cline",
        places: &[
            user(
                "{CLINE_MCP_SETTINGS_PATH:{CLINE_DATA_DIR:{CLINE_DIR:~/.cline}/data}/settings/cline_mcp_settings.json}",
            ),
            on(System::Linux, cline!("{XDG_CONFIG_HOME:~/.config}/Code")),
            on(System::Linux, cline!("{XDG_CONFIG_HOME:~/.config}/Cursor")),
            on(System::Macos, cline!("~/Library/Application Support/Code")),
            on(System::Macos, cline!("~/Library/Application Support/Cursor")),
            on(System::Windows, cline!("{APPDATA:~/AppData/Roaming}/Code")),
            on(System::Windows, cline!("{APPDATA:~/AppData/Roaming}/Cursor")),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: Some(Timeout { key: "timeout", per_second: 1, default_seconds: Some(60) }),
        restart: "Cline notices by itself",
        source: "rulesync cline-mcp.ts, agent-config; Cline CLI 3.0.65",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "roo",
        title: "Roo Code and Zoo Code",
        places: &[
            on(System::Linux, roo!("{XDG_CONFIG_HOME:~/.config}/Code")),
            on(System::Macos, roo!("~/Library/Application Support/Code")),
            on(System::Windows, roo!("{APPDATA:~/AppData/Roaming}/Code")),
            project(".roo/mcp.json"),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: Some(Timeout { key: "timeout", per_second: 1, default_seconds: Some(60) }),
        restart: "it notices by itself",
        source: "rulesync's notes",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "junie",
        title: "Junie",
        places: &[user("~/.junie/mcp/mcp.json"), project(".junie/mcp/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "open Junie's settings page of MCP servers",
        source: "Junie's documentation by agent-config",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "jetbrains-ai",
        title: "JetBrains AI Assistant",
        places: &[user("~/.ai/mcp/mcp.json"), project(".ai/mcp/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "open the settings page of MCP servers",
        source: "rulesync, jetbrains.com/help/ai-assistant/mcp",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "amazon-q",
        title: "Amazon Q",
        places: &[
            user("~/.aws/amazonq/mcp.json"),
            user("~/.aws/amazonq/agents/default.json"),
            user("~/.aws/amazonq/agents/mcp.json"),
            project(".amazonq/mcp.json"),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "start Amazon Q again",
        source: "agent-scan well_known_clients.py",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "kiro",
        title: "Kiro",
        places: &[user("~/.kiro/settings/mcp.json"), project(".kiro/settings/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "Kiro notices by itself",
        source: "rulesync kiro-mcp.ts",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "opencode",
        title: "opencode",
        places: &[
            at(&["mcp"], user("{XDG_CONFIG_HOME:~/.config}/opencode/opencode.json")),
            at(&["mcp"], user("{XDG_CONFIG_HOME:~/.config}/opencode/opencode.jsonc")),
            at(&["mcp"], project("opencode.json")),
            at(&["mcp"], project("opencode.jsonc")),
        ],
        shape: Shape::OneList,
        dialect: Dialect::Jsonc,
        timeout: None,
        restart: "start opencode again",
        source: "rulesync, agent-config; opencode 1.18.33",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "amp",
        title: "Amp",
        places: &[at(&["amp.mcpServers"], user("{XDG_CONFIG_HOME:~/.config}/amp/settings.json"))],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Jsonc,
        timeout: None,
        restart: "start Amp again",
        source: "ToolHive, rulesync",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "crush",
        title: "Crush",
        places: &[
            at(&["mcp"], user("{XDG_CONFIG_HOME:~/.config}/crush/crush.json")),
            at(&["mcp"], project(".crush.json")),
            at(&["mcp"], project("crush.json")),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: Some(Timeout { key: "timeout", per_second: 1, default_seconds: None }),
        restart: "start Crush again",
        source: "ToolHive, agent-config",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "qwen-code",
        title: "Qwen Code",
        places: &[user("~/.qwen/settings.json"), project(".qwen/settings.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Jsonc,
        timeout: Some(Timeout { key: "timeout", per_second: 1000, default_seconds: Some(600) }),
        restart: "start Qwen Code again",
        source: "agent-config; Qwen Code 0.24.4",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "warp",
        title: "Warp",
        places: &[user("~/.warp/.mcp.json"), project(".warp/.mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "restart the server in Warp",
        source: "rulesync warp-mcp.ts",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "factory",
        title: "Factory",
        places: &[user("~/.factory/mcp.json"), project(".factory/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "start Factory again",
        source: "ToolHive, rulesync",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "kimi",
        title: "Kimi",
        places: &[user("~/.kimi-code/mcp.json"), user("~/.kimi/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "start Kimi again",
        source: "ToolHive, agent-config",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "shared",
        title: "the file that several clients share",
        places: &[user("{XDG_CONFIG_HOME:~/.config}/mcp/mcp.json")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Json,
        timeout: None,
        restart: "restart the clients that read it",
        source: "agent-config",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "goose",
        title: "Goose",
        places: &[
            at(&["extensions"], on(System::Linux, "{XDG_CONFIG_HOME:~/.config}/goose/config.yaml")),
            at(&["extensions"], on(System::Macos, "~/.config/goose/config.yaml")),
            at(&["extensions"], on(System::Windows, "{APPDATA:~/AppData/Roaming}/Block/goose/config/config.yaml")),
        ],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Yaml,
        timeout: Some(Timeout { key: "timeout", per_second: 1, default_seconds: Some(300) }),
        restart: "start Goose again",
        source: "docker mcp-gateway config.yml, rulesync goose-paths.ts",
        checked_on: LOOKED_UP,
    },
    Client {
        id: "continue",
        title: "Continue",
        places: &[user("~/.continue/config.yaml"), project(".continue/mcpServers/*.yaml")],
        shape: Shape::CommandAndArgs,
        dialect: Dialect::Yaml,
        timeout: None,
        restart: "reload Continue",
        source: "ToolHive config.go",
        checked_on: LOOKED_UP,
    },
];

/// The row of this id.
pub fn of(id: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths move and dialects change; a row that nobody looked at for so long is worth a look.
    const GOOD_FOR_DAYS: u64 = 120;

    #[test]
    fn every_row_was_checked_in_the_last_120_days() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
        for client in CLIENTS {
            let age = now.saturating_sub(days(client.checked_on));
            assert!(age <= GOOD_FOR_DAYS, "{} was checked {age} days ago: look again, then set checked_on", client.id);
        }
    }

    /// Days since 1970 of a date; the way of Howard Hinnant's `days_from_civil`.
    fn days(date: &str) -> u64 {
        let part: Vec<u64> = date.split('-').map(|part| part.parse().unwrap()).collect();
        let (year, month, day) =
            if part[1] > 2 { (part[0], part[1], part[2]) } else { (part[0] - 1, part[1] + 12, part[2]) };
        365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 1 - 719_468
    }

    #[test]
    fn ids_and_places_are_unique_and_complete() {
        assert_eq!(days("1970-01-01"), 0);
        assert_eq!(days("2026-11-27"), 20_784);
        for (index, client) in CLIENTS.iter().enumerate() {
            assert!(!CLIENTS[..index].iter().any(|other| other.id == client.id), "{} twice", client.id);
            assert!(
                !client.places.is_empty() && !client.source.is_empty() && !client.restart.is_empty(),
                "{}",
                client.id
            );
            assert!(client.places.iter().all(|place| !place.keys.is_empty()), "{}", client.id);
        }
    }
}
