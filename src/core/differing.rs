//! Where two definitions of a tool differ: some servers write one anew at each start.

use serde_json::Value;

use super::json::{canonical, mended};

/// So many members are named.
const MAX_NAMED: usize = 20;

/// How one definition differs from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The members that differ, as JSON pointers (RFC 6901); a list counts as one.
    pub members: Vec<String>,
    /// Only the order of lists differs, as when a server writes a set.
    pub is_order: bool,
}

/// How `new` differs from `old`; `None` if they do not differ as values, or if that cannot be told for every reader.
pub fn difference(old: &str, new: &str) -> Option<Difference> {
    let mut difference = Difference { members: Vec::new(), is_order: true };
    difference.walk(&faithful(old)?, &faithful(new)?, "");
    (!difference.members.is_empty() && difference.members.len() <= MAX_NAMED).then_some(difference)
}

impl Difference {
    /// Whether all of it is in these members.
    pub fn is_within(&self, members: &[String]) -> bool {
        self.members.iter().all(|differs| members.contains(differs))
    }

    fn walk(&mut self, old: &Value, new: &Value, at: &str) {
        let (Value::Object(before), Value::Object(after)) = (old, new) else {
            if old != new {
                self.members.push(at.to_owned());
                self.is_order &= is_reordered(old, new);
            }
            return;
        };
        let added = after.keys().filter(|name| !before.contains_key(*name));
        for name in before.keys().chain(added) {
            let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            match (before.get(name), after.get(name)) {
                (Some(old), Some(new)) => self.walk(old, new, &at),
                _ => {
                    self.members.push(at);
                    self.is_order = false;
                }
            }
        }
    }
}

/// The value of a text that has one value for every reader: no name twice, no number that is rounded.
fn faithful(json: &str) -> Option<Value> {
    let text = mended(json);
    let value: Value = serde_json::from_str(&text).ok()?;
    (canonical(&text) == canonical(&value.to_string())).then_some(value)
}

fn is_reordered(old: &Value, new: &Value) -> bool {
    let sorted = |list: &[Value]| {
        let mut texts: Vec<String> = list.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    matches!((old, new), (Value::Array(old), Value::Array(new)) if sorted(old) == sorted(new))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_differ_are_named() {
        for (old, new, members, is_order) in [
            (r#"{"a":[1,2],"b":1}"#, r#"{"b":1,"a":[2,1]}"#, &["/a"][..], true),
            (
                r#"{"a":{"b/c":{"default":["x","y"]}}}"#,
                r#"{"a":{"b/c":{"default":["y","x"]}}}"#,
                &["/a/b~1c/default"],
                true,
            ),
            (r#"{"a":[1,2],"b":1}"#, r#"{"a":[2,1],"b":2}"#, &["/a", "/b"], false),
            (r#"{"a":[1,2]}"#, r#"{"a":[2,1,1]}"#, &["/a"], false),
            (r#"{"a":1}"#, r#"{"b":1}"#, &["/a", "/b"], false),
            (r#"{"a":1}"#, "[1]", &[""], false),
        ] {
            let difference = difference(old, new).unwrap();
            assert_eq!(
                (difference.members.as_slice(), difference.is_order),
                (&members.iter().map(|at| (*at).to_owned()).collect::<Vec<_>>()[..], is_order),
                "{new}"
            );
        }
    }

    #[test]
    fn what_cannot_be_told_for_every_reader_is_no_difference() {
        for (old, new) in [
            (r#"{"a":1}"#, r#"{ "a":1 }"#),
            (r#"{"a":1}"#, r#"{"a":2,"a":1}"#),
            (r#"{"a":1}"#, r#"{"a":123456789012345678901234567890}"#),
            (r#"{"a":"\ud83d"}"#, r#"{"a":"\ud83e"}"#),
            (r#"{"a":1}"#, r#"{"a":"#),
        ] {
            assert_eq!(difference(old, new), None, "{new}");
        }
    }
}
