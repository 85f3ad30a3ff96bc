"""A small MCP server that remembers: it appends every line it reads to a ledger file, as it came.

Usage: ledger.py LEDGER_FILE

Tools: list_repos passes under the default policy, delete_repo is gated; env lists the HITL_* variables it was given;
die ends the process with exit code 7 while other calls may be open. A call with "slowly": true is not answered.
"""

import json
import os
import sys

TOOLS = ["list_repos", "delete_repo", "env", "die"]


def tool(name):
    schema = {"type": "object", "properties": {"repo": {"type": "string"}}}
    return {"name": name, "description": f"Plays {name}", "inputSchema": schema}


def text(message):
    return {"content": [{"type": "text", "text": message}]}


def call(params):
    name = params["name"]
    if name == "die":
        os._exit(7)
    if name == "env":
        return text(" ".join(sorted(key for key in os.environ if key.startswith("HITL_"))))
    return text(f"{name} done with {json.dumps(params.get('arguments', {}), sort_keys=True)}")


def answer(message):
    method = message["method"]
    if method == "initialize":
        return {
            "protocolVersion": message["params"]["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "ledger", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [tool(name) for name in TOOLS]}
    if method == "tools/call":
        return call(message["params"])
    return {}


def main():
    print("ledger: ready", file=sys.stderr, flush=True)
    with open(sys.argv[1], "ab", buffering=0) as ledger:
        for line in sys.stdin.buffer:
            ledger.write(line)
            message = json.loads(line)
            slowly = message.get("params", {}).get("arguments", {}).get("slowly", False)
            if "id" in message and "method" in message and not slowly:
                reply = {"jsonrpc": "2.0", "id": message["id"], "result": answer(message)}
                sys.stdout.write(json.dumps(reply) + "\n")
                sys.stdout.flush()


main()
