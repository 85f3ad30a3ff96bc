//! Putting the shim in front of an entry and taking it away again, by exchanging a few bytes of the file.
//!
//! Only `command`, `args` (or the one list) and the client's time limit change; every other byte stays, and what the
//! client reads afterwards is compared with what it read before.

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::clients::{Shape, Timeout};
use super::edit::{Edit, apply, newline_before, removed, without};
use super::entry::{Entry, State, words};
use super::remote::Remote;
use super::tree::{Dialect, Node, Value, parse, quoted};

/// Seconds for which a client whose limit can be raised waits for a tool: as long as an approval can live.
const WAIT_SECONDS: u32 = 3600;
/// The shim answers a little before the client gives up.
const ANSWER_BEFORE_SECONDS: u32 = 15;

/// How a shim is put in front of a server.
#[derive(Clone, Debug)]
pub struct Front<'f> {
    /// The shim: a path, or a bare name in files that a team shares.
    pub shim: &'f str,
    /// The name to give the hub.
    pub server: &'f str,
    /// How the client names program and arguments.
    pub shape: Shape,
    /// How it writes its file.
    pub dialect: Dialect,
    /// Its limit, where it has one.
    pub timeout: Option<Timeout>,
}

/// The file with the shim in front of this entry.
pub fn wrap(text: &str, entry: &Entry, front: &Front<'_>) -> anyhow::Result<String> {
    check(entry)?;
    let original = words(&entry.node, front.shape).context("it names no command")?;
    let raised = front.timeout.filter(|timeout| is_short(&entry.node, *timeout));
    let hold = raised.map(|_| (WAIT_SECONDS - ANSWER_BEFORE_SECONDS).to_string());
    let mut before = vec!["--server", front.server];
    before.extend(hold.iter().flat_map(|seconds| ["--hold-for", seconds]));
    before.push("--");
    let edits = match front.shape {
        Shape::OneList => in_one_list(&entry.node, front, &before)?,
        Shape::CommandAndArgs => in_two(text, &entry.node, front, &before, raised)?,
    };
    let changed = apply(text, edits);
    let mut expected = vec![front.shim.to_owned()];
    expected.extend(before.iter().map(|word| (*word).to_owned()).chain(original));
    let limit = raised.map(|timeout| (timeout.key, (WAIT_SECONDS * timeout.per_second).to_string()));
    verify(text, &changed, entry, front, Reads { words: &expected, limit, gone: &[] })?;
    Ok(changed)
}

/// What is known of an entry as it was, beside what its arguments tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// It had no list of arguments.
    #[serde(default)]
    pub no_args: bool,
    /// The client's limit was raised.
    #[serde(default)]
    pub raised: bool,
    /// How that limit was written; `None` where it was not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// It lay elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<Remote>,
}

impl Before {
    /// What [`wrap`] is about to change in this entry.
    pub fn of(text: &str, entry: &Entry, front: &Front<'_>) -> Self {
        let raised = front.timeout.filter(|timeout| is_short(&entry.node, *timeout));
        let limit = raised.and_then(|timeout| entry.node.get(timeout.key)).map(|node| text[node.at.clone()].to_owned());
        Self { no_args: entry.node.get("args").is_none(), raised: raised.is_some(), limit, remote: None }
    }
}

