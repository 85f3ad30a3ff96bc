//! How far the client has come with its progress tokens, where it counts them: progress on one that it has not given yet
//! would wait in its pipe for a call that is to be held.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::forms;

/// The highest number that was a token.
#[derive(Debug, Default)]
pub(super) struct Tokens(Option<u64>);

impl Tokens {
    /// A line of the client.
    pub(super) fn note(&mut self, line: &[u8]) {
        static NAME: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""progressToken""#));
        let given = NAME.find_iter(line).filter_map(|at| number(&line[at + NAME.needle().len()..]));
        self.0 = given.max().max(self.0);
    }

    /// Whether some client takes this for a number that it has not come to. One that does not count has none.
    pub(super) fn is_to_come(&self, raw: &str) -> bool {
        let number = forms::number_of_any(raw).and_then(|number| number.parse::<u64>().ok());
        self.0.zip(number).is_some_and(|(highest, number)| number > highest)
    }

    /// Whether a line of the server may be progress on such a token; a letter may be written as an escape.
    pub(super) fn may_be_early(&self, line: &[u8]) -> bool {
        static WORD: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"progress"));
        self.0.is_some() && (WORD.find(line).is_some() || memchr::memchr(b'\\', line).is_some())
    }
}

/// The number behind a member's name, if it is one.
fn number(rest: &[u8]) -> Option<u64> {
    let value = rest.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}
