//! Live events.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use super::{PATIENCE, Person, Running, problem};
use crate::hub::clock::Clock;
use crate::hub::model::Role;
use crate::hub::people::UserChange;
use crate::hub::who::Actor;

/// A page that listens.
struct Listener {
    response: Response,
    unread: String,
}

/// One event.
#[derive(Debug)]
struct Heard {
    event: String,
    id: i64,
    data: Value,
}

impl Listener {
    async fn start(person: &Person, last: Option<&str>) -> Self {
        let request = person.request(Method::GET, "/api/v1/events").header("x-hitl-csrf", &person.csrf);
        Self::of(last.into_iter().fold(request, |request, last| request.header("last-event-id", last))).await
    }

    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(super::header(response.headers(), "content-type"), "text/event-stream");
        Self { response, unread: String::new() }
    }

    /// The next event; `None` when the hub ended the stream.
    async fn next(&mut self) -> Option<Heard> {
        loop {
            if let Some((message, rest)) = self.unread.split_once("\n\n") {
                let (message, rest) = (message.to_owned(), rest.to_owned());
                self.unread = rest;
                if let Some(heard) = parse(&message) {
                    return Some(heard);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk())
                .await
                .expect("an event")
                .expect("the stream is not cut off")?;
            self.unread.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// That the hub ends the stream and says nothing more before.
    async fn is_over(&mut self, why: &str) {
        let more = self.next().await;
        assert!(more.is_none(), "{why}: {more:?}");
    }

    async fn until(&mut self, event: &str) -> Heard {
        loop {
            let heard = self.next().await.expect("the stream goes on");
            if heard.event == event {
                return heard;
            }
        }
    }
}

fn parse(message: &str) -> Option<Heard> {
    let field = |name: &str| message.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let data = serde_json::from_str(field("data:")?).unwrap();
    Some(Heard { event: field("event:")?.to_owned(), id: field("id:").map_or(0, |id| id.parse().unwrap()), data })
}

#[tokio::test]
async fn a_page_hears_of_a_call_while_it_waits_and_when_it_is_decided() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Approver).await;
    let mut listener = Listener::start(&person, None).await;
    let hello = listener.next().await.unwrap();
    assert_eq!((hello.event.as_str(), &hello.data["pending"]), ("hello", &json!(0)));
    assert_eq!(hello.data["seq"], running.hub.store().last_seq());
    assert!(hello.data["now"].is_i64());

    let mut shim = running.shim().await;
    let id = shim.hold("{\"n\":1}").await;
    let heard = listener.until("approval").await;
    assert_eq!(
        (&heard.data["subject"], &heard.data["kind"], &heard.data["id"]),
        (&json!(id), &json!("approval"), &json!(heard.id))
    );
    assert_eq!(
        (&heard.data["approval"]["status"], &heard.data["approval"]["arguments"]),
        (&json!("pending"), &json!("{\"n\":1}"))
    );
    person.post(&format!("/api/v1/approvals/{id}/reject"), json!({})).await;
    loop {
        let later = listener.until("approval").await;
        assert!(later.id > heard.id);
        if later.data["approval"]["status"] == "rejected" {
            break;
        }
    }
}

#[tokio::test]
async fn a_large_call_is_told_of_and_read_by_whoever_shows_it() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Viewer).await;
    let mut listener = Listener::start(&person, None).await;
    let mut shim = running.shim().await;
    let arguments = json!({ "text": "ü".repeat(128 << 10) }).to_string();
    let id = shim.hold(&arguments).await;
    let heard = listener.until("approval").await;
    assert_eq!((&heard.data["subject"], &heard.data["approval"]), (&json!(id), &Value::Null));
    assert_eq!(person.read(&format!("/api/v1/approvals/{id}")).await["arguments"], json!(arguments));
    let small = shim.hold("{\"n\":1}").await;
    while listener.until("approval").await.data["approval"]["id"] != json!(small) {}
}

#[tokio::test]
async fn a_page_of_large_calls_is_short_and_the_next_ones_have_the_rest() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Viewer).await;
    let mut shim = running.shim().await;
    let large = json!({ "text": "x".repeat(6 << 20) }).to_string();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(shim.hold(&large).await);
    }
    let first = person.read("/api/v1/approvals?status=pending&limit=200").await;
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = person.read(&format!("/api/v1/approvals?status=pending&limit=200&cursor={cursor}")).await;
    assert_eq!(second["next_cursor"], Value::Null);
    let pages = [first, second].map(|page| page["items"].as_array().unwrap().clone());
    assert_eq!(pages.each_ref().map(Vec::len), [3, 1]);
    let listed: Vec<Value> = pages.concat().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(json!(listed), json!(ids));
}