/// The file with the shim taken away from this entry, which its arguments suffice for; what was there before is put
/// back as far as it is known.
pub fn unwrap(text: &str, entry: &Entry, front: &Front<'_>, before: &Before) -> anyhow::Result<String> {
    check(entry)?;
    let State::Gated(wrapped) = &entry.state else { bail!("the shim is not in front of it") };
    let all = words(&entry.node, front.shape).context("it names no command")?;
    let original = all.get(wrapped.words..).filter(|rest| !rest.is_empty()).context("its arguments name no server")?;
    let (mut edits, mut gone) = (Vec::new(), Vec::new());
    let command = entry.node.get("command").context("it names no command")?;
    match front.shape {
        Shape::OneList => edits.push(Edit { at: removed(command, wrapped.words)?, text: String::new() }),
        Shape::CommandAndArgs => {
            let args = entry.node.get("args").context("it has no arguments")?;
            // The program is no argument, and the first of the original words becomes it again, as it is written.
            let program = args.list().and_then(|items| items.get(wrapped.words - 1)).context("it names no server")?;
            edits.push(Edit { at: command.at.clone(), text: text[program.at.clone()].to_owned() });
            if before.no_args && original.len() == 1 {
                gone.push("args");
            } else {
                edits.push(Edit { at: removed(args, wrapped.words)?, text: String::new() });
            }
        }
    }
    let raised = front.timeout.filter(|timeout| before.raised && is_ours(&entry.node, *timeout));
    let limit = raised.and_then(|timeout| before.limit.clone().map(|literal| (timeout.key, literal)));
    match &limit {
        Some((key, literal)) => {
            let at = entry.node.get(key).map(|node| node.at.clone()).unwrap_or_default();
            edits.push(Edit { at, text: literal.clone() });
        }
        None => gone.extend(raised.map(|timeout| timeout.key)),
    }
    for name in &gone {
        edits.push(Edit { at: without(text, &entry.node, name)?, text: String::new() });
    }
    let changed = apply(text, edits);
    verify(text, &changed, entry, front, Reads { words: original, limit, gone: &gone })?;
    Ok(changed)
}

/// Whether the client's limit is the one we set.
fn is_ours(node: &Node, timeout: Timeout) -> bool {
    node.get(timeout.key).and_then(Node::number) == Some(f64::from(WAIT_SECONDS * timeout.per_second))
}

/// A name that stands twice is read one way by the client and another by somebody else.
fn check(entry: &Entry) -> anyhow::Result<()> {
    match entry.node.twice() {
        Some(name) => bail!("{name:?} stands in it twice"),
        None => Ok(()),
    }
}

fn in_one_list(node: &Node, front: &Front<'_>, before: &[&str]) -> anyhow::Result<Vec<Edit>> {
    let first = node.get("command").and_then(Node::list).and_then(<[Node]>::first).context("it names no command")?;
    let words = std::iter::once(front.shim).chain(before.iter().copied());
    let text: String = words.map(|word| quoted(word, front.dialect) + ", ").collect();
    Ok(vec![Edit { at: first.at.start..first.at.start, text }])
}

fn in_two(
    text: &str,
    node: &Node,
    front: &Front<'_>,
    before: &[&str],
    raised: Option<Timeout>,
) -> anyhow::Result<Vec<Edit>> {
    let command = node.get("command").context("it names no command")?;
    let mut edits = vec![Edit { at: command.at.clone(), text: quoted(front.shim, front.dialect) }];
    // The program goes among the arguments as it is written.
    let words = before.iter().map(|word| quoted(word, front.dialect)).chain([text[command.at.clone()].to_owned()]);
    let words = words.collect::<Vec<_>>().join(", ");
    let mut members = String::new();
    match node.get("args") {
        None => members += &member(text, node, front.dialect, "args", &format!("[{words}]"))?,
        Some(args) => edits.push(match args.list() {
            Some([]) => Edit { at: args.at.start + 1..args.at.start + 1, text: words },
            Some([first, ..]) => Edit { at: first.at.start..first.at.start, text: words + ", " },
            None => Edit { at: args.at.clone(), text: format!("[{words}]") },
        }),
    }
    if let Some(timeout) = raised {
        let value = (WAIT_SECONDS * timeout.per_second).to_string();
        match node.get(timeout.key) {
            Some(present) => edits.push(Edit { at: present.at.clone(), text: value }),
            None => members += &member(text, node, front.dialect, timeout.key, &value)?,
        }
    }
    let at = place_of_members(text, node, command);
    edits.push(Edit { at: at..at, text: members });
    Ok(edits)
}

/// Where members are added: right behind the command's value between braces, else at the end of its line.
fn place_of_members(text: &str, node: &Node, command: &Node) -> usize {
    if matches!(node.value, Value::Table { braces: true, .. }) {
        return command.at.end;
    }
    let line = &text[command.at.end..];
    let line = &line[..line.find('\n').unwrap_or(line.len())];
    command.at.end + line.strip_suffix('\r').unwrap_or(line).len()
}

