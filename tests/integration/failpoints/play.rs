//! A hub, a shim and a person play a scene while one of the two programs fails at one place.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::support::{
    Cable, Client, Hub, Ledger, Lines, Wrap, binary, browser, command, eventually, own_address, signal,
};

/// Who fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Hub,
    Shim,
    /// A command beside the hub.
    Command,
}

/// How: it is killed, or it stops while its connections are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Kill,
    Stop,
}

/// What goes wrong: this program, when it reaches this place for so many times.
#[derive(Clone, Debug)]
pub struct Fault {
    pub who: Who,
    pub how: How,
    pub place: String,
    pub count: usize,
}

impl Fault {
    fn point(&self) -> String {
        let how = if self.how == How::Kill { "kill" } else { "stop" };
        format!("{}:{}={how}", self.place, self.count)
    }
}

/// A data dir with an administrator and an agent, to start from.
pub struct Template {
    dir: TempDir,
    ip: IpAddr,
    /// The administrator's personal token.
    person: String,
    agent: String,
}

impl Template {
    pub async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut hub = Hub::start_in(dir.path(), &[]).await;
        hub.sign_in().await;
        let person = hub.run(&["user", "token", "admin"]).await;
        let agent = hub.add_agent("claude").await;
        assert!(hub.terminate().await.success());
        Self { dir, ip: own_address(), person, agent }
    }

    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.dir.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        copy
    }
}

/// One play of a scene.
pub struct Play {
    dir: TempDir,
    listen: SocketAddr,
    cable: Cable,
    fault: RefCell<Option<Fault>>,
    /// The hub is to be started again, with the fault that is meant now.
    again: Cell<bool>,
    /// Whether the fault happened.
    pub hit: Cell<bool>,
    pub ledger: Ledger,
    pub person: Person,
    agent: String,
}

impl Play {
    pub async fn new(template: &Template, fault: Option<Fault>) -> Self {
        let listen = std::net::TcpListener::bind((template.ip, 0)).unwrap().local_addr().unwrap();
        let cable = Cable::to(template.ip, listen).await;
        let person = Person {
            http: browser(),
            url: format!("http://{}", cable.address),
            way: Way::Token(template.person.clone()),
        };
        let (dir, ledger, agent) = (template.copy(), Ledger::new(), template.agent.clone());
        Self {
            dir,
            listen,
            cable,
            fault: RefCell::new(fault),
            again: Cell::new(false),
            hit: Cell::new(false),
            ledger,
            person,
            agent,
        }
    }

    fn point_of(&self, who: Who) -> Option<String> {
        self.fault.borrow().as_ref().filter(|fault| fault.who == who && !self.hit.get()).map(Fault::point)
    }

    fn log_of(&self, who: Who) -> PathBuf {
        self.dir.path().join(format!("{who:?}"))
    }

