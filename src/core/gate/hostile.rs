//! The corpus of hostile lines, and what several parser models read in the lines that pass.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde::Deserialize;

use super::readers::some_reader_sees_a_gated_call;
use super::tests::Stand;
use super::{Action, Fate};

#[derive(Deserialize)]
struct Case {
    name: String,
    text: Option<String>,
    hex: Option<String>,
    repeat: Option<(String, String, usize)>,
    expect: String,
    answer: Option<Expected>,
    in_place: Option<String>,
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
            let [errors, in_place] = stand.refusals().map(|lines| lines.into_iter().next());
            assert_eq!(errors, case.answer.map(|expected| (expected.code, expected.id)), "{}", case.name);
            assert_eq!(in_place.map(|(_, id)| id), case.in_place, "{}", case.name);
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
        call.replace("method", "met\\ud83dhod"),
        call.replace("\"}}", "\",\"a\":\"\\udc00\"}}"),
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
