//! The servers in a client's file: what each is, and whether the shim stands in front of it.

use super::clients::Shape;
use super::tree::{Member, Node};

/// A server in a client's file.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name: the key, which the hub's policy goes by.
    pub name: String,
    /// The way from the top of the file to what names the command: its own name last, or [`INNER`] behind that.
    pub path: Vec<String>,
    /// What names the command: the entry itself, or a member of it.
    pub node: Node,
    /// The whole entry, with the client's own settings for it.
    pub whole: Node,
    /// What it is.
    pub state: State,
}

/// Where Cline names a server's command: one level deeper than others.
pub const INNER: &str = "transport";

/// What a server's entry is.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// The client starts the server itself.
    Direct,
    /// The shim stands in front of it.
    Gated(Wrapped),
    /// It is a program of ours, with no server behind it.
    Ours,
    /// It lies elsewhere, at this address.
    Remote(String),
    /// It is left alone; why.
    LeftAlone(&'static str),
}

/// What the arguments of a gated entry say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The program that the client starts: ours.
    pub shim: String,
    /// The name it gives the hub.
    pub server: Option<String>,
    /// How many words of the entry stand before the server's own command.
    pub words: usize,
}

/// The servers at this way, from the top of a file; `*` is every member.
pub fn entries(root: &Node, keys: &[&str], shape: Shape) -> Vec<Entry> {
    let mut found = vec![(Vec::new(), root)];
    for key in keys {
        found = found.iter().flat_map(|(path, node)| inside(path, node, key)).collect();
    }
    let servers = found.iter().flat_map(|(path, node)| node.members().iter().map(move |member| (path, member)));
    servers.map(|(path, member)| entry(path, member, shape)).collect()
}

fn inside<'n>(path: &[String], node: &'n Node, key: &str) -> Vec<(Vec<String>, &'n Node)> {
    let chosen = node.members().iter().filter(|member| key == "*" || member.name == key);
    chosen.map(|member| ([path, std::slice::from_ref(&member.name)].concat(), &member.node)).collect()
}

fn entry(path: &[String], member: &Member, shape: Shape) -> Entry {
    let mut path = [path, std::slice::from_ref(&member.name)].concat();
    let (name, whole, mut node) = (member.name.clone(), member.node.clone(), &member.node);
    if let Some(inner) = node.get(INNER).filter(|_| shape == Shape::CommandAndArgs && node.get("command").is_none())
        && !inner.members().is_empty()
    {
        path.push(INNER.to_owned());
        node = inner;
    }
    Entry { name, path, state: state(node, shape), node: node.clone(), whole }
}

fn state(node: &Node, shape: Shape) -> State {
    let address = node.members().iter().find(|member| is_address(&member.name)).and_then(|member| member.node.text());
    if let Some(url) = address {
        return State::Remote(url.to_owned());
    }
    let Some(words) = words(node, shape) else {
        let managed = node.get("source").and_then(Node::text) == Some("extension");
        return State::LeftAlone(if managed { "an extension manages it" } else { "it names no command" });
    };
    match wrapped(&words) {
        Some(Some(wrapped)) => State::Gated(wrapped),
        Some(None) => State::Ours,
        None if node.get("sandboxEnabled").is_some_and(Node::is_true) => {
            State::LeftAlone("the client runs it in a sandbox, from which the shim could not reach its hub")
        }
        None if words.first().is_some_and(|program| base(program) == "wsl") => State::LeftAlone(
            "it runs inside WSL: install hitl-wrap there, and name it in the entry behind wsl yourself",
        ),
        None => State::Direct,
    }
}

/// Whether a member holds the address of a server.
pub fn is_address(name: &str) -> bool {
    matches!(name, "url" | "serverUrl" | "httpUrl")
}

