//! What a `tools/call` is, as far as an approval binds it.

use super::ids::{ClientId, Digest};

/// The arguments of a call that carries none, as they are shown and digested.
pub const NO_ARGUMENTS: &str = "{}";

/// Everything that an approval binds.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    /// Whose shim holds the call.
    pub agent: &'a ClientId,
    /// The wrapped server's name.
    pub server: &'a str,
    /// The tool's exact name.
    pub tool: &'a str,
    /// The digest of the tool's definition, when the shim saw it listed.
    pub definition: Option<&'a Digest>,
    /// The raw text of the arguments.
    pub arguments: &'a str,
    /// What else was sent with the call, as [`Call::extra`](super::frame::Call::extra) has it.
    pub extra: Option<&'a str>,
}

impl<'a> Bound<'a> {
    /// A call that carries nothing besides its arguments.
    pub fn plain(
        agent: &'a ClientId,
        server: &'a str,
        tool: &'a str,
        definition: Option<&'a Digest>,
        arguments: &'a str,
    ) -> Self {
        Self { agent, server, tool, definition, arguments, extra: None }
    }
}

/// The digest an approval is bound to: each field length-prefixed, as it is.
pub fn digest(call: &Bound<'_>) -> Digest {
    of_fields("hitl.call.v1", call, call.arguments, call.extra)
}

/// What makes two calls *identical*, so that the second takes up the approval kept for the first: as [`digest`], but
/// blind to white space that means nothing.
pub fn identity(call: &Bound<'_>) -> Digest {
    of_fields("hitl.same.v1", call, &canonical(call.arguments), call.extra.map(canonical).as_deref())
}

fn of_fields(domain: &str, call: &Bound<'_>, arguments: &str, extra: Option<&str>) -> Digest {
    let definition = call.definition.map_or("", Digest::as_str);
    let always = [domain, call.agent.as_str(), call.server, call.tool, definition, arguments];
    let fields: Vec<&[u8]> = always.into_iter().chain(extra).map(str::as_bytes).collect();
    Digest::of_fields(&fields)
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
        let of = |arguments| identity(&Bound::plain(&"a".into(), "s", "t", None, arguments));
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
        let whole = || identity(&Bound::plain(&"a".into(), "s", "t", Some(&Digest::of(b"d")), "{}"));
        assert_eq!(whole(), whole());
        assert_ne!(whole(), identity(&Bound::plain(&"b".into(), "s", "t", Some(&Digest::of(b"d")), "{}")));
        assert_ne!(whole(), identity(&Bound::plain(&"a".into(), "r", "t", Some(&Digest::of(b"d")), "{}")));
        assert_ne!(whole(), identity(&Bound::plain(&"a".into(), "s", "u", Some(&Digest::of(b"d")), "{}")));
        assert_ne!(whole(), identity(&Bound::plain(&"a".into(), "s", "t", None, "{}")));
    }

    #[test]
    fn every_field_counts() {
        let whole = || digest(&Bound::plain(&"a".into(), "s", "t", Some(&Digest::of(b"d")), "{}"));
        assert_eq!(whole(), whole());
        for other in [
            digest(&Bound::plain(&"b".into(), "s", "t", Some(&Digest::of(b"d")), "{}")),
            digest(&Bound::plain(&"a".into(), "r", "t", Some(&Digest::of(b"d")), "{}")),
            digest(&Bound::plain(&"a".into(), "s", "u", Some(&Digest::of(b"d")), "{}")),
            digest(&Bound::plain(&"a".into(), "s", "t", None, "{}")),
            digest(&Bound::plain(&"a".into(), "s", "t", Some(&Digest::of(b"d")), "{ }")),
        ] {
            assert_ne!(whole(), other);
        }
    }

    #[test]
    fn what_is_sent_besides_counts_too() {
        let agent = ClientId::from("a");
        let plain = Bound::plain(&agent, "s", "t", None, "{}");
        let with = |extra| Bound { extra, ..plain };
        let all = [None, Some("{}"), Some(r#"{"task":{}}"#), Some(r#"{ "task":{}}"#)].map(with);
        let same = |one: fn(&Bound<'_>) -> Digest| {
            all.iter().flat_map(|a| all.iter().map(move |b| (a, b))).filter(|(a, b)| one(a) == one(b)).count()
        };
        assert_eq!((same(digest), same(identity)), (4, 6), "identity is blind to white space only");
    }
}
