//! The grammar, case by case and against a known parser.

use super::*;

fn fault(text: &str) -> Fault {
    object(text, Mode::Strict, &[]).map(|members| format!("{members:?}")).unwrap_err().0
}

#[test]
fn members_keep_their_raw_text_and_order() {
    let text = r#" { "b" : 9007199254740993 , "a":{"x":1.0, "y":[1,{"z":null}]} } "#;
    let members = object(text, Mode::Strict, &[("a", Open::Members(&[]))]).unwrap();
    assert_eq!(members[0].raw, "9007199254740993");
    assert_eq!(members[1].raw, r#"{"x":1.0, "y":[1,{"z":null}]}"#);
    assert_eq!(members[1].inner[0].raw, "1.0");
}

#[test]
fn duplicates_are_found_at_every_depth_after_unescaping() {
    for text in [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"p":{"x":[{"k":1,"k":1}]}}"#,
        r#"{"p":{"x":{"k\n":1,"k\u000a":1}}}"#,
    ] {
        assert!(matches!(fault(text), Fault::Duplicate(_)), "{text}");
    }
}

#[test]
fn duplicates_are_found_among_many() {
    let mut names: Vec<String> = (0..100).map(|n| format!("\"k{n}\":{n}")).collect();
    let fine = format!("{{\"p\":{{{}}}}}", names.join(","));
    assert!(object(&fine, Mode::Strict, &[]).is_ok());
    names.push("\"k3\":0".into());
    assert_eq!(fault(&format!("{{\"p\":{{{}}}}}", names.join(","))), Fault::Duplicate("k3".into()));
}

#[test]
fn a_flood_of_names_takes_no_quadratic_time() {
    let names: Vec<String> = (0..300_000).map(|n| format!("\"k{n}\":0")).collect();
    let flood = format!("{{\"p\":{{{0}}},\"q\":{{{0}}}}}", names.join(","));
    // Quadratic, this would take minutes.
    assert!(object(&flood, Mode::Strict, &[("p", Open::Members(&[]))]).is_ok());
}