/// Program and arguments, as the client starts them.
pub fn words(node: &Node, shape: Shape) -> Option<Vec<String>> {
    let texts = |node: &Node| -> Option<Vec<String>> {
        node.list()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    };
    match shape {
        Shape::OneList => texts(node.get("command")?).filter(|words| !words.is_empty()),
        Shape::CommandAndArgs => {
            let program = node.get("command")?.text().filter(|program| !program.is_empty())?.to_owned();
            let args = match node.get("args") {
                None => Vec::new(),
                Some(args) if args.list().is_none() => Vec::new(),
                Some(args) => texts(args)?,
            };
            Some([vec![program], args].concat())
        }
    }
}

/// Options of the shim that a value follows.
const WITH_VALUE: [&str; 5] = ["--server", "--client", "--hub", "--config", "--hold-for"];

/// Whether these words start the shim: with a server behind it, or without one.
fn wrapped(words: &[String]) -> Option<Option<Wrapped>> {
    let shim = words.iter().position(|word| is_shim(word))?;
    // `npx hitl-wrap …` starts the shim as well; `cat hitl-wrap` does not.
    if shim > 0 && !words.first().is_some_and(|launcher| is_runner(launcher)) {
        return None;
    }
    let (mut at, mut server) = (shim + 1, None);
    while let Some(word) = words.get(at) {
        match word.as_str() {
            "--" => {
                at += 1;
                break;
            }
            option if WITH_VALUE.contains(&option) => {
                if option == "--server" {
                    server = words.get(at + 1).cloned();
                }
                at += 2;
            }
            option if option.starts_with("--") => {
                server = option.strip_prefix("--server=").map(str::to_owned).or(server);
                at += 1;
            }
            _ => break,
        }
    }
    let behind =
        words.get(at).filter(|word| !is_subcommand(word) || words.get(at - 1).is_some_and(|word| word == "--"));
    Some(behind.map(|_| Wrapped { shim: words[shim].clone(), server, words: at }))
}

/// Whether a program is the shim: by its base name, `.exe` or not, in any case.
pub fn is_shim(program: &str) -> bool {
    // A package may be asked for in a version.
    base(program).split('@').next() == Some("hitl-wrap")
}

/// A program's name without its directory, in lower case, and without what Windows appends.
fn base(program: &str) -> String {
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program).to_ascii_lowercase();
    name.strip_suffix(".exe").or_else(|| name.strip_suffix(".cmd")).unwrap_or(&name).to_owned()
}

fn is_runner(program: &str) -> bool {
    let name = base(program);
    matches!(name.as_str(), "npx" | "uvx" | "bunx" | "pnpx" | "pnpm" | "yarn" | "uv" | "pipx" | "cmd" | "env")
}

