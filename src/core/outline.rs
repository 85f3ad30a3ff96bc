//! The outline of a line: the outermost members of the objects on it, found a piece at a time and in bounded memory,
//! whatever else is wrong with the line.
//!
//! It lets nothing pass: it says whom a line concerns that is not forwarded, or is too long to be read.

use serde_json::value::RawValue;

use super::alike::{looks_like, looks_like_a_cancellation};
use super::json::unescape;

/// The longest id or method that is kept, in bytes; nothing else is.
const KEPT_BYTES: usize = 64 << 10;
/// So many objects of one line are told apart.
const MAX_OBJECTS: usize = 256;

/// Who waits for a client's line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owed {
    /// The raw ids of requests; `null` where one has none to answer to.
    pub requests: Vec<String>,
    /// The raw ids of answers.
    pub answers: Vec<String>,
}

/// Who waits for this line of a client.
pub fn owed(line: &[u8]) -> Owed {
    let mut outline = Outline::default();
    outline.push(line);
    outline.owed()
}

/// Whether a line of a client takes a request back to some reader, whatever else is wrong with it.
pub fn may_take_back(line: &[u8]) -> bool {
    objects(line).iter().any(|object| match &object.method {
        Part::One(raw) => looks_like_a_cancellation(&unescape(raw)),
        Part::Unclear => true,
        Part::Absent => false,
    })
}

/// The objects of a line, whatever is wrong with it.
pub fn objects(line: &[u8]) -> Vec<Object> {
    let mut outline = Outline::default();
    outline.push(line);
    outline.objects()
}

/// One object, as far as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// Its id.
    pub id: Part,
    /// Its method.
    pub method: Part,
    /// Its result or error, whichever is not `null`.
    pub outcome: Part,
}

/// A member of an object: its raw text, where that is short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// There is none.
    #[default]
    Absent,
    /// This one.
    One(String),
    /// More than one, or one that could be taken for it.
    Unclear,
}

impl Object {
    /// The raw id of the request it answers, if it is an answer to every reader.
    pub fn answered(&self) -> Option<&str> {
        match (&self.id, &self.method, &self.outcome) {
            (Part::One(id), Part::Absent, Part::One(_)) => Some(id),
            _ => None,
        }
    }

    /// Whether some reader takes it for the answer to a request.
    pub fn may_answer(&self) -> bool {
        self.outcome != Part::Absent && !matches!(&self.id, Part::Absent) && self.id != Part::One("null".to_owned())
    }

    /// Its method, as raw text, if it is a request or a notification to every reader.
    pub fn asked(&self) -> Option<&str> {
        match (&self.method, &self.outcome) {
            (Part::One(method), Part::Absent) => Some(method),
            _ => None,
        }
    }
}

/// A line as far as it was seen.
#[derive(Debug, Default)]
pub struct Outline {
    /// Brackets that are open, from the first object on; a list around it does not count.
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// Past the colon of a member.
    in_value: bool,
    name: Vec<u8>,
    value: Vec<u8>,
    /// The line begins with a list.
    is_list: bool,
    object: Object,
    objects: Vec<Object>,
}

impl Outline {
    /// Reads on.
    pub fn push(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while at < bytes.len() {
            at += self.push_open(&bytes[at..]);
            self.step(bytes, &mut at);
        }
    }

