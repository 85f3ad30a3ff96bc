//! What people change, one after the other; at each commit the hub, or the command, is killed.

use std::cell::RefCell;
use std::os::unix::process::ExitStatusExt as _;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::play::{Person, Play, Who};
use crate::support::{Push, eventually};

/// One change.
pub enum Change {
    /// The administrator asks for it; said again after it was made, the answer may be another.
    Ask(Method, &'static str, Value, &'static [u16]),
    /// Bob signs in by a link, or by his password; sets another one; ends that.
    Follow,
    SignIn,
    OwnPassword,
    SignOut,
    /// A browser is to be told, and no more.
    Browser,
    /// The administrator ends a command.
    End,
    /// A command.
    Run(&'static [&'static str]),
    /// An agent asks for approval, and takes that back.
    Card,
}

/// All of them, in an order that makes sense.
pub fn all() -> Vec<Change> {
    use Change::{Ask, Browser, Card, End, Follow, OwnPassword, Run, SignIn, SignOut};
    let settings = json!({ "url": "http://127.0.0.1:1/", "allow_private": true });
    let webhook = json!({ "id": "hook", "kind": "webhook", "settings": settings });
    vec![
        Ask(Method::POST, "/users", json!({ "name": "bob", "role": "viewer" }), &[201, 409]),
        Ask(Method::PUT, "/users/bob", json!({ "role": "approver" }), &[200]),
        Ask(Method::PUT, "/users/bob", json!({ "password": "correct horse" }), &[200]),
        Ask(Method::POST, "/users/bob/link", json!({}), &[201]),
        Follow,
        SignIn,
        SignOut,
        SignIn,
        OwnPassword,
        Ask(Method::DELETE, "/sessions/{session}", Value::Null, &[204, 404]),
        Run(&["user", "token", "bob"]),
        Run(&["user", "revoke", "{token}"]),
        Run(&["open", "--no-browser"]),
        Run(&["approvals", "list"]),
        Run(&["agent", "add", "cli"]),
        Ask(Method::POST, "/agents", json!({ "name": "ci" }), &[201, 409]),
        Ask(Method::PUT, "/agents/{agent}", json!({ "user": "bob" }), &[200]),
        Ask(Method::DELETE, "/agents/{agent}", Value::Null, &[204, 404]),
        Ask(Method::PUT, "/notifications", json!({ "channels": [webhook] }), &[200]),
        Ask(Method::POST, "/notifications/test", json!({ "id": "hook" }), &[502]),
        Ask(Method::GET, "/notifications/browsers", Value::Null, &[200]),
        Browser,
        End,
        Card,
        Ask(Method::PUT, "/servers/repos/policy", json!({ "require_all": true }), &[200]),
        Ask(Method::PUT, "/servers/repos/tools/list_repos", json!({ "hitl": true }), &[200]),
        Ask(Method::DELETE, "/servers/repos", Value::Null, &[204, 404]),
        Ask(Method::PUT, "/notifications", json!({ "channels": [] }), &[200]),
        Ask(Method::DELETE, "/users/bob", Value::Null, &[204, 404]),
    ]
}

/// Who takes part.
pub struct Cast<'p> {
    pub play: &'p Play,
    admin: Person,
    bob: Option<Person>,
}

impl<'p> Cast<'p> {
    pub async fn new(play: &'p Play) -> Self {
        play.person.approvals().await;
        let open = play.run(&["open", "--no-browser"], None).await;
        assert!(open.status.success(), "{}", String::from_utf8_lossy(&open.stderr));
        let link = String::from_utf8(open.stdout).unwrap();
        let code = link.trim().split_once("/signin#").expect("a link").1;
        let admin = play.sign_in(json!({ "code": code })).await.expect("the link is good");
        Self { play, admin, bob: None }
    }

    /// Makes a change, however often it has to be asked for; whether the command was killed at its place.
    pub async fn make(&mut self, change: &Change, place: Option<&str>) -> bool {
        match change {
            Change::Ask(method, path, body, answers) => {
                let path = self.filled(path).await;
                let body = (!body.is_null()).then(|| body.clone());
                let (status, said) = self.admin.ask(method.clone(), &path, body).await;
                assert!(answers.contains(&status), "{method} {path}: {status} {said}");
            }
            Change::Follow => self.follow().await,
            Change::SignIn => {
                let with = json!({ "name": "bob", "password": "correct horse" });
                self.bob = Some(self.play.sign_in(with).await.expect("the password is good"));
            }
            Change::OwnPassword => {
                let bob = self.bob.as_ref().expect("bob is there");
                let body = json!({ "password": "a battery staple", "current_password": "correct horse" });
                let (status, said) = bob.ask(Method::PUT, "/users/bob", Some(body)).await;
                assert!(matches!(status, 200 | 401 | 403), "{status} {said}");
            }
            Change::Browser => self.browser().await,
            Change::End => self.end().await,
            Change::SignOut => {
                let bob = self.bob.take().expect("bob is there");
                let (status, said) = bob.ask(Method::DELETE, "/session", None).await;
                assert!(matches!(status, 204 | 401), "{status} {said}");
            }
            Change::Run(args) => return self.run(args, place).await,
            Change::Card => self.card().await,
        }
        self.play.hit.get()
    }

