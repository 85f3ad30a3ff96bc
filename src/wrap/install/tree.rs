//! A client's file as a tree whose every value knows where it stands, whatever the dialect.
//!
//! Nothing is ever printed from it: it only tells which bytes to exchange.

use std::ops::Range;

use anyhow::{Context as _, anyhow, bail, ensure};
use jsonc_parser::ast;

/// How a client writes its file, and how strictly it reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// JSON without comments; a comma too many, and the client drops the file.
    Json,
    /// JSON with comments and commas at the end.
    Jsonc,
    /// TOML.
    Toml,
    /// YAML, which is only read by its client: the edit is told, never made.
    Yaml,
}

/// A value and its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The bytes of the value itself.
    pub at: Range<usize>,
    /// What it is.
    pub value: Value,
}

/// What a value is, as far as anybody here cares.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string, unescaped.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// An object or table; members in the order of the file.
    Table {
        /// The members.
        members: Vec<Member>,
        /// Whether it stands between braces.
        braces: bool,
    },
    /// A number, boolean or null, as it is written.
    Literal(String),
}

/// A member of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name, unescaped.
    pub name: String,
    /// The bytes of the name, where they are known.
    pub name_at: Option<Range<usize>>,
    /// What it holds.
    pub node: Node,
}

impl Node {
    /// The members, if this is a table.
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Table { members, .. } => members,
            _ => &[],
        }
    }

    /// The member of this name: the last one, as every client takes it.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members().iter().rev().find(|member| member.name == name)
    }

    /// What the member of this name holds.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.member(name).map(|member| &member.node)
    }

    /// The text, if this is one.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The list, if this is one.
    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is the literal `true`.
    pub fn is_true(&self) -> bool {
        matches!(&self.value, Value::Literal(text) if text == "true")
    }

    /// The number, if this is one.
    pub fn number(&self) -> Option<f64> {
        match &self.value {
            Value::Literal(text) => text.replace('_', "").parse().ok(),
            _ => None,
        }
    }

    /// The first name that stands twice in this table.
    pub fn twice(&self) -> Option<&str> {
        let members = self.members();
        let again = |(index, member): (usize, &Member)| members[..index].iter().any(|other| other.name == member.name);
        members.iter().enumerate().find(|pair| again(*pair)).map(|(_, member)| member.name.as_str())
    }

    /// The same value without places: what two readings of a file are compared by.
    pub fn shape(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => serde_json::Value::from(text.as_str()),
            Value::List(items) => items.iter().map(Self::shape).collect(),
            Value::Table { members, .. } => {
                members.iter().map(|member| (member.name.clone(), member.node.shape())).collect()
            }
            Value::Literal(text) => serde_json::json!([text]),
        }
    }
}

/// Reads a file as its client does; an empty one holds nothing. A byte order mark is passed over.
pub fn parse(text: &str, dialect: Dialect) -> anyhow::Result<Node> {
    let start = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let body = &text[start..];
    if body.trim().is_empty() {
        return Ok(Node { at: start..start, value: Value::Table { members: Vec::new(), braces: true } });
    }
    let mut node = match dialect {
        Dialect::Json => json(body, true)?,
        Dialect::Jsonc => json(body, false)?,
        Dialect::Toml => toml(body)?,
        Dialect::Yaml => bail!("it is YAML, which is edited by hand"),
    };
    shift(&mut node, start);
    Ok(node)
}

fn json(text: &str, strict: bool) -> anyhow::Result<Node> {
    if strict {
        let checked: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
        checked.map_err(|error| anyhow!("it is not valid JSON: {error}"))?;
    }
    let options = jsonc_parser::ParseOptions {
        allow_comments: !strict,
        allow_trailing_commas: !strict,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        ..Default::default()
    };
    let parsed = jsonc_parser::parse_to_ast(text, &jsonc_parser::CollectOptions::default(), &options)
        .map_err(|error| anyhow!("it is not valid JSON: {error}"))?;
    let root = parsed.value.context("it holds no value")?;
    ensure!(matches!(root, ast::Value::Object(_)), "it is not a JSON object");
    Ok(of_json(&root, text))
}

fn of_json(value: &ast::Value<'_>, text: &str) -> Node {
    use jsonc_parser::common::Ranged as _;
    let at = value.start()..value.end();
    let value = match value {
        ast::Value::StringLit(literal) => Value::Text(literal.value.clone().into_owned()),
        ast::Value::Array(array) => Value::List(array.elements.iter().map(|item| of_json(item, text)).collect()),
        ast::Value::Object(object) => {
            let member = |property: &ast::ObjectProp<'_>| Member {
                name: property.name.as_str().to_owned(),
                name_at: Some(property.name.start()..property.name.end()),
                node: of_json(&property.value, text),
            };
            Value::Table { members: object.properties.iter().map(member).collect(), braces: true }
        }
        _ => Value::Literal(text[at.clone()].to_owned()),
    };
    Node { at, value }
}

fn toml(text: &str) -> anyhow::Result<Node> {
    let document = toml_edit::Document::parse(text).map_err(|error| anyhow!("it is not valid TOML: {error}"))?;
    Ok(of_table(document.as_table(), 0..text.len(), false, text))
}