    /// Reads on up to the bracket that closes an object, without it; returns how many bytes that are.
    pub fn push_open(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if !self.in_string && self.depth == 1 && matches!(byte, b'}' | b']') {
                break;
            }
            self.step(bytes, &mut at);
        }
        at
    }

    /// Reads the byte at `at`, if there is one, and what of a string behind it is not kept.
    fn step(&mut self, bytes: &[u8], at: &mut usize) {
        let Some(byte) = bytes.get(*at) else { return };
        *at += 1;
        match self.in_string {
            true => self.inside(*byte),
            false => self.between(*byte),
        }
        if self.in_string && !self.escaped && !self.keeps() {
            let rest = &bytes[*at..];
            *at += memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        }
    }

    /// Whether an object was seen, or its beginning.
    pub fn has_begun(&self) -> bool {
        self.depth > 0 || !self.objects.is_empty()
    }

    /// The objects that were seen, the last one perhaps not to its end.
    pub fn objects(mut self) -> Vec<Object> {
        if self.depth > 0 {
            self.end_member();
            self.end_object();
        }
        self.objects
    }

    /// Who waits for the line.
    pub fn owed(self) -> Owed {
        let mut owed = Owed::default();
        if self.is_list {
            owed.requests.push("null".to_owned());
        }
        let mut says_something = false;
        for object in self.objects() {
            says_something |= object.method != Part::Absent || object.outcome != Part::Absent;
            object.add_to(&mut owed);
        }
        if !says_something && owed == Owed::default() {
            owed.requests.push("null".to_owned());
        }
        owed
    }

    fn inside(&mut self, byte: u8) {
        self.keep(byte);
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b'"' => self.begin_string(),
            b'{' if self.depth == 0 => self.depth = 1,
            b'[' if self.depth == 0 => self.is_list |= self.objects.is_empty(),
            b'{' | b'[' => {
                self.keep(byte);
                self.depth += 1;
            }
            b'}' | b']' if self.depth == 1 => {
                self.end_member();
                self.end_object();
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == 1 && !self.in_value => self.in_value = true,
            b',' if self.depth == 1 => self.end_member(),
            _ if self.in_value => self.keep(byte),
            _ => {}
        }
    }

    fn begin_string(&mut self) {
        if self.depth == 1 && !self.in_value {
            self.name.clear();
        }
        self.in_string = true;
        self.keep(b'"');
    }

    /// Whether what is read now is a part of an outermost member that is kept.
    fn keeps(&self) -> bool {
        self.depth == 1 && if self.in_value { self.value.len() } else { self.name.len() } <= KEPT_BYTES
    }

    fn keep(&mut self, byte: u8) {
        if self.keeps() {
            if self.in_value { &mut self.value } else { &mut self.name }.push(byte);
        }
    }

    fn end_member(&mut self) {
        if std::mem::take(&mut self.in_value) {
            let name = std::str::from_utf8(&self.name).map(unescape).unwrap_or_default();
            let value = std::str::from_utf8(&self.value).ok().filter(|value| value.len() <= KEPT_BYTES);
            self.object.note(&name, value.map(str::trim_ascii));
        }
        self.name.clear();
        self.value.clear();
    }

    fn end_object(&mut self) {
        self.depth = 0;
        self.in_string = false;
        let object = std::mem::take(&mut self.object);
        if self.objects.len() < MAX_OBJECTS {
            self.objects.push(object);
        }
    }
}

impl Object {
    /// A member; its value is known only if it is short.
    fn note(&mut self, name: &str, value: Option<&str>) {
        for known in ["id", "method", "result", "error"].into_iter().filter(|known| looks_like(name, known)) {
            let part = match known {
                "id" => &mut self.id,
                "method" => &mut self.method,
                _ => &mut self.outcome,
            };
            if name != known {
                *part = Part::Unclear;
            } else if known == "id" || value != Some("null") {
                part.add(value);
            }
        }
    }

    fn add_to(self, owed: &mut Owed) {
        let id = match self.id {
            Part::One(raw) if is_id(&raw) => Some(raw),
            Part::Absent => return,
            _ => None,
        };
        let (list, id) = match self.method == Part::Absent && self.outcome != Part::Absent {
            true => (&mut owed.answers, id),
            false => (&mut owed.requests, id.or_else(|| Some("null".to_owned()))),
        };
        list.extend(id.filter(|id| !list.contains(id)));
    }
}

impl Part {
    fn add(&mut self, value: Option<&str>) {
        *self = match (&self, value) {
            (Self::Absent, Some(value)) => Self::One(value.to_owned()),
            _ => Self::Unclear,
        };
    }
}

