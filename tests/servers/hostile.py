"""A small MCP server that does what a call tells it to, however bad; it keeps a ledger of every line it reads.

Usage: hostile.py LEDGER_FILE

Tools: delete_repo is gated by default and the others pass. say puts argument "text" on stdout as it is, flood an
endless line of "bytes" bytes, deaf stops reading, hush closes stdout and lives on, leave exits with 3.
"""

import json
import os
import sys
import time

TOOLS = ["delete_repo", "say", "flood", "deaf", "hush", "leave"]


def put(data):
    while data:
        data = data[os.write(1, data) :]


def reply(message, result):
    put((json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}) + "\n").encode())


def call(message):
    name, arguments = message["params"]["name"], message["params"].get("arguments", {})
    if name == "say":
        put(arguments["text"].encode())
    elif name == "flood":
        for _ in range(arguments["bytes"] >> 20):
            put(b"x" * (1 << 20))
        put(b"\n")
    elif name == "deaf":
        reply(message, {"content": []})
        while True:
            time.sleep(3600)
    elif name == "hush":
        os.close(1)
        return
    elif name == "leave":
        os._exit(3)
    reply(message, {"content": [{"type": "text", "text": f"{name} done"}]})


def main():
    with open(sys.argv[1], "ab", buffering=0) as ledger:
        for line in sys.stdin.buffer:
            ledger.write(line)
            message = json.loads(line)
            if message.get("method") == "tools/call":
                call(message)
            elif message.get("method") == "tools/list":
                reply(message, {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]})
            elif "id" in message and "method" in message:
                info = {"name": "hostile", "version": "1"}
                version = message.get("params", {}).get("protocolVersion", "2025-06-18")
                reply(message, {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info})


main()
