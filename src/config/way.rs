//! The way to a hub that is not on this machine: through which proxy, and whose certificates are believed.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};

use super::file::File;
use super::paths;
use super::secret::Secret;

/// How a hub is reached, beside its URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Certificates (PEM) of authorities that are believed beside the machine's own.
    pub ca_file: Option<PathBuf>,
    /// What to go through.
    pub proxy: Option<Proxy>,
}

/// An HTTP proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, as its URL has them.
    pub user: Option<Secret>,
    /// The key or variable that names it.
    pub named_by: String,
}

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Way {
    /// The way to the hub at `base`: what the settings say, else what the environment says to every program.
    pub fn to(base: &str, file: &File, env: Env<'_>) -> anyhow::Result<Self> {
        let ca_file = env("HITL_CA_FILE").map(PathBuf::from).or_else(|| file.ca_file.clone()).map(paths::at_home);
        if let Some(path) = &ca_file {
            let text = std::fs::read(path).with_context(|| format!("cannot read ca_file {}", path.display()))?;
            let has_one = memchr::memmem::find(&text, b"-----BEGIN CERTIFICATE-----").is_some();
            ensure!(has_one, "ca_file {} holds no certificate in PEM form", path.display());
        }
        let named = env("HITL_PROXY").map(|url| (url, "HITL_PROXY")).or_else(|| Some((file.proxy.clone()?, "proxy")));
        let proxy = match named {
            Some((url, _)) if url == "off" => None,
            Some((url, name)) => Some(Proxy::parse(&url, name)?),
            None => of_everyone(base, env)?,
        };
        Ok(Self { ca_file, proxy })
    }
}

impl Proxy {
    /// Its URL, with user and password where there are any.
    pub fn url(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("{}@", user.0)).unwrap_or_default();
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("http://{user}{host}:{}", self.port)
    }

    /// A URL that names one; `http://` may be left out.
    fn parse(url: &str, named_by: &str) -> anyhow::Result<Self> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => bail!("{named_by} names a {scheme} proxy; only http:// ones can be used"),
            None => url,
        };
        let rest = rest.split('/').next().unwrap_or_default();
        let (user, at) = rest.rsplit_once('@').map_or((None, rest), |(user, at)| (Some(user), at));
        let (host, port) = host_and_port(at, 80);
        let plain = host.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(plain && !host.is_empty(), "{named_by} names no proxy, such as http://proxy.example.com:3128");
        let user = user.map(|user| Secret(user.to_owned()));
        Ok(Self { host: host.to_owned(), port, user, named_by: named_by.to_owned() })
    }
}

/// The proxy that the environment names for all programs.
fn of_everyone(base: &str, env: Env<'_>) -> anyhow::Result<Option<Proxy>> {
    let (scheme, rest) = base.split_once("://").unwrap_or(("", base));
    let (host, port) = host_and_port(rest.split('/').next().unwrap_or_default(), 0);
    let is_spared = ["no_proxy", "NO_PROXY"].into_iter().find_map(env).is_some_and(|list| spares(&list, host, port));
    // No proxy reaches this machine's own loopback.
    if is_spared || is_loopback(host) {
        return Ok(None);
    }
    let own = format!("{scheme}_proxy");
    let names = [own.clone(), own.to_ascii_uppercase(), "all_proxy".to_owned(), "ALL_PROXY".to_owned()];
    let named = names.iter().find_map(|name| Some((name, env(name)?)));
    named.map(|(name, url)| Proxy::parse(&url, name)).transpose()
}

/// Whether a list such as `localhost,.example.com,10.0.0.0/8` says that no proxy is to be used for this host.
fn spares(list: &str, host: &str, port: u16) -> bool {
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" || network_holds(entry, host) {
            return true;
        }
        let (name, its_port) = host_and_port(entry, port);
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        let host = host.to_ascii_lowercase();
        its_port == port && (host == name || host.strip_suffix(&name).is_some_and(|before| before.ends_with('.')))
    })
}

/// Whether `host` is an address in a network such as `10.0.0.0/8`.
fn network_holds(network: &str, host: &str) -> bool {
    let Some((base, length)) = network.split_once('/') else { return false };
    let (Ok(base), Ok(address), Ok(length)) = (base.parse(), host.parse(), length.parse::<u32>()) else { return false };
    let (base, address, bits) = match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => (u128::from(base.to_bits()), u128::from(address.to_bits()), 32),
        (IpAddr::V6(base), IpAddr::V6(address)) => (base.to_bits(), address.to_bits(), 128),
        _ => return false,
    };
    length <= bits && (base ^ address).checked_shr(bits - length).unwrap_or(0) == 0
}

