//! How risky a tool is: `low` < `medium` < `high`.
//!
//! The level is what an administrator set, else the highest of what the name and the hints suggest.
//! Hints come from the server and are claims: they raise a level, never lower it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The trust a tool demands, or that an agent or a user has been given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Reads and looks.
    Low,
    /// Makes or sets something that can be taken back.
    Medium,
    /// Loses something, runs something, or reaches others.
    High,
}

impl Level {
    /// The level as it stands in JSON, SQL and on the page.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "low" => Some(Self::Low),
            "medium" => Some(Self::Medium),
            "high" => Some(Self::High),
            _ => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a tool's level comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A pattern in its name, or the absence of any.
    Name,
    /// The server's `destructiveHint`.
    Hint,
    /// An administrator.
    Admin,
}

/// What the first telling word of a name says a tool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Looks at something.
    Reads,
    /// Moves a pointer, a page or a window.
    Steers,
    /// Makes something that can be taken away again.
    Adds,
    /// Changes something that can be changed back.
    Changes,
    /// Loses something, runs something, or reaches others.
    Risks,
}

const READS: [&str; 66] = [
    "analyse",
    "analyze",
    "ask",
    "browse",
    "calculate",
    "can",
    "capture",
    "check",
    "compare",
    "compute",
    "convert",
    "count",
    "crawl",
    "describe",
    "detect",
    "diff",
    "discover",
    "download",
    "enumerate",
    "estimate",
    "explain",
    "export",
    "extract",
    "fetch",
    "find",
    "get",
    "glob",
    "grep",
    "has",
    "head",
    "help",
    "info",
    "inspect",
    "is",
    "lint",
    "list",
    "load",
    "log",
    "logs",
    "look",
    "lookup",
    "map",
    "measure",
    "peek",
    "ping",
    "preview",
    "profile",
    "query",
    "read",
    "recommend",
    "render",
    "resolve",
    "retrieve",
    "sample",
    "scan",
    "scrape",
    "search",
    "show",
    "stat",
    "status",
    "suggest",
    "summarize",
    "tail",
    "validate",
    "verify",
    "view",
];
const STEERS: [&str; 29] = [
    "back",
    "click",
    "close",
    "drag",
    "emulate",
    "fill",
    "focus",
    "goto",
    "handle",
    "hover",
    "mouse",
    "navigate",
    "open",
    "press",
    "resize",
    "screenshot",
    "scroll",
    "select",
    "snapshot",
    "tab",
    "tabs",
    "take",
    "think",
    "trace",
    "translate",
    "tree",
    "type",
    "wait",
    "zoom",
];
const ADDS: [&str; 25] = [
    "add",
    "append",
    "book",
    "build",
    "clone",
    "copy",
    "create",
    "draw",
    "duplicate",
    "enable",
    "follow",
    "format",
    "freeze",
    "generate",
    "group",
    "init",
    "insert",
    "make",
    "new",
    "register",
    "save",
    "schedule",
    "star",
    "subscribe",
    "watch",
];
const CHANGES: [&str; 8] = ["accept", "apply", "assign", "decline", "import", "invite", "set", "transition"];
const RISKS: [&str; 100] = [
    // Loses something.
    "clean",
    "cleanup",
    "clear",
    "del",
    "delete",
    "destroy",
    "discard",
    "drop",
    "edit",
    "erase",
    "evict",
    "expire",
    "flush",
    "hdel",
    "logout",
    "lrem",
    "modify",
    "move",
    "overwrite",
    "patch",
    "prune",
    "purge",
    "put",
    "rebase",
    "rem",
    "remove",
    "rename",
    "replace",
    "reset",
    "revoke",
    "rm",
    "rollback",
    "srem",
    "trash",
    "truncate",
    "uninstall",
    "unlink",
    "unpublish",
    "update",
    "upsert",
    "wipe",
    "write",
    "xdel",
    "zrem",
    // Runs or ends something.
    "bash",
    "cmd",
    "eval",
    "evaluate",
    "exec",
    "execute",
    "install",
    "interact",
    "invoke",
    "kill",
    "reboot",
    "rerun",
    "restart",
    "run",
    "shell",
    "shutdown",
    "spawn",
    "stop",
    "sudo",
    "terminate",
    "upgrade",
    // Reaches others.
    "broadcast",
    "buy",
    "cancel",
    "charge",
    "checkout",
    "deploy",
    "email",
    "fork",
    "forward",
    "grant",
    "merge",
    "pay",
    "post",
    "publish",
    "purchase",
    "push",
    "refund",
    "release",
    "reply",
    "send",
    "share",
    "submit",
    "sync",
    "transfer",
    "tweet",
    "upload",
    "withdraw",
    // Takes something out of service, or lets something in.
    "cordon",
    "disable",
    "drain",
    "mute",
    "rollout",
    "scale",
    "unmute",
    "unprotect",
];
/// Who is given one of these may do more than before.
const POWERS: [&str; 20] = [
    "credential",
    "credentials",
    "key",
    "keys",
    "password",
    "permission",
    "permissions",
    "role",
    "roles",
    "rule",
    "rules",
    "secret",
    "secrets",
    "share",
    "subscription",
    "subscriptions",
    "token",
    "tokens",
    "webhook",
    "webhooks",
];

