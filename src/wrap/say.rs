//! The shim's own lines on stderr: few, one line each, beginning with `hitl-wrap:`.
//!
//! A thread writes them, from a short queue: whoever does not read our stderr must not stop the relay.

use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use crate::core::inert::inert;

/// Lines that may wait; more are dropped, so that a noisy server cannot fill memory.
const QUEUE_LINES: usize = 128;
/// How long the end of the program waits for the last lines.
const FLUSH: Duration = Duration::from_millis(200);
/// Longer lines are cut: they quote what others sent.
const LINE_CHARS: usize = 500;
/// So many lines on what others send are said at once.
const AT_ONCE: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);

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

/// Lines on what a client or a server sends, of which there may be any number: a few are said, and of the others once a
/// minute how many there were.
#[derive(Debug, Default)]
pub struct Bounded {
    said: u32,
    left_out: u64,
    /// The end of the minute.
    until: Option<Instant>,
}

impl Bounded {
    /// Says a line, if there were few of late.
    pub fn say(&mut self, text: &str, now: Instant) {
        self.counted(now).iter().for_each(|count| say(count));
        if self.admits(now) {
            say(text);
        }
    }

    /// When there is a number to say.
    pub fn due(&self) -> Option<Instant> {
        self.until.filter(|_| self.left_out > 0)
    }

    /// Says how many lines were left out, if it is time.
    pub fn tell(&mut self, now: Instant) {
        self.counted(now).iter().for_each(|count| say(count));
    }

    /// Says it at the end of the program.
    pub fn tell_at_end(&mut self) {
        self.until.and_then(|until| self.counted(until)).iter().for_each(|count| say(count));
    }

    fn admits(&mut self, now: Instant) -> bool {
        if self.until.is_none_or(|until| until <= now) {
            (self.said, self.until) = (0, Some(now + MINUTE));
        }
        let admitted = self.said < AT_ONCE;
        (self.said, self.left_out) = if admitted { (self.said + 1, 0) } else { (self.said, self.left_out + 1) };
        admitted
    }

    /// The number, when its minute is over. The next minute begins as full as that one was.
    fn counted(&mut self, now: Instant) -> Option<String> {
        let until = self.due().filter(|until| *until <= now)?;
        let count = std::mem::take(&mut self.left_out);
        self.until = Some(until.max(now) + MINUTE);
        Some(format!("left out {count} more lines such as these within a minute"))
    }
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
    fn of_many_lines_a_few_are_said_and_once_a_minute_how_many_there_were() {
        let (mut log, start) = (Bounded::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let said = (0..500).filter(|_| log.admits(at(0))).count();
        assert_eq!((said, log.due()), (10, Some(at(60))));
        assert_eq!(log.counted(at(59)), None);
        assert_eq!(log.counted(at(60)).unwrap(), "left out 490 more lines such as these within a minute");
        assert!(!log.admits(at(61)) && log.due() == Some(at(120)), "it stays quiet while it goes on");
        assert!(log.counted(at(120)).unwrap().starts_with("left out 1 "));
        assert_eq!((log.counted(at(180)), log.due()), (None, None));
        assert!(log.admits(at(181)), "a minute later a line is said again");
    }

    #[test]
    fn a_quoted_terminal_escape_is_harmless() {
        assert_eq!(one_line("from \u{1b}[2Jserver\nnext"), "hitl-wrap: from \\u{1b}[2Jserver\\u{a}next\n");
    }
}
