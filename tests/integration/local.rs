//! Local mode: wrapping a server works with no set-up at all.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Approver, Client, Ledger, Wrap, binary, eventually, signal, text_of};

/// The hub that a shim started in its data dir; ended when dropped.
struct LocalHub {
    url: String,
    pid: u32,
}

impl LocalHub {
    async fn of(data: &Path) -> Self {
        let file = hitl::config::paths::local_url(data);
        let url = eventually("the local hub", || async { std::fs::read_to_string(&file).ok() }).await.trim().to_owned();
        let pid = eventually("its process", || async { pid_of_hub(data) }).await;
        Self { url, pid }
    }
}

impl Drop for LocalHub {
    fn drop(&mut self) {
        signal(self.pid, Signal::KILL);
    }
}

/// The `hitl-hub serve` whose arguments or environment name the data dir.
fn pid_of_hub(data: &Path) -> Option<u32> {
    let data = data.to_str().unwrap();
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        (command.contains("hitl-hub") && command.contains("serve") && command.contains(data)).then_some(pid)
    })
}

async fn sign_in(data: &Path, url: &str) -> Approver {
    let mut command = tokio::process::Command::new(binary("hitl-hub"));
    command.args(["open", "--no-browser", "--data-dir"]).arg(data).env("HOME", data);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Approver::sign_in(url, String::from_utf8(output.stdout).unwrap().trim()).await
}

#[tokio::test]
async fn wrapping_works_without_any_set_up() {
    let data = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let start = || {
        let wrap = Wrap::around(ledger.server()).named("repos").env("HITL_DATA_DIR", data.path().to_str().unwrap());
        wrap.start()
    };
    let mut client: Client = start();
    client.initialize().await;
    let id = client.call("delete_repo", json!({ "repo": "a" })).await;
    let hub = LocalHub::of(data.path()).await;
    assert!(hub.url.starts_with("http://127.0.0.1:"), "{}", hub.url);
    let approver = sign_in(data.path(), &hub.url).await;
    let pending = approver.the_pending_approval().await;
    approver.approve(&pending).await;
    assert!(text_of(&client.answer(id).await).contains("delete_repo done"));

    // The second shim finds the hub of the first.
    let mut second = start();
    second.initialize().await;
    second.call("delete_repo", json!({ "repo": "b" })).await;
    approver.the_pending_approval().await;
    client.end().await;
    assert!(crate::support::is_alive(hub.pid), "the hub outlives the shim that started it");
}

#[tokio::test]
async fn secrets_of_the_local_hub_are_for_this_user_only() {
    let data = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let wrap = Wrap::around(ledger.server()).named("repos").env("HITL_DATA_DIR", data.path().to_str().unwrap());
    let mut client = wrap.start();
    client.initialize().await;
    let _hub = LocalHub::of(data.path()).await;
    let id = client.call("list_repos", json!({})).await;
    client.answer(id).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in [
        hitl::config::paths::local_agent_token(data.path()),
        hitl::config::paths::local_url(data.path()),
        data.path().join("hub.db"),
    ] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn the_local_hub_keeps_nothing_of_the_server_that_started_it() {
    let data = tempfile::tempdir().unwrap();
    let wrap = Wrap::around(vec!["cat".into()]).named("a").env("HITL_DATA_DIR", data.path().to_str().unwrap());
    // A lock that the client holds for as long as its server runs.
    let lock = data.path().join("client.lock");
    let line = wrap.env("GITHUB_TOKEN", "hunter2").command_line();
    let mut command = tokio::process::Command::new("sh");
    command.args(["-c", &format!("exec 9>{}; flock -n 9; exec \"$0\" \"$@\"", lock.display())]).args(&line);
    command.env("HOME", data.path()).env("HITL_DATA_DIR", data.path()).env("GITHUB_TOKEN", "hunter2");
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    let mut shim = command.spawn().unwrap();
    let hub = LocalHub::of(data.path()).await;
    drop(shim.stdin.take());
    shim.wait().await.unwrap();
    let environment = std::fs::read(format!("/proc/{}/environ", hub.pid)).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.contains("hunter2") && environment.contains("PATH="), "{environment}");
    let lock = std::fs::File::open(lock).unwrap();
    lock.try_lock().expect("nobody holds the client's lock any more");
}

/// A shim of a user whom nobody knows on this machine, whose temporary files are in `dir`; only root can start one.
fn homeless(dir: &Path) -> Option<tokio::process::Command> {
    const STRANGER: u32 = 54321;
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let mut command = tokio::process::Command::new(binary("hitl-wrap"));
    command.args(["--server", "a", "--", "cat"]).env_remove("HOME").env_remove("HITL_DATA_DIR").env("TMPDIR", dir);
    command.uid(STRANGER).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(command)
}

#[tokio::test]
async fn a_user_without_a_home_has_a_hub_too_unless_others_could_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let open_to_all = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open_to_all.clone()).unwrap();
    let Some(mut command) = homeless(dir.path()) else { return };
    let mut shim = command.spawn().unwrap();
    let data = dir.path().join("hitl-54321");
    let hub = LocalHub::of(&data).await;
    drop(shim.stdin.take());
    let said = shim.wait_with_output().await.unwrap();
    assert!(said.status.success() && String::from_utf8_lossy(&said.stderr).contains("set HOME"), "{said:?}");
    drop(hub);

    std::fs::set_permissions(&data, open_to_all).unwrap();
    let refused = command.spawn().unwrap().wait_with_output().await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("HITL_DATA_DIR") && said.contains("not this user's alone"), "{said}");
}
