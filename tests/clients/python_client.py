"""An MCP client on the official Python SDK (v1 or v2, whichever runs this), driven by one JSON argument.

{"command": [...], "env": {...}, "calls": [{"tool": ..., "arguments": {...}, "cancel": bool}],
"api": "session" | "client", "name": ...}

Prints what it sees as JSON lines: tools, progress, result, error, cancelled, closed. A call with "cancel" is taken back
at its first progress, by cancelling its task; v1 says nothing of that by itself, so there it is said by hand. With "api": "client" it uses the v2 SDK's
own Client, which looks for a modern server first.
"""

import asyncio
import json
import sys

import anyio
import mcp
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.types import Implementation


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


async def on_progress(progress, total, message):
    say("progress", progress=progress, total=total, message=message)


async def take_back(session):
    """The SDK v1 numbers its requests and leaves cancelling to the program."""
    params = types.CancelledNotificationParams(requestId=session._request_id - 1, reason="changed my mind")
    notification = types.CancelledNotification(method="notifications/cancelled", params=params)
    await session.send_notification(types.ClientNotification(notification))


async def call_and_cancel(session, call):
    with anyio.CancelScope() as scope:

        async def on_first(progress, total, message):
            await on_progress(progress, total, message)
            if not hasattr(mcp, "Client"):
                await take_back(session)
            scope.cancel()

        await session.call_tool(call["tool"], call.get("arguments"), progress_callback=on_first)
    say("cancelled" if scope.cancelled_caught else "result")


def is_error(result):
    return result.isError if hasattr(result, "isError") else result.is_error


async def play(session, calls):
    listed = await session.list_tools()
    say("tools", names=[tool.name for tool in listed.tools])
    for call in calls:
        if call.get("cancel"):
            await call_and_cancel(session, call)
            continue
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