/// A member to be added, as its neighbours are written.
fn member(text: &str, node: &Node, dialect: Dialect, name: &str, value: &str) -> anyhow::Result<String> {
    let braces = matches!(node.value, Value::Table { braces: true, .. });
    match (dialect, braces) {
        (Dialect::Toml, true) => Ok(format!(", {name} = {value}")),
        (Dialect::Toml, false) => {
            let key =
                node.member("command").and_then(|member| member.name_at.clone()).context("its command has no place")?;
            Ok(format!("{}{name} = {value}", newline_before(text, key.start)))
        }
        _ => Ok(format!(", {}: {value}", quoted(name, dialect))),
    }
}

/// Whether the client gives up before an approval can be had, by this entry.
fn is_short(node: &Node, timeout: Timeout) -> bool {
    let set = node.get(timeout.key).and_then(Node::number).map(|value| value / f64::from(timeout.per_second));
    set.or(timeout.default_seconds.map(f64::from)).is_some_and(|seconds| seconds < f64::from(WAIT_SECONDS))
}

/// What the client is to read in an entry after a change.
struct Reads<'r> {
    words: &'r [String],
    limit: Option<(&'static str, String)>,
    gone: &'r [&'r str],
}

/// What the client reads now must differ from what it read before in what was meant alone.
fn verify(before: &str, after: &str, entry: &Entry, front: &Front<'_>, reads: Reads<'_>) -> anyhow::Result<()> {
    let mut wanted = parse(before, front.dialect)?.shape();
    let path = entry.path.iter().try_fold(&mut wanted, |node, name| node.get_mut(name));
    let table = path.and_then(serde_json::Value::as_object_mut).context("it cannot be found again")?;
    match front.shape {
        Shape::OneList => table.insert("command".to_owned(), json!(reads.words)),
        Shape::CommandAndArgs => {
            table.insert("args".to_owned(), json!(reads.words[1..]));
            table.insert("command".to_owned(), json!(reads.words[0]))
        }
    };
    table.extend(reads.limit.map(|(key, literal)| (key.to_owned(), json!([literal]))));
    for name in reads.gone {
        table.remove(*name);
    }
    let now = parse(after, front.dialect).context("the file could not be read after the change")?.shape();
    ensure!(now == wanted, "the change would touch more than this server, so it is not made");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::entry::entries;
    use super::*;

    const CODEX: Timeout = Timeout { key: "tool_timeout_sec", per_second: 1, default_seconds: Some(300) };

    fn front(dialect: Dialect, shape: Shape, timeout: Option<Timeout>) -> Front<'static> {
        Front { shim: "/x/hitl-wrap", server: "s", shape, dialect, timeout }
    }

    fn first(text: &str, front: &Front<'_>) -> Entry {
        let tree = parse(text, front.dialect).unwrap();
        entries(&tree, &["m"], front.shape).remove(0)
    }

    /// What wrapping makes of it; taking away must give the same words, and the same bytes where nothing was added.
    fn wrapped(text: &str, front: &Front<'_>) -> String {
        let entry = first(text, front);
        let changed = wrap(text, &entry, front).unwrap_or_else(|error| panic!("{text}: {error:#}"));
        let taken = |before: &Before| {
            let entry = first(&changed, front);
            unwrap(&changed, &entry, front, before).unwrap_or_else(|error| panic!("{changed}: {error:#}"))
        };
        let is_null = entry.node.get("args").is_some_and(|args| args.list().is_none());
        if !is_null {
            assert_eq!(taken(&Before::of(text, &entry, front)), text, "with what is known of it");
        }
        let back = taken(&Before::default());
        assert_eq!(words(&first(&back, front).node, front.shape), words(&entry.node, front.shape), "{text}");
        changed
    }

    #[test]
    fn json_keeps_every_other_byte() {
        let front = front(Dialect::Jsonc, Shape::CommandAndArgs, None);
        for (before, after) in [
            (
                r#"{ "m": { "s": { "command": "npx", "args": ["-y", "x"] } } } // c"#,
                r#"{ "m": { "s": { "command": "/x/hitl-wrap", "args": ["--server", "s", "--", "npx", "-y", "x"] } } } // c"#,
            ),
            (
                "{\r\n\t\"m\": {\"s\": {\r\n\t\t\"args\": [ // a\r\n\t\t\t\"-y\",\r\n\t\t],\r\n\t\t\"command\": \"npx\", /* b */\r\n\t}}}",
                "{\r\n\t\"m\": {\"s\": {\r\n\t\t\"args\": [ // a\r\n\t\t\t\"--server\", \"s\", \"--\", \"npx\", \"-y\",\r\n\t\t],\r\n\t\t\"command\": \"/x/hitl-wrap\", /* b */\r\n\t}}}",
            ),
            (
                r#"{"m":{"s":{"command":"npx","args":[ ],"env":{"K":"${V}"}}}}"#,
                r#"{"m":{"s":{"command":"/x/hitl-wrap","args":["--server", "s", "--", "npx" ],"env":{"K":"${V}"}}}}"#,
            ),
            (
                "{\"m\":{\"s\":{\"command\":\"np\\u0078\"}}}",
                r#"{"m":{"s":{"command":"/x/hitl-wrap", "args": ["--server", "s", "--", "np\u0078"]}}}"#,
            ),
            (
                r#"{"m":{"s":{"command":"npx","args":null}}}"#,
                r#"{"m":{"s":{"command":"/x/hitl-wrap","args":["--server", "s", "--", "npx"]}}}"#,
            ),
        ] {
            assert_eq!(wrapped(before, &front), after);
        }
    }

    #[test]
    fn one_list_of_program_and_arguments_gets_the_shim_in_front() {
        let front = front(Dialect::Jsonc, Shape::OneList, None);
        assert_eq!(
            wrapped(r#"{"m":{"s":{"type":"local","command":["npx", "-y"],"enabled":true}}}"#, &front),
            r#"{"m":{"s":{"type":"local","command":["/x/hitl-wrap", "--server", "s", "--", "npx", "-y"],"enabled":true}}}"#,
        );
    }

    #[test]
    fn toml_keeps_comments_and_order_whatever_the_form_of_the_table() {
        let front = front(Dialect::Toml, Shape::CommandAndArgs, Some(CODEX));
        let words = r#""--server", "s", "--hold-for", "3585", "--", "npx""#;
        for (before, after) in [
            (
                "# top\n[m.s] # t\ncommand = \"npx\" # c\nargs = [\n  \"-y\", # y\n]\nenabled = true\n",
                format!(
                    "# top\n[m.s] # t\ncommand = \"/x/hitl-wrap\" # c\ntool_timeout_sec = 3600\nargs = [\n  {words}, \"-y\", # y\n]\nenabled = true\n"
                ),
            ),
            (
                "m.s = { command = 'npx', tool_timeout_sec = 60.5 }\n",
                format!(
                    "m.s = {{ command = \"/x/hitl-wrap\", args = [{}], tool_timeout_sec = 3600 }}\n",
                    words.replace("\"npx\"", "'npx'")
                ),
            ),
            (
                "m.s.command = \"npx\"\nm.s.env.A = \"b\"\n",
                format!(
                    "m.s.command = \"/x/hitl-wrap\"\nm.s.args = [{words}]\nm.s.tool_timeout_sec = 3600\nm.s.env.A = \"b\"\n"
                ),
            ),
            (
                "[m.s]\r\ncommand = \"npx\"\r\ntool_timeout_sec = 7200\r\n",
                "[m.s]\r\ncommand = \"/x/hitl-wrap\"\r\nargs = [\"--server\", \"s\", \"--\", \"npx\"]\r\ntool_timeout_sec = 7200\r\n"
                    .to_owned(),
            ),
        ] {
            assert_eq!(wrapped(before, &front), after);
        }
    }

    #[test]
    fn an_entry_that_says_something_twice_is_left_alone() {
        let front = front(Dialect::Jsonc, Shape::CommandAndArgs, None);
        let text = r#"{"m":{"s":{"command":"a","command":"b"}}}"#;
        assert!(wrap(text, &first(text, &front), &front).unwrap_err().to_string().contains("twice"));
    }
}
