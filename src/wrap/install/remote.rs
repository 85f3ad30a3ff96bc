//! A server that lies elsewhere as one that is started here: through `mcp-remote`, which speaks stdio on this side.
//!
//! It is a program of others, which npx downloads and which signs in by itself, so it is put there only when it is asked
//! for. What its arguments would show to everybody on the machine is left alone.

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use super::edit::{Edit, apply, newline_before, without};
use super::entry::{Entry, State, is_address};
use super::tree::{Dialect, Node, Value, parse, quoted};

/// Starts the bridge, with the address behind it. A newer version is a change that somebody has looked at.
const BRIDGE: [&str; 3] = ["npx", "-y", "mcp-remote@0.15.1"];
/// Members that hold secrets, or that the bridge knows another way for.
const NOT_CARRIED: [&str; 9] = [
    "headers",
    "requestInit",
    "http_headers",
    "env_http_headers",
    "bearer_token_env_var",
    "headersHelper",
    "auth",
    "oauth",
    "authProviderType",
];
/// How an entry says what kind of server it is.
const KIND: [&str; 2] = ["type", "transport"];

/// What an entry said that had an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// The member with the address, as it was written.
    member: String,
    /// The member that named its kind, and its value as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<(String, String)>,
}

/// Why a server that lies elsewhere cannot be put behind the shim.
pub fn obstacle(node: &Node) -> Option<String> {
    let name = NOT_CARRIED.iter().find(|name| node.get(name).is_some())?;
    Some(format!("`{name}` has no place behind the shim: what it holds would stand in the arguments of a program"))
}

/// The file with the bridge in place of the address.
pub fn bridged(text: &str, entry: &Entry, dialect: Dialect) -> anyhow::Result<(String, Remote)> {
    if let Some(why) = obstacle(&entry.node) {
        bail!(why);
    }
    let member = entry.node.members().iter().find(|member| is_address(&member.name)).context("it has no address")?;
    let start = member.name_at.clone().context("its address has no place")?.start;
    let (at, address) = (start..member.node.at.end, &text[member.node.at.clone()]);
    let args: Vec<String> = BRIDGE[1..].iter().map(|word| quoted(word, dialect)).chain([address.to_owned()]).collect();
    let (command, args) = (assigned("command", &quoted(BRIDGE[0], dialect), dialect), args.join(", "));
    let args = assigned("args", &format!("[{args}]"), dialect);
    let written = format!("{command}{}{args}", between(text, &entry.node, start));
    let mut remote = Remote { member: text[at.clone()].to_owned(), kind: None };
    let mut edits = vec![Edit { at, text: written }];
    if let Some((name, kind)) = KIND.iter().find_map(|name| Some((name, entry.node.get(name)?))) {
        remote.kind = Some(((*name).to_owned(), text[kind.at.clone()].to_owned()));
        edits.push(Edit { at: kind.at.clone(), text: quoted("stdio", dialect) });
    }
    let changed = apply(text, edits);
    let address = member.node.text().context("its address is no text")?;
    check(text, &changed, entry, dialect, |table| {
        table.remove(&member.name);
        table.insert("command".to_owned(), BRIDGE[0].into());
        table.insert("args".to_owned(), BRIDGE[1..].iter().copied().chain([address]).collect());
        if let Some((name, _)) = &remote.kind {
            table.insert(name.clone(), "stdio".into());
        }
    })?;
    Ok((changed, remote))
}

