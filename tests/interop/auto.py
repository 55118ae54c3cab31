"""An MCP client on the second generation of the Python SDK, in the protocol version that it takes by default:
the newest that the server has. Takes orders on stdin, as README.md says."""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

TIMEOUT = 60


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


async def settle(client, order):
    """Has so many users, each with a header of their own, make calls in two rounds. Counts those that failed."""
    failures = []
    turn = asyncio.Semaphore(10)

    async def one(user):
        headers, timeout = {order["header"]: f"user-{user}"}, httpx2.Timeout(30, read=300)
        http = httpx2.AsyncClient(headers=headers, timeout=timeout, trust_env=False)
        async with turn, http, Client(streamable_http_client(order["url"], http_client=http)) as own:
            for _ in range(order["calls"]):
                try:
                    _, answer = await call(own, {"name": "settle"})
                    assert answer["result"] == "settled", answer
                except Exception as error:
                    failures.append(str(error) or repr(error))

    await asyncio.gather(*(one(user) for user in range(order["users"])))
    return client, {"failed": len(failures), "first": failures[:1]}


async def main():
    client = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        do = {"connect": connect, "call": call, "settle": settle}[order["op"]]
        try:
            async with asyncio.timeout(TIMEOUT):
                client, more = await do(client, order)
            answer = {"ok": True, **more}
        except Exception as error:
            answer = {"ok": False, "class": type(error).__name__, "message": str(error) or repr(error)}
        print(json.dumps(answer), flush=True)
    os._exit(0)


asyncio.run(main())
