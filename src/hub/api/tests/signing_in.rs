//! Signing in and out.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, Person, Running, header, problem};
use crate::hub::clock::Clock;
use crate::hub::model::Role;
use crate::hub::people::LinkKind;
use crate::hub::who::Actor;

const HOUR: i64 = 3_600_000;

async fn try_password(person: &Person, name: &str, password: &str) -> reqwest::Response {
    let body = json!({ "name": name, "password": password });
    person.request(Method::POST, "/api/v1/session").json(&body).send().await.unwrap()
}

#[tokio::test]
async fn a_password_signs_in_and_the_cookie_is_for_this_site_and_no_script() {
    let running = Running::start().await;
    running.add_user("ada", Role::Approver).await;
    let mut person = running.stranger();
    let response = try_password(&person, "ada", PASSWORD).await;
    assert_eq!(response.status(), 200);
    let cookie = header(response.headers(), "set-cookie");
    person.signed_in(response).await;
    assert!(cookie.starts_with("hitl-"), "{cookie}");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(part), "{part} missing in {cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
    let who: Value = person.read("/api/v1/session").await;
    assert_eq!(who["user"], json!({ "name": "ada", "role": "approver" }));
    assert_eq!((who["local"].as_bool(), who["csrf"].as_str().unwrap().len()), (Some(false), 43));
    assert!(who["hub_time"].is_i64());
}

