//! The shim's own lines on stderr: few, one line each, beginning with `hitl-wrap:`.
//!
//! A thread writes them, from a short queue: whoever does not read our stderr must not stop the relay.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use crate::core::inert::inert;

/// Lines that may wait; more are dropped, so that a noisy server cannot fill memory.
const QUEUE_LINES: usize = 128;
/// How long the end of the program waits for the last lines.
const FLUSH: Duration = Duration::from_millis(200);
/// Longer lines are cut: they quote what others sent.
const LINE_CHARS: usize = 500;

enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

static QUEUE: OnceLock<SyncSender<Message>> = OnceLock::new();

/// Says one line.
pub fn say(text: &str) {
    let queue = QUEUE.get_or_init(start);
    // A full queue loses the line: that is what the bound is for.
    let _ = queue.try_send(Message::Line(one_line(text)));
}

/// Waits a moment until everything said is written.
pub fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, written) = sync_channel(1);
    if queue.try_send(Message::Flush(done)).is_ok() {
        let _ = written.recv_timeout(FLUSH);
    }
}

fn start() -> SyncSender<Message> {
    let (queue, messages) = sync_channel(QUEUE_LINES);
    let write = move || {
        for message in messages {
            match message {
                // A closed stderr is no reason to stop.
                Message::Line(line) => _ = std::io::stderr().write_all(line.as_bytes()),
                Message::Flush(done) => _ = done.send(()),
            }
        }
    };
    // Without a thread the receiver is dropped here, and every line is lost instead of written.
    drop(std::thread::Builder::new().name("stderr".to_owned()).spawn(write));
    queue
}

/// Made inert: the text may quote a client or a server, and stderr may be a terminal.
fn one_line(text: &str) -> String {
    let cut: String = text.chars().take(LINE_CHARS).collect();
    format!("hitl-wrap: {}\n", inert(&cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_terminal_escape_is_harmless() {
        assert_eq!(one_line("from \u{1b}[2Jserver\nnext"), "hitl-wrap: from \\u{1b}[2Jserver\\u{a}next\n");
    }
}
