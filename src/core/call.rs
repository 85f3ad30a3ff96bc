//! What a `tools/call` is, as far as an approval binds it.

use super::ids::{ClientId, Digest};

/// The arguments of a call that carries none, as they are shown and digested.
pub const NO_ARGUMENTS: &str = "{}";

/// The digest an approval is bound to: agent, server, tool, definition and raw arguments, each length-prefixed.
pub fn digest(agent: &ClientId, server: &str, tool: &str, definition: Option<&Digest>, arguments: &str) -> Digest {
    let definition = definition.map_or("", Digest::as_str);
    Digest::of_fields(&[
        b"hitl.call.v1",
        agent.as_str().as_bytes(),
        server.as_bytes(),
        tool.as_bytes(),
        definition.as_bytes(),
        arguments.as_bytes(),
    ])
}

/// What makes two calls *identical*, so that the second takes up the approval kept for the first: as [`digest`], but
/// blind to white space that means nothing.
pub fn identity(agent: &ClientId, server: &str, tool: &str, definition: Option<&Digest>, arguments: &str) -> Digest {
    let definition = definition.map_or("", Digest::as_str);
    Digest::of_fields(&[
        b"hitl.same.v1",
        agent.as_str().as_bytes(),
        server.as_bytes(),
        tool.as_bytes(),
        definition.as_bytes(),
        canonical(arguments).as_bytes(),
    ])
}

/// JSON text without the white space between its tokens; keys stay in order, literals and strings as they were sent.
///
/// Of two well-formed texts it makes the same one only when they have the same tokens: white space stands beside a
/// brace, a bracket, a colon or a comma, so nothing grows together that was apart.
pub fn canonical(arguments: &str) -> String {
    let mut kept = String::with_capacity(arguments.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in arguments.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            in_string = c == '"';
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_form_loses_white_space_between_tokens_and_nothing_else() {
        for (sent, canonical_form) in [
            ("{}", "{}"),
            (" { } ", "{}"),
            ("{\t\"a\" : [ 1 ,\r\n 2 ] }", "{\"a\":[1,2]}"),
            (r#"{"a b": " c\\" , "d": "\" e" }"#, r#"{"a b":" c\\","d":"\" e"}"#),
            (
                r#"{ "n": 1.0, "m": 1e400, "big": 123456789012345678901234567890 }"#,
                r#"{"n":1.0,"m":1e400,"big":123456789012345678901234567890}"#,
            ),
            ("{ \"\u{a0} \": \"\u{2003}\" }", "{\"\u{a0} \":\"\u{2003}\"}"),
        ] {
            assert_eq!(canonical(sent), canonical_form);
            assert_eq!(canonical(canonical_form), canonical_form, "it is its own canonical form");
        }
    }

    #[test]
    fn identical_means_the_same_tokens_in_the_same_order() {
        let of = |arguments| identity(&"a".into(), "s", "t", None, arguments);
        let sent = of(r#"{"a":1,"b":"x y"}"#);
        assert_eq!(of("{ \"a\": 1,\n \"b\": \"x y\" }"), sent);
        for other in [
            r#"{"b":"x y","a":1}"#,
            r#"{"a":1.0,"b":"x y"}"#,
            r#"{"a":1,"b":"xy"}"#,
            r#"{"a":1,"b":"x  y"}"#,
            r#"{"a":1,"b":"\u0078 y"}"#,
            r#"{"a":"1","b":"x y"}"#,
        ] {
            assert_ne!(of(other), sent, "{other}");
        }
    }

    #[test]
    fn identity_counts_agent_server_tool_and_definition() {
        let whole = || identity(&"a".into(), "s", "t", Some(&Digest::of(b"d")), "{}");
        assert_eq!(whole(), whole());
        assert_ne!(whole(), identity(&"b".into(), "s", "t", Some(&Digest::of(b"d")), "{}"));
        assert_ne!(whole(), identity(&"a".into(), "r", "t", Some(&Digest::of(b"d")), "{}"));
        assert_ne!(whole(), identity(&"a".into(), "s", "u", Some(&Digest::of(b"d")), "{}"));
        assert_ne!(whole(), identity(&"a".into(), "s", "t", None, "{}"));
    }

    #[test]
    fn every_field_counts() {
        let whole = || digest(&"a".into(), "s", "t", Some(&Digest::of(b"d")), "{}");
        assert_eq!(whole(), whole());
        for other in [
            digest(&"b".into(), "s", "t", Some(&Digest::of(b"d")), "{}"),
            digest(&"a".into(), "r", "t", Some(&Digest::of(b"d")), "{}"),
            digest(&"a".into(), "s", "u", Some(&Digest::of(b"d")), "{}"),
            digest(&"a".into(), "s", "t", None, "{}"),
            digest(&"a".into(), "s", "t", Some(&Digest::of(b"d")), "{ }"),
        ] {
            assert_ne!(whole(), other);
        }
    }
}
