//! The address of the store, read once: from here on a SQLite store is a path, however it was spelled.

use std::fmt;
use std::path::PathBuf;

use anyhow::bail;

/// Where the store lies.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL URL, with the password that may be in it.
    Postgres(String),
}

impl Database {
    /// Reads an address such as `sqlite:/var/lib/hitl/hub.db` or `postgres://user@host/hitl`. `//` and `file:` before a
    /// SQLite path, percent escapes in it and `?mode=rwc` after it mean nothing else than the path alone.
    pub fn parse(address: &str) -> anyhow::Result<Self> {
        if let Some(rest) = address.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(sqlite_path(rest)?));
        }
        if let Some(rest) = ["postgres://", "postgresql://"].iter().find_map(|scheme| address.strip_prefix(scheme)) {
            if names_hosts(rest) {
                bail!(
                    "database names several hosts, and the hub asks one, which must be the one that writes: name a proxy \
                     before them (HAProxy, PgBouncer), or a DNS name that moves with it"
                );
            }
            return Ok(Self::Postgres(address.to_owned()));
        }
        // The URL may carry a password, so the message shows its scheme at most.
        let scheme = address.split_once(':').map_or("no scheme", |(scheme, _)| scheme);
        bail!("database has {scheme:?} where sqlite:PATH or postgres://… belongs, such as sqlite:/var/lib/hitl/hub.db")
    }

    /// Reads the address where other hubs on this store are heard: another way to the same PostgreSQL database.
    pub fn parse_listen(address: &str, store: &Self) -> anyhow::Result<Self> {
        if matches!(store, Self::Sqlite(_)) {
            bail!(
                "listen_database is for several hubs on a PostgreSQL store; leave it out, because this store is SQLite"
            );
        }
        match Self::parse(address) {
            Ok(listen @ Self::Postgres(_)) => Ok(listen),
            _ => bail!("listen_database is a postgres://… address of the same database as in database, at one host"),
        }
    }

    /// Its PostgreSQL URL, if it has one.
    pub fn postgres(&self) -> Option<&str> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(url) => Some(url),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "Sqlite({path:?})"),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// Whether a URL of PostgreSQL, after its scheme, names more than one host, as its own programs take it.
fn names_hosts(rest: &str) -> bool {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = place.split('/').next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    let named = query.split('&').filter_map(|option| option.split_once('='));
    hosts.contains(',')
        || named.filter(|(key, _)| matches!(*key, "host" | "hostaddr")).any(|(_, host)| host.contains(','))
}

fn sqlite_path(rest: &str) -> anyhow::Result<PathBuf> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    for option in query.split('&').filter(|option| !option.is_empty()) {
        if !matches!(option, "mode=rwc" | "mode=rw") {
            bail!("database = sqlite:… has the option {option:?}; the hub opens its store in one way, so leave it out");
        }
    }
    let path = without_authority(path);
    let path = without_authority(path.strip_prefix("file:").unwrap_or(path));
    let path = decoded(path)?;
    if path.is_empty() || path.contains('\0') || path == ":memory:" {
        bail!("database = \"sqlite:{rest}\" names no file; write it as sqlite:/var/lib/hitl/hub.db");
    }
    Ok(super::paths::at_home(PathBuf::from(path)))
}

fn without_authority(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("//") else { return path };
    rest.strip_prefix("localhost").filter(|rest| rest.starts_with('/')).unwrap_or(rest)
}

/// `%2F` becomes `/`; what is no escape stays as it is.
fn decoded(path: &str) -> anyhow::Result<String> {
    let bytes = path.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digits = path.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *byte == b'%') {
            Some(escaped) => {
                out.push(escaped);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_err(|_| anyhow::anyhow!("the path in database = \"sqlite:{path}\" is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_path_is_the_path() {
        for (address, path) in [
            ("sqlite:hub.db", "hub.db"),
            ("sqlite://hub.db", "hub.db"),
            ("sqlite:/d/hub.db", "/d/hub.db"),
            ("sqlite:///d/hub.db", "/d/hub.db"),
            ("sqlite:///d/hub.db?mode=rwc", "/d/hub.db"),
            ("sqlite:/d/hub.db?", "/d/hub.db"),
            ("sqlite:file:/d/hub.db", "/d/hub.db"),
            ("sqlite:file:///d/hub.db?mode=rw", "/d/hub.db"),
            ("sqlite://file:hub.db", "hub.db"),
            ("sqlite:file://localhost/d/hub.db", "/d/hub.db"),
            ("sqlite:/d/%68ub.db", "/d/hub.db"),
            ("sqlite:/d/my%20hub.db", "/d/my hub.db"),
            ("sqlite:/d/my hub.db", "/d/my hub.db"),
            ("sqlite:/d/100%/hüb.db", "/d/100%/hüb.db"),
        ] {
            assert_eq!(Database::parse(address).unwrap(), Database::Sqlite(path.into()), "{address}");
        }
    }

    #[test]
    fn other_hubs_are_heard_at_a_database_of_postgresql() {
        let store = Database::parse("postgres://h/hitl").unwrap();
        assert_eq!(
            Database::parse_listen("postgres://past/hitl", &store).unwrap().postgres(),
            Some("postgres://past/hitl")
        );
        let error = Database::parse_listen("mysql://u:secret@h/d", &store).unwrap_err().to_string();
        assert!(error.contains("listen_database") && !error.contains("secret"), "{error}");
        let file = Database::parse("sqlite:hub.db").unwrap();
        assert!(Database::parse_listen("postgres://past/hitl", &file).is_err() && file.postgres().is_none());
    }

    #[test]
    fn several_hosts_are_refused_and_a_comma_elsewhere_is_not() {
        let store = Database::parse("postgres://u:a,b@h:5432/hitl?application_name=a,b").unwrap();
        for address in [
            "postgres://u:secret@h1:5432,h2:5432/hitl?target_session_attrs=read-write",
            "postgresql://h1,h2",
            "postgres:///hitl?host=h1,h2",
        ] {
            for error in [Database::parse(address).unwrap_err(), Database::parse_listen(address, &store).unwrap_err()] {
                let error = error.to_string();
                assert!(error.contains("host") && !error.contains("secret"), "{error}");
            }
        }
    }

    #[test]
    fn what_names_no_file_is_refused_and_a_password_is_not_shown() {
        for address in ["sqlite:", "sqlite::memory:", "sqlite://?mode=rwc", "sqlite:/d/a?mode=memory", "sqlite:a?vfs=x"]
        {
            assert!(Database::parse(address).is_err(), "{address}");
        }
        let error = Database::parse("mysql://u:secret@h/d").unwrap_err().to_string();
        assert!(error.contains("mysql") && !error.contains("secret"), "{error}");
        let shown = format!("{:?}", Database::parse("postgres://u:secret@h/d").unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
