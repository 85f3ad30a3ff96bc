//! The queue, decisions and the record.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Running, problem};
use crate::core::messages::Decision;
use crate::hub::model::Role;
use crate::wire::ToWrap;

#[tokio::test]
async fn an_approved_call_is_told_to_its_shim_and_moves_to_the_history() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Approver).await;
    let mut shim = running.shim().await;
    let id = shim.hold("{ \"repo\": \"a/b\", \"n\": 1.50 }").await;
    let queue = person.read("/api/v1/approvals?status=pending").await;
    let card = &queue["items"][0];
    assert_eq!(
        (card["id"].as_str(), card["arguments"].as_str()),
        (Some(id.as_str()), Some("{ \"repo\": \"a/b\", \"n\": 1.50 }"))
    );
    assert_eq!(
        (&card["tool"], &card["server"], &card["trust"]),
        (&json!("delete_repo"), &json!("repos"), &json!("high"))
    );
    assert!(card["timeline"].is_null() && queue["next_cursor"].is_null());

    assert_eq!(person.post(&format!("/api/v1/approvals/{id}/seen"), json!({})).await.status(), 204);
    let answer = person.post(&format!("/api/v1/approvals/{id}/approve"), json!({ "comment": "fine" })).await;
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["status"], &answer["decided_by"], &answer["reason"]),
        (&json!("approved"), &json!("ada"), &json!("fine"))
    );
    loop {
        if let ToWrap::Decision(decided) = shim.hear().await {
            assert!(matches!(decided.decision, Decision::Approved { .. }));
            break;
        }
    }
    assert_eq!(person.read("/api/v1/approvals?status=pending&q=").await["items"], json!([]));
    assert_eq!(
        person.read("/api/v1/approvals?status=approved,rejected&tool=delete_repo").await["items"][0]["id"],
        id.as_str()
    );
    let one = person.read(&format!("/api/v1/approvals/{id}")).await;
    assert!(one["timeline"].as_array().unwrap().iter().any(|entry| entry["actor"] == "ada"), "{one}");
}

#[tokio::test]
async fn whoever_is_late_gets_409_with_the_winner() {
    let running = Running::start().await;
    let (ada, bob) = (running.person("ada", Role::Approver).await, running.person("bob", Role::Approver).await);
    let mut shim = running.shim().await;
    let id = shim.hold("{}").await;
    let reject = ada.post(&format!("/api/v1/approvals/{id}/reject"), json!({ "reason": "not today" })).await;
    assert_eq!(reject.json::<Value>().await.unwrap()["reason"], "not today");
    for action in ["approve", "reject", "extend"] {
        let late = problem(bob.post(&format!("/api/v1/approvals/{id}/{action}"), json!({})).await, 409).await;
        assert_eq!((&late["approval"]["status"], &late["approval"]["decided_by"]), (&json!("rejected"), &json!("ada")));
    }
}

#[tokio::test]
async fn a_batch_decides_what_it_can() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Approver).await;
    let mut shim = running.shim().await;
    let (late, open) = (shim.hold("{\"n\":1}").await, shim.hold("{\"n\":2}").await);
    person.post(&format!("/api/v1/approvals/{late}/approve"), json!({})).await;
    let batch = json!({ "ids": [late, "unknown", open], "action": "reject", "reason": "cleaning up" });
    let answer = person.post("/api/v1/approvals/batch", batch).await;
    assert_eq!(answer.status(), 200);
    let items = answer.json::<Value>().await.unwrap()["items"].clone();
    let part = |key: &str| -> Vec<Value> { items.as_array().unwrap().iter().map(|item| item[key].clone()).collect() };
    assert_eq!(part("ok"), [false, false, true]);
    assert_eq!(part("status"), [409, 404, 200]);
    assert_eq!(part("id"), [json!(late), json!("unknown"), json!(open)]);
    assert_eq!(
        (&items[0]["approval"]["status"], &items[2]["approval"]["status"]),
        (&json!("approved"), &json!("rejected"))
    );
    assert_eq!(items[2]["approval"]["reason"], "cleaning up");
    let many: Vec<_> = (0..201).map(|n| n.to_string()).collect();
    problem(person.post("/api/v1/approvals/batch", json!({ "ids": many, "action": "reject" })).await, 400).await;
}