    /// The places that a program reached, in order.
    pub fn reached(&self, who: Who) -> Vec<String> {
        let text = std::fs::read_to_string(self.log_of(who)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn start_hub(&self) -> (Child, Lines) {
        let mut hub = command(&binary("hitl-hub"), self.dir.path());
        hub.args(["serve", "--listen", &self.listen.to_string()]);
        hub.env("HITL_PUBLIC_URL", &self.person.url).env("HITL_FAILPOINT_LOG", self.log_of(Who::Hub));
        if let Some(fault) = &*self.fault.borrow()
            && (fault.who, fault.how) == (Who::Shim, How::Kill)
        {
            // Nobody comes back.
            hub.env("HITL_RESUME_WITHIN", "1");
        }
        // Push services of tests are on this machine.
        hub.env("HITL_PUSH_HOSTS", "127.0.0.1");
        if let Some(point) = self.point_of(Who::Hub) {
            hub.env("HITL_FAILPOINT", point);
        }
        let mut hub = hub.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Lines::of(hub.stderr.take().unwrap());
        (hub, said)
    }

    pub fn start_shim(&self) -> Client {
        let mut wrap = Wrap::around(self.ledger.server()).named("repos").with_hub_at(&self.person.url, &self.agent);
        wrap = wrap.env("HITL_FAILPOINT_LOG", self.log_of(Who::Shim).display().to_string());
        if let Some(point) = self.point_of(Who::Shim) {
            wrap = wrap.env("HITL_FAILPOINT", point);
        }
        wrap.start()
    }

    /// Keeps a hub running beside this shim. A hub that dies of its fault is started again, and one that stops goes on when
    /// its connections are cut; while a shim stops, its hub is killed and started again.
    pub async fn keep_up(&self, shim: Option<u32>) -> ! {
        let (mut hub, mut said) = self.start_hub();
        loop {
            let Some(pid) = hub.id() else { unreachable!("it is waited for below") };
            if self.again.replace(false) {
                hub.kill().await.unwrap();
                (hub, said) = self.start_hub();
            } else if let Some(status) = hub.try_wait().unwrap() {
                assert!(self.point_of(Who::Hub).is_some(), "the hub ended with {status}: {}", said.text());
                self.hit.set(true);
                (hub, said) = self.start_hub();
            } else if is_stopped(pid) {
                self.hit.set(true);
                self.cable.cut();
                signal(pid, Signal::CONT);
            } else if let Some(shim) = shim.filter(|shim| is_stopped(*shim)) {
                self.hit.set(true);
                hub.kill().await.unwrap();
                (hub, said) = self.start_hub();
                signal(shim, Signal::CONT);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Everybody loses the connection.
    pub fn cut(&self) {
        self.cable.cut();
    }

    /// From here on the hub dies when it reaches this place.
    pub async fn fail_at(&self, place: &str) {
        let (who, how) = (Who::Hub, How::Kill);
        *self.fault.borrow_mut() = Some(Fault { who, how, place: place.to_owned(), count: 1 });
        self.hit.set(false);
        self.again.set(true);
        eventually("the hub with its fault", || async { (!self.again.get()).then_some(()) }).await;
    }

    /// A command beside the hub.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&binary("hitl-hub"), self.dir.path());
        command.args(args).env("HITL_FAILPOINT_LOG", self.log_of(Who::Command)).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs a command beside the hub, which is killed at a place, if one is given.
    pub async fn run(&self, args: &[&str], place: Option<&str>) -> Output {
        let mut command = self.command(args);
        if let Some(place) = place {
            command.env("HITL_FAILPOINT", format!("{place}=kill"));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().await.unwrap()
    }

    /// The record is whole, whatever happened.
    pub async fn verify(&self) {
        let output = self.run(&["audit", "verify"], None).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    /// Somebody who signs in, if the hub lets them.
    pub async fn sign_in(&self, with: Value) -> Option<Person> {
        let (http, url) = (browser(), self.person.url.clone());
        let mut person = Person { http, url, way: Way::Session(String::new()) };
        let (status, session) = person.ask(Method::POST, "/session", Some(with)).await;
        assert!(matches!(status, 200 | 401), "{status} {session}");
        person.way = Way::Session(session["csrf"].as_str()?.to_owned());
        Some(person)
    }
}

fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

/// Somebody at a hub that may be gone at any moment: asks until there is an answer.
pub struct Person {
    http: reqwest::Client,
    url: String,
    way: Way,
}

/// What they show on every request.
enum Way {
    /// A personal token.
    Token(String),
    /// The other half of a browser session.
    Session(String),
}

impl Person {
    /// The status and what it says.
    pub async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        eventually(&format!("an answer to {path}"), || async {
            let mut request = self.http.request(method.clone(), format!("{}/api/v1{path}", self.url));
            request = match &self.way {
                Way::Token(token) => request.bearer_auth(token),
                Way::Session(csrf) => request.header("Origin", &self.url).header("X-HITL-CSRF", csrf),
            };
            if let Some(body) = &body {
                request = request.json(body);
            }
            let response = request.send().await.ok()?;
            let status = response.status().as_u16();
            Some((status, serde_json::from_str(&response.text().await.ok()?).unwrap_or_default()))
        })
        .await
    }

    /// Every approval that there is.
    pub async fn approvals(&self) -> Vec<Value> {
        let (status, mut body) = self.ask(Method::GET, "/approvals", None).await;
        assert_eq!(status, 200, "{body}");
        body["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Waits until there is one approval and it is so, and returns it.
    pub async fn approval(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || async {
            let mut all = self.approvals().await;
            assert!(all.len() < 2, "one card for one call: {all:?}");
            all.pop().filter(|approval| is(approval))
        })
        .await
    }

    /// Decides; that it was decided so already is as good.
    pub async fn decide(&self, action: &str, becomes: &str) {
        let approval = self.approval("a card", |_| true).await;
        let path = format!("/approvals/{}/{action}", approval["id"].as_str().unwrap());
        let (status, body) = self.ask(Method::POST, &path, Some(json!({}))).await;
        let done = status == 200 || status == 409 && body["approval"]["status"] == becomes;
        assert!(done, "{action}: {status} {body}");
    }
}
