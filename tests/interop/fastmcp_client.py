"""A FastMCP client, in the protocol version that it takes by default. Takes orders on stdin, as README.md says."""

import asyncio
import json
import os
import sys

import fastmcp_tasks  # noqa: F401 - with it the client likes tasks
from fastmcp import Client

TIMEOUT = 60


async def connect(_client, order):
    client = Client(order["url"])
    await client.__aenter__()
    return client, {}


async def call(client, order):
    result = await client.call_tool(order["name"], order.get("arguments", {}))
    return client, {"result": (result.structured_content or {}).get("result")}


async def work(client, order):
    """Has so many tasks made, some at once. Counts those whose polls found them."""
    turn = asyncio.Semaphore(order["at_once"])
    errors = []

    async def one(number):
        async with turn:
            try:
                result = await client.call_tool("work", {"number": number})
                return result.data == number
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}")
                return False

    found = await asyncio.gather(*(one(number) for number in range(order["count"])))
    return client, {"found": sum(found), "errors": errors[:1]}


async def main():
    client = None
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        do = {"connect": connect, "call": call, "work": work}[order["op"]]
        try:
            async with asyncio.timeout(TIMEOUT):
                client, more = await do(client, order)
            answer = {"ok": True, **more}
        except Exception as error:
            answer = {"ok": False, "class": type(error).__name__, "message": str(error) or repr(error)}
        print(json.dumps(answer), flush=True)
    os._exit(0)


asyncio.run(main())
