//! What reaches a handler at all, and what every answer carries.

use reqwest::Method;
use serde_json::json;

use super::{Running, header, problem};
use crate::core::approval::Status;
use crate::hub::model::Role;

/// Method and address of everything that changes something.
const UNSAFE: [(&str, &str); 16] = [
    ("DELETE", "/api/v1/session"),
    ("POST", "/api/v1/approvals/x/approve"),
    ("POST", "/api/v1/approvals/x/reject"),
    ("POST", "/api/v1/approvals/x/extend"),
    ("POST", "/api/v1/approvals/x/seen"),
    ("POST", "/api/v1/approvals/batch"),
    ("DELETE", "/api/v1/servers/x"),
    ("PUT", "/api/v1/servers/x/policy"),
    ("PUT", "/api/v1/servers/x/tools/y"),
    ("POST", "/api/v1/agents"),
    ("PUT", "/api/v1/agents/x"),
    ("DELETE", "/api/v1/agents/x"),
    ("POST", "/api/v1/users"),
    ("PUT", "/api/v1/users/x"),
    ("DELETE", "/api/v1/users/x"),
    ("POST", "/api/v1/session"),
];

const READABLE: [&str; 12] = [
    "/api/v1/session",
    "/api/v1/approvals",
    "/api/v1/approvals/x",
    "/api/v1/events",
    "/api/v1/servers",
    "/api/v1/servers/x",
    "/api/v1/agents",
    "/api/v1/agents/x",
    "/api/v1/users",
    "/api/v1/users/x",
    "/api/v1/activity",
    "/api/v1/audit",
];

#[tokio::test]
async fn nobody_sees_or_changes_anything_without_signing_in() {
    let running = Running::start().await;
    let stranger = running.stranger();
    for path in READABLE {
        problem(stranger.get(path).await, 401).await;
    }
    for (method, path) in &UNSAFE[..15] {
        problem(stranger.send(method.parse().unwrap(), path, &json!({})).await, 401).await;
    }
}

#[tokio::test]
async fn a_session_without_its_csrf_token_changes_nothing() {
    let running = Running::start().await;
    let mut admin = running.person("root", Role::Admin).await;
    for csrf in ["", "wrong"] {
        admin.csrf = csrf.to_owned();
        for (method, path) in &UNSAFE[..14] {
            let body = problem(admin.send(method.parse().unwrap(), path, &json!({})).await, 403).await;
            assert!(body["detail"].as_str().unwrap().contains("X-HITL-CSRF"), "{method} {path}: {body}");
        }
    }
    let bare = admin.request(Method::POST, "/api/v1/agents").json(&json!({ "name": "a" })).send().await.unwrap();
    problem(bare, 403).await;
    assert!(running.hub.agents.agents().await.unwrap().is_empty());
}

