//! What a `tools/call` is, as far as an approval binds it.

use super::ids::{ClientId, Digest};
use super::json::{canonical, says_nothing};

/// The arguments of a call that carries none, as they are shown and digested.
pub const NO_ARGUMENTS: &str = "{}";

/// Whether a text may be a call's arguments: an object, or what says no more than none.
pub fn may_be_arguments(json: &str) -> bool {
    json.trim_ascii_start().starts_with('{') || says_nothing(json)
}

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
/// of JSON values: blind to the order of members and to the way they are written, number literals as they were sent.
pub fn identity(call: &Bound<'_>) -> Digest {
    of_fields("hitl.same.v2", call, &canonical(call.arguments), call.extra.map(canonical).as_deref())
}

/// The digest of a tool's definition: of the value, because one server writes it in more than one way.
pub fn definition(entry: &str) -> Digest {
    Digest::of(canonical(entry).as_bytes())
}

fn of_fields(domain: &str, call: &Bound<'_>, arguments: &str, extra: Option<&str>) -> Digest {
    let definition = call.definition.map_or("", Digest::as_str);
    let always = [domain, call.agent.as_str(), call.server, call.tool, definition, arguments];
    let fields: Vec<&[u8]> = always.into_iter().chain(extra).map(str::as_bytes).collect();
    Digest::of_fields(&fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identical_means_the_same_values_with_the_same_number_literals() {
        let of = |arguments| identity(&Bound::plain(&"a".into(), "s", "t", None, arguments));
        let sent = of(r#"{"a":1,"b":"x y","c":[1,2]}"#);
        for same in ["{ \"a\": 1,\n \t\"b\": \"x y\",\"c\":[1, 2] }", r#"{"c":[1,2],"b":"\u0078 y","a":1}"#] {
            assert_eq!(of(same), sent, "{same}");
        }
        for other in [
            r#"{"a":1.0,"b":"x y","c":[1,2]}"#,
            r#"{"a":1,"b":"xy","c":[1,2]}"#,
            r#"{"a":1,"b":"x  y","c":[1,2]}"#,
            r#"{"a":"1","b":"x y","c":[1,2]}"#,
            r#"{"a":1,"b":"x y","c":[2,1]}"#,
            r#"{"a":1,"b":"x y"}"#,
        ] {
            assert_ne!(of(other), sent, "{other}");
        }
    }

    #[test]
    fn a_definition_is_the_same_however_its_server_orders_and_writes_it() {
        let legacy = r#"{"name":"t","description":"Größe","inputSchema":{"type":"object","properties":{"a":{"type":"string","default":1.0}}}}"#;
        let modern = r#"{"inputSchema": {"properties": {"a": {"default": 1.0, "type": "string"}}, "type": "object"}, "description": "Gr\u00f6\u00dfe", "name": "t"}"#;
        assert_eq!(definition(legacy), definition(modern));
        assert_ne!(definition(legacy), definition(&legacy.replace("1.0", "1")));
        assert_ne!(definition(legacy), definition(&legacy.replace("string", "strinG")));
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
