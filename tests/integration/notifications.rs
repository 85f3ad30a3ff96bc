//! From a gated call of a real server to the message, through real mail servers and an HTTP endpoint.

use serde_json::{Value, json};

use crate::support::{Approver, Client, Hub, Ledger, NOBODY, Push, Receiver, Smtp, Wrap, eventually};

/// A hub, its administrator, and a client of the ledger server, whose `delete_repo` is gated from the start.
async fn ready() -> (Hub, Approver, Client, Ledger) {
    let hub = Hub::start().await;
    let approver = hub.sign_in().await;
    let token = hub.add_agent("claude").await;
    let ledger = Ledger::new();
    let mut client = Wrap::around(ledger.server()).named("github").with_hub(&hub, &token).start();
    client.initialize().await;
    (hub, approver, client, ledger)
}

async fn call(client: &mut Client) {
    client.call("delete_repo", json!({ "repo": "very-secret-name" })).await;
}

async fn state(approver: &Approver, id: &str) -> Value {
    let all = approver.get("/notifications").await;
    let channel = all["items"].as_array().unwrap().iter().find(|channel| channel["id"] == id);
    channel.unwrap_or_else(|| panic!("no channel {id}"))["state"].clone()
}

/// Waits until the channel shows this error.
async fn error(approver: &Approver, id: &str, part: &str) -> Value {
    eventually(&format!("{part} as the last error of {id}"), || async {
        let state = state(approver, id).await;
        state["last_error"].as_str().is_some_and(|error| error.contains(part)).then_some(state)
    })
    .await
}

#[tokio::test]
async fn mail_arrives_over_starttls_and_tls_and_says_what_waits_but_not_the_arguments() {
    let (hub, approver, mut client, _ledger) = ready().await;
    let (mut starttls, mut tls) = (Smtp::start("starttls").await, Smtp::start("tls").await);
    let channels = [starttls.channel("starttls", "ada@example.org"), tls.channel("tls", "bob@example.org")];
    approver.put("/notifications", json!({ "channels": channels })).await;
    call(&mut client).await;
    let approval = approver.the_pending_approval().await;
    let link = format!("{}/approvals/{}", hub.url, approval["id"].as_str().unwrap());
    for (server, to) in [(&mut starttls, "ada@example.org"), (&mut tls, "bob@example.org")] {
        let got = server.next().await;
        assert_eq!((&got["to"], &got["login"]), (&json!([to]), &json!("hub")));
        assert!(got["encrypted"] == true || to.starts_with("bob"), "{got}");
        let mail = got["mail"].as_str().unwrap().replace("=\r\n", "");
        for part in [
            "Subject: Approval needed: delete_repo on github\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "Agent: claude",
            "Time left: ",
            link.as_str(),
        ] {
            assert!(mail.contains(part), "{part} missing in {mail}");
        }
        assert!(!mail.contains("very-secret-name"), "{mail}");
    }
    assert_eq!(approver.approval(approval["id"].as_str().unwrap()).await["status"], "pending", "mail decides nothing");
}

#[tokio::test]
async fn what_goes_wrong_with_mail_is_retried_or_given_up_and_said_in_words() {
    let (_hub, approver, mut client, _ledger) = ready().await;
    let (mut plain, starttls) = (Smtp::start("plain").await, Smtp::start("starttls").await);
    let mut wrong_password = starttls.channel("wrong-password", "ada@example.org");
    wrong_password["settings"]["password"] = json!("wrong");
    let mut distrusted = starttls.channel("distrusted", "ada@example.org");
    distrusted["settings"].as_object_mut().unwrap().remove("ca_pem");
    let mut no_starttls = plain.channel("no-starttls", "ada@example.org");
    no_starttls["settings"]["tls"] = json!("starttls");
    let mut with_arguments = plain.channel("with-arguments", "eve@example.org");
    with_arguments["settings"]["arguments"] = json!(true);
    let channels = [
        plain.channel("hangs", "hang@example.org"),
        wrong_password,
        distrusted,
        no_starttls,
        plain.channel("busy-once", "busy-once@example.org"),
        plain.channel("refused", "refused@example.org"),
        with_arguments,
    ];
    approver.put("/notifications", json!({ "channels": channels })).await;
    call(&mut client).await;

    // In spite of the one that hangs.
    let first = plain.next().await;
    assert_eq!(first["to"], json!(["eve@example.org"]));
    assert!(first["mail"].as_str().unwrap().contains("very-secret-name"), "switched on: {first}");
    let second = plain.next().await;
    assert_eq!(second["to"], json!(["busy-once@example.org"]), "after the 451");
    assert_eq!(error(&approver, "refused", "550").await["given_up"], 1);
    assert_eq!(error(&approver, "wrong-password", "535").await["given_up"], 1);
    for (id, part) in [("distrusted", "certificate"), ("no-starttls", "STARTTLS"), ("hangs", "no answer within 5 s")] {
        error(&approver, id, part).await;
    }
    assert_eq!(state(&approver, "hangs").await["waiting"], 1);
}

