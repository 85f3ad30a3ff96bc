//! The environment, read in one place.

use std::ffi::OsString;

use super::meant::meant;

/// A variable that is set and is text; a client config that passes an empty one means "not set".
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable as bytes, for what need not be text.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn os(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// All of it.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn all() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

/// Settings of the shim alone, or of a command that speaks with a hub as a person.
const NOT_OF_THE_HUB: [&str; 10] = [
    "HITL_AGENT_TOKEN",
    "HITL_AGENT_TOKEN_FILE",
    "HITL_CA_FILE",
    "HITL_CLIENT",
    "HITL_HOLD_FOR",
    "HITL_HUB",
    "HITL_HUB_WAIT",
    "HITL_PROXY",
    "HITL_SERVER",
    "HITL_USER_TOKEN",
];
/// Settings of the hub, and those that it shares with the shim, which may start it.
const OF_THE_HUB: [&str; 22] = [
    "HITL_AUTHZ_TIMEOUT",
    "HITL_AUTHZ_TOKEN",
    "HITL_AUTHZ_TOKEN_FILE",
    "HITL_AUTHZ_TTL",
    "HITL_AUTHZ_URL",
    "HITL_BEHIND_PROXY",
    "HITL_CONFIG",
    "HITL_DATABASE",
    "HITL_DATA_DIR",
    "HITL_GRANT_FOR",
    "HITL_LISTEN",
    "HITL_LISTEN_DATABASE",
    "HITL_LOG",
    "HITL_LOG_FORMAT",
    "HITL_METRICS_TOKEN",
    "HITL_METRICS_TOKEN_FILE",
    "HITL_NEW_SERVER_THRESHOLD",
    "HITL_PUBLIC_URL",
    "HITL_PUSH_HOSTS",
    "HITL_RESUME_WITHIN",
    "HITL_TLS_CERT",
    "HITL_TLS_KEY",
];

fn settings() -> impl Iterator<Item = &'static str> {
    NOT_OF_THE_HUB.into_iter().chain(OF_THE_HUB)
}

/// Whether a variable is a setting.
pub fn is_setting(name: &str) -> bool {
    settings().any(|known| known == name)
}

/// Whether a variable of ours concerns a hub that the shim starts; those of tests do.
pub fn concerns_the_hub(name: &str) -> bool {
    name.starts_with("HITL_") && !NOT_OF_THE_HUB.contains(&name)
}

/// A sentence for each variable that looks like a setting and is none; those of the tests aside.
pub fn unknown() -> Vec<String> {
    let mut names: Vec<String> = all().filter_map(|(name, _)| name.into_string().ok()).collect();
    names.sort();
    names.iter().filter_map(|name| complaint(name)).collect()
}

/// What is to be said of a variable that looks like a setting and is none.
pub fn complaint(name: &str) -> Option<String> {
    let of_tests = ["HITL_TEST_", "HITL_FAILPOINT"].iter().any(|prefix| name.starts_with(prefix));
    if !name.starts_with("HITL_") || of_tests || is_setting(name) {
        return None;
    }
    let instead = meant(name, settings()).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    Some(format!("the variable {name} is no setting, so it does nothing{instead}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_no_setting_is_complained_of_with_what_may_be_meant() {
        assert_eq!(
            complaint("HITL_HUBB").as_deref(),
            Some("the variable HITL_HUBB is no setting, so it does nothing; did you mean HITL_HUB?")
        );
        assert!(complaint("HITL_SOMETHING_ELSE").is_some_and(|words| words.ends_with("does nothing")));
        for fine in ["HITL_HUB", "HITL_FAILPOINT_LOG", "HITL_TEST_DATABASE_URL", "PATH"] {
            assert_eq!(complaint(fine), None, "{fine}");
        }
    }

    #[test]
    fn every_key_of_the_settings_file_has_its_variable() {
        let example = include_str!("../../config.example.toml");
        let keys = example.lines().filter_map(|line| Some(line.strip_prefix("# ")?.split_once(" = ")?.0));
        // Keys of a table have other characters before them; the one that is a table itself is not said in a variable.
        let is_key = |key: &&str| key.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase());
        let keys = keys.filter(is_key).filter(|key| *key != "hold_for_clients");
        let variables: Vec<_> = keys.map(|key| format!("HITL_{}", key.to_ascii_uppercase())).collect();
        let missing: Vec<_> = variables.iter().filter(|name| !is_setting(name)).collect();
        assert!(variables.len() > 20 && missing.is_empty(), "{missing:?}");
    }
}
