//! Every call is in the activity log, with how it ended and how long it took.

use serde_json::{Value, json};

use crate::support::{Approver, Hub, Wrap, eventually, everything};

/// The log, newest first, when it has so many lines.
async fn log_of(approver: &Approver, lines: usize) -> Vec<Value> {
    eventually("the activity log", || async {
        let log = approver.get("/activity").await["items"].as_array().unwrap().clone();
        (log.len() == lines).then_some(log)
    })
    .await
}

#[tokio::test]
async fn every_call_is_logged_with_its_outcome_and_duration() {
    let hub = Hub::start().await;
    let (approver, token) = (hub.sign_in().await, hub.add_agent("claude").await);
    let mut client = Wrap::around(everything()).named("everything").with_hub(&hub, &token).start();
    client.initialize().await;
    approver.knows_tool("everything", "echo").await;
    approver.gate("everything", "get-sum").await;
    for (tool, arguments) in [
        ("echo", json!({ "message": "hello" })),
        ("echo", json!({ "no": "message" })),
        ("trigger-long-running-operation", json!({ "duration": 0.5, "steps": 1 })),
    ] {
        let id = client.call(tool, arguments).await;
        client.answer(id).await;
    }
    let id = client.call("get-sum", json!({ "a": 1, "b": 2 })).await;
    approver.approve(&approver.the_pending_approval().await).await;
    client.answer(id).await;
    let log = eventually("four calls that have ended", || async {
        let log = log_of(&approver, 4).await;
        log.iter().all(|call| call["duration_ms"].is_u64()).then_some(log)
    })
    .await;
    let seen: Vec<_> = log
        .iter()
        .rev()
        .map(|call| ["tool", "verdict", "outcome"].map(|field| call[field].as_str().unwrap_or_default()))
        .collect();
    let passed = |tool, outcome| [tool, "pass", outcome];
    assert_eq!(
        seen,
        [
            passed("echo", "succeeded"),
            passed("echo", "failed"),
            passed("trigger-long-running-operation", "succeeded"),
            ["get-sum", "gate", "succeeded"],
        ]
    );
    let long = log[1]["duration_ms"].as_u64().unwrap();
    assert!((450..120_000).contains(&long), "{long} ms");
}