#[tokio::test]
async fn a_hub_killed_between_commit_and_send_sends_after_its_restart() {
    let (mut hub, approver, mut client, _ledger) = ready().await;
    let mut smtp = Smtp::start("plain").await;
    let mut channel = smtp.channel("mail", "ada@example.org");
    channel["settings"]["email_after"] = json!(3);
    approver.put("/notifications", json!({ "channels": [channel] })).await;
    call(&mut client).await;
    approver.the_pending_approval().await;
    hub.crash().await;
    let _hub = hub.start_again().await;
    assert_eq!(smtp.next().await["to"], json!(["ada@example.org"]));
}

#[tokio::test]
async fn every_other_channel_is_told_with_a_link_and_without_the_arguments() {
    let (hub, approver, mut client, _ledger) = ready().await;
    let receiver = Receiver::start().await;
    let at = |path: &str| json!(format!("{}{path}", receiver.url));
    let channel = |kind: &str, mut settings: Value| {
        settings["allow_private"] = json!(true);
        json!({ "id": kind, "kind": kind, "settings": settings })
    };
    let channels = [
        channel("slack", json!({ "url": at("/slack") })),
        channel("teams", json!({ "url": at("/teams") })),
        channel("discord", json!({ "url": at("/discord") })),
        channel("telegram", json!({ "url": at(""), "token": "1:A", "chat_id": "2" })),
        channel("ntfy", json!({ "url": at(""), "topic": "t" })),
        channel("webhook", json!({ "url": at("/webhook") })),
    ];
    approver.put("/notifications", json!({ "channels": channels })).await;
    call(&mut client).await;
    let approval = approver.the_pending_approval().await;
    let link = format!("{}/approvals/{}", hub.url, approval["id"].as_str().unwrap());
    for path in ["/slack", "/teams", "/discord", "/bot1:A/sendMessage", "/", "/webhook"] {
        let message = receiver.at(path).await.to_string();
        assert!(message.contains(&link) && message.contains("delete"), "{path}: {message}");
        assert!(!message.contains("very-secret-name"), "{path}: {message}");
    }
}

