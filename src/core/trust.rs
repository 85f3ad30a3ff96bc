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
    /// Writes something that can be written back.
    Medium,
    /// Destroys, revokes or removes.
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

const HIGH: [&str; 10] =
    ["delete", "remove", "destroy", "drop", "purge", "erase", "truncate", "terminate", "kill", "revoke"];
const MEDIUM: [&str; 20] = [
    "create", "write", "update", "set", "modify", "edit", "put", "post", "insert", "add", "send", "execute", "run",
    "invoke", "submit", "push", "publish", "deploy", "apply", "patch",
];

/// The level a name suggests: patterns count anywhere in the name, in any case.
pub fn of_name(name: &str) -> Level {
    let name = name.to_lowercase();
    if HIGH.iter().any(|word| name.contains(word)) {
        Level::High
    } else if MEDIUM.iter().any(|word| name.contains(word)) {
        Level::Medium
    } else {
        Level::Low
    }
}

/// The level of a tool and where it comes from.
pub fn of_tool(name: &str, destructive_hint: bool, admin: Option<Level>) -> (Level, Source) {
    if let Some(level) = admin {
        return (level, Source::Admin);
    }
    let by_name = of_name(name);
    if destructive_hint && by_name < Level::High { (Level::High, Source::Hint) } else { (by_name, Source::Name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_count_anywhere_and_in_any_case() {
        for (name, level) in [
            ("delete_repo", Level::High),
            ("repoDELETE", Level::High),
            ("token-revoke", Level::High),
            ("create_issue", Level::Medium),
            ("asset_list", Level::Medium),
            ("list_repos", Level::Low),
            ("", Level::Low),
        ] {
            assert_eq!(of_name(name), level, "{name}");
        }
    }

    #[test]
    fn a_hint_raises_and_never_lowers() {
        assert_eq!(of_tool("list", true, None), (Level::High, Source::Hint));
        assert_eq!(of_tool("delete", false, None), (Level::High, Source::Name));
        assert_eq!(of_tool("delete", true, None), (Level::High, Source::Name));
    }

    #[test]
    fn an_administrator_has_the_last_word() {
        assert_eq!(of_tool("delete", true, Some(Level::Low)), (Level::Low, Source::Admin));
    }
}