    /// A link that was used is used up, also when nobody heard that it was.
    async fn follow(&self) {
        let (_, made) = self.admin.ask(Method::POST, "/users/bob/link", Some(json!({}))).await;
        let code = made["link"].as_str().and_then(|link| link.split_once("/signin#")).expect("a link").1;
        drop(self.play.sign_in(json!({ "code": code })).await);
    }

    async fn browser(&self) {
        let push = Push::start().await;
        let path = "/notifications/browsers";
        let (status, said) = self.admin.ask(Method::POST, path, Some(push.subscription("/one"))).await;
        assert_eq!(status, 201, "{said}");
        let (_, browsers) = self.admin.ask(Method::GET, path, None).await;
        let id = browsers["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{browsers}"));
        let (status, said) = self.admin.ask(Method::DELETE, &format!("{path}/{id}"), None).await;
        assert!(matches!(status, 204 | 404), "{status} {said}");
    }

    async fn end(&self) {
        self.play.person.approvals().await;
        let watch = RefCell::new(self.play.command(&["approvals", "watch"]).spawn().unwrap());
        // One whose hub died under it comes back as another.
        let ended = eventually("the end of the command", || async {
            let (_, sessions) = self.admin.ask(Method::GET, "/sessions", None).await;
            let commands = sessions["items"].as_array().unwrap().iter().filter(|session| session["address"].is_null());
            for command in commands {
                let path = format!("/sessions/{}", command["id"].as_str().unwrap());
                let (status, said) = self.admin.ask(Method::DELETE, &path, None).await;
                assert!(matches!(status, 204 | 404), "{status} {said}");
            }
            watch.borrow_mut().try_wait().unwrap()
        });
        assert!(!ended.await.success());
    }

    async fn run(&self, args: &[&str], place: Option<&str>) -> bool {
        let mut filled = Vec::new();
        for arg in args {
            filled.push(self.filled(arg).await);
        }
        let args: Vec<&str> = filled.iter().map(String::as_str).collect();
        let run = async || {
            // There is a hub.
            self.play.person.approvals().await;
            self.play.run(&args, place).await
        };
        let mut output = run().await;
        let killed = output.status.signal() == Some(Signal::KILL.as_raw());
        if !killed && !output.status.success() {
            // Its hub died under it, of what it was doing for the change before.
            let hit = async || self.play.hit.get().then_some(());
            eventually(&String::from_utf8_lossy(&output.stderr), hit).await;
            output = run().await;
        }
        assert!(killed || output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        if killed {
            // It is done already, or can be done now.
            let again = self.play.run(&args, None).await;
            let said = String::from_utf8_lossy(&again.stderr);
            assert!(
                again.status.success() || said.contains("already") || said.contains("there is no"),
                "{args:?}: {said}"
            );
        }
        killed
    }

    async fn card(&self) {
        let mut shim = self.play.start_shim();
        super::shake_hands(&mut shim).await.expect("the shim is there");
        let settled = || self.play.reached(Who::Hub).iter().filter(|place| *place == "notify::outbox::settle").count();
        let before = settled();
        super::ask(&mut shim, super::TOOL).await.expect("the shim is there");
        eventually("what became of the message", || async {
            (settled() > before || self.play.hit.get()).then_some(())
        })
        .await;
        assert!(shim.end().await.success());
        let over = |approval: &Value| approval["status"] == "cancelled";
        eventually("the end of the card", || async {
            self.play.person.approvals().await.iter().all(over).then_some(())
        })
        .await;
    }

    /// The text with the ids that it asks for.
    async fn filled(&self, text: &str) -> String {
        let id = match text.split_once('{').map(|(_, rest)| rest.split_once('}').unwrap().0) {
            None => return text.to_owned(),
            Some("agent") => {
                let (_, agents) = self.admin.ask(Method::GET, "/agents", None).await;
                let ci = agents["items"].as_array().unwrap().iter().find(|agent| agent["name"] == "ci");
                ci.map_or_else(|| "agent-gone".to_owned(), |agent| agent["client_id"].as_str().unwrap().to_owned())
            }
            Some("session") => {
                let (_, sessions) = self.admin.ask(Method::GET, "/sessions", None).await;
                let other = sessions["items"].as_array().unwrap().iter().find(|session| session["current"] == false);
                other.map_or_else(|| "none".to_owned(), |session| session["id"].as_str().unwrap().to_owned())
            }
            Some(_) => {
                let tokens = self.play.run(&["user", "tokens", "bob"], None).await.stdout;
                let tokens = String::from_utf8(tokens).unwrap();
                tokens.lines().nth(1).and_then(|line| line.split_whitespace().next()).unwrap_or("none").to_owned()
            }
        };
        let (before, rest) = text.split_once('{').unwrap();
        format!("{before}{id}{}", rest.split_once('}').unwrap().1)
    }
}