fn is_subcommand(word: &str) -> bool {
    matches!(word, "demo" | "demo-server" | "login" | "completions" | "install" | "uninstall" | "status" | "doctor")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::install::tree::{Dialect, parse};

    fn only(text: &str, shape: Shape) -> State {
        let tree = parse(text, Dialect::Jsonc).unwrap();
        let mut found = entries(&tree, &["s"], shape);
        assert_eq!(found.len(), 1, "{text}");
        found.remove(0).state
    }

    #[test]
    fn an_entry_is_direct_gated_remote_ours_or_left_alone() {
        let state = |entry: &str| only(&format!("{{\"s\":{{\"x\":{entry}}}}}"), Shape::CommandAndArgs);
        for entry in [
            r#"{"command":"npx"}"#,
            r#"{"command":"npx","args":[]}"#,
            r#"{"command":"npx","args":null}"#,
            r#"{"command":"npx","args":["-y","x","--","hitl"]}"#,
            r#"{"command":"cat","args":["/usr/bin/hitl-wrap"]}"#,
            r#"{"command":"/opt/hitl-wrapper"}"#,
            r#"{"command":"npx","disabled":true}"#,
        ] {
            assert_eq!(state(entry), State::Direct, "{entry}");
        }
        for (entry, server, words) in [
            (r#"{"command":"/x/hitl-wrap","args":["--server","a b","--","npx","-y","x"]}"#, Some("a b"), 4),
            (r#"{"command":"C:\\bin\\HITL-WRAP.EXE","args":["npx"]}"#, None, 1),
            (r#"{"command":"hitl-wrap","args":["--server=a","--hub","http://h","npx","--server","b"]}"#, Some("a"), 4),
            (r#"{"command":"hitl-wrap","args":["--","demo"]}"#, None, 2),
            (r#"{"command":"npx","args":["-y","hitl-wrap@0.1.0","--server","a","--","npx"]}"#, Some("a"), 6),
        ] {
            let State::Gated(wrapped) = state(entry) else { panic!("{entry}: {:?}", state(entry)) };
            assert_eq!((wrapped.server.as_deref(), wrapped.words), (server, words), "{entry}");
        }
        assert_eq!(state(r#"{"command":"hitl-wrap","args":["demo-server"]}"#), State::Ours);
        assert_eq!(state(r#"{"command":"hitl-wrap"}"#), State::Ours);
        assert_eq!(state(r#"{"url":"https://x"}"#), State::Remote("https://x".to_owned()));
        assert_eq!(state(r#"{"type":"http","serverUrl":"https://x"}"#), State::Remote("https://x".to_owned()));
        for entry in [r#"{"enabled":false}"#, r#"{"command":""}"#, r#"{"command":"npx","args":[1]}"#, "3"] {
            assert!(matches!(state(entry), State::LeftAlone(_)), "{entry}");
        }
        assert!(matches!(state(r#"{"command":"npx","sandboxEnabled":true}"#), State::LeftAlone(_)));
        for program in ["wsl", "wsl.exe", r"C:\\Windows\\System32\\WSL.EXE"] {
            let entry = format!(r#"{{"command":"{program}","args":["npx","y"]}}"#);
            assert!(matches!(state(&entry), State::LeftAlone(why) if why.contains("WSL")), "{entry}");
        }
    }

    #[test]
    fn a_command_one_level_deeper_is_found() {
        let text = r#"{"s":{"x":{"transport":{"type":"stdio","command":"npx","args":["y"]},"timeout":9}}}"#;
        let found = entries(&parse(text, Dialect::Json).unwrap(), &["s"], Shape::CommandAndArgs).remove(0);
        assert_eq!((found.name.as_str(), &found.state), ("x", &State::Direct));
        assert_eq!(found.path, ["s", "x", "transport"]);
        assert_eq!(found.whole.get("timeout").and_then(Node::number), Some(9.0));
        let far = only(r#"{"s":{"x":{"transport":{"type":"http","url":"https://x"}}}}"#, Shape::CommandAndArgs);
        assert_eq!(far, State::Remote("https://x".to_owned()));
        // Elsewhere the same name says what kind of server it is.
        assert_eq!(only(r#"{"s":{"x":{"transport":"stdio","command":"npx"}}}"#, Shape::CommandAndArgs), State::Direct);
    }

    #[test]
    fn a_list_of_program_and_arguments_is_read_as_one() {
        let state = |entry: &str| only(&format!("{{\"s\":{{\"x\":{entry}}}}}"), Shape::OneList);
        assert_eq!(state(r#"{"type":"local","command":["npx","-y"]}"#), State::Direct);
        assert!(matches!(state(r#"{"command":["hitl-wrap","--server","x","--","npx"]}"#), State::Gated(_)));
        assert!(matches!(state(r#"{"enabled":false}"#), State::LeftAlone(_)));
        assert!(matches!(state(r#"{"command":[]}"#), State::LeftAlone(_)));
    }

    #[test]
    fn a_star_in_the_way_is_every_member() {
        let text =
            r#"{"projects":{"/a":{"mcpServers":{"x":{"command":"c"}}},"/b":{"other":1},"/c":{"mcpServers":{}}}}"#;
        let tree = parse(text, Dialect::Json).unwrap();
        let found = entries(&tree, &["projects", "*", "mcpServers"], Shape::CommandAndArgs);
        let paths: Vec<_> = found.iter().map(|entry| entry.path.join(" ")).collect();
        assert_eq!(paths, ["projects /a mcpServers x"]);
    }
}
