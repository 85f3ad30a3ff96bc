//! D3: a decision at one hub releases a call that another one holds, beside the same at one hub.
//!
//! `cargo bench --bench hub -- pair --database URL`: two hubs on an empty database of PostgreSQL.

use std::time::Instant;

use reqwest::Method;
use serde_json::json;

use super::approver::Approver;
use super::decisions::{EACH, GATED, Wrap};
use super::hub::Hub;
use super::{median, ms, row};

const AGENTS: usize = 16;

/// Prints D3.
pub async fn measure(database: &str) {
    let (holding, other) = (Hub::start_on(None, Some(database)), Hub::start_on(None, Some(database)));
    let (here, there) = (Approver::sign_in(&holding).await, Approver::sign_in(&other).await);
    let mut events = here.listen().await;
    // The server is known with its first shim; those that come later have the toggle in their first table.
    drop(Wrap::start(&holding, "first").await);
    here.ask(Method::PUT, &format!("/servers/bench/tools/{GATED}"), Some(json!({"hitl": true}))).await;
    let (mut same, mut across) = (Vec::new(), Vec::new());
    for agent in 0..AGENTS {
        let mut wrap = Wrap::start(&holding, &format!("pair-{agent}")).await;
        for id in 0..EACH {
            wrap.call(id, GATED);
            let heard = events.recv().await.unwrap();
            let (approver, times) = if (agent + id) % 2 == 0 { (&here, &mut same) } else { (&there, &mut across) };
            let began = Instant::now();
            approver.approve(heard.approval["id"].as_str().unwrap()).await;
            times.push(wrap.answer().await - began);
        }
    }
    let (same, across) = (median(&mut same), median(&mut across));
    row("D3 approve at the hub that holds the call to the server's answer, p50", &ms(same), "1", "");
    let ratio = across.as_secs_f64() / same.as_secs_f64();
    row("the same approved at another hub, p50", &ms(across), &format!("{ratio:.2}"), "≤ 1.5");
}