fn of_table(table: &dyn toml_edit::TableLike, at: Range<usize>, braces: bool, text: &str) -> Node {
    let member = |(name, item): (&str, &toml_edit::Item)| {
        let name_at = table.key(name).and_then(toml_edit::Key::span);
        Some(Member { name: name.to_owned(), name_at, node: of_item(item, text)? })
    };
    Node { at, value: Value::Table { members: table.iter().filter_map(member).collect(), braces } }
}

fn of_item(item: &toml_edit::Item, text: &str) -> Option<Node> {
    let at = item.span().unwrap_or_default();
    match item {
        toml_edit::Item::None => None,
        toml_edit::Item::Value(value) => Some(of_value(value, text)),
        toml_edit::Item::Table(table) => Some(of_table(table, at, false, text)),
        toml_edit::Item::ArrayOfTables(tables) => {
            let items = tables.iter().map(|table| of_table(table, table.span().unwrap_or_default(), false, text));
            Some(Node { at, value: Value::List(items.collect()) })
        }
    }
}

fn of_value(value: &toml_edit::Value, text: &str) -> Node {
    let at = value.span().unwrap_or_default();
    match value {
        toml_edit::Value::String(string) => Node { at, value: Value::Text(string.value().clone()) },
        toml_edit::Value::Array(array) => {
            Node { at, value: Value::List(array.iter().map(|item| of_value(item, text)).collect()) }
        }
        // A dotted key makes a table without braces of its own.
        toml_edit::Value::InlineTable(table) => of_table(table, at, !table.is_dotted(), text),
        _ => Node { value: Value::Literal(text.get(at.clone()).unwrap_or_default().to_owned()), at },
    }
}

fn shift(node: &mut Node, by: usize) {
    node.at = node.at.start + by..node.at.end + by;
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| shift(item, by)),
        Value::Table { members, .. } => {
            for member in members {
                member.name_at = member.name_at.take().map(|at| at.start + by..at.end + by);
                shift(&mut member.node, by);
            }
        }
        Value::Text(_) | Value::Literal(_) => {}
    }
}

/// The text as a string literal of the dialect.
pub fn quoted(text: &str, dialect: Dialect) -> String {
    let json = serde_json::Value::from(text).to_string();
    // TOML takes the same escapes, but not this one raw.
    if dialect == Dialect::Toml { json.replace('\u{7f}', "\\u007f") } else { json }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_stands_where_the_tree_says() {
        let jsonc = "\u{feff}{ // c\r\n \"a\": {\"command\": \"np\\u0078\", \"args\": [ \"-y\", ], \"n\": 1.50 } }";
        let toml = "# c\na.command = 'npx'\na.args = [ # c\n \"-y\" ]\na.n = 1.50\n";
        let inline = "a = { command = \"npx\", args = [\"-y\"], n = 1.50 }";
        for (text, dialect) in [(jsonc, Dialect::Jsonc), (toml, Dialect::Toml), (inline, Dialect::Toml)] {
            let tree = parse(text, dialect).unwrap();
            let entry = tree.get("a").unwrap();
            let command = entry.get("command").unwrap();
            assert_eq!(command.text(), Some("npx"), "{text}");
            assert!(matches!(&text[command.at.clone()], "\"np\\u0078\"" | "'npx'" | "\"npx\""), "{text}");
            let args = entry.get("args").unwrap();
            assert!(text[args.at.clone()].starts_with('[') && text[args.at.clone()].ends_with(']'), "{text}");
            assert_eq!(&text[args.list().unwrap()[0].at.clone()], "\"-y\"", "{text}");
            assert_eq!(entry.get("n").unwrap().number(), Some(1.5), "{text}");
            let name = entry.member("command").unwrap().name_at.clone().unwrap();
            assert_eq!(text[name].trim_matches('"'), "command", "{text}");
        }
    }

    #[test]
    fn a_strict_client_reads_no_comment_and_no_comma_too_many() {
        for text in ["{\"a\":1,}", "{/**/}", "{a:1}", "{'a':1}", "[]", "{\"a\":1 \"b\":2}", "{", "{} x"] {
            assert!(parse(text, Dialect::Json).is_err(), "{text}");
        }
        assert!(parse("{\"a\":1, /* c */ }", Dialect::Jsonc).is_ok());
        for text in ["{a:1}", "{'a':1}", "{\"a\":1 \"b\":2}", "{\"a\":0x10}"] {
            assert!(parse(text, Dialect::Jsonc).is_err(), "{text}");
        }
        assert!(parse("", Dialect::Json).unwrap().members().is_empty());
        assert!(parse("a = 1\na = 2", Dialect::Toml).is_err());
        assert_eq!(parse("{\"a\":1,\"a\":2}", Dialect::Json).unwrap().twice(), Some("a"));
    }

    #[test]
    fn a_quoted_text_is_read_back_as_itself() {
        for text in ["a b", "\"\\", "C:\\Program Files\\x", "tab\tünï\u{7f}\u{1}\u{2028}"] {
            let json = parse(&format!("{{\"a\":{}}}", quoted(text, Dialect::Json)), Dialect::Json).unwrap();
            let toml = parse(&format!("a={}", quoted(text, Dialect::Toml)), Dialect::Toml).unwrap();
            assert_eq!((json.get("a").unwrap().text(), toml.get("a").unwrap().text()), (Some(text), Some(text)));
        }
    }
}
