//! A real Cerbos as the external decision point.

use std::net::TcpListener;
use std::process::Stdio;

use tokio::process::{Child, Command};

use super::{browser, eventually, own_address, test_file};

/// A running one, with the policies of `tests/servers/cerbos`; killed when dropped.
pub struct Cerbos {
    _child: Child,
    /// Its base URL, without a slash at its end.
    pub url: String,
}

impl Cerbos {
    /// Starts it, and returns when it answers.
    pub async fn start() -> Self {
        // It does not say which port it took when asked for any, so it is given one that was free a moment ago; at an
        // address of its own that stays so.
        let [http, grpc] = [free_address(), free_address()];
        let child = Command::new(test_file("node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64"))
            .arg("server")
            .arg(format!("--set=server.httpListenAddr={http}"))
            .arg(format!("--set=server.grpcListenAddr={grpc}"))
            .arg("--set=storage.driver=disk")
            .arg(format!("--set=storage.disk.directory={}", test_file("servers/cerbos")))
            .arg("--set=telemetry.disabled=true")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let url = format!("http://{http}");
        let (http, health) = (browser(), format!("{url}/_cerbos/health"));
        eventually("Cerbos to answer", || async {
            http.get(&health).send().await.is_ok_and(|answer| answer.status().is_success()).then_some(())
        })
        .await;
        Self { _child: child, url }
    }
}

fn free_address() -> String {
    TcpListener::bind((own_address(), 0)).unwrap().local_addr().unwrap().to_string()
}