/// The level a name suggests. Whole words count, split at whatever is no letter or digit and at capitals, and the first
/// word that tells something decides: `list_deleted_files` lists.
pub fn of_name(name: &str) -> Level {
    verb_of_name(name).0
}

/// The level of a tool and where it comes from.
pub fn of_tool(name: &str, destructive_hint: bool, admin: Option<Level>) -> (Level, Source) {
    if let Some(level) = admin {
        return (level, Source::Admin);
    }
    let (by_name, verb) = verb_of_name(name);
    let by_hint = match verb {
        _ if !destructive_hint => Level::Low,
        // Servers call every click destructive, and every new row.
        Some(Verb::Steers | Verb::Adds) => Level::Medium,
        _ => Level::High,
    };
    if by_hint > by_name { (by_hint, Source::Hint) } else { (by_name, Source::Name) }
}

fn verb_of_name(name: &str) -> (Level, Option<Verb>) {
    let words = words(name);
    let verbs: Vec<(usize, Verb)> =
        words.iter().enumerate().filter_map(|(index, word)| Some((index, verb(word)?))).collect();
    let Some(((first, verb), others)) = verbs.split_first().map(|(first, others)| (*first, others)) else {
        return (Level::Low, None);
    };
    // `post-search` is a search by way of HTTP.
    if words[first] == "post" && others.first() == Some(&(first + 1, Verb::Reads)) {
        return (Level::Low, Some(Verb::Reads));
    }
    let makes = matches!(verb, Verb::Adds | Verb::Changes);
    let gives_power = makes && words[first + 1..].iter().any(|word| POWERS.contains(&word.as_str()));
    // `json_set` overwrites; `set_width` is one setting among others.
    let overwrites = words[first] == "set" && first + 1 == words.len();
    let joined = others.iter().filter(|(index, other)| {
        let linked = matches!(words[index - 1].as_str(), "and" | "or" | "then");
        let beside = *index == first + 1 && verb != Verb::Reads && *other != Verb::Steers;
        linked || beside
    });
    let highest = joined.map(|(_, other)| level(*other)).max().unwrap_or(Level::Low).max(level(verb));
    (if gives_power || overwrites { Level::High } else { highest }, Some(verb))
}

fn level(verb: Verb) -> Level {
    match verb {
        Verb::Reads | Verb::Steers => Level::Low,
        Verb::Adds | Verb::Changes => Level::Medium,
        Verb::Risks => Level::High,
    }
}

fn verb(word: &str) -> Option<Verb> {
    let is_in = |list: &[&str]| list.contains(&word);
    match () {
        () if is_in(&RISKS) => Some(Verb::Risks),
        () if is_in(&ADDS) => Some(Verb::Adds),
        () if is_in(&CHANGES) => Some(Verb::Changes),
        () if is_in(&READS) => Some(Verb::Reads),
        () if is_in(&STEERS) => Some(Verb::Steers),
        () => None,
    }
}

