//! How the hub is reached: the exact hosts it answers to, the exact origins it trusts, and whose address a request has.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

use crate::config::hub::Settings;
use crate::config::secret::Secret;

/// The hub as seen from a browser.
#[derive(Clone, Debug)]
pub struct Site {
    /// Every `Host` that is answered, with its port; anything else may be a rebound name.
    hosts: Vec<String>,
    /// Those of them under which nobody but this hub can be reached, by a program that has no certificate to look at.
    own: Vec<String>,
    /// The scheme of a page that came straight from us.
    scheme: &'static str,
    /// The origin of a page that came through `public_url`.
    public_origin: Option<String>,
    /// The base URL in links, without a slash at its end.
    pub base_url: String,
    /// Browsers come over TLS: the cookie is `Secure`.
    pub secure: bool,
    /// The last entry of `X-Forwarded-For` is our proxy's word.
    behind_proxy: bool,
    /// It is one person's own hub.
    pub local: bool,
    /// What a scraper of `/metrics` must show.
    pub metrics_token: Option<Secret>,
}

impl Site {
    /// The site of a hub with these settings that listens on `addr`.
    pub fn new(settings: &Settings, addr: SocketAddr, local: bool) -> Self {
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let mut hosts = loopback_hosts(scheme, addr.port());
        if !addr.ip().is_unspecified() {
            hosts.push(addr.to_string());
        }
        let public_origin = settings.public_url.as_ref().map(|url| url.origin());
        let mut own = listened_on(scheme, addr);
        if let Some(url) = &settings.public_url {
            hosts.push(url.host.clone());
            own.push(url.host.clone());
        }
        let base_url = public_origin.clone().unwrap_or_else(|| format!("{scheme}://{}", reachable(addr)));
        let (secure, behind_proxy) = (settings.secure(), settings.behind_proxy);
        let metrics_token = settings.metrics_token.clone();
        Self { hosts, own, scheme, public_origin, base_url, secure, behind_proxy, local, metrics_token }
    }

    /// Whether a request for this host, port included, is meant for us; no prefixes, no patterns.
    pub fn answers_to(&self, host: &str) -> bool {
        self.hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }

    /// Whether the hub says who it is under this host. It does not under a name of this machine that it does not listen
    /// at: another program may, and pass the question on.
    pub fn proves_under(&self, host: &str) -> bool {
        self.own.iter().any(|ours| ours.eq_ignore_ascii_case(host))
    }

    /// Whether a page of this origin may talk to us under `host`: it must be our own page.
    pub fn trusts(&self, origin: &str, host: &str) -> bool {
        let own = origin.strip_prefix(self.scheme).and_then(|rest| rest.strip_prefix("://"));
        own.is_some_and(|origin_host| origin_host.eq_ignore_ascii_case(host))
            || Some(origin) == self.public_origin.as_deref()
    }

    /// Whether all requests come from the address of a proxy.
    pub fn is_behind_proxy(&self) -> bool {
        self.behind_proxy
    }

    /// Whether a connection comes from a program on this machine; behind a proxy, nobody knows.
    pub fn is_own(&self, connection: IpAddr) -> bool {
        !self.behind_proxy && connection.to_canonical().is_loopback()
    }

    /// The address a request comes from: the connection's, or the one that our own proxy appended.
    pub fn peer(&self, headers: &HeaderMap, connection: IpAddr) -> IpAddr {
        if !self.behind_proxy {
            return connection;
        }
        let last = headers.get_all("x-forwarded-for").iter().next_back().and_then(|value| value.to_str().ok());
        last.and_then(|list| list.rsplit(',').next()?.trim().parse().ok()).unwrap_or(connection)
    }
}

/// The names of this machine for itself; a browser leaves the scheme's own port out.
fn loopback_hosts(scheme: &str, port: u16) -> Vec<String> {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    let mut hosts: Vec<_> = names.iter().map(|name| format!("{name}:{port}")).collect();
    if matches!((scheme, port), ("http", 80) | ("https", 443)) {
        hosts.extend(names.map(str::to_owned));
    }
    hosts
}

