//! What reaches a handler at all, and what every answer carries.

use futures_util::SinkExt as _;
use reqwest::Method;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::super::PRIVATE;
use super::{Person, Running, header, problem};
use crate::core::approval::Status;
use crate::core::proof::{self, Fingerprint};
use crate::hub::model::Role;
use crate::hub::people::LinkKind;
use crate::hub::who::Actor;
use crate::wire;

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

/// A page on another port of the hub's host gets the cookie with every request to it.
#[tokio::test]
async fn a_cookie_alone_opens_no_route_of_the_api() {
    let running = Running::start().await;
    let admin = running.person("root", Role::Admin).await;
    for &(path, _) in PRIVATE {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            if (path, &method) == ("/session", &Method::POST) {
                continue;
            }
            for half in [None, Some(""), Some("wrong")] {
                let request = admin.request(method.clone(), &format!("/api/v1{}", path.replace(['{', '}'], "")));
                let request = half.iter().fold(request, |request, half| request.header("x-hitl-csrf", *half));
                let answer = request.json(&json!({})).send().await.unwrap();
                if answer.status() == 405 {
                    continue;
                }
                let status = if method == Method::GET { 401 } else { 403 };
                let body = problem(answer, status).await;
                assert!(!body.to_string().contains(&admin.csrf), "{method} {path}: {body}");
            }
        }
    }
}

#[test]
fn every_route_that_needs_nobody_signed_in_is_known() {
    let routes = include_str!("../mod.rs").lines().filter_map(|line| line.trim().strip_prefix(".route("));
    let open: Vec<_> = routes.map(|route| route.split(',').next().unwrap().trim_matches('"')).collect();
    let known = ["crate::wire::PATH", "crate::wire::ENROL_PATH", "crate::wire::HUB_PATH"];
    let known: Vec<_> = known.into_iter().chain(["/livez", "/readyz", "/metrics", "/session"]).collect();
    assert_eq!(open, known, "whatever else there is belongs into PRIVATE");
}

#[tokio::test]
async fn hubs_of_one_host_leave_each_others_sessions_alone() {
    let (one, two) = (Running::start().await, Running::start().await);
    let here = one.person("root", Role::Admin).await;
    two.hub.people.add_user("root", Role::Admin, None, &Actor::Operator).await.unwrap();
    let code = two.hub.people.mint_link(LinkKind::SignIn("root".to_owned())).await.unwrap();
    // One browser, which does not tell ports apart.
    let mut there = Person { http: here.http.clone(), base: two.url(""), csrf: String::new() };
    there.sign_in(&json!({ "code": code })).await;
    for (person, other) in [(&here, &there), (&there, &here)] {
        assert_eq!(person.get("/api/v1/users").await.status(), 200);
        let crossed = person.request(Method::GET, "/api/v1/users").header("x-hitl-csrf", &other.csrf);
        problem(crossed.send().await.unwrap(), 401).await;
    }
}

#[tokio::test]
async fn the_hub_proves_itself_under_its_own_address_and_to_nobody_in_between() {
    let running = Running::start().await;
    let (_, token) = running.hub.agents.add_agent("cursor", None, &Actor::Operator).await.unwrap();
    let (nonce, host) = ("0123456789abcdef", running.addr.to_string());
    let ask = |host: String, query: &str| {
        let request = running.stranger().request(Method::GET, &format!("/v1/hub{query}")).header("host", host);
        request.send()
    };
    let proof: wire::Proof = ask(host.clone(), &format!("?nonce={nonce}")).await.unwrap().json().await.unwrap();
    let proved = proof::verify(&proof.key, &proof.signature, nonce, &host);
    assert!(proved.is_some() && proved == Fingerprint::named_by(&token), "{proved:?} for {token}");
    let port = running.addr.port();
    for other in [format!("localhost:{port}"), format!("[::1]:{port}"), "127.0.0.1:1".to_owned()] {
        problem(ask(other, &format!("?nonce={nonce}")).await.unwrap(), 403).await;
    }
    for query in ["", "?nonce=short", "?nonce=0123456789abcdef&x=1", "?nonce=0123456789abcde%2F"] {
        problem(ask(host.clone(), query).await.unwrap(), 400).await;
    }
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
    let own = person.request(Method::GET, "/api/v1/session").header("x-hitl-csrf", &person.csrf);
    let own = own.header("origin", running.url(""));
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

#[tokio::test]
async fn a_long_message_of_a_shim_comes_in_frames_and_no_frame_is_long() {
    let running = Running::start().await;
    let mut shim = running.shim().await;
    let arguments = json!({ "text": "x".repeat(3 * wire::MAX_FRAME_BYTES) }).to_string();
    let id = shim.hold(&arguments).await;
    let shown = running.hub.approvals.approval(&id).await.unwrap().unwrap();
    assert_eq!(shown.given.unwrap().arguments, arguments);
    shim.socket.send(Message::text("x".repeat(wire::MAX_FRAME_BYTES + 1))).await.unwrap();
    shim.hear_end().await;
}