/// `createOrUpdate_file`, `HTTPGet` and `delete-many` as words in lower case.
fn words(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().collect();
    let mut words = vec![String::new()];
    for (index, c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(index + 1);
        let begins = c.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || (before.is_uppercase() && after.is_some_and(|after| after.is_lowercase()))
            });
        if begins || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_first_telling_word_decides() {
        for (name, level) in [
            ("delete_repo", Level::High),
            ("repoDELETE", Level::High),
            ("token-revoke", Level::High),
            ("run_command", Level::High),
            ("shell_execute", Level::High),
            ("write_query", Level::High),
            ("merge_pull_request", Level::High),
            ("slack_post_message", Level::High),
            ("create_or_update_file", Level::High),
            ("move-rename-onedrive-item", Level::High),
            ("json_set", Level::High),
            ("create_webhook", Level::High),
            ("HTTPDelete", Level::High),
            ("create_issue", Level::Medium),
            ("set_table_width", Level::Medium),
            ("list_skills", Level::Low),
            ("undelete_file", Level::Low),
            ("list_deleted_files", Level::Low),
            ("get_update_status", Level::Low),
            ("API-post-search", Level::Low),
            ("asset_list", Level::Low),
            ("browser_click", Level::Low),
            ("list_repos", Level::Low),
            ("", Level::Low),
        ] {
            assert_eq!(of_name(name), level, "{name}");
        }
    }

    #[test]
    fn a_hint_raises_and_never_lowers() {
        assert_eq!(of_tool("list", true, None), (Level::High, Source::Hint));
        assert_eq!(of_tool("frobnicate", true, None), (Level::High, Source::Hint));
        assert_eq!(of_tool("browser_click", true, None), (Level::Medium, Source::Hint));
        assert_eq!(of_tool("create_chart", true, None), (Level::Medium, Source::Name));
        assert_eq!(of_tool("delete", false, None), (Level::High, Source::Name));
        assert_eq!(of_tool("delete", true, None), (Level::High, Source::Name));
    }

    /// What 57 real servers say of their tools, with what a careful person would have each do by default.
    #[test]
    fn on_real_servers_what_is_risky_waits_and_reading_does_not() {
        let (mut risky, mut waits, mut reads, mut held) = (0, 0, 0, Vec::new());
        let mut missed = Vec::new();
        for file in std::fs::read_dir("tests/fixtures/tools").unwrap().map(|entry| entry.unwrap().path()) {
            let Ok(server) = serde_json::from_str::<Value>(&std::fs::read_to_string(&file).unwrap()) else { continue };
            for tool in server["tools"].as_array().unwrap() {
                let (name, hints) = (tool["name"].as_str().unwrap(), &tool["annotations"]);
                let is_high = of_tool(name, hints["destructiveHint"] == true, None).0 == Level::High;
                let is_close = tool["close"] == true;
                if tool["wanted"] == "gate" && !is_close {
                    risky += 1;
                    waits += usize::from(is_high);
                    missed.extend((!is_high).then(|| name.to_owned()));
                } else if tool["wanted"] == "pass" && (hints["readOnlyHint"] == true || of_name(name) == Level::Low) {
                    reads += 1;
                    held.extend((is_high && !is_close).then(|| name.to_owned()));
                }
            }
        }
        assert!(risky > 150 && reads > 400, "the recorded lists are gone");
        assert!(waits * 100 >= risky * 95, "{waits} of {risky}: {missed:?}");
        assert!(held.len() * 100 <= reads * 2, "{} of {reads}: {held:?}", held.len());
    }

    #[test]
    fn every_word_stands_in_one_list() {
        let all: Vec<&str> = [&READS[..], &STEERS, &ADDS, &CHANGES, &RISKS].concat();
        for (index, word) in all.iter().enumerate() {
            assert!(!all[..index].contains(word), "{word} stands twice");
        }
    }

    #[test]
    fn an_administrator_has_the_last_word() {
        assert_eq!(of_tool("delete", true, Some(Level::Low)), (Level::Low, Source::Admin));
    }
}