#[tokio::test]
async fn a_browser_is_told_by_web_push_that_a_library_which_is_not_ours_opens() {
    let (hub, approver, mut client, _ledger) = ready().await;
    let mut push = Push::start().await;
    approver.post("/notifications/browsers", push.subscription("/phone")).await;
    call(&mut client).await;
    let approval = approver.the_pending_approval().await;
    let id = approval["id"].as_str().unwrap();
    let got = push.next().await;
    assert_eq!((&got["path"], &got["signed"]), (&json!("/phone"), &json!(true)));
    assert_eq!(got["key"], approver.get("/notifications/browsers").await["key"], "the key it subscribed with");
    assert_eq!(got["claims"]["aud"], push.origin());
    let left = got["claims"]["exp"].as_i64().unwrap() - now();
    assert!((3_600..=86_400).contains(&left), "{left} s");
    let headers = &got["headers"];
    assert_eq!((&headers["content-encoding"], &headers["urgency"]), (&json!("aes128gcm"), &json!("high")));
    let ttl: i64 = headers["ttl"].as_str().unwrap().parse().unwrap();
    assert!((150..=300).contains(&ttl), "no longer than the approval waits: {ttl}");
    let topic = headers["topic"].as_str().unwrap();
    assert_eq!(topic, id.replace('-', ""));
    assert!(got["length"].as_i64().unwrap() <= 4096);
    let says = &got["says"];
    for (key, value) in [("tool", "delete_repo"), ("server", "github"), ("agent", "claude"), ("tag", id)] {
        assert_eq!(says[key], value, "{says}");
    }
    assert_eq!(says["link"], format!("{}/approvals/{id}", hub.url));
    assert!(!says.to_string().contains("very-secret-name"), "{says}");
    approver.reject(&approval, "Wrong environment").await;
    let outcome = push.next().await;
    assert_eq!((&outcome["says"]["title"], &outcome["says"]["tag"]), (&json!("Rejected"), &json!(id)));
    assert_eq!((&outcome["headers"]["topic"], &outcome["headers"]["urgency"]), (&json!(topic), &json!("normal")));
}

#[tokio::test]
async fn a_push_service_that_is_busy_is_asked_again_and_one_that_knows_the_browser_no_longer_never() {
    let (mut hub, approver, mut client, _ledger) = ready().await;
    let mut push = Push::start().await;
    let gone = approver.post("/notifications/browsers", push.subscription("/gone")).await;
    approver.post("/notifications/browsers", push.subscription("/busy-once")).await;
    let before = approver.get("/notifications/browsers").await["key"].clone();
    call(&mut client).await;
    let mut paths = Vec::new();
    for _ in 0..3 {
        paths.push(push.next().await["path"].as_str().unwrap().to_owned());
    }
    paths.sort();
    assert_eq!(paths, ["/busy-once", "/busy-once", "/gone"]);
    eventually("the lost browser is removed", || async {
        let all = approver.get("/notifications/browsers").await["items"].clone();
        (all.as_array().unwrap().iter().all(|browser| browser["id"] != gone["id"])).then_some(())
    })
    .await;
    // A browser is bound to the key: it must be the same after a restart.
    hub.crash().await;
    let hub = hub.start_again().await;
    assert_eq!(hub.sign_in().await.get("/notifications/browsers").await["key"], before);
}

#[tokio::test]
async fn a_channel_that_fails_is_logged_once_and_once_again_when_it_is_well() {
    let (hub, approver, mut client, _ledger) = ready().await;
    let slack = |url: String| {
        let settings = json!({ "url": url, "allow_private": true });
        json!({ "channels": [{ "id": "ops", "kind": "slack", "name": "Ops", "settings": settings }] })
    };
    approver.put("/notifications", slack(NOBODY.to_owned())).await;
    call(&mut client).await;
    let first = error(&approver, "ops", "refused").await["last_at"].clone();
    eventually("a second attempt", || async {
        let state = state(&approver, "ops").await;
        (state["last_at"] != first && state["waiting"] == 1).then_some(())
    })
    .await;
    let receiver = Receiver::start().await;
    approver.put("/notifications", slack(receiver.url.clone())).await;
    receiver.at("/").await;
    let mut log = hub.stderr.clone();
    log.next_with("notifications get through again").await;
    let said = log.text();
    assert_eq!(said.matches("notifications fail").count(), 1, "{said}");
    assert!(!said.contains("very-secret-name"), "{said}");
}

#[tokio::test]
async fn a_hub_that_is_asked_to_end_does_not_wait_for_an_endpoint_that_hangs() {
    let (mut hub, approver, mut client, _ledger) = ready().await;
    let (plain, receiver) = (Smtp::start("plain").await, Receiver::start().await);
    let fine = json!({ "id": "fine", "kind": "slack", "settings": { "url": receiver.url, "allow_private": true } });
    approver.put("/notifications", json!({ "channels": [plain.channel("hangs", "hang@example.org"), fine] })).await;
    call(&mut client).await;
    receiver.at("/").await;
    // The endpoint would hang for ever.
    assert!(hub.terminate().await.success());
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
