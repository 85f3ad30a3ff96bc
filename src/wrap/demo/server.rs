//! The demo's MCP server: a few repositories in memory, and a tool that destroys one.
//!
//! Written by hand, because an SDK would be a third of the shim's size, and every start of the shim would load it.

use std::io::{BufRead, Write};

use serde_json::{Value, json};

/// The repository that the demo's agent wants to delete.
pub const VICTIM: &str = "acme/legacy-billing";

/// Spoken to clients that ask for one we do not know.
const PROTOCOL: &str = "2025-11-25";
const PROTOCOLS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", PROTOCOL];

/// Serves on stdin and stdout until the client leaves.
pub fn serve() -> anyhow::Result<()> {
    let mut server = DemoServer::default();
    let (input, mut output) = (std::io::stdin().lock(), std::io::stdout().lock());
    for line in input.lines() {
        if let Some(answer) = server.answer(&line?) {
            writeln!(output, "{answer}")?;
            output.flush()?;
        }
    }
    Ok(())
}

struct DemoServer {
    repos: Vec<String>,
}

impl Default for DemoServer {
    fn default() -> Self {
        Self { repos: ["acme/website", "acme/api", VICTIM].map(str::to_owned).to_vec() }
    }
}

/// What a tool came to: a text, or why it failed.
type Done = Result<String, String>;

impl DemoServer {
    /// The answer to one line; notifications get none.
    fn answer(&mut self, line: &str) -> Option<Value> {
        let Ok(request) = serde_json::from_str::<Value>(line) else {
            return Some(error(&Value::Null, -32700, "not JSON"));
        };
        let id = request.get("id")?;
        let params = &request["params"];
        let result = match request["method"].as_str()? {
            "initialize" => initialized(params["protocolVersion"].as_str()),
            "ping" => json!({}),
            "tools/list" => json!({"tools": tools()}),
            "tools/call" => match self.call(params["name"].as_str().unwrap_or_default(), &params["arguments"]) {
                Some(done) => content(done),
                None => return Some(error(id, -32602, "there is no such tool")),
            },
            _ => return Some(error(id, -32601, "method not found")),
        };
        Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Option<Done> {
        let text = |name: &str| arguments[name].as_str().ok_or_else(|| format!("The argument {name} is missing."));
        Some(match tool {
            "list_repos" => Ok(self.repos.join(", ")),
            "create_issue" => text("repo").and_then(|repo| self.create_issue(repo, text("title")?)),
            "delete_repo" => text("name").and_then(|name| self.delete_repo(name)),
            _ => return None,
        })
    }

    fn create_issue(&self, repo: &str, title: &str) -> Done {
        self.find(repo).map(|_| format!("Opened issue 1 in {repo}: {title}"))
    }

    fn delete_repo(&mut self, repo: &str) -> Done {
        let index = self.find(repo)?;
        self.repos.remove(index);
        Ok(format!("Deleted {repo}."))
    }

    fn find(&self, repo: &str) -> Result<usize, String> {
        let there = self.repos.iter().position(|name| name == repo);
        there.ok_or_else(|| format!("There is no repository {repo}."))
    }
}

fn initialized(wanted: Option<&str>) -> Value {
    let protocol = wanted.filter(|wanted| PROTOCOLS.contains(wanted)).unwrap_or(PROTOCOL);
    let server = json!({"name": "hitl-demo-server", "version": env!("CARGO_PKG_VERSION")});
    json!({"protocolVersion": protocol, "capabilities": {"tools": {}}, "serverInfo": server})
}

fn tools() -> Value {
    let tool = |name: &str, description: &str, arguments: Value, annotations: Value| {
        let required: Vec<&String> = arguments.as_object().into_iter().flat_map(|object| object.keys()).collect();
        let schema = json!({"type": "object", "properties": arguments, "required": required});
        json!({"name": name, "description": description, "inputSchema": schema, "annotations": annotations})
    };
    let text = |description: &str| json!({"type": "string", "description": description});
    json!([
        tool("list_repos", "List the repositories.", json!({}), json!({"readOnlyHint": true})),
        tool(
            "create_issue",
            "Open an issue in a repository.",
            json!({"repo": text("The repository's full name."), "title": text("One line.")}),
            json!({"destructiveHint": false}),
        ),
        tool(
            "delete_repo",
            "Delete a repository with all its issues. This cannot be undone.",
            json!({"name": text("Full name, such as `acme/api`.")}),
            json!({"destructiveHint": true}),
        ),
    ])
}

fn content(done: Done) -> Value {
    let is_error = done.is_err();
    let text = done.unwrap_or_else(|why| why);
    json!({"content": [{"type": "text", "text": text}], "isError": is_error})
}

fn error(id: &Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(server: &mut DemoServer, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": "one", "method": method, "params": params});
        let answer = server.answer(&request.to_string()).expect("a request is answered");
        assert_eq!(answer["id"], "one");
        answer
    }

    #[test]
    fn a_deleted_repository_is_gone() {
        let mut server = DemoServer::default();
        let delete = json!({"name": "delete_repo", "arguments": {"name": VICTIM}});
        assert_eq!(ask(&mut server, "tools/call", delete.clone())["result"]["isError"], false);
        let listed = ask(&mut server, "tools/call", json!({"name": "list_repos"}));
        assert_eq!(listed["result"]["content"][0]["text"], "acme/website, acme/api");
        assert_eq!(ask(&mut server, "tools/call", delete)["result"]["isError"], true);
    }

    #[test]
    fn what_it_does_not_know_is_an_error_and_what_asks_nothing_gets_nothing() {
        let mut server = DemoServer::default();
        assert_eq!(ask(&mut server, "server/discover", json!({}))["error"]["code"], -32601);
        assert_eq!(ask(&mut server, "tools/call", json!({"name": "format_disk"}))["error"]["code"], -32602);
        assert_eq!(server.answer("{").expect("an answer")["error"]["code"], -32700);
        assert_eq!(server.answer(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), None);
    }

    #[test]
    fn a_known_revision_is_spoken_and_an_unknown_one_is_met_with_ours() {
        let mut server = DemoServer::default();
        for (wanted, spoken) in [("2024-11-05", "2024-11-05"), ("1999-01-01", PROTOCOL)] {
            let answer = ask(&mut server, "initialize", json!({"protocolVersion": wanted}));
            assert_eq!(answer["result"]["protocolVersion"], spoken);
        }
    }
}
