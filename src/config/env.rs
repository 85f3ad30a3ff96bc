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

/// Every setting that the environment may hold.
const KNOWN: [&str; 31] = [
    "HITL_AGENT_TOKEN",
    "HITL_AGENT_TOKEN_FILE",
    "HITL_AUTHZ_TIMEOUT",
    "HITL_AUTHZ_TOKEN",
    "HITL_AUTHZ_TOKEN_FILE",
    "HITL_AUTHZ_TTL",
    "HITL_AUTHZ_URL",
    "HITL_BEHIND_PROXY",
    "HITL_CA_FILE",
    "HITL_CLIENT",
    "HITL_CONFIG",
    "HITL_DATABASE",
    "HITL_DATA_DIR",
    "HITL_GRANT_FOR",
    "HITL_HOLD_FOR",
    "HITL_HUB",
    "HITL_HUB_WAIT",
    "HITL_LISTEN",
    "HITL_LOG",
    "HITL_LOG_FORMAT",
    "HITL_METRICS_TOKEN",
    "HITL_METRICS_TOKEN_FILE",
    "HITL_NEW_SERVER_THRESHOLD",
    "HITL_PROXY",
    "HITL_PUBLIC_URL",
    "HITL_PUSH_HOSTS",
    "HITL_RESUME_WITHIN",
    "HITL_SERVER",
    "HITL_TLS_CERT",
    "HITL_TLS_KEY",
    "HITL_USER_TOKEN",
];

/// A sentence for each variable that looks like a setting and is none; those of the tests aside.
pub fn unknown() -> Vec<String> {
    let mut names: Vec<String> = all().filter_map(|(name, _)| name.into_string().ok()).collect();
    names.sort();
    names.iter().filter_map(|name| complaint(name)).collect()
}

fn complaint(name: &str) -> Option<String> {
    if !name.starts_with("HITL_") || name.starts_with("HITL_TEST_") || KNOWN.contains(&name) {
        return None;
    }
    let instead = meant(name, KNOWN).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
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
        for fine in ["HITL_HUB", "HITL_TEST_DATABASE_URL", "PATH"] {
            assert_eq!(complaint(fine), None, "{fine}");
        }
    }
}
