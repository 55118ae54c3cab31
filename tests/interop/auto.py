"""An MCP client on the second generation of the Python SDK, in the protocol version that it takes by default:
the newest that the server has. Takes orders on stdin, as README.md says."""

import asyncio
import json
import os
import sys

from mcp import Client

TIMEOUT = 20


class ToolError(Exception):
    pass


async def connect(_client, order):
    # Nobody leaves it: the process ends with what is open, as a client that dies does.
    client = Client(order["url"])
    await client.__aenter__()
    return client, {}


async def call(client, order):
    result = await client.call_tool(order["name"], order.get("arguments"))
    text = "".join(getattr(block, "text", "") for block in result.content)
    if result.is_error:
        raise ToolError(text)
    structured = result.structured_content or {}
    return client, {"result": structured["result"] if structured.keys() == {"result"} else text}


async def main():
    client = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        do = {"connect": connect, "call": call}[order["op"]]
        try:
            client, more = await asyncio.wait_for(do(client, order), TIMEOUT)
            answer = {"ok": True, **more}
        except Exception as error:
            answer = {"ok": False, "class": type(error).__name__, "message": str(error) or repr(error)}
        print(json.dumps(answer), flush=True)
    os._exit(0)


asyncio.run(main())
