"""A small MCP server whose tools are what a file says each time they are listed.

Usage: toolbox.py TOOLS_FILE

TOOLS_FILE holds the list of tools as JSON. Every call is answered with "NAME ran"; a call of the tool announce sends
notifications/tools/list_changed first.
"""

import json
import sys


def send(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(message):
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "toolbox", "version": "1"},
        }
    if method == "tools/list":
        with open(sys.argv[1], encoding="utf-8") as file:
            return {"tools": json.load(file)}
    if method == "tools/call":
        if params["name"] == "announce":
            send({"method": "notifications/tools/list_changed"})
        return {"content": [{"type": "text", "text": params["name"] + " ran"}]}
    return {}


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request and "method" in request:
        send({"id": request["id"], "result": answer(request)})
