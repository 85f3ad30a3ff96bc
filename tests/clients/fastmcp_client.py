"""An MCP client on fastmcp, driven by one JSON argument as python_client.py is, with its events."""

import asyncio
import json
import sys

import anyio
from fastmcp import Client
from fastmcp.client.transports import StdioTransport


def say(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


async def on_progress(progress, total, message):
    say("progress", progress=progress, total=total, message=message)


async def call_and_cancel(client, call):
    with anyio.CancelScope() as scope:

        async def on_first(progress, total, message):
            await on_progress(progress, total, message)
            scope.cancel()

        await client.call_tool(call["tool"], call.get("arguments"), progress_handler=on_first)
    say("cancelled" if scope.cancelled_caught else "result")


async def main():
    spec = json.loads(sys.argv[1])
    transport = StdioTransport(command=spec["command"][0], args=spec["command"][1:], env=spec.get("env"))
    async with Client(transport) as client:
        say("tools", names=[tool.name for tool in await client.list_tools()])
        for call in spec["calls"]:
            if call.get("cancel"):
                await call_and_cancel(client, call)
                continue
            result = await client.call_tool(
                call["tool"], call.get("arguments"), progress_handler=on_progress, raise_on_error=False
            )
            text = "".join(part.text for part in result.content if part.type == "text")
            say("result", is_error=bool(result.is_error), text=text)
    say("closed")


asyncio.run(main())
