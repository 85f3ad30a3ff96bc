//! Models of the parsers behind us, from the strict to the most forgiving; for tests here and in `fuzz/`.
//!
//! A line is only as safe as its most forgiving reader: it is read as a whole, split at every kind of line end, as a
//! stream of values, with folded names, with first and last duplicates, and with invalid bytes replaced.

#![allow(unreachable_pub, reason = "the fuzz targets include this file")]

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};

/// A JSON value that keeps every member, duplicates included.
pub enum Node {
    Text(String),
    List(Vec<Node>),
    Members(Vec<(String, Node)>),
    Other,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Other)
            }
            fn visit_str<E>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Node::Members(members))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Node {
    /// All values of the members whose name folds to this one.
    fn all<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Node> {
        let members = if let Self::Members(members) = self { members.as_slice() } else { &[] };
        members.iter().filter(move |(key, _)| loose(key) == name).map(|(_, value)| value)
    }

    /// Whether some reader could see a call of a tool other than `pass` in it.
    fn has_gated_call(&self) -> bool {
        if let Self::List(items) = self {
            return items.iter().any(Self::has_gated_call);
        }
        let is_call = self.all("method").any(|method| matches!(method, Node::Text(text) if reads_as_call(text)));
        is_call
            && self.all("params").flat_map(|params| params.all("name")).any(|name| match name {
                Node::Text(text) => text != "pass",
                _ => true,
            })
    }
}

/// Whether a reader of methods takes one for a call: as it is, up to a NUL, with percent encoding undone, with any
/// slash, or with accents left out.
fn reads_as_call(method: &str) -> bool {
    let unescaped = method.replace("%2F", "/").replace("%2f", "/").replace("%25", "%").replace("%00", "\0");
    [method, &unescaped].into_iter().any(|method| {
        let cut = method.split(['\0', '?', '#']).next().unwrap_or_default();
        [method, cut].into_iter().any(|method| {
            let slashed = method.replace(['\\', '\u{2044}', '\u{2215}', '\u{ff0f}', '\u{29f8}'], "/");
            let plain: String = slashed.chars().filter(|c| !matches!(c, '\u{300}'..='\u{36f}')).collect();
            loose(plain.trim_matches('/')) == "tools/call"
        })
    })
}

/// As a reader that ignores case and what cannot be seen would take it.
fn loose(text: &str) -> String {
    let unseen = |c: char| {
        let format = ['\u{ad}', '\u{180e}', '\u{feff}'].contains(&c);
        let format = format || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
        let format = format || ('\u{e0000}'..='\u{e007f}').contains(&c);
        format || c.is_control() || c.is_whitespace()
    };
    text.chars().filter(|c| !unseen(*c)).collect::<String>().to_lowercase().replace('\u{17f}', "s")
}

/// What the readers of servers see in a line, any of them; only the tool `pass` is not gated.
pub fn some_reader_sees_a_gated_call(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line).replace('\0', "");
    ["", "\\ufffd"].iter().any(|half| sees_a_gated_call(&with_halves_as(&text, half)))
}

/// JSON text as a reader has it that puts something else, or nothing, for half of a surrogate pair.
fn with_halves_as(text: &str, put: &str) -> String {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6).and_then(|escape| escape.strip_prefix("\\u"))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut rest) = (String::new(), 0);
    while let Some(at) = text[rest..].find('\\').map(|at| rest + at) {
        let next = match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + 6), Some(0xdc00..=0xdfff)) => at + 12,
            Some(_) => at + 6,
            None => at + 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
        let is_half = matches!(unit(at), Some(0xd800..=0xdfff)) && next == at + 6;
        out.push_str(&text[rest..at]);
        out.push_str(if is_half { put } else { &text[at..next] });
        rest = next;
    }
    out + &text[rest..]
}

fn sees_a_gated_call(text: &str) -> bool {
    let whole = text.trim_start_matches('\u{feff}');
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\u{1e}'];
    std::iter::once(whole).chain(whole.split(ends)).any(|piece| {
        serde_json::Deserializer::from_str(piece)
            .into_iter::<Node>()
            .map_while(Result::ok)
            .any(|node| node.has_gated_call())
    })
}

/// Whether some reader could take a line of the server for the answer to this id, or for progress on this token.
#[allow(dead_code, reason = "some fuzz targets have no use for it")]
pub fn some_reader_sees_an_answer_to(line: &[u8], id: &str) -> bool {
    let text = String::from_utf8_lossy(line).replace('\0', "");
    let pieces = std::iter::once(text.as_str()).chain(text.split(['\n', '\r']));
    pieces.into_iter().any(|piece| {
        let mut values = serde_json::Deserializer::from_str(piece).into_iter::<Node>().map_while(Result::ok);
        values.any(|node| node.answers(id))
    })
}

impl Node {
    fn answers(&self, id: &str) -> bool {
        let is = |node: &Self| matches!(node, Self::Text(text) if text == id);
        let outcome = || self.exact("result").next().is_some() || self.exact("error").next().is_some();
        let named = |method: &Self| matches!(method, Self::Text(text) if text == "notifications/progress");
        let token = || self.exact("params").any(|params| params.exact("progressToken").any(is));
        let progress = || self.exact("method").any(named) && token();
        self.exact("id").any(is) && outcome() || progress()
    }

    fn exact<'n>(&'n self, name: &'n str) -> impl Iterator<Item = &'n Node> {
        let members = if let Self::Members(members) = self { members.as_slice() } else { &[] };
        members.iter().filter(move |(key, _)| key == name).map(|(_, value)| value)
    }
}
