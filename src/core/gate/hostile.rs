//! The corpus of hostile lines, and what several parser models read in the lines that pass.
//!
//! A line is only as safe as its most forgiving reader: it is read as a whole, split at every kind of line end, as a
//! stream of values, with folded names, with first and last duplicates, and with invalid bytes replaced.

use std::fmt;
use std::sync::OnceLock;

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};

use super::tests::Stand;
use super::{Action, Fate};

/// A JSON value that keeps every member, duplicates included.
enum Node {
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
        let is_call =
            self.all("method").any(|method| matches!(method, Node::Text(text) if loose(text) == "tools/call"));
        is_call
            && self.all("params").flat_map(|params| params.all("name")).any(|name| match name {
                Node::Text(text) => text != "pass",
                _ => true,
            })
    }
}

fn loose(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).collect::<String>().to_lowercase().replace('\u{17f}', "s")
}

/// What the readers of servers see in a line, any of them.
fn some_reader_sees_a_gated_call(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line).replace('\0', "");
    let whole = text.trim_start_matches('\u{feff}');
    let ends = ['\n', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}', '\u{1e}'];
    std::iter::once(whole).chain(whole.split(ends)).any(|piece| {
        serde_json::Deserializer::from_str(piece)
            .into_iter::<Node>()
            .map_while(Result::ok)
            .any(|node| node.has_gated_call())
    })
}

#[derive(Deserialize)]
struct Case {
    name: String,
    text: Option<String>,
    hex: Option<String>,
    repeat: Option<(String, String, usize)>,
    expect: String,
    answer: Option<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    code: i64,
    id: String,
}

impl Case {
    fn line(&self) -> Vec<u8> {
        if let Some(hex) = &self.hex {
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            return (0..hex.len()).step_by(2).map(byte).collect();
        }
        let text = self.text.clone().unwrap();
        let Some((open, close, times)) = &self.repeat else { return text.into_bytes() };
        text.replace('@', &format!("{}1{}", open.repeat(*times), close.repeat(*times))).into_bytes()
    }
}

fn corpus() -> Vec<Case> {
    let text = include_str!("../../../tests/hostile/client.jsonl");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_case_of_the_corpus_ends_as_expected_and_the_stream_goes_on() {
    let cases = corpus();
    assert!(cases.len() >= 150, "{}", cases.len());
    for case in cases {
        let line = case.line();
        let mut stand = Stand::new();
        stand.actions();
        let fate = stand.gate.handle_client(&line, stand.now);
        let held = stand.gate.held().len();
        let got = match (fate, held) {
            (Fate::Forward, 0) => "forwarded",
            (Fate::Consumed, 1) => "held",
            _ => "refused",
        };
        assert_eq!(got, case.expect, "{}", case.name);
        if got == "refused" {
            let answers = stand.client_lines();
            let answer = answers.first().map(|answer| (answer["error"]["code"].as_i64(), answer["id"].to_string()));
            let expected = case.answer.map(|expected| (Some(expected.code), expected.id));
            assert_eq!(answer, expected, "{}", case.name);
        }
        if got == "forwarded" {
            assert!(!some_reader_sees_a_gated_call(&line), "{} smuggles a call", case.name);
        }
        assert_eq!(stand.client(r#"{"jsonrpc":"2.0","id":77,"method":"ping"}"#), Fate::Forward, "{}", case.name);
    }
}

#[test]
fn readers_find_what_is_smuggled() {
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}"#;
    for line in [
        call.to_owned(),
        format!("[{call}]"),
        format!("{{}}\r{call}\r"),
        format!("{{}}{call}"),
        call.replace("method", "Method"),
        call.replace(r#""name":"delete""#, r#""name":"pass","name":"delete""#),
        call.replace(r#""name":"delete""#, r#""name":"delete","name":"pass""#),
    ] {
        assert!(some_reader_sees_a_gated_call(line.as_bytes()), "{line}");
    }
    assert!(!some_reader_sees_a_gated_call(call.replace("delete", "pass").as_bytes()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Cases of the corpus, cut, joined and spoiled.
    #[test]
    fn no_reader_sees_a_gated_call_in_what_passes(
        first in 0..500usize,
        second in 0..500usize,
        cut in 0.0..1.0f64,
        glue in prop_oneof![Just(""), Just("\r"), Just(" "), Just(","), Just("\u{0}"), Just("\u{2028}"), Just("}"), Just("\"")],
        spoil in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        static LINES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        let lines = LINES.get_or_init(|| corpus().iter().map(Case::line).filter(|line| line.len() < 4096).collect());
        let (first, second) = (&lines[first % lines.len()], &lines[second % lines.len()]);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let cut = (first.len() as f64 * cut) as usize;
        let mut line = [&first[..cut], glue.as_bytes(), second, &first[cut..]].concat();
        if let Some((index, byte)) = spoil && !line.is_empty() {
            let index = index.index(line.len());
            line[index] = byte;
        }
        line.retain(|byte| *byte != b'\n');
        let mut stand = Stand::new();
        stand.actions();
        if stand.gate.handle_client(&line, stand.now) == Fate::Forward {
            prop_assert!(!some_reader_sees_a_gated_call(&line), "{}", String::from_utf8_lossy(&line));
        }
        prop_assert!(stand.actions().iter().all(|action| !matches!(action, Action::ToServer(_))));
    }
}
