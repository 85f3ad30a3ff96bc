//! Something in the way of a call, and a client that talks through it.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use memchr::memmem::find;

use super::echo::LARGE;

/// A command to be measured.
pub struct Subject {
    /// As the table names it.
    pub name: &'static str,
    /// Whether only its start is measured.
    pub start_up_only: bool,
    /// Whether it gets socket pairs, as Node clients hand over, and not pipes.
    pub sockets: bool,
    command: Vec<String>,
    dir: Option<String>,
    env: Vec<(&'static str, String)>,
}

impl Subject {
    /// A command without extra variables.
    pub fn new(name: &'static str, command: Vec<String>) -> Self {
        Self { name, start_up_only: false, sockets: false, command, dir: None, env: Vec::new() }
    }

    /// Adds a variable.
    pub fn env(mut self, key: &'static str, value: &str) -> Self {
        self.env.push((key, value.to_owned()));
        self
    }

    /// Starts it there.
    pub fn in_dir(mut self, dir: &str) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Leaves it out of everything but the start.
    pub fn start_up_only(mut self) -> Self {
        self.start_up_only = true;
        self
    }

    /// Starts it, shakes hands, and says how long that took.
    pub fn start(&self) -> (Running, Duration) {
        let began = Instant::now();
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).envs(self.env.iter().map(|(key, value)| (*key, value)));
        command.current_dir(self.dir.as_deref().unwrap_or("."));
        let (child, stdin, stdout) = if self.sockets { with_sockets(command) } else { with_pipes(command) };
        let stdout = BufReader::with_capacity(1 << 16, stdout);
        let mut running = Running { name: self.name, child, stdin: Some(stdin), stdout, line: Vec::new() };
        running.ask(br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#);
        let took = began.elapsed();
        running.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        (running, took)
    }
}

type Streams = (Child, Box<dyn Write>, Box<dyn Read>);

fn with_pipes(mut command: Command) -> Streams {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (child, Box::new(stdin), Box::new(stdout))
}

#[cfg(unix)]
fn with_sockets(mut command: Command) -> Streams {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    let ((stdin, its_stdin), (stdout, its_stdout)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    command.stdin(OwnedFd::from(its_stdin)).stdout(OwnedFd::from(its_stdout));
    // The command keeps its ends until it is dropped.
    (command.spawn().unwrap(), Box::new(stdin), Box::new(stdout))
}

#[cfg(not(unix))]
fn with_sockets(_: Command) -> Streams {
    unimplemented!("there are no socket pairs here")
}

/// A started subject.
pub struct Running {
    name: &'static str,
    child: Child,
    stdin: Option<Box<dyn Write>>,
    stdout: BufReader<Box<dyn Read>>,
    line: Vec<u8>,
}

impl Running {
    fn write(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Reads one line and returns its length.
    fn read(&mut self) -> usize {
        self.line.clear();
        let length = self.stdout.read_until(b'\n', &mut self.line).unwrap();
        assert!(length > 0, "the server is there");
        length
    }

    /// One request and its answer; returns how long it took.
    pub fn ask(&mut self, request: &[u8]) -> Duration {
        let mut line = request.to_vec();
        line.push(b'\n');
        let began = Instant::now();
        self.write(&line);
        // Some peers say more than the answer.
        while self.read() > 0 && find(&self.line, b"\"result\"").is_none() {
            let said = String::from_utf8_lossy(&self.line);
            assert!(find(&self.line, b"\"error\"").is_none(), "{}: {said}", self.name);
        }
        began.elapsed()
    }

    /// Lists the tools and calls one, so that policy is known and everything is warm.
    pub fn warm_up(&mut self) {
        self.list_tools();
        for n in 0..200 {
            self.call(n);
        }
    }

    /// One small call.
    pub fn call(&mut self, id: usize) -> Duration {
        self.ask(small_call(id).as_bytes())
    }

    /// One list of 200 tools.
    pub fn list_tools(&mut self) -> Duration {
        self.ask(br#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{}}"#)
    }

    /// The same list with something new in it, which has to be read anew.
    pub fn list_new_tools(&mut self) -> Duration {
        self.ask(br#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":{"new":true}}}"#)
    }

    /// One call whose result is 1 MiB.
    pub fn large_result(&mut self) -> Duration {
        let took =
            self.ask(br#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"large","arguments":{}}}"#);
        assert!(self.line.len() > LARGE - 20, "the large result came: {}", self.line.len());
        took
    }

    /// One call whose argument is 1 MiB.
    pub fn large_argument(&mut self, text: &str) -> Duration {
        let head = r#"{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"echo","arguments":{"message":""#;
        self.ask(format!("{head}{text}\"}}}}}}").as_bytes())
    }

    /// `total` calls with 64 in flight; returns calls per second, and checks the order of the answers.
    pub fn pipeline(&mut self, total: usize) -> f64 {
        let began = Instant::now();
        let mut sent = 0;
        let mut window = Vec::new();
        for id in 0..total {
            while sent < total && sent - id < 64 {
                window.extend_from_slice(small_call(sent).as_bytes());
                window.push(b'\n');
                sent += 1;
            }
            if !window.is_empty() && (id % 16 == 0) {
                let lines = std::mem::take(&mut window);
                self.write(&lines);
            }
            self.read();
            let expected = format!("\"id\":{id},");
            assert!(find(&self.line, expected.as_bytes()).is_some(), "answer {id} comes in order");
        }
        total as f64 / began.elapsed().as_secs_f64()
    }

    /// Time on a core so far, of the subject's own threads, where the system tells.
    pub fn cpu(&self) -> Option<Duration> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok().filter(|_| cfg!(unix))?;
        let nanos = tasks.flatten().filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        Some(Duration::from_nanos(nanos.sum()))
    }

    /// Peak resident memory in KiB, where the system tells.
    pub fn peak_rss(&self) -> Option<f64> {
        cfg!(unix).then(|| self.status("VmHWM:"))
    }

    /// Resident memory in KiB.
    pub fn rss(&self) -> f64 {
        self.status("VmRSS:")
    }

    /// How often it has gone to sleep.
    pub fn wakes(&self) -> f64 {
        self.status("voluntary_ctxt_switches:")
    }

    fn status(&self, field: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Closes stdin and waits; returns how long that took.
    pub fn end(mut self) -> Duration {
        let began = Instant::now();
        drop(self.stdin.take());
        self.child.wait().unwrap();
        began.elapsed()
    }
}

fn small_call(id: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"message":"hello"}}}}}}"#
    )
}
