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

#[cfg(test)]
mod tests {
    use super::*;

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