/// The literal addresses at which nobody else can listen; a client leaves the scheme's own port out.
fn listened_on(scheme: &str, addr: SocketAddr) -> Vec<String> {
    let addrs = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![SocketAddr::from(([127, 0, 0, 1], addr.port()))],
        IpAddr::V6(ip) if ip.is_unspecified() => {
            let loopback: [IpAddr; 2] = [[127, 0, 0, 1].into(), Ipv6Addr::LOCALHOST.into()];
            loopback.map(|ip| SocketAddr::from((ip, addr.port()))).to_vec()
        }
        _ => vec![addr],
    };
    let own_port = matches!((scheme, addr.port()), ("http", 80) | ("https", 443));
    let name = |addr: SocketAddr| {
        let text = addr.to_string();
        let end = if own_port { text.rfind(':').unwrap_or(text.len()) } else { text.len() };
        text[..end].to_owned()
    };
    addrs.into_iter().map(name).collect()
}

/// An address that can be connected to from this machine.
fn reachable(addr: SocketAddr) -> SocketAddr {
    match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from(([127, 0, 0, 1], addr.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, addr.port())),
        _ => addr,
    }
}

/// How programs on this machine reach the hub, such as `http://127.0.0.1:7420`.
pub fn own_url(settings: &Settings, addr: SocketAddr) -> String {
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{}", reachable(addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(env: &[(&str, &str)]) -> Settings {
        Settings::of_env(std::path::Path::new("/d"), env)
    }

    fn loopback() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7420))
    }

    #[test]
    fn only_exact_hosts_are_answered() {
        let site = Site::new(&settings(&[]), loopback(), false);
        for host in ["127.0.0.1:7420", "localhost:7420", "LOCALHOST:7420", "[::1]:7420"] {
            assert!(site.answers_to(host), "{host}");
        }
        for host in
            ["127.0.0.1:evil.com", "127.0.0.1", "localhost:74200", "localhost.evil.com:7420", "", "0.0.0.0:7420"]
        {
            assert!(!site.answers_to(host), "{host}");
        }
    }

    #[test]
    fn the_hub_proves_itself_only_where_nobody_else_can_listen() {
        let proves = |addr: &str, hosts: &[&str]| {
            let site = Site::new(&settings(&[]), addr.parse().unwrap(), false);
            hosts.iter().map(|host| site.proves_under(host)).collect::<Vec<_>>()
        };
        let hosts = ["127.0.0.1:7420", "[::1]:7420", "localhost:7420", "127.0.0.1:7421"];
        assert_eq!(proves("127.0.0.1:7420", &hosts), [true, false, false, false]);
        assert_eq!(proves("[::1]:7420", &hosts), [false, true, false, false]);
        assert_eq!(proves("0.0.0.0:7420", &hosts), [true, false, false, false]);
        assert_eq!(proves("[::]:7420", &hosts), [true, true, false, false]);
        assert_eq!(proves("127.0.0.1:80", &["127.0.0.1", "127.0.0.1:80"]), [true, false]);
    }

    #[test]
    fn only_our_own_page_is_trusted() {
        let env = [("HITL_PUBLIC_URL", "https://hub.example.org"), ("HITL_BEHIND_PROXY", "true")];
        let site = Site::new(&settings(&env), loopback(), false);
        assert!(site.answers_to("hub.example.org"));
        assert!(site.trusts("https://hub.example.org", "hub.example.org"));
        assert!(site.trusts("https://hub.example.org", "127.0.0.1:7420"), "a proxy may rewrite Host");
        assert!(site.trusts("http://localhost:7420", "localhost:7420"));
        for origin in
            ["http://hub.example.org", "https://hub.example.org.evil.com", "null", "http://localhost:7421", ""]
        {
            assert!(!site.trusts(origin, "localhost:7420"), "{origin}");
        }
        assert!(!site.trusts("http://127.0.0.1:7420", "localhost:7420"), "another origin, even of ours");
    }

    #[test]
    fn forwarded_addresses_count_only_behind_a_proxy_and_only_the_last() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 10.0.0.9".parse().unwrap());
        let connection = IpAddr::from([127, 0, 0, 1]);
        let plain = Site::new(&settings(&[]), loopback(), false);
        assert_eq!(plain.peer(&headers, connection), connection);
        let proxied = Site::new(&settings(&[("HITL_BEHIND_PROXY", "1")]), loopback(), false);
        assert_eq!(proxied.peer(&headers, connection), IpAddr::from([10, 0, 0, 9]));
    }
}