/// Whether a raw id can be sent back.
fn is_id(raw: &str) -> bool {
    let begins = raw.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
    begins && serde_json::from_str::<&RawValue>(raw).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(line: &str) -> (Vec<String>, Vec<String>) {
        let owed = owed(line.as_bytes());
        (owed.requests, owed.answers)
    }

    fn list(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn whoever_waits_is_found_wherever_the_id_stands_and_whatever_is_wrong() {
        let long = format!("\"{}\"", "x".repeat(300));
        let with_long = format!(r#"{{"id":{long},"method":"ping"}}"#);
        for (line, requests, answers) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#, &["7"][..], &[][..]),
            (
                r#"{"method":"x","params":{"id":1,"a":"}\"{","b":[{"id":2}]},"jsonrpc":"2.0","id":"a\"b"}"#,
                &[r#""a\"b""#],
                &[],
            ),
            ("{\"id\":1.0,\"method\":\"caf\u{0}\"}", &["1.0"], &[]),
            (with_long.as_str(), &[long.as_str()], &[]),
            ("\u{feff}{\"id\":8,\"method\":\"ping\"}", &["8"], &[]),
            (r#"{"\u0069d":9,"method":"ping"}"#, &["9"], &[]),
            (r#"{"id":7,"method":"ping""#, &["7"], &[]),
            (r#"{"method":"ping","id":7"#, &["7"], &[]),
            (r#"{"id":1,"id":2,"method":"ping"}"#, &["null"], &[]),
            (r#"{"Id":1,"id":2,"method":"ping"}"#, &["null"], &[]),
            (r#"{"id":null,"method":"tools/call"}"#, &["null"], &[]),
            (r#"{"id":[1],"method":"ping"}"#, &["null"], &[]),
            (r#"{"id":true,"method":"ping"}"#, &["null"], &[]),
            (r#"{"id":01,"method":"ping"}"#, &["null"], &[]),
            ("{\"id\":\"a\rb\",\"method\":\"ping\"}", &["null"], &[]),
            (r#"{"method":"tools/call","params":{"id":1}}"#, &[], &[]),
            (r#"{"id":"s","result":{"a":1,"a":2}}"#, &[], &["\"s\""]),
            (r#"{"error":{"code":1},"result":null,"id":3}"#, &[], &["3"]),
            (r#"{"id":3,"result":{"method":"x"#, &[], &["3"]),
            (r#"{"result":{}}"#, &[], &[]),
            (r#"{"id":1,"method":"a"} {"b":1}"#, &["1"], &[]),
            (r#"{"id":3,"method":null,"result":{}}"#, &[], &["3"]),
            (r#"{"id":3,"method":"x","result":{}}"#, &["3"], &[]),
            (r#"{"id":1,"method":"a"}{"id":2,"method":"b"} {"id":2,"result":{}}"#, &["1", "2"], &["2"]),
            (r#"[{"id":1,"method":"a"},{"method":"n"},{"id":2,"method":"b"}]"#, &["null", "1", "2"], &[]),
            ("[]", &["null"], &[]),
            ("hello", &["null"], &[]),
            ("{}", &["null"], &[]),
            (r#"data: {"id":4,"method":"ping"}"#, &["4"], &[]),
        ] {
            assert_eq!(seen(line), (list(requests), list(answers)), "{line}");
        }
    }

    #[test]
    fn reading_stops_before_the_end_of_an_object() {
        let mut outline = Outline::default();
        let line = br#"{"id":1,"result":{"a":"}"},"b":[{}]}  "#;
        assert_eq!(outline.push_open(&line[..20]), 20);
        assert_eq!(outline.push_open(&line[20..]), line.len() - 23);
        let objects = outline.objects();
        assert_eq!((objects.len(), objects[0].answered(), objects[0].asked()), (1, Some("1"), None));
    }

    #[test]
    fn memory_is_bounded() {
        let mut outline = Outline::default();
        outline.push(b"{\"id\":\"");
        for _ in 0..100 {
            outline.push(&[b'x'; 4096]);
        }
        outline.push(b"\",\"method\":\"ping\",\"a\":{\"");
        for _ in 0..100 {
            outline.push(&[b'"'; 4096]);
        }
        assert!(outline.value.capacity() <= 2 * KEPT_BYTES && outline.name.capacity() <= 2 * KEPT_BYTES);
        assert_eq!(outline.owed().requests, ["null"]);
        let many = r#"{"id":1,"method":"a"}"#.repeat(10_000);
        assert_eq!(seen(&many).0, ["1"]);
    }

    proptest::proptest! {
        #[test]
        fn pieces_are_read_as_the_whole(line in r#"[\[\]{}:,"\\id1 ]{0,40}"#, cut in 0..40usize) {
            let (head, tail) = line.as_bytes().split_at(cut.min(line.len()));
            let mut outline = Outline::default();
            outline.push(head);
            outline.push(tail);
            proptest::prop_assert_eq!(outline.owed(), owed(line.as_bytes()), "{}", line);
        }

        #[test]
        fn every_id_that_is_found_can_be_sent_back(line in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let line = [b"{\"id\":", line.as_slice(), b",\"method\":\"x\"}"].concat();
            for id in owed(&line).requests {
                proptest::prop_assert!(serde_json::from_str::<&RawValue>(&id).is_ok() && !id.contains(['\n', '\r']));
            }
        }
    }
}
