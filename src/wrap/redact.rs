//! A command line without its secrets: it is shown to approvers, and some set-ups hand a server its keys as arguments.
//!
//! What looks like a secret by its name or its place is hidden; a secret that looks like nothing cannot be known.

/// What stands in the place of a secret.
const HIDDEN: &str = "…";
/// An option or a variable with one of these in its name holds a secret.
const NAMES: [&str; 8] = ["token", "secret", "password", "passwd", "apikey", "credential", "auth", "privatekey"];

/// The command line as it may be shown, program first.
pub fn command(parts: impl Iterator<Item = String>) -> Vec<String> {
    let mut hide_next = false;
    let shown = |part: String| {
        if std::mem::take(&mut hide_next) && !part.starts_with('-') {
            return HIDDEN.to_owned();
        }
        hide_next = part.starts_with('-') && !part.contains('=') && names_a_secret(&part);
        redacted(part)
    };
    parts.map(shown).collect()
}

fn redacted(part: String) -> String {
    if let Some((name, value)) = part.split_once('=')
        && names_a_secret(name)
        && !value.is_empty()
    {
        return format!("{name}={HIDDEN}");
    }
    if let Some((scheme, rest)) = part.split_once("://")
        && let Some((user, host)) = rest.split('/').next().unwrap_or(rest).rsplit_once('@')
    {
        let path = &rest[user.len() + 1 + host.len()..];
        return format!("{scheme}://{HIDDEN}@{host}{path}");
    }
    match part.split_once(':') {
        // A header, as in `--header "Authorization: Bearer …"`.
        Some((name, _)) if names_a_secret(name) && !name.contains('/') => format!("{name}: {HIDDEN}"),
        _ => part,
    }
}

fn names_a_secret(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().any(|secret| letters.contains(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        command(line.split(' ').map(str::to_owned)).join(" ")
    }

    #[test]
    fn secrets_are_hidden_by_name_and_by_place() {
        for (line, expected) in [
            ("srv --api-key abc --port 80", "srv --api-key … --port 80"),
            ("srv --token=abc -v", "srv --token=… -v"),
            ("env GITHUB_TOKEN=abc LANG=C srv", "env GITHUB_TOKEN=… LANG=C srv"),
            ("srv postgres://me:pw@db:5432/main", "srv postgres://…@db:5432/main"),
            ("srv --header X-Auth:abc", "srv --header X-Auth: …"),
        ] {
            assert_eq!(shown(line), expected);
        }
    }

    #[test]
    fn everything_else_is_shown_as_it_is() {
        for line in [
            "npx -y @modelcontextprotocol/server-filesystem /srv/data",
            "srv --token --verbose",
            "srv https://example.com/a@b",
            "docker run -v /etc/auth:/etc/auth image:1.2",
        ] {
            assert_eq!(shown(line), line);
        }
    }
}
