"""An MCP client on the official Python SDK (v1 or v2, whichever runs this), driven by one JSON argument.

{"command": [...], "env": {...}, "calls": [{"tool": ..., "arguments": {...}}], "api": "session" | "client",
"name": ...}

Prints what it sees as JSON lines: tools, progress, result, error, closed. With "api": "client" it uses the v2 SDK's
own Client, which looks for a modern server first.
"""

import asyncio
import json
import sys

import mcp
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import Implementation


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


async def on_progress(progress, total, message):
    say("progress", progress=progress, total=total, message=message)


def is_error(result):
    return result.isError if hasattr(result, "isError") else result.is_error


async def play(session, calls):
    listed = await session.list_tools()
    say("tools", names=[tool.name for tool in listed.tools])
    for call in calls:
        try:
            result = await session.call_tool(call["tool"], call.get("arguments"), progress_callback=on_progress)
            text = "".join(part.text for part in result.content if part.type == "text")
            say("result", is_error=bool(is_error(result)), text=text)
        except Exception as error:  # whatever the SDK raises is what the test wants to see
            say("error", kind=type(error).__name__, text=str(error))


async def main():
    spec = json.loads(sys.argv[1])
    server = StdioServerParameters(command=spec["command"][0], args=spec["command"][1:], env=spec.get("env"))
    if spec.get("api") == "client":
        async with mcp.Client(server) as client:
            say("connected", protocol=client.protocol_version)
            await play(client, spec["calls"])
    else:
        info = Implementation(name=spec.get("name", "python-test"), version="1")
        async with stdio_client(server) as (read, write), ClientSession(read, write, client_info=info) as session:
            await session.initialize()
            await play(session, spec["calls"])
    say("closed")


asyncio.run(main())
