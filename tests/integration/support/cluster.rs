//! A PostgreSQL server of a test's own, which it may stop, and one that follows it.

use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use super::own_address;

/// See the module; stopped when dropped.
pub struct Cluster {
    dir: TempDir,
    programs: PathBuf,
    /// Where it listens.
    pub address: (IpAddr, u16),
}

/// A port that is free at an address that nobody else has.
pub fn free_port(ip: IpAddr) -> u16 {
    TcpListener::bind((ip, 0)).unwrap().local_addr().unwrap().port()
}

/// Whom PostgreSQL runs as, which refuses to be root.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let user = users.lines().find(|line| line.starts_with("postgres:")).expect("a user postgres");
    let ids: Vec<u32> = user.split(':').skip(2).take(2).map(|id| id.parse().unwrap()).collect();
    Some((ids[0], ids[1]))
}

/// A program that is not run as root.
pub fn unprivileged(program: &str) -> Command {
    let Some((user, group)) = owner() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]);
    command.arg(program);
    command
}

/// A folder for it.
pub fn unprivileged_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    if let Some((user, group)) = owner() {
        chown(dir.path(), Some(user), Some(group)).unwrap();
    }
    dir
}

impl Cluster {
    /// A fresh one; `None` where PostgreSQL is not installed.
    pub async fn start() -> Option<Self> {
        let new = Self::place()?;
        new.run("initdb", &["-U", "hitl", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8"]).await;
        new.start_again().await;
        Some(new)
    }

    fn place() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let programs = versions.map(|entry| entry.unwrap().path().join("bin")).max()?;
        let ip = own_address();
        Some(Self { dir: unprivileged_dir(), programs, address: (ip, free_port(ip)) })
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    async fn run(&self, program: &str, args: &[&str]) {
        let mut command = unprivileged(self.programs.join(program).to_str().unwrap());
        command.arg("-D").arg(self.data()).args(args).current_dir("/").stdin(Stdio::null());
        // What it leaves running keeps what it inherits.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().await.unwrap();
        let log = std::fs::read_to_string(self.data().join("server.log")).unwrap_or_default();
        assert!(status.success(), "{program} {args:?}: {log}");
    }

    /// The same server again, with all that it had committed.
    pub async fn start_again(&self) {
        let (ip, port) = self.address;
        let settings = format!(
            "-c listen_addresses={ip} -c port={port} -c unix_socket_directories='' -c fsync=off -c max_connections=100 \
             -c synchronous_standby_names={}",
            if self.data().join("followed").exists() { "'*'" } else { "''" }
        );
        let log = self.data().join("server.log");
        self.run("pg_ctl", &["-w", "-t", "120", "-l", log.to_str().unwrap(), "-o", &settings, "start"]).await;
    }

    /// Stops without a word to anybody, as in a crash.
    pub async fn crash(&self) {
        self.run("pg_ctl", &["-m", "immediate", "stop"]).await;
    }

    /// Stops as an administrator stops it for an upgrade.
    pub async fn stop(&self) {
        self.run("pg_ctl", &["-w", "-t", "120", "-m", "fast", "stop"]).await;
    }

    /// Another server that has everything this one commits, before it says so.
    pub async fn follower(&self) -> Self {
        let follower = Self::place().unwrap();
        let (ip, port) = self.address;
        let from = format!("host={ip} port={port} user=hitl");
        follower.run("pg_basebackup", &["-d", &from, "-R", "-X", "stream", "-c", "fast"]).await;
        follower.start_again().await;
        // It stands while nobody follows; from here on, commits wait.
        std::fs::write(self.data().join("followed"), "").unwrap();
        self.stop().await;
        self.start_again().await;
        follower
    }

    /// Takes the place of the one that it followed.
    pub async fn promote(&self) {
        self.run("pg_ctl", &["-w", "-t", "120", "promote"]).await;
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        url_at(self.address)
    }
}

/// The database of whichever server is reached there.
pub fn url_at((ip, port): (IpAddr, u16)) -> String {
    format!("postgres://hitl@{ip}:{port}/postgres")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut command = unprivileged(self.programs.join("pg_ctl").to_str().unwrap()).into_std();
        command.arg("-D").arg(self.data()).args(["-m", "immediate", "stop"]).current_dir("/");
        drop(command.stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}