#[tokio::test]
async fn another_host_name_gets_nothing() {
    let running = Running::start().await;
    let port = running.addr.port();
    for host in [format!("127.0.0.1:{port}.evil.com"), format!("evil.com:{port}"), "127.0.0.1".to_owned()] {
        for path in ["/", "/api/v1/session", "/assets/app.js", "/metrics", "/v1/wrap"] {
            let response = running.stranger().request(Method::GET, path).header("host", &host).send().await.unwrap();
            problem(response, 403).await;
        }
    }
    let by_name = running.stranger().request(Method::GET, "/metrics").header("host", format!("localhost:{port}"));
    assert_eq!(by_name.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_page_of_another_origin_or_site_gets_nothing() {
    let running = Running::start().await;
    let person = running.person("root", Role::Admin).await;
    let foreign = [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for (name, value) in foreign {
        for path in ["/api/v1/session", "/api/v1/events"] {
            problem(person.request(Method::GET, path).header(name, value).send().await.unwrap(), 403).await;
        }
        for (method, path) in UNSAFE {
            let request = person.request(method.parse().unwrap(), path).header("x-hitl-csrf", &person.csrf);
            problem(request.header(name, value).json(&json!({})).send().await.unwrap(), 403).await;
        }
    }
    let own = person.request(Method::GET, "/api/v1/session").header("origin", running.url(""));
    assert_eq!(own.header("sec-fetch-site", "same-origin").send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_a_form_can_send_is_not_taken() {
    let running = Running::start().await;
    let person = running.person("root", Role::Admin).await;
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonp"] {
        let request = person.request(Method::POST, "/api/v1/agents").header("x-hitl-csrf", &person.csrf);
        problem(request.header("content-type", kind).body("{\"name\":\"a\"}").send().await.unwrap(), 415).await;
    }
    let untyped = person.request(Method::POST, "/api/v1/agents").header("x-hitl-csrf", &person.csrf).body("{}");
    problem(untyped.send().await.unwrap(), 415).await;
}

#[tokio::test]
async fn a_body_of_more_than_a_mebibyte_is_refused() {
    let running = Running::start().await;
    let person = running.person("root", Role::Admin).await;
    let body = json!({ "name": "a".repeat(1 << 20) });
    problem(person.post("/api/v1/agents", body.clone()).await, 413).await;
    problem(person.post("/api/v1/approvals/x/reject", body).await, 413).await;
}

#[tokio::test]
async fn a_get_changes_nothing() {
    let running = Running::start().await;
    let admin = running.person("root", Role::Admin).await;
    let mut shim = running.shim().await;
    let id = shim.hold("{}").await;
    let before = running.hub.store().last_seq();
    for action in ["approve", "reject", "extend", "seen"] {
        problem(admin.get(&format!("/api/v1/approvals/{id}/{action}")).await, 405).await;
    }
    for path in ["/api/v1/servers/repos/policy", "/api/v1/servers/repos/tools/delete_repo"] {
        problem(admin.get(path).await, 405).await;
    }
    admin.read(&format!("/api/v1/approvals/{id}")).await;
    admin.get(&format!("/approvals/{id}")).await;
    assert_eq!(running.hub.approvals.approval(&id).await.unwrap().unwrap().status, Status::Pending);
    assert_eq!(running.hub.store().last_seq(), before);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Viewer).await;
    let stranger = running.stranger();
    let answers = [
        ("page", person.get("/").await),
        ("api", person.get("/api/v1/session").await),
        ("signed out", stranger.get("/api/v1/session").await),
        ("forbidden", person.get("/api/v1/users").await),
        ("no route", person.get("/nothing/here").await),
        ("no api route", person.get("/api/v1/notifications").await),
        ("no asset", person.get("/assets/nothing.js").await),
        ("wrong method", person.post("/metrics", json!({})).await),
        ("wrong host", stranger.request(Method::GET, "/").header("host", "evil").send().await.unwrap()),
        ("socket", stranger.get("/v1/wrap").await),
        ("probe", stranger.get("/livez").await),
    ];
    for (what, answer) in answers {
        let csp = header(answer.headers(), "content-security-policy");
        for part in ["default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(csp.contains(part), "{what}: {part} missing in {csp}");
        }
        assert!(!csp.contains("unsafe"), "{csp}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(header(answer.headers(), name), value, "{what}");
        }
        assert!(!header(answer.headers(), "permissions-policy").is_empty(), "{what}");
        assert!(answer.headers().get("access-control-allow-origin").is_none(), "{what}");
        let cache = header(answer.headers(), "cache-control");
        assert_eq!(cache, if what == "page" { "no-cache" } else { "no-store" }, "{what}");
    }
}

#[tokio::test]
async fn probes_answer_under_any_name_and_metrics_tell_no_names() {
    let running = Running::start().await;
    running.shim().await.hold("{\"secret\":1}").await;
    for path in ["/livez", "/readyz"] {
        let response = running.stranger().request(Method::GET, path).header("host", "10.1.2.3").send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    let text = running.stranger().get("/metrics").await.text().await.unwrap();
    assert!(text.contains("hitl_approvals_pending 1\n"), "{text}");
    assert!(!text.contains("repos") && !text.contains("secret"), "{text}");
}
