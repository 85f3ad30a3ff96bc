//! JSON pointers into the arguments of a call, which see when another reader might look elsewhere.
//!
//! A server that reads member names without regard to case takes `Path` for `path`, and the last of both wins.

use serde_json::Value;

use super::alike::looks_like;

/// What a pointer (RFC 6901) names, if anything; an error where a member on its way looks like the one that is meant.
pub(super) fn find<'v>(value: &'v Value, pointer: &str) -> Result<Option<&'v Value>, String> {
    let mut found = Some(value);
    for segment in pointer.split('/').skip(1) {
        let segment = segment.replace("~1", "/").replace("~0", "~");
        found = match found {
            Some(Value::Object(members)) => {
                if let Some(other) = members.keys().find(|name| **name != segment && looks_like(name, &segment)) {
                    return Err(format!("could be read from the member {other:?}"));
                }
                members.get(&segment)
            }
            Some(Value::Array(elements)) => index(&segment).and_then(|index| elements.get(index)),
            _ => None,
        };
    }
    Ok(found)
}

/// Digits without a sign and without leading zeros.
fn index(segment: &str) -> Option<usize> {
    let plain = segment == "0" || !segment.starts_with(['0', '+']);
    segment.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_finds_what_the_standard_says() {
        let value = json!({ "a": [{ "b/c": 1 }, { "~1": 2 }], "": 3, "0": 4 });
        for pointer in
            ["", "/a", "/a/0/b~1c", "/a/1/~01", "/", "/0", "/a/00", "/a/+0", "/a/-", "/a/2", "/a/0/b", "/0/0"]
        {
            assert_eq!(find(&value, pointer), Ok(value.pointer(pointer)), "{pointer}");
        }
    }

    #[test]
    fn a_member_that_another_reader_could_take_for_the_one_meant_is_an_error() {
        for name in ["Path", "PATH", "path ", "pa\u{200b}th", "\u{ff50}ath"] {
            let why = find(&json!({ name: 1 }), "/path").unwrap_err();
            assert_eq!(why, format!("could be read from the member {name:?}"));
            assert!(find(&json!({ "path": 1, name: 2 }), "/path").is_err(), "{name:?} beside the exact one");
            assert!(find(&json!({ "a": [{ name: { "b": 1 } }] }), "/a/0/path/b").is_err(), "{name:?} on the way");
        }
        assert_eq!(find(&json!({ "paths": 1, "pat": { "Path": 2 } }), "/path"), Ok(None));
    }
}
