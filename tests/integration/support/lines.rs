//! The lines of a pipe, kept as they came.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::sync::Notify;

use super::PATIENCE;

/// Everything a pipe said so far, and a place in it.
#[derive(Clone)]
pub struct Lines {
    state: Arc<(Mutex<State>, Notify)>,
    next: usize,
}

#[derive(Default)]
struct State {
    lines: Vec<Vec<u8>>,
    ended: bool,
}

impl Lines {
    /// Reads the pipe to its end in the background.
    pub fn of(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let state = Arc::new((Mutex::new(State::default()), Notify::new()));
        let writer = state.clone();
        tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe);
            loop {
                let mut line = Vec::new();
                let read = pipe.read_until(b'\n', &mut line).await.unwrap_or(0);
                let mut state = writer.0.lock().unwrap();
                if read == 0 {
                    state.ended = true;
                } else {
                    state.lines.push(line);
                }
                drop(state);
                writer.1.notify_waiters();
                if read == 0 {
                    return;
                }
            }
        });
        Self { state, next: 0 }
    }

    /// The next line with its line end, or `None` when the pipe ended.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let state = self.state.clone();
        let take = async {
            loop {
                let changed = state.1.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                {
                    let state = state.0.lock().unwrap();
                    if let Some(line) = state.lines.get(self.next) {
                        self.next += 1;
                        return Some(line.clone());
                    }
                    if state.ended {
                        return None;
                    }
                }
                changed.await;
            }
        };
        match tokio::time::timeout(PATIENCE, take).await {
            Ok(line) => line,
            Err(_) => panic!("waited {PATIENCE:?} for a line; so far:\n{}", self.outline()),
        }
    }

    /// The next line that contains `part`, skipping others.
    pub async fn next_with(&mut self, part: &str) -> String {
        while let Some(line) = self.next().await {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.contains(part) {
                return line;
            }
        }
        panic!("the pipe ended without {part:?}:\n{}", self.outline());
    }

    /// Everything to the end of the pipe.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.next().await.is_some() {}
        self.bytes()
    }

    /// Everything so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.state.0.lock().unwrap().lines.concat()
    }

    /// Everything so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The start of each line so far, for messages.
    fn outline(&self) -> String {
        let text = self.text();
        text.lines().map(|line| line.chars().take(300).chain(['\n']).collect::<String>()).collect()
    }
}
