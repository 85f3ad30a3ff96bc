//! Other programs that stand between a client and a stdio server, as their own documentation starts them.

use super::subject::Subject;

/// Those that `benches/peers` has installed in this folder, in front of the echo server.
pub fn all(dir: &str, echo: &[String; 2]) -> Vec<Subject> {
    let [program, argument] = echo;
    let config = format!("{dir}/echo.json");
    let server = serde_json::json!({ "mcpServers": { "echo": { "command": program, "args": [argument] } } });
    std::fs::write(&config, server.to_string()).unwrap();
    // Else they would refuse most calls.
    let (unlimited, most) = (format!("{dir}/unlimited.yaml"), "100000000");
    let policy =
        format!("version: 1\ndefaultAction: allow\nglobalRateLimit:\n  maxCalls: {most}\n  windowSeconds: 60\n");
    std::fs::write(&unlimited, policy).unwrap();
    let peer = |name: &'static str, arguments: &[&str]| {
        let command = [format!("{dir}/{name}/bin/{name}")].into_iter();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned());
        Subject::new(name, command.chain(arguments).collect()).in_dir(dir).env("HOME", dir).env("NO_COLOR", "1")
    };
    vec![
        peer("fastmcp", &["run", &config, "--no-banner", "--log-level", "ERROR"]),
        peer(
            "mcp-filter",
            &["run", "-t", "stdio", "--stdio-command", program, "--stdio-arg", argument, "--log-level", "ERROR"],
        ),
        peer("mcp-firewall", &["wrap", "--config", &unlimited, "--", program, argument]),
        peer("mcp-warden", &["both", "--max-calls-per-minute", most, "--", program, argument]),
    ]
}