#[tokio::test]
async fn pages_hear_who_has_an_approval_before_them_and_no_later_page_is_told_of_the_past() {
    let running = Running::start().await;
    let (ada, vic) = (running.person("ada", Role::Approver).await, running.person("vic", Role::Viewer).await);
    let mut listener = Listener::start(&vic, None).await;
    assert_eq!(ada.put("/api/v1/looking", json!({ "approval": "a" })).await.status(), 204);
    let heard = listener.until("looking").await;
    assert_eq!(heard.id, 0, "it is nothing to continue after");
    let look = &heard.data["looking"][0];
    assert_eq!((&look["user"], &look["approval"]), (&json!("ada"), &json!("a")));
    assert!(look["until"].as_i64().unwrap() > running.hub.now());
    let mut later = Listener::start(&vic, None).await;
    assert_eq!(later.until("looking").await.data, heard.data, "who comes later is told what is true then");
    ada.put("/api/v1/looking", json!({ "approval": null })).await;
    assert_eq!(listener.until("looking").await.data, json!({ "looking": [] }));
    problem(vic.put("/api/v1/looking", json!({ "approval": "a" })).await, 403).await;
    problem(ada.put("/api/v1/looking", json!({ "approval": "a".repeat(65) })).await, 400).await;
}

#[tokio::test]
async fn a_page_that_comes_back_hears_what_it_missed() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Approver).await;
    let mut shim = running.shim().await;
    let before = running.hub.store().last_seq();
    let id = shim.hold("{}").await;
    running.hub.agents.add_agent("ci", None, &Actor::Operator).await.unwrap();
    let mut listener = Listener::start(&person, Some(&before.to_string())).await;
    let hello = listener.next().await.unwrap();
    assert_eq!((hello.event.as_str(), hello.id, &hello.data["pending"]), ("hello", before, &json!(1)));
    let mut last = before;
    loop {
        let heard = listener.next().await.unwrap();
        assert_eq!(heard.id, last + 1, "every event, in order: {heard:?}");
        last = heard.id;
        if heard.event == "approval" {
            assert_eq!(heard.data["subject"], json!(id));
        }
        if heard.event == "agents" && last > before + 1 {
            break;
        }
    }
}

#[tokio::test]
async fn a_page_that_cannot_catch_up_is_told_to_load_everything() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Approver).await;
    for last in ["999999", "-1", "abc"] {
        let mut listener = Listener::start(&person, Some(last)).await;
        assert_eq!(listener.next().await.unwrap().event, "hello");
        let snapshot = listener.next().await.unwrap();
        assert_eq!((snapshot.event.as_str(), snapshot.id), ("snapshot", running.hub.store().last_seq()), "{last}");
    }
}

#[tokio::test]
async fn a_change_by_the_command_line_is_heard_too() {
    let running = Running::start().await;
    let background = running.hub.clone();
    tokio::spawn(async move { background.run_background().await });
    let person = running.person("ada", Role::Viewer).await;
    let mut listener = Listener::start(&person, None).await;
    listener.until("hello").await;
    let settings = crate::config::hub::Settings::of_env(running.path(), &[]);
    let other = crate::hub::serve::open_hub(&settings, None).await.unwrap();
    other.agents.add_agent("by-another-process", None, &Actor::Operator).await.unwrap();
    listener.until("agents").await;
    other.shutdown().cancel();
    other.close().await;
}

#[tokio::test]
async fn the_stream_ends_when_the_hub_stops() {
    let running = Running::start().await;
    let person = running.person("ada", Role::Viewer).await;
    let mut listener = Listener::start(&person, None).await;
    listener.until("hello").await;
    running.hub.shutdown().cancel();
    while listener.next().await.is_some() {}
}