/// The file with the address again, where the entry is still the bridge.
pub fn restored(text: &str, entry: &Entry, dialect: Dialect, remote: &Remote) -> anyhow::Result<String> {
    ensure!(entry.state == State::Direct, "the shim is still in front of it");
    let (command, args) = (entry.node.member("command"), entry.node.get("args").and_then(Node::list));
    let (command, args) = command.zip(args).context("it does not start the bridge any more")?;
    let is_bridge = command.node.text() == Some(BRIDGE[0])
        && args.get(1).and_then(Node::text).is_some_and(|word| word.starts_with("mcp-remote"));
    ensure!(is_bridge, "it does not start the bridge any more");
    let start = command.name_at.clone().context("its command has no place")?.start;
    let mut edits = vec![
        Edit { at: start..command.node.at.end, text: remote.member.clone() },
        Edit { at: without(text, &entry.node, "args")?, text: String::new() },
    ];
    if let Some((name, literal)) = &remote.kind
        && let Some(kind) = entry.node.get(name)
    {
        edits.push(Edit { at: kind.at.clone(), text: literal.clone() });
    }
    let changed = apply(text, edits);
    parse(&changed, dialect).context("the file could not be read after the change")?;
    Ok(changed)
}

fn assigned(name: &str, value: &str, dialect: Dialect) -> String {
    if dialect == Dialect::Toml { format!("{name} = {value}") } else { format!("{}: {value}", quoted(name, dialect)) }
}

/// What stands between two members: a comma, or in a table without braces a line, with the rest of a dotted key.
fn between(text: &str, node: &Node, start: usize) -> String {
    if matches!(node.value, Value::Table { braces: true, .. }) { ", ".to_owned() } else { newline_before(text, start) }
}

/// What the client reads afterwards must be what was meant, and nothing else.
fn check(
    before: &str,
    after: &str,
    entry: &Entry,
    dialect: Dialect,
    meant: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
) -> anyhow::Result<()> {
    let mut wanted = parse(before, dialect)?.shape();
    let table = entry.path.iter().try_fold(&mut wanted, |node, name| node.get_mut(name));
    meant(table.and_then(serde_json::Value::as_object_mut).context("it cannot be found again")?);
    let now = parse(after, dialect).context("the file could not be read after the change")?.shape();
    ensure!(now == wanted, "the change would touch more than this server, so it is not made");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::install::clients::Shape;
    use crate::wrap::install::entry::entries;

    fn only(text: &str, dialect: Dialect) -> Entry {
        entries(&parse(text, dialect).unwrap(), &["m"], Shape::CommandAndArgs).remove(0)
    }

    #[test]
    fn an_address_becomes_the_bridge_and_comes_back_to_the_byte() {
        for (dialect, before, after) in [
            (
                Dialect::Jsonc,
                "{\"m\":{\"s\":{ // far\n  \"type\": \"http\",\n  \"url\" : \"https://x/mcp\",\n  \"disabled\": false\n}}}",
                "{\"m\":{\"s\":{ // far\n  \"type\": \"stdio\",\n  \"command\": \"npx\", \"args\": [\"-y\", \"mcp-remote@0.15.1\", \"https://x/mcp\"],\n  \"disabled\": false\n}}}",
            ),
            (
                Dialect::Toml,
                "[m.s]\nurl = 'https://x' # far\nenabled = true\n",
                "[m.s]\ncommand = \"npx\"\nargs = [\"-y\", \"mcp-remote@0.15.1\", 'https://x'] # far\nenabled = true\n",
            ),
            (
                Dialect::Toml,
                "m.s = { url = \"https://x\" }\n",
                "m.s = { command = \"npx\", args = [\"-y\", \"mcp-remote@0.15.1\", \"https://x\"] }\n",
            ),
        ] {
            let (changed, remote) = bridged(before, &only(before, dialect), dialect).unwrap();
            assert_eq!(changed, after);
            let back = restored(&changed, &only(&changed, dialect), dialect, &remote).unwrap();
            // A remark behind the address went with the list.
            assert_eq!(back, before.replace(" # far", ""), "{changed}");
        }
    }

    #[test]
    fn what_would_show_a_secret_is_left_alone() {
        let text = r#"{"m":{"s":{"url":"https://x","headers":{"Authorization":"Bearer s3cret"}}}}"#;
        let error = bridged(text, &only(text, Dialect::Json), Dialect::Json).unwrap_err();
        assert!(error.to_string().contains("`headers`"), "{error}");
    }
}
