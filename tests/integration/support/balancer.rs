//! HAProxy in front of hubs or of databases, and PgBouncer in front of one.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::cluster::{free_port, unprivileged, unprivileged_dir};
use super::{Hub, eventually, own_address};

/// Debian keeps both where not every user looks.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that stands in front of others; killed when dropped.
pub struct Balancer {
    /// Where it listens.
    pub address: (IpAddr, u16),
    _child: Child,
    _dir: TempDir,
}

/// Where a balancer will listen: hubs have to know it before they start.
pub fn place() -> (IpAddr, u16) {
    let ip = own_address();
    (ip, free_port(ip))
}

/// Its public URL.
pub fn url((ip, port): (IpAddr, u16)) -> String {
    format!("http://{ip}:{port}")
}

/// Whether it is installed.
pub fn is_there(program: &str) -> bool {
    PATH.split(':').any(|dir| Path::new(dir).join(program).exists())
}

impl Balancer {
    /// HAProxy there, in turn to each of these hubs that says that it is ready.
    pub async fn of_hubs(address: (IpAddr, u16), hubs: &[&Hub]) -> Self {
        let (ip, port) = address;
        let servers = hubs.iter().enumerate().map(|(n, hub)| {
            let at = hub.url.strip_prefix("http://").unwrap();
            format!("  server hub{n} {at} check inter 200ms fall 2 rise 1 on-marked-down shutdown-sessions\n")
        });
        let servers: String = servers.collect();
        let config = format!(
            "  mode http\n  option httpchk\n  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host {ip}:{port}\n\
             \x20 option redispatch 1\n  retries 3\n  retry-on conn-failure\n  balance roundrobin\n{servers}"
        );
        Self::haproxy(address, "http", &config).await
    }

    /// HAProxy before two databases: the second one's turn comes when the first is gone.
    pub async fn of_databases(first: (IpAddr, u16), second: (IpAddr, u16)) -> Self {
        let check = "check inter 200ms fall 2 rise 2 on-marked-down shutdown-sessions";
        let config = format!(
            "  mode tcp\n  server first {}:{} {check}\n  server second {}:{} {check} backup\n",
            first.0, first.1, second.0, second.1
        );
        Self::haproxy(place(), "tcp", &config).await
    }

    async fn haproxy(address: (IpAddr, u16), mode: &str, backend: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("haproxy.cfg");
        let (ip, port) = address;
        let config = format!(
            "defaults\n  mode {mode}\n  timeout connect 2s\n  timeout client 1h\n  timeout server 1h\n  timeout tunnel 1h\n\
             \x20 timeout check 30s\nfrontend front\n  bind {ip}:{port}\n  default_backend back\nbackend back\n{backend}"
        );
        std::fs::write(&path, config).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&path);
        Self::begin(command, address, dir).await
    }

    /// PgBouncer in transaction mode before a database, and whether it keeps prepared statements apart.
    pub async fn pool((to, to_port): (IpAddr, u16)) -> (Self, bool) {
        let version = Command::new("pgbouncer").arg("--version").env("PATH", PATH).output().await.unwrap().stdout;
        let version = String::from_utf8(version).unwrap();
        let minor = version.split(['.', ' ']).nth(2).and_then(|minor| minor.parse::<u32>().ok());
        let keeps_apart = minor.expect("1.18 or so") >= 21;
        let more = if keeps_apart { "max_prepared_statements = 200\n" } else { "" };
        let (dir, (ip, port)) = (unprivileged_dir(), place());
        let path = dir.path().join("pgbouncer.ini");
        let config = format!(
            "[databases]\n* = host={to} port={to_port} user=hitl\n[pgbouncer]\nlisten_addr = {ip}\nlisten_port = {port}\n\
             auth_type = any\npool_mode = transaction\n\
             ignore_startup_parameters = extra_float_digits\nunix_socket_dir =\n{more}"
        );
        std::fs::write(&path, config).unwrap();
        let mut command = unprivileged("pgbouncer");
        command.arg(&path);
        (Self::begin(command, (ip, port), dir).await, keeps_apart)
    }

    async fn begin(mut command: Command, address: (IpAddr, u16), dir: TempDir) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.env("PATH", PATH).spawn().unwrap();
        let there = || async { TcpStream::connect(SocketAddr::from(address)).ok() };
        drop(eventually("the balancer", there).await);
        Self { address, _child: child, _dir: dir }
    }
}
