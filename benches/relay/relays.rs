//! The yardsticks: a byte copy, and raw-peek, which reads lines and parses each envelope once, both ways.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read, Write, stdin, stdout};
use std::process::{Child, Command, Stdio};

use serde::Deserialize;
use serde_json::value::RawValue;

/// Copies both ways, in chunks as they come.
pub fn copy(command: &[String]) {
    relay(command, |mut from, mut to| {
        let mut chunk = vec![0; 1 << 16];
        loop {
            match from.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(read) if to.write_all(&chunk[..read]).is_err() => return,
                Ok(_) => {}
            }
        }
    });
}

/// Reads lines, looks at id, method and tool name, forwards the bytes.
pub fn peek(command: &[String]) {
    relay(command, |from, to| {
        let mut from = BufReader::with_capacity(1 << 16, from);
        let mut to = BufWriter::with_capacity(1 << 16, to);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            std::hint::black_box(serde_json::from_slice::<Envelope>(&line).ok());
            if to.write_all(&line).is_err() || (!from.buffer().contains(&b'\n') && to.flush().is_err()) {
                return;
            }
            line.clear();
        }
    });
}

/// What a relay that only looks must read of a message.
#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, and that is all")]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "parsed, and that is all")]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
}

/// Two threads, one per direction; the server's end of stdin is the client's.
fn relay(command: &[String], carry: fn(Box<dyn Read + Send>, Box<dyn Write + Send>)) {
    let mut server: Child =
        Command::new(&command[0]).args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (to_server, from_server) = (server.stdin.take().unwrap(), server.stdout.take().unwrap());
    let up = std::thread::spawn(move || carry(Box::new(unbuffered(&stdin())), Box::new(to_server)));
    carry(Box::new(from_server), Box::new(unbuffered(&stdout())));
    drop(up);
    server.wait().unwrap();
}

/// A standard stream without the library's own buffer.
#[cfg(unix)]
fn unbuffered(stream: &impl std::os::fd::AsFd) -> File {
    File::from(stream.as_fd().try_clone_to_owned().unwrap())
}

#[cfg(windows)]
fn unbuffered(stream: &impl std::os::windows::io::AsHandle) -> File {
    File::from(stream.as_handle().try_clone_to_owned().unwrap())
}
