"""The agents that come from npm: how each is told of its model and its MCP server, and run without a person.

Each function gets its home, the model's URL and the server's command with its variables, and returns the agent's own
arguments and variables. The server is always named repos.
"""

import json
import pathlib

PROMPT = "Use the tool of the server repos once, and say what came of it."
SERVER = "repos"
TOOLS = ("list_repos", "delete_repo")
KEY = "sk-lab-0000000000000000000000000000000000000000"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=2))
    return str(path)


def entry(command, env, **more):
    return {"mcpServers": {SERVER: {"command": command[0], "args": command[1:], "env": env, **more}}}


def claude(home, model, command, env):
    config = write(home / "mcp.json", entry(command, env))
    allowed = ",".join(f"mcp__{SERVER}__{tool}" for tool in TOOLS)
    args = ["-p", PROMPT, "--mcp-config", config, "--strict-mcp-config", "--allowedTools", allowed]
    quiet = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ENABLE_TOOL_SEARCH": "false"}
    return args, {"ANTHROPIC_BASE_URL": model, "ANTHROPIC_API_KEY": KEY, **quiet}


def codex(home, model, command, env):
    toml = json.dumps  # strings and lists of strings are written alike
    variables = ", ".join(f"{key} = {toml(value)}" for key, value in env.items())
    config = f"""
model = "gpt-lab"
model_provider = "lab"
[model_providers.lab]
name = "lab"
base_url = "{model}/v1"
wire_api = "responses"
env_key = "LAB_KEY"
request_max_retries = 0
[mcp_servers.{SERVER}]
startup_timeout_sec = 100
command = {toml(command[0])}
args = {toml(command[1:])}
env = {{ {variables} }}
"""
    write(home / ".codex/config.toml", config)
    return ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", PROMPT], {"LAB_KEY": KEY}


def gemini(home, model, command, env):
    settings = entry(command, env, trust=True)
    settings["security"] = {"auth": {"selectedType": "gemini-api-key"}}
    settings["privacy"] = {"usageStatisticsEnabled": False}
    write(home / ".gemini/settings.json", settings)
    args = ["-p", PROMPT, "--yolo", "--skip-trust", "-m", "gemini-2.5-flash"]
    return args, {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": model}


def copilot(home, model, command, env):
    config = entry(command, env, type="stdio", tools=["*"])
    write(home / ".copilot/mcp-config.json", config)
    provider = {"COPILOT_PROVIDER_BASE_URL": model + "/v1", "COPILOT_PROVIDER_API_KEY": KEY, "COPILOT_MODEL": "gpt-lab"}
    args = ["-p", PROMPT, "--allow-all-tools", "--disable-builtin-mcps", "--no-auto-update"]
    return args, {**provider, "COPILOT_OFFLINE": "true"}


def opencode(home, model, command, env):
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": model + "/v1", "apiKey": KEY},
        "models": {"gpt-lab": {"name": "gpt-lab", "tool_call": True, "limit": {"context": 100000, "output": 4096}}},
    }
    server = {"type": "local", "command": command, "environment": env, "enabled": True}
    config = {"provider": {"lab": provider}, "mcp": {SERVER: server}, "model": "lab/gpt-lab", "small_model": "lab/gpt-lab"}
    write(home / ".config/opencode/opencode.json", {**config, "autoupdate": False, "share": "disabled"})
    args = ["run", "--pure", "-m", "lab/gpt-lab", PROMPT]
    return args, {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}


def qwen(home, model, command, env):
    settings = entry(command, env, trust=True)
    settings["privacy"] = {"usageStatisticsEnabled": False}
    settings["tools"] = {"toolSearch": {"enabled": False}}
    write(home / ".qwen/settings.json", settings)
    args = ["-p", PROMPT, "--yolo", "--auth-type", "openai", "--openai-api-key", KEY, "--openai-base-url", model + "/v1"]
    return [*args, "-m", "gpt-lab"], {}


def cline(home, model, command, env):
    write(home / ".cline/data/settings/cline_mcp_settings.json", entry(command, env))
    kind = "openai-compatible"
    settings = {"provider": kind, "apiKey": KEY, "model": "gpt-lab", "baseUrl": model + "/v1"}
    known = {"settings": settings, "updatedAt": "2026-11-28T00:00:00.000Z", "tokenSource": "manual"}
    providers = {"version": 1, "lastUsedProvider": kind, "modes": {}, "providers": {kind: known}}
    write(home / ".cline/data/settings/providers.json", providers)
    return ["--json", "-P", kind, "-m", "gpt-lab", PROMPT], {}


def cn(home, model, command, env):
    server = {"name": SERVER, "command": command[0], "args": command[1:], "env": env}
    llm = {"name": "lab", "provider": "openai", "model": "gpt-lab", "apiBase": model + "/v1", "apiKey": KEY}
    llm |= {"roles": ["chat"], "capabilities": ["tool_use"]}
    # YAML takes JSON.
    config = {"name": "lab", "version": "1.0.0", "schema": "v1", "models": [llm], "mcpServers": [server]}
    path = write(home / "config.yaml", config)
    return ["-p", PROMPT, "--config", path, "--auto"], {"CONTINUE_TELEMETRY_ENABLED": "0"}


AGENTS = {
    "Claude Code": ("@anthropic-ai/claude-code", "claude", claude),
    "Codex": ("@openai/codex", "codex", codex),
    "Gemini CLI": ("@google/gemini-cli", "gemini", gemini),
    "Copilot CLI": ("@github/copilot", "copilot", copilot),
    "opencode": ("opencode-ai", "opencode", opencode),
    "Qwen Code": ("@qwen-code/qwen-code", "qwen", qwen),
    "Cline CLI": ("cline", "cline", cline),
    "Continue CLI": ("@continuedev/cli", "cn", cn),
}
