//! A command line without its secrets: it is shown to people, and many set-ups hand a server its keys as arguments.
//!
//! What looks like a secret by its name, its place or its form is hidden, in doubt too: nobody needs the value of a
//! variable to know a server. A secret that looks like a word of everyday cannot be known.

/// What stands in the place of a secret.
const HIDDEN: &str = "…";
/// A name with one of these in it, whatever stands between its letters, is that of a secret.
const PARTS: [&str; 19] = [
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "authorization",
    "bearer",
    "cookie",
    "webhook",
    "connectionstring",
    "databaseurl",
    "mnemonic",
    "oauth",
];
/// A name with one of these as a word of its own is, too.
const WORDS: [&str; 19] = [
    "auth", "cred", "creds", "dsn", "jwt", "key", "keys", "otp", "pass", "passwort", "pat", "pin", "psk", "pw", "pwd",
    "seed", "session", "sid", "sig",
];
/// How the tokens of well-known services begin.
const PREFIXES: [&str; 30] = [
    "AIza",
    "AKIA",
    "ASIA",
    "ATATT",
    "EAAC",
    "SG.",
    "dapi",
    "dckr_pat_",
    "dop_v1_",
    "eyJ",
    "figd_",
    "ghp_",
    "gho_",
    "ghr_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "gsk_",
    "hf_",
    "hitl_",
    "key-",
    "lin_api_",
    "npm_",
    "ntn_",
    "pypi-",
    "r8_",
    "sk-",
    "sk_",
    "ya29.",
];
const MORE_PREFIXES: [&str; 12] = [
    "xapp-", "xoxa-", "xoxb-", "xoxe-", "xoxp-", "xoxr-", "xoxs-", "rk_live_", "pk_live_", "whsec_", "secret_", "tvly-",
];
/// A word of so many letters and digits, small, large and figures mixed, is nobody's name.
const RANDOM_CHARS: usize = 20;

/// The command line as it may be shown, program first.
pub fn command(parts: impl Iterator<Item = String>) -> Vec<String> {
    let mut before = Before::Anything;
    let shown = |part: String| {
        let (hidden, next) = match std::mem::replace(&mut before, Before::Anything) {
            Before::Secret if !part.starts_with('-') => (HIDDEN.to_owned(), Before::Anything),
            Before::Variable if part.contains('=') => (assignment(&part), Before::Anything),
            Before::UserAndPassword if part.contains(':') => (HIDDEN.to_owned(), Before::Anything),
            _ => (text(&part), Before::of(&part)),
        };
        before = next;
        hidden
    };
    parts.map(shown).collect()
}

/// What the option before a word makes of it.
enum Before {
    Anything,
    Secret,
    /// `NAME=value`.
    Variable,
    UserAndPassword,
}

impl Before {
    fn of(part: &str) -> Self {
        match part {
            "-e" | "--env" | "-E" => Self::Variable,
            "-u" | "--user" => Self::UserAndPassword,
            _ if part.starts_with('-') && !part.contains('=') && names_a_secret(part) => Self::Secret,
            _ => Self::Anything,
        }
    }
}

/// One word of the command line, which may be a script, a URL, JSON or a header.
fn text(part: &str) -> String {
    for option in ["--env=", "-e=", "-e", "-E"] {
        if let Some(variable) = part.strip_prefix(option)
            && variable.split_once('=').is_some_and(|(name, _)| is_variable(name))
        {
            return format!("{option}{}", assignment(variable));
        }
    }
    if let Some((name, _)) = part.split_once(':').filter(|(name, _)| is_header(name) && names_a_secret(name)) {
        return format!("{name}: {HIDDEN}");
    }
    if let Some((name, value)) = part.split_once('=')
        && !value.is_empty()
        && is_option(name)
        && names_a_secret(name)
    {
        return format!("{name}={HIDDEN}");
    }
    words(&without_users(part))
}

/// Hides within a text: between separators, each word is judged by itself and by what stands before it.
fn words(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let (mut hide, mut quote, mut in_query, mut pinned, mut in_path) = (Hide::Nothing, None, false, false, false);
    for piece in Pieces(text) {
        match piece {
            Piece::Separator(c) => {
                in_query = goes_on_in_query(in_query, c);
                hide = hide.after(c, in_query, quote);
                quote = match quote {
                    None if is_quote(c) => Some(c),
                    Some(open) if open == c => None,
                    _ => quote,
                };
                // Such as image@sha256:… and package@commit.
                pinned = c == '@' || (pinned && c == ':');
                // At the beginning it is an option of Windows.
                in_path = c == '/' && !shown.is_empty();
                shown.push(c);
            }
            Piece::Word(word) => {
                let hidden = hide.hides(word) || is_known(word) || looks_random(word) || (is_hex(word) && !pinned);
                shown.push_str(if hidden { HIDDEN } else { word });
                hide = hide.then(word, !in_path && names_a_secret(word));
            }
        }
    }
    shown
}

fn goes_on_in_query(in_query: bool, c: char) -> bool {
    c == '?' || (in_query && !c.is_whitespace() && !is_quote(c))
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'')
}