/// A host without brackets and its port, which may be left out.
pub fn host_and_port(text: &str, otherwise: u16) -> (&str, u16) {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        // More colons are those of an address.
        None if text.matches(':').count() == 1 => text.split_once(':').map_or((text, None), |(h, p)| (h, Some(p))),
        None => (text, None),
    };
    (host, port.and_then(|port| port.parse().ok()).unwrap_or(otherwise))
}

/// Whether a host is this machine, whatever its network is like.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(base: &str, file: &File, env: &[(&str, &str)]) -> anyhow::Result<Way> {
        Way::to(base, file, &|name| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    fn proxy(base: &str, env: &[(&str, &str)]) -> Option<String> {
        let proxy = way(base, &File::default(), env).unwrap().proxy?;
        Some(format!("{}:{} by {}", proxy.host, proxy.port, proxy.named_by))
    }

    #[test]
    fn the_proxy_is_the_one_that_other_programs_use() {
        const P: &str = "http://p:3128";
        for (base, env, expected) in [
            ("https://h", vec![("HTTPS_PROXY", P)], Some("p:3128 by HTTPS_PROXY")),
            ("https://h", vec![("https_proxy", "p"), ("HTTPS_PROXY", P)], Some("p:80 by https_proxy")),
            ("https://h", vec![("HTTP_PROXY", P)], None),
            ("http://h", vec![("HTTP_PROXY", P)], Some("p:3128 by HTTP_PROXY")),
            ("https://h", vec![("ALL_PROXY", "http://u:x@[::1]:8080/")], Some("::1:8080 by ALL_PROXY")),
            ("https://127.0.0.1:7420", vec![("HTTPS_PROXY", P)], None),
            ("https://localhost", vec![("ALL_PROXY", P)], None),
            ("https://h.corp.example:8443", vec![("HTTPS_PROXY", P), ("NO_PROXY", "a, .corp.example")], None),
            ("https://corp.example", vec![("HTTPS_PROXY", P), ("no_proxy", ".corp.example")], None),
            (
                "https://acorp.example",
                vec![("HTTPS_PROXY", P), ("no_proxy", "corp.example")],
                Some("p:3128 by HTTPS_PROXY"),
            ),
            (
                "https://H.example",
                vec![("HTTPS_PROXY", P), ("no_proxy", "h.EXAMPLE:443")],
                Some("p:3128 by HTTPS_PROXY"),
            ),
            ("https://h:443", vec![("HTTPS_PROXY", P), ("no_proxy", "h:443")], None),
            ("https://10.1.2.3", vec![("HTTPS_PROXY", P), ("NO_PROXY", "10.0.0.0/8")], None),
            ("https://11.1.2.3", vec![("HTTPS_PROXY", P), ("NO_PROXY", "10.0.0.0/8")], Some("p:3128 by HTTPS_PROXY")),
            ("https://[fd00::1]", vec![("HTTPS_PROXY", P), ("NO_PROXY", "fd00::/8")], None),
            ("https://h", vec![("HTTPS_PROXY", P), ("NO_PROXY", "*")], None),
            ("https://h", vec![("HTTPS_PROXY", P), ("HITL_PROXY", "off")], None),
            ("https://h", vec![("HTTPS_PROXY", P), ("HITL_PROXY", "q:1")], Some("q:1 by HITL_PROXY")),
        ] {
            assert_eq!(proxy(base, &env).as_deref(), expected, "{base} {env:?}");
        }
        let file = File::parse("proxy = \"http://q:1\"").unwrap();
        assert_eq!(way("https://h", &file, &[("NO_PROXY", "*")]).unwrap().proxy.unwrap().named_by, "proxy");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        for url in ["socks5://u:secret@p:1", "https://u:secret@p", "http://u:secret@/", "http://u:secret@a b"] {
            let message = way("https://h", &File::default(), &[("HTTPS_PROXY", url)]).unwrap_err().to_string();
            assert!(message.contains("HTTPS_PROXY") && !message.contains("secret"), "{message}");
        }
        let shown = format!("{:?}", way("https://h", &File::default(), &[("ALL_PROXY", "u:secret@p:1")]).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for path in [file.path().to_str().unwrap(), "/nonexistent/ca.pem"] {
            let message = way("https://h", &File::default(), &[("HITL_CA_FILE", path)]).unwrap_err().to_string();
            assert!(message.contains("ca_file") && message.contains(path), "{message}");
        }
    }
}
