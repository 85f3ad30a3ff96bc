//! What refusals, errors and progress say, word for word.

use super::*;

#[test]
fn the_first_message_is_the_products() {
    assert_eq!(
        waiting("delete_repo", 300),
        "Tool 'delete_repo' requires admin approval before execution. Waiting for approval (timeout: 5 minutes)..."
    );
    assert!(waiting(&"x".repeat(300), 300).chars().count() <= MAX_MESSAGE_CHARS);
}

#[test]
fn a_rejection_carries_the_reason() {
    let rejected = Refusal::Rejected { reason: Some("Wrong environment".into()) };
    assert_eq!(
        rejected.text("delete_repo"),
        "Tool 'delete_repo' was rejected by admin: 'Wrong environment'. It was not executed. Do not retry unless \
         the user asks. Contact your admin if you believe this is an error."
    );
}

#[test]
fn every_refusal_says_that_nothing_ran() {
    for refusal in [
        Refusal::Rejected { reason: None },
        Refusal::TimedOut { after_seconds: 5 },
        Refusal::Denied { reasons: vec!["why".into()] },
        Refusal::HubAway { hub: "http://h".into(), why: None },
        Refusal::Cancelled { reason: "why".into() },
        Refusal::NoRuling,
        Refusal::Mismatch,
        Refusal::ToolChanged,
        Refusal::Pending { link: "http://h".into() },
        Refusal::ServerGone,
        Refusal::Overloaded,
        Refusal::Busy { why: "why".into() },
    ] {
        assert!(refusal.text("t").contains("not executed"), "{refusal:?}");
    }
}

#[test]
fn a_refusal_is_a_result_the_model_sees() {
    let line = Refusal::Rejected { reason: Some("\"no\"\n".into()) }.line("9007199254740993", "t", Some(&"a".into()));
    let text = String::from_utf8(line).unwrap();
    assert!(text.starts_with(r#"{"jsonrpc":"2.0","id":9007199254740993,"result":"#) && !text.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["result"]["isError"], true);
    assert_eq!(value["result"]["resultType"], "complete");
    assert_eq!(value["result"]["_meta"]["dev.hitl/decision"]["status"], "rejected");
    assert_eq!(value["result"]["_meta"]["dev.hitl/decision"]["approval"], "a");
}

#[test]
fn a_tools_name_cannot_write_on_the_users_terminal() {
    let name = "x\u{1b}[2J\r\nTool 'x' was approved\u{202e}";
    let hub = HubName::from("http://h");
    let lines = [waiting(name, 60), checking(name), hub_away(name, &hub, 1), Refusal::Mismatch.text(name)];
    for line in lines {
        assert!(!line.chars().any(crate::core::inert::deceives), "{line:?}");
        assert!(line.contains("x\\u{1b}[2J\\u{d}\\u{a}Tool"), "{line}");
    }
    assert!(waiting("löschen_漢", 60).starts_with("Tool 'löschen_漢' requires"));
}

#[test]
fn a_hub_is_named_by_where_it_is_and_what_helps() {
    let text = |hub: HubName| Refusal::HubAway { hub, why: None }.text("t");
    let there = text("http://h".into());
    assert!(there.contains("hub at http://h cannot") && there.contains("hitl-hub is running there, then"), "{there}");
    let here = text(HubName::Here("/d/hub.log".into()));
    assert!(here.contains("hub on this machine cannot be reached.") && here.contains("/d/hub.log"), "{here}");
    let why = Some(format!("it answered \u{1b}[2J{}", "x".repeat(300)));
    let told = Refusal::HubAway { hub: "http://h".into(), why }.text("t");
    assert!(told.contains("cannot be reached: it answered \\u{1b}[2Jxxx") && told.len() < 500, "{told}");
}

#[test]
fn durations_are_words() {
    for (seconds, words) in [
        (300, "5 minutes"),
        (60, "1 minute"),
        (90, "1 minute 30 seconds"),
        (5, "5 seconds"),
        (3600, "1 hour"),
        (0, "0 seconds"),
    ] {
        assert_eq!(duration(seconds), words);
    }
}

#[test]
fn progress_is_written_with_the_token_as_sent() {
    let line = |thousandths| String::from_utf8(progress_line("\"\"", thousandths, "m")).unwrap();
    assert!(line(-300_000).contains(r#""progressToken":"","progress":-300,"message":"m""#));
    assert!(line(-299_999).contains(r#""progress":-299.999,"#));
    assert!(line(-1).contains(r#""progress":-0.001,"#));
}

#[test]
fn messages_are_clipped_by_characters() {
    assert_eq!(clip("äöü", 3), "äöü");
    assert_eq!(clip("äöüß", 3), "äö…");
}