#[test]
fn names_of_siblings_do_not_meet() {
    assert!(object(r#"{"p":{"a":{"x":1},"b":{"x":1},"x":{"x":1}}}"#, Mode::Strict, &[]).is_ok());
}

#[test]
fn what_is_not_strict_json_is_a_fault() {
    for text in [
        "",
        "{",
        "{}}",
        "[]",
        "{'a':1}",
        r#"{"a":01}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":+1}"#,
        r#"{"a":NaN}"#,
        r#"{"a":1e}"#,
        r#"{"a":tru}"#,
        r#"{"a":"\x41"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":1,}"#,
        r#"{"a":[1,]}"#,
        r#"{"a" 1}"#,
        "{\"a\":\"b\tc\"}",
        "{\"a\":\r1}",
        "{\"a\":\"\u{0}\"}",
        "{} {}",
        "\u{feff}{}",
        r#"{"\ud800":1}"#,
        r#"{"a":[{"\udc00\ud800":1}]}"#,
        r#"{"a":Infinity}"#,
        r#"{"a":"unterminated}"#,
        "{/*c*/}",
    ] {
        assert!(object(text, Mode::Strict, &[]).is_err(), "{text:?}");
    }
}

#[test]
fn halves_of_surrogate_pairs_may_stand_in_values_and_not_in_names() {
    assert!(object(r#"{"a":"\ud83d"}"#, Mode::Strict, &[]).is_ok());
    assert_eq!(fault(r#"{"a":{"b\ud83d":1}}"#), Fault::LoneSurrogate(6));
    assert!(object(r#"{"\ud83d\ude00":1}"#, Mode::Strict, &[]).is_ok());
    assert!(object(r#"{"a\ud83d":1}"#, Mode::Lenient, &[]).is_ok());
    assert!(object(r#"{"a":"\ud83d\ude00"}"#, Mode::Strict, &[]).is_ok());
    assert!(object(r#"{"a":"\ud83d"}"#, Mode::Lenient, &[]).is_ok());
}

#[test]
fn depth_is_bounded() {
    let nested = |n: usize| format!("{{\"a\":{}1{}}}", "[".repeat(n), "]".repeat(n));
    assert!(object(&nested(127), Mode::Strict, &[]).is_ok());
    assert_eq!(fault(&nested(128)), Fault::TooDeep);
    assert_eq!(fault(&nested(1_000_000)), Fault::TooDeep);
}

#[test]
fn faults_keep_the_members_before_them() {
    let (_, members) = object(r#"{"id":7,"params":{"a":1,"a":2}}"#, Mode::Strict, &[]).unwrap_err();
    assert_eq!(member(&members, "id").map(|id| id.raw), Some("7"));
}

#[test]
fn elements_of_an_array() {
    let open = |text| object(text, Mode::Lenient, &[("list", Open::Elements)]);
    let members = open(r#"{"list": [ {"a":1,"b":{"c":1,"c":2}} , 2,"x",[] ] }"#).unwrap();
    let elements: Vec<_> = members[0].inner.iter().map(|element| (element.raw, element.inner.len())).collect();
    assert_eq!(elements, [(r#"{"a":1,"b":{"c":1,"c":2}}"#, 2), ("2", 0), (r#""x""#, 0), ("[]", 0)]);
    assert_eq!(open(r#"{"list":[{"a":1,"a":2}]}"#).unwrap_err().0, Fault::Duplicate("a".into()));
    assert!(open(r#"{"list":{"a":[1]}}"#).unwrap()[0].inner.is_empty());
}

#[test]
fn an_array_is_opened_up_to_a_bound() {
    let text = |count: usize| format!(r#"{{"list":[{}]}}"#, vec!["{}"; count].join(","));
    let open = |text: &str| object(text, Mode::Lenient, &[("list", Open::Elements)]).map_err(|(fault, _)| fault).err();
    assert_eq!(open(&text(MAX_ELEMENTS)), None);
    assert_eq!(open(&text(MAX_ELEMENTS + 1)), Some(Fault::TooMany));
}

#[test]
fn what_only_has_to_be_well_formed_is_read_as_strictly_but_for_names_and_surrogates() {
    let nested = |n: usize| format!("{{\"a\":{}1{}}}", "[".repeat(n), "]".repeat(n));
    assert!(object(&nested(127), Mode::Lenient, &[]).is_ok());
    assert_eq!(object(&nested(128), Mode::Lenient, &[]).unwrap_err().0, Fault::TooDeep);
    for text in [
        r#"{"a":[1}}"#,
        r#"{"a":{"b"]}}"#,
        r#"{"a":{"b":1]}"#,
        r#"{"a":[[],[{}],]}"#,
        r#"{"a":{"b":1,}}"#,
        r#"{"a":[}"#,
    ] {
        assert!(object(text, Mode::Lenient, &[]).is_err(), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn both_modes_agree_but_for_names_and_surrogates(text in r#"[\[\]{}:,"ab1 ]{0,24}"#) {
        let wrapped = format!("{{\"a\":[{text}]}}");
        let read = |mode| object(&wrapped, mode, &[]).map(drop).map_err(|(fault, _)| fault);
        match read(Mode::Strict) {
            Err(Fault::Duplicate(_)) => {}
            strict => proptest::prop_assert_eq!(strict, read(Mode::Lenient), "{}", wrapped),
        }
    }

    #[test]
    fn agrees_with_a_known_parser_on_what_is_json(text in r#"[\[\]{}:,"\\a0-9\.eE+\- tfnu]{0,24}"#) {
        let wrapped = format!("{{\"a\":{text}}}");
        if object(&wrapped, Mode::Strict, &[]).is_ok() {
            proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&mended(&wrapped)).is_ok(), "{wrapped}");
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        drop(object(&text, Mode::Strict, &[("params", Open::Elements)]));
        drop(object(&text, Mode::Lenient, &[]));
    }

    #[test]
    fn reads_what_a_known_writer_wrote(key in ".{0,12}", value in ".{0,40}", number in proptest::num::f64::NORMAL) {
        let text = serde_json::json!({"k": {"key": key, "value": value, "list": [number, {key: null}]}}).to_string();
        proptest::prop_assert!(object(&text, Mode::Strict, &[("k", Open::Members(&[]))]).is_ok(), "{text}");
    }
}