/// What becomes of the next word.
#[derive(Clone, Copy)]
enum Hide {
    Nothing,
    /// The name of a secret was read, as in `KEY=…` or `Key: …`.
    Named,
    /// The same, and its quotation ended, as in `"key": …`.
    Quoted,
    /// It was an option, as in `--key …`.
    Option,
    /// An argument of that option, unless it is another option.
    Argument,
    /// The value begins here.
    Value,
    /// The value goes on until something ends it.
    Within,
    /// It goes on until that quotation ends, or the text.
    Rest(Option<char>),
}

impl Hide {
    fn hides(self, word: &str) -> bool {
        match self {
            Self::Value | Self::Within | Self::Rest(_) => true,
            Self::Argument => !word.starts_with('-'),
            _ => false,
        }
    }

    fn then(self, word: &str, names: bool) -> Self {
        match self {
            Self::Rest(until) => Self::Rest(until),
            Self::Value if matches!(word.to_ascii_lowercase().as_str(), "bearer" | "basic" | "token") => Self::Value,
            Self::Value | Self::Within => Self::Within,
            Self::Argument if !word.starts_with('-') => Self::Within,
            _ if word.eq_ignore_ascii_case("bearer") => Self::Value,
            _ if !names => Self::Nothing,
            _ if word.starts_with('-') => Self::Option,
            _ => Self::Named,
        }
    }

    fn after(self, c: char, in_query: bool, quote: Option<char>) -> Self {
        match (self, c) {
            (Self::Rest(until), _) => {
                if until == Some(c) {
                    Self::Nothing
                } else {
                    self
                }
            }
            (Self::Within, _) if !c.is_whitespace() && !"\"';&,}])>|".contains(c) => Self::Within,
            (_, '=') if in_query => Self::Value,
            (Self::Named | Self::Quoted | Self::Option, '=') | (Self::Quoted, ':') => Self::Value,
            (Self::Named | Self::Option, ':') => Self::Rest(quote),
            (Self::Named, '"' | '\'' | '\\') => Self::Quoted,
            (Self::Named | Self::Quoted, ' ') | (Self::Quoted, '"' | '\'' | '\\') => self,
            (Self::Option | Self::Argument, _) if c.is_whitespace() => Self::Argument,
            (Self::Value | Self::Argument, '"' | '\'') => Self::Rest(Some(c)),
            (Self::Value, ' ' | '\\' | '=' | ':' | '/' | '@' | '#') => Self::Value,
            _ => Self::Nothing,
        }
    }
}

enum Piece<'t> {
    Separator(char),
    Word(&'t str),
}

struct Pieces<'t>(&'t str);

impl<'t> Iterator for Pieces<'t> {
    type Item = Piece<'t>;

    fn next(&mut self) -> Option<Piece<'t>> {
        let first = self.0.chars().next()?;
        if separates(first) {
            self.0 = &self.0[first.len_utf8()..];
            return Some(Piece::Separator(first));
        }
        let (word, rest) = self.0.split_at(self.0.find(separates).unwrap_or(self.0.len()));
        self.0 = rest;
        Some(Piece::Word(word))
    }
}

fn separates(c: char) -> bool {
    c.is_whitespace() || "=&?;,:\"'\\{}[]()<>|/#@".contains(c)
}

/// `NAME=value` without the value.
fn assignment(text: &str) -> String {
    match text.split_once('=') {
        Some((name, value)) if !value.is_empty() => format!("{name}={HIDDEN}"),
        _ => text.to_owned(),
    }
}

/// URLs without user and password.
fn without_users(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((scheme, after)) = rest.split_once("://") {
        shown.push_str(scheme);
        shown.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).unwrap_or(after.len());
        rest = after;
        if let Some((user, _)) = after[..end].rsplit_once('@') {
            shown.push_str(HIDDEN);
            rest = &after[user.len()..];
        }
    }
    shown + rest
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_option(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn is_header(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn names_a_secret(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    PARTS.iter().any(|part| letters.contains(part)) || words_of(name).any(|word| WORDS.contains(&word.as_str()))
}

/// The words of a name such as `my-apiKey_2`, small.
fn words_of(name: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::with_capacity(name.len() + 4);
    let mut was_small = false;
    for c in name.chars() {
        if was_small && c.is_ascii_uppercase() {
            spaced.push(' ');
        }
        was_small = c.is_ascii_lowercase();
        spaced.push(if c.is_ascii_alphabetic() { c.to_ascii_lowercase() } else { ' ' });
    }
    spaced.split_whitespace().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn is_known(word: &str) -> bool {
    let mut prefixes = PREFIXES.iter().chain(&MORE_PREFIXES);
    prefixes.any(|prefix| word.strip_prefix(*prefix).is_some_and(|rest| rest.len() >= 6))
}

fn looks_random(word: &str) -> bool {
    word.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| {
        let has = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
        run.len() >= RANDOM_CHARS
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
            && has(u8::is_ascii_digit)
    })
}

/// A key in hexadecimal: no name is that long without any other letter.
fn is_hex(word: &str) -> bool {
    word.len() >= 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
