//! A disk that is full for a while, and one that fails for a while: what cannot be written is refused, and what comes
//! when it can be written again is not.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Approver, Client, Hub, Ledger, Wrap, eventually, text_of};

const FAULT: &str = include_str!("support/fault.c");

/// A small file system of its own, which goes away with the value.
struct Disk(PathBuf);

impl Disk {
    fn new(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        println!("skipped: a tmpfs cannot be mounted here");
        None
    }

    /// Writes until nothing more fits.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("fill");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[b'x'; 4096]).and_then(|()| file.flush()).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// A hub with a call on hold.
struct Scene {
    hub: Hub,
    approver: Approver,
    client: Client,
    call: i64,
    pending: Value,
    ledger: Ledger,
}

impl Scene {
    async fn at(hub: Hub) -> Self {
        let (approver, token, ledger) = (hub.sign_in().await, hub.add_agent("claude").await, Ledger::new());
        let mut client = Wrap::around(ledger.server()).named("repos").with_hub(&hub, &token).start();
        client.initialize().await;
        let call = client.call("delete_repo", json!({ "repo": "a" })).await;
        let pending = approver.the_pending_approval().await;
        Self { hub, approver, client, call, pending, ledger }
    }

    async fn change(&self, seconds: usize) -> u16 {
        let path = "/servers/repos/policy";
        let change = json!({ "timeout_seconds": seconds });
        self.approver.ask(reqwest::Method::PUT, path, Some(change)).await.status
    }

    async fn ready(&self) -> bool {
        reqwest::get(format!("{}/readyz", self.hub.url)).await.unwrap().status().is_success()
    }

    /// Nothing can be written: changes and decisions are refused, and the hub says so.
    async fn is_refused(&self) {
        let mut status = 0;
        for n in 0..500 {
            status = self.change(300 + n).await;
            if status >= 500 {
                break;
            }
        }
        assert!(status >= 500, "a change is refused: {status}");
        assert!(self.approver.approve(&self.pending).await.status >= 500, "and a decision");
        eventually("a hub that is not ready", || async { (!self.ready().await).then_some(()) }).await;
    }

    /// Everything can be written again, and the call that was held meanwhile runs once.
    async fn goes_on(mut self) {
        eventually("a change that is taken", || async { (self.change(301).await == 200).then_some(()) }).await;
        eventually("a hub that is ready", || async { self.ready().await.then_some(()) }).await;
        assert_eq!(self.approver.approve(&self.pending).await.status, 200);
        assert!(text_of(&self.client.answer(self.call).await).contains("delete_repo done"));
        assert_eq!(self.ledger.runs_of("delete_repo"), 1);
        let verified = self.hub.run(&["audit", "verify"]).await;
        assert!(verified.contains("unbroken"), "{verified}");
    }
}

#[tokio::test]
async fn a_full_disk_costs_the_changes_of_its_time_and_none_after() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(&place.path().join("disk")) else { return };
    let scene = Scene::at(Hub::start_in(&disk.0.join("data"), &[]).await).await;
    let fill = disk.fill();
    scene.is_refused().await;
    std::fs::remove_file(fill).unwrap();
    scene.goes_on().await;
}

/// The library that makes the store's files fail, or `None` where there is no compiler.
fn fault_library(dir: &Path) -> Option<PathBuf> {
    let (source, library) = (dir.join("fault.c"), dir.join("fault.so"));
    std::fs::write(&source, FAULT).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").output();
    if built.is_ok_and(|output| output.status.success()) {
        return Some(library);
    }
    println!("skipped: there is no C compiler here");
    None
}

#[tokio::test]
async fn an_error_of_the_disk_costs_the_changes_of_its_time_and_none_after() {
    for what in ["write", "sync"] {
        let place = tempfile::tempdir().unwrap();
        let Some(library) = fault_library(place.path()) else { return };
        let told = place.path().join("told");
        let env = [("LD_PRELOAD", library.to_str().unwrap()), ("FAULT_FILE", told.to_str().unwrap())];
        let scene = Scene::at(Hub::start_in(&place.path().join("data"), &env).await).await;
        std::fs::write(&told, what).unwrap();
        scene.is_refused().await;
        std::fs::remove_file(told).unwrap();
        scene.goes_on().await;
    }
}