#[tokio::test]
async fn behind_tls_the_cookie_is_bound_to_the_host() {
    let running = Running::start_with(&[("HITL_BEHIND_PROXY", "true")], Clock::real()).await;
    running.add_user("ada", Role::Approver).await;
    let response = try_password(&running.stranger(), "ada", PASSWORD).await;
    let cookie = header(response.headers(), "set-cookie");
    assert!(cookie.starts_with("__Host-hitl-") && cookie.contains("Secure"), "{cookie}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_get_the_same_answer() {
    let running = Running::start().await;
    running.add_user("ada", Role::Approver).await;
    let person = running.stranger();
    let wrong = problem(try_password(&person, "ada", "wrong password").await, 401).await;
    let unknown = problem(try_password(&person, "eve", "wrong password").await, 401).await;
    assert_eq!(wrong, unknown);
    problem(person.get("/api/v1/session").await, 401).await;
}

#[tokio::test]
async fn guessing_is_slowed_down_and_a_link_still_signs_in() {
    let running = Running::while_no_time_passes().await;
    running.add_user("ada", Role::Admin).await;
    let mut person = running.stranger();
    for _ in 0..8 {
        problem(try_password(&person, "ada", "").await, 401).await;
    }
    let limited = try_password(&person, "ada", "").await;
    assert!(header(limited.headers(), "retry-after").parse::<u64>().unwrap() > 0);
    problem(limited, 429).await;
    let code = running.hub.people.mint_link(LinkKind::SignIn("ada".to_owned())).await.unwrap();
    person.sign_in(&json!({ "code": code })).await;
}

#[tokio::test]
async fn wrong_links_are_slowed_down_and_shut_out_neither_a_right_one_nor_passwords() {
    let running = Running::while_no_time_passes().await;
    running.add_user("ada", Role::Admin).await;
    let mut person = running.stranger();
    let guess = || person.request(Method::POST, "/api/v1/session").json(&json!({ "code": "x" })).send();
    for _ in 0..100 {
        problem(guess().await.unwrap(), 401).await;
    }
    problem(guess().await.unwrap(), 429).await;
    assert_eq!(try_password(&running.stranger(), "ada", PASSWORD).await.status(), 200);
    let code = running.hub.people.mint_link(LinkKind::SignIn("ada".to_owned())).await.unwrap();
    person.sign_in(&json!({ "code": code })).await;
}

#[tokio::test]
async fn a_link_signs_in_once() {
    let running = Running::start().await;
    for kind in [LinkKind::SetUp("ada".to_owned()), LinkKind::SignIn("ada".to_owned())] {
        let code = running.hub.people.mint_link(kind.clone()).await.unwrap();
        let mut person = running.stranger();
        person.sign_in(&json!({ "code": code })).await;
        assert_eq!(person.read("/api/v1/session").await["user"], json!({ "name": "ada", "role": "admin" }));
        let second = running.stranger().request(Method::POST, "/api/v1/session").json(&json!({ "code": code }));
        let refusal = problem(second.send().await.unwrap(), 401).await;
        let words = refusal["detail"].as_str().unwrap();
        assert!(words.contains("an administrator") && words.contains("hitl-hub user link"), "{kind:?}: {words}");
    }
}

#[tokio::test]
async fn what_is_neither_a_password_nor_a_code_is_refused() {
    let running = Running::start().await;
    let bodies = [json!({}), json!({ "name": "ada" }), json!({ "code": "x", "name": "a" }), json!({ "token": "x" })];
    for body in bodies {
        let response = running.stranger().request(Method::POST, "/api/v1/session").json(&body).send().await.unwrap();
        problem(response, 400).await;
    }
}

#[tokio::test]
async fn every_sign_in_has_a_session_of_its_own_and_signing_out_ends_it() {
    let running = Running::start().await;
    running.add_user("ada", Role::Approver).await;
    let mut person = running.stranger();
    let first = header(try_password(&person, "ada", PASSWORD).await.headers(), "set-cookie");
    let again = try_password(&person, "ada", PASSWORD).await;
    let second = header(again.headers(), "set-cookie");
    person.signed_in(again).await;
    let id = |cookie: &str| cookie.split(';').next().unwrap().to_owned();
    assert_ne!(id(&first), id(&second));
    let half = person.csrf.clone();
    let with = |cookie: String| {
        let request = running.stranger().request(Method::GET, "/api/v1/session").header("cookie", cookie);
        request.header("x-hitl-csrf", &half)
    };
    assert_eq!(with(id(&first)).send().await.unwrap().status(), 401, "the older session is gone");
    let out = person.send(Method::DELETE, "/api/v1/session", &json!({})).await;
    assert_eq!(out.status(), 204);
    assert_eq!(with(id(&second)).send().await.unwrap().status(), 401, "a copy of the cookie is worthless");
}

#[tokio::test]
async fn a_session_ends_when_nobody_uses_it_and_after_half_a_day_at_the_latest() {
    let clock = Clock::settable(1_800_000_000_000);
    let running = Running::start_with(&[], clock.clone()).await;
    let (busy, idle) = (running.person("busy", Role::Viewer).await, running.person("idle", Role::Viewer).await);
    for _ in 1..48 {
        clock.advance(HOUR / 4);
        assert_eq!(busy.get("/api/v1/session").await.status(), 200);
        let stolen = idle.request(Method::GET, "/api/v1/session").send().await.unwrap();
        assert_eq!(stolen.status(), 401, "and a cookie alone is no use");
    }
    problem(idle.get("/api/v1/session").await, 401).await;
    clock.advance(HOUR / 4);
    problem(busy.get("/api/v1/session").await, 401).await;
}

#[tokio::test]
async fn ones_own_password_is_changed_by_who_knows_it_and_guessing_is_slowed_down() {
    let running = Running::while_no_time_passes().await;
    let admin = running.person("root", Role::Admin).await;
    let mut ada = running.person("ada", Role::Approver).await;
    assert_eq!(ada.read("/api/v1/session").await["password"], false);
    let (first, second) = ("a first password", "a second password");
    // Who came by link has none to show.
    assert_eq!(ada.put("/api/v1/users/ada", json!({ "password": first })).await.status(), 200);
    ada.sign_in(&json!({ "name": "ada", "password": first })).await;
    assert_eq!(ada.read("/api/v1/session").await["password"], true);
    let missing = problem(ada.put("/api/v1/users/ada", json!({ "password": second })).await, 403).await;
    assert!(missing["detail"].as_str().unwrap().contains("needed"), "{missing}");
    let wrong = json!({ "password": second, "current_password": "not this one" });
    let refused = problem(ada.put("/api/v1/users/ada", wrong.clone()).await, 403).await;
    assert!(refused["detail"].as_str().unwrap().contains("wrong"), "{refused}");
    assert_eq!(ada.get("/api/v1/session").await.status(), 200, "the session goes on");
    let right = json!({ "password": second, "current_password": first });
    assert_eq!(ada.put("/api/v1/users/ada", right).await.status(), 200);
    ada.sign_in(&json!({ "name": "ada", "password": second })).await;
    let mut answers = Vec::new();
    while answers.last() != Some(&429) && answers.len() < 12 {
        answers.push(ada.put("/api/v1/users/ada", wrong.clone()).await.status().as_u16());
    }
    assert_eq!(answers.last(), Some(&429), "{answers:?}");
    // An administrator helps who forgot it, and not themselves.
    assert_eq!(admin.put("/api/v1/users/ada", json!({ "password": first })).await.status(), 200);
    running.hub.people.set_password("root", first, &Actor::Operator).await.unwrap();
    let mut root = running.stranger();
    root.sign_in(&json!({ "name": "root", "password": first })).await;
    problem(root.put("/api/v1/users/root", json!({ "password": second })).await, 403).await;
}

#[tokio::test]
async fn removing_a_user_or_setting_a_password_ends_their_sessions_at_once() {
    let running = Running::start().await;
    let (_admin, gone) = (running.person("root", Role::Admin).await, running.person("gone", Role::Admin).await);
    let changed = running.person("changed", Role::Viewer).await;
    running.hub.people.remove_user("gone", &Actor::Operator).await.unwrap();
    running.hub.people.set_password("changed", "another password", &Actor::Operator).await.unwrap();
    problem(gone.get("/api/v1/session").await, 401).await;
    problem(changed.get("/api/v1/session").await, 401).await;
}

#[tokio::test]
async fn an_administrator_makes_a_new_link_in_place_of_a_lost_one() {
    let running = Running::start().await;
    let (root, ada) = (running.person("root", Role::Admin).await, running.person("ada", Role::Approver).await);
    let lost = running.hub.people.mint_link(LinkKind::SignIn("ada".to_owned())).await.unwrap();
    problem(ada.post("/api/v1/users/ada/link", json!({})).await, 403).await;
    problem(root.post("/api/v1/users/nobody/link", json!({})).await, 404).await;
    let answer = root.post("/api/v1/users/ada/link", json!({})).await;
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    let link = answer["link"].as_str().unwrap().to_owned();
    let (address, code) = link.split_once('#').unwrap();
    assert_eq!(address, running.url("/signin"));
    let with = |code: &str| running.stranger().request(Method::POST, "/api/v1/session").json(&json!({ "code": code }));
    problem(with(&lost).send().await.unwrap(), 401).await;
    let who: Value = with(code).send().await.unwrap().json().await.unwrap();
    assert_eq!(who["user"]["name"], "ada");
    let records = running.hub.store().audit(0, 100).await.unwrap();
    let record = records.iter().find(|record| record.action == "user.link_added").expect("a record");
    assert_eq!((record.actor.as_str(), record.subject.as_str()), ("root", "ada"));
    assert!(!serde_json::to_string(record).unwrap().contains(code), "the code is shown once");
}

#[tokio::test]
async fn everybody_sees_their_own_sessions_and_ends_them() {
    let running = Running::start().await;
    let (ada, eve) = (running.person("ada", Role::Viewer).await, running.person("eve", Role::Admin).await);
    let mut elsewhere = running.stranger();
    let code = running.hub.people.mint_link(LinkKind::SignIn("ada".to_owned())).await.unwrap();
    elsewhere.sign_in(&json!({ "code": code })).await;
    let listed = ada.read("/api/v1/sessions").await;
    let items = listed["items"].as_array().unwrap();
    let current: Vec<_> = items.iter().map(|session| session["current"].as_bool().unwrap()).collect();
    assert_eq!(current.len(), 2, "{listed}");
    assert!(current.contains(&true) && current.contains(&false) && items[0]["address"] == "127.0.0.1", "{listed}");
    let other = items.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/v1/sessions/{}", other["id"].as_str().unwrap());
    problem(eve.send(Method::DELETE, &path, &json!({})).await, 404).await;
    assert_eq!(elsewhere.get("/api/v1/session").await.status(), 200, "nobody else ends it");
    assert_eq!(ada.send(Method::DELETE, &path, &json!({})).await.status(), 204);
    problem(elsewhere.get("/api/v1/session").await, 401).await;
    problem(ada.send(Method::DELETE, &path, &json!({})).await, 404).await;
    assert_eq!(ada.read("/api/v1/sessions").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn commands_beside_the_hub_are_listed_and_ended_by_whom_they_act_for() {
    let running = Running::start().await;
    let (ada, eve) = (running.person("ada", Role::Approver).await, running.person("eve", Role::Admin).await);
    let (people, minute) = (&running.hub.people, std::time::Duration::from_secs(60));
    let decides = people.mint_command_token(Some("ada"), minute).await.unwrap();
    let looks = people.mint_command_token(None, minute).await.unwrap();
    for (person, stranger, token) in [(&ada, &eve, &decides), (&eve, &ada, &looks)] {
        let listed = person.read("/api/v1/sessions").await;
        let commands = listed["items"].as_array().unwrap().iter().filter(|session| session["address"].is_null());
        let [command] = commands.collect::<Vec<_>>()[..] else { panic!("one command: {listed}") };
        assert_eq!((&command["browser"], &command["current"]), (&json!("hitl-hub, a command"), &json!(false)));
        let path = format!("/api/v1/sessions/{}", command["id"].as_str().unwrap());
        problem(stranger.send(Method::DELETE, &path, &json!({})).await, 404).await;
        assert!(people.user_of_token(token).await.unwrap().is_some());
        assert_eq!(person.send(Method::DELETE, &path, &json!({})).await.status(), 204);
        assert!(people.user_of_token(token).await.unwrap().is_none());
        assert!(!people.keep_command_token(token, Some(minute)).await.unwrap(), "it learns that it was ended");
        problem(person.send(Method::DELETE, &path, &json!({})).await, 404).await;
    }
}

#[tokio::test]
async fn a_token_makes_nothing_that_people_sign_in_with() {
    let running = Running::start().await;
    running.add_user("root", Role::Admin).await;
    let day = std::time::Duration::from_secs(86_400);
    let (_, token) = running.hub.people.add_user_token("root", day, &Actor::Operator).await.unwrap();
    let command = running.hub.people.mint_command_token(Some("root"), day).await.unwrap();
    let own = json!({ "password": "a password of my own", "current_password": PASSWORD });
    for token in [token, command] {
        let ask = async |method: Method, path: &str, body: &Value| {
            let request = running.stranger().request(method, &format!("/api/v1{path}")).bearer_auth(&token);
            request.json(body).send().await.unwrap()
        };
        problem(ask(Method::PUT, "/users/root", &own).await, 403).await;
        problem(ask(Method::POST, "/users/root/link", &json!({})).await, 403).await;
        problem(ask(Method::POST, "/users", &json!({ "name": "eve", "role": "admin" })).await, 403).await;
        assert_eq!(ask(Method::GET, "/users", &json!({})).await.status(), 200);
    }
    assert_eq!(running.hub.people.users().await.unwrap().len(), 1);
    assert_eq!(try_password(&running.stranger(), "root", PASSWORD).await.status(), 200);
}

#[tokio::test]
async fn a_command_that_only_looks_is_nobody_and_leaves_the_set_up_link_alone() {
    let running = Running::start().await;
    let code = running.hub.people.mint_link(LinkKind::SetUp("ada".to_owned())).await.unwrap();
    let token = running.hub.people.mint_command_token(None, std::time::Duration::from_secs(60)).await.unwrap();
    let ask = async |method: Method, path: &str| {
        running.stranger().request(method, &format!("/api/v1{path}")).bearer_auth(&token).send().await.unwrap()
    };
    assert_eq!(ask(Method::GET, "/approvals").await.status(), 200);
    problem(ask(Method::POST, "/approvals/x/approve").await, 403).await;
    problem(ask(Method::GET, "/users").await, 403).await;
    assert!(running.hub.people.users().await.unwrap().is_empty());
    running.stranger().sign_in(&json!({ "code": code })).await;
    running.hub.people.keep_command_token(&token, None).await.unwrap();
    problem(ask(Method::GET, "/approvals").await, 401).await;
}