#[tokio::test]
async fn edited_arguments_and_standing_grants_are_refused_and_nothing_is_decided() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Approver).await;
    let mut shim = running.shim().await;
    let path = format!("/api/v1/approvals/{}", shim.hold("{}").await);
    for body in [
        json!({ "arguments": "{}" }),
        json!({ "remember": true }),
        json!({ "remember": false }),
        json!({ "by": "root" }),
    ] {
        problem(person.post(&format!("{path}/approve"), body).await, 400).await;
    }
    let odd = person.request(Method::POST, &format!("{path}/approve")).header("x-hitl-csrf", &person.csrf);
    problem(odd.header("content-type", "application/json").body("{").send().await.unwrap(), 400).await;
    assert_eq!(person.read(&path).await["status"], "pending");
    let extended = person.post(&format!("{path}/extend"), json!({ "seconds": 60 })).await;
    assert_eq!(extended.status(), 200);
    let bare = person.request(Method::POST, &format!("{path}/approve")).header("x-hitl-csrf", &person.csrf);
    assert_eq!(bare.send().await.unwrap().status(), 200, "a body is optional");
}

#[tokio::test]
async fn a_filter_that_is_not_understood_is_a_problem() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Viewer).await;
    for query in ["status=open", "limit=many", "from=yesterday", "stat=pending"] {
        problem(person.get(&format!("/api/v1/approvals?{query}")).await, 400).await;
    }
    problem(person.get("/api/v1/approvals/unknown").await, 404).await;
    problem(person.get("/api/v1/servers/unknown").await, 404).await;
    problem(person.get("/api/v1/nothing").await, 404).await;
}

#[tokio::test]
async fn tools_with_any_name_are_set_and_the_record_is_read_in_pages() {
    let running = Running::start().await;
    let admin = running.person("root", Role::Admin).await;
    let mut shim = running.shim().await;
    shim.say(&crate::wire::ToHub::Tools(crate::core::messages::Tools {
        items: vec![crate::core::messages::ToolDefinition {
            name: "files/delete ü".to_owned(),
            definition: "{\"name\":\"files/delete ü\"}".to_owned(),
        }],
        complete: true,
    }))
    .await;
    shim.hold("{}").await;
    let tool = admin.put("/api/v1/servers/repos/tools/files%2Fdelete%20%C3%BC", json!({ "hitl": true })).await;
    let tool: Value = tool.json().await.unwrap();
    assert_eq!((&tool["name"], &tool["hitl"]), (&json!("files/delete ü"), &json!(true)));
    assert_eq!(admin.read("/api/v1/servers").await["items"][0]["name"], "repos");

    let (mut cursor, mut seqs) = (String::new(), Vec::new());
    loop {
        let page = admin.read(&format!("/api/v1/audit?limit=2&cursor={cursor}")).await;
        seqs.extend(page["items"].as_array().unwrap().iter().map(|record| record["seq"].as_i64().unwrap()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seqs, (1..=running.hub.store().last_seq()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_decision_on_another_call_than_the_one_looked_at_decides_nothing() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Approver).await;
    let mut shim = running.shim().await;
    let id = shim.hold("{\"repo\":\"a\"}").await;
    let path = format!("/api/v1/approvals/{id}");
    let card = person.read(&path).await;
    let other = "0".repeat(64);
    for (action, saw) in [("approve", "digest"), ("reject", "digest"), ("approve", "arguments_sha256")] {
        let answer = person.post(&format!("{path}/{action}"), json!({ saw: other })).await;
        let told = problem(answer, 409).await;
        assert_eq!((&told["approval"]["status"], &told["approval"]["digest"]), (&json!("pending"), &card["digest"]));
    }
    let batch = json!({ "ids": [id], "action": "approve", "digests": { id.as_str(): other } });
    let answer: Value = person.post("/api/v1/approvals/batch", batch).await.json().await.unwrap();
    assert_eq!((&answer["items"][0]["status"], &answer["items"][0]["ok"]), (&json!(409), &json!(false)));
    assert_eq!(person.read(&path).await["status"], "pending");
    let saw = json!({ "digest": card["digest"], "arguments_sha256": card["arguments_sha256"] });
    assert_eq!(person.post(&format!("{path}/approve"), saw).await.status(), 200);
}
