//! A server that does next to nothing: finds the id, writes a prepared answer.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _, stdin, stdout};

use memchr::memmem::find;

/// The size of the large result and of the large argument.
pub const LARGE: usize = 1 << 20;
/// How many tools the server lists.
pub const TOOLS: usize = 200;

/// Serves until stdin ends.
pub fn serve() {
    let mut input = BufReader::with_capacity(1 << 16, stdin());
    let mut output = BufWriter::with_capacity(1 << 16, stdout());
    let (mut tools, large) = (tools(), large());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line).unwrap() > 0 {
        if let Some(id) = id_of(&line) {
            let result: &[u8] = match () {
                () if find(&line, b"\"initialize\"").is_some() => INITIALIZED,
                () if find(&line, b"\"tools/list\"").is_some() => {
                    if find(&line, b"\"new\":true").is_some() {
                        renew(&mut tools);
                    }
                    &tools
                }
                () if find(&line[..line.len().min(200)], b"\"large\"").is_some() => &large,
                () => ECHOED,
            };
            for part in [b"{\"jsonrpc\":\"2.0\",\"id\":".as_slice(), id, b",\"result\":", result, b"}\n"] {
                output.write_all(part).unwrap();
            }
        }
        // What waits in the buffer is answered in the same write.
        if !input.buffer().contains(&b'\n') {
            output.flush().unwrap();
        }
        line.clear();
    }
}

const INITIALIZED: &[u8] =
    br#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"echo","version":"1"}}"#;
const ECHOED: &[u8] = br#"{"content":[{"type":"text","text":"hello"}]}"#;

/// The driver writes the id near the start of the line; some of the peers write their own near its end.
fn id_of(line: &[u8]) -> Option<&[u8]> {
    let near = |part: &'_ [u8]| find(part, b"\"id\":");
    let start = match near(&line[..line.len().min(64)]) {
        Some(at) => at,
        None => line.len().saturating_sub(64) + near(&line[line.len().saturating_sub(64)..])?,
    };
    let rest = &line[start + 5..];
    let length = rest.iter().position(|byte| matches!(byte, b',' | b'}'))?;
    Some(&rest[..length])
}

/// Changes the first tool's description.
fn renew(tools: &mut [u8]) {
    let at = find(tools, b"Looks at").unwrap_or_else(|| find(tools, b"looks at").unwrap());
    tools[at] ^= 0x20;
}

fn tools() -> Vec<u8> {
    let tool = |n: usize| {
        format!(
            r#"{{"name":"tool_{n:03}","description":"Looks at number {n} and says what it sees, in a sentence or two.","inputSchema":{{"type":"object","properties":{{"message":{{"type":"string","description":"What to say"}},"count":{{"type":"integer","minimum":0}}}},"required":["message"]}},"annotations":{{"readOnlyHint":true}}}}"#
        )
    };
    let mut all: Vec<String> = (2..TOOLS).map(tool).collect();
    all.extend(["echo", "large"].map(|name| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#)));
    format!("{{\"tools\":[{}]}}", all.join(",")).into_bytes()
}

fn large() -> Vec<u8> {
    format!(r#"{{"content":[{{"type":"text","text":"{}"}}]}}"#, "large result ".repeat(LARGE / 13)).into_bytes()
}