#[tokio::test]
async fn one_person_has_so_many_streams_and_leaves_room_for_the_others() {
    let running = Running::start().await;
    let (ada, bob) = (running.person("ada", Role::Viewer).await, running.person("bob", Role::Viewer).await);
    let mut open = Vec::new();
    for _ in 0..50 {
        open.push(Listener::start(&ada, None).await);
    }
    let refused = super::problem(ada.get("/api/v1/events").await, 429).await;
    assert!(refused["detail"].as_str().unwrap().contains("50 event streams"), "{refused}");
    Listener::start(&bob, None).await;
    open.pop();
    let room = async {
        while ada.get("/api/v1/events").await.status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, room).await.expect("a closed page makes room");
}

#[tokio::test]
async fn whoever_may_not_listen_any_more_is_told_nothing_more() {
    let running = Running::start().await;
    let (hub, operator) = (&running.hub, &Actor::Operator);
    let mut shim = running.shim().await;
    shim.hold("{}").await;
    for way in ["signed out", "password", "removed", "role", "token"] {
        let person = running.person(way, Role::Approver).await;
        let (token, secret) = hub.people.add_user_token(way, PATIENCE, operator).await.unwrap();
        let mut listener = match way {
            "token" => {
                Listener::of(running.stranger().request(Method::GET, "/api/v1/events").bearer_auth(secret)).await
            }
            _ => Listener::start(&person, None).await,
        };
        listener.until("hello").await;
        let mut woken = hub.store().subscribe();
        match way {
            "signed out" => drop(person.send(Method::DELETE, "/api/v1/session", &json!({})).await),
            "password" => hub.people.set_password(way, "another password", operator).await.unwrap(),
            "removed" => hub.people.remove_user(way, operator).await.unwrap(),
            "role" => {
                let less = UserChange { role: Some(Role::Viewer), ..UserChange::default() };
                drop(hub.people.change_user(way, less, operator).await.unwrap());
            }
            _ => drop(hub.people.revoke_user_token(&token.id, operator).await.unwrap()),
        }
        assert!(woken.has_changed().unwrap(), "{way}: it ends at once, and not with the next news");
        woken.mark_unchanged();
        shim.hold("{\"secret\":1}").await;
        listener.is_over(way).await;
    }
}

#[tokio::test]
async fn a_session_or_a_token_whose_time_is_up_is_told_nothing_more() {
    let clock = Clock::settable(1_800_000_000_000);
    let running = Running::start_with(&[], clock.clone()).await;
    let person = running.person("ada", Role::Approver).await;
    let hours = std::time::Duration::from_secs(8 * 3_600);
    let token = running.hub.people.mint_command_token(Some("ada"), hours).await.unwrap();
    let mut shim = running.shim().await;
    let mut by_session = Listener::start(&person, None).await;
    let request = running.stranger().request(Method::GET, "/api/v1/events").bearer_auth(token);
    let mut by_token = Listener::of(request).await;
    for listener in [&mut by_session, &mut by_token] {
        listener.until("hello").await;
    }
    shim.hold("{}").await;
    for listener in [&mut by_session, &mut by_token] {
        listener.until("approval").await;
    }
    clock.advance(8 * 3_600_000);
    shim.hold("{\"secret\":1}").await;
    by_session.is_over("session").await;
    by_token.is_over("token").await;
}

#[tokio::test]
async fn a_page_goes_on_at_another_hub_that_has_not_heard_yet_and_misses_nothing() {
    let running = Running::start().await;
    let database = format!("sqlite:{}", running.path().join("hub.db").display());
    let ada = running.person("ada", Role::Approver).await;
    let other = Running::start_with(&[("HITL_DATABASE", &database)], Clock::real()).await;
    let mut listener = Listener::start(&ada, None).await;
    listener.until("hello").await;
    for name in ["one", "two"] {
        running.hub.agents.add_agent(name, None, &Actor::Operator).await.unwrap();
    }
    let seen = listener.until("agents").await;
    let there = Person { base: other.url(""), ..ada };
    let mut goes_on = Listener::start(&there, Some(&seen.id.to_string())).await;
    assert_eq!(goes_on.next().await.unwrap().event, "hello");
    let next = goes_on.next().await.unwrap();
    assert_eq!((next.event.as_str(), next.id), ("agents", seen.id + 1));
    let mut ahead = Listener::start(&there, Some(&(seen.id + 2).to_string())).await;
    assert_eq!(ahead.next().await.unwrap().event, "hello");
    assert_eq!(ahead.next().await.unwrap().event, "snapshot", "nobody told of that");
}
