"""An MCP client on either generation of the Python SDK. Takes orders on stdin, as README.md says."""

import asyncio
import contextlib
import json
import os
import sys

from mcp import ClientSession
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CreateMessageResult, ElicitResult, TextContent

# The library that the SDK asks by, which is another one in the second generation.
try:
    import httpx2 as httpx
except ImportError:
    import httpx

TIMEOUT = 20
# For notifications of a call that has been answered.
LATE = 2


class NotConnected(Exception):
    pass


class ToolError(Exception):
    pass


class Connection:
    """One transport and its session, in a task of their own: what ends them ends that task only.

    Calls are made in that task, too, as a program would make them in the body of its `async with`: a
    transport that fails interrupts what is there.
    """

    def __init__(self, order):
        self.session_id = None
        self._order = order
        self._calls = asyncio.Queue()
        self._task = asyncio.create_task(self._run())

    @classmethod
    async def open(cls, order):
        connection = cls(order)
        await connection.call(lambda session: session.initialize())
        return connection

    async def call(self, ask):
        if self._task.done():
            raise NotConnected("the transport has ended")
        result = asyncio.get_running_loop().create_future()
        self._calls.put_nowait((ask, result))
        await self._wait(result)
        if result.done():
            return result.result()
        raise self._task.exception() or NotConnected("the transport ended by itself")

    async def close(self):
        if self._task.done():
            return
        self._calls.put_nowait(None)
        await self._wait()
        if self._task.exception():
            raise self._task.exception()

    async def _wait(self, *results):
        """Waits for a result or the end of the transport, and ends what takes too long."""
        done, _ = await asyncio.wait(
            (*results, self._task), timeout=TIMEOUT + 5, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            self._task.cancel()
            raise TimeoutError("the transport neither answers nor ends")

    async def _run(self):
        callbacks = {"sampling_callback": sample, "elicitation_callback": elicit}
        async with self._streams() as streams, ClientSession(*streams[:2], **callbacks) as session:
            while call := await self._calls.get():
                ask, result = call
                try:
                    answer = await asyncio.wait_for(ask(session), TIMEOUT)
                except Exception as error:
                    result.set_exception(error)
                else:
                    result.set_result(answer)

    def _streams(self):
        if self._order.get("transport") == "sse":
            return sse_client(
                self._order["url"],
                httpx_client_factory=lambda **options: self._client(timeout=options["timeout"]),
                on_session_created=self._learn,
            )
        return self._http_streams()

    @contextlib.asynccontextmanager
    async def _http_streams(self):
        async with self._client(timeout=httpx.Timeout(30, read=300)) as client:
            async with streamable_http_client(self._order["url"], http_client=client) as streams:
                yield streams

    def _client(self, timeout):
        return httpx.AsyncClient(
            headers=self._order.get("headers"),
            timeout=timeout,
            trust_env=False,
            event_hooks={"response": [self._look_at]},
        )

    # The second generation keeps the session's ID to itself.
    async def _look_at(self, response):
        if response.is_success:
            self._learn(response.headers.get("mcp-session-id") or self.session_id)

    def _learn(self, session_id):
        self.session_id = session_id


async def sample(_context, params):
    content = params.messages[-1].content
    content = TextContent(type="text", text=f"sampled: {content.text}")
    return CreateMessageResult(role="assistant", model="interop", content=content)


async def elicit(_context, _params):
    return ElicitResult(action="accept", content={"name": "Ada"})


def cause(error):
    """What is in the groups that the SDK's tasks wrap an error in."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Client:
    def __init__(self):
        self._connection = None

    async def do(self, order):
        return await getattr(self, order["op"])(order) or {}

    async def connect(self, order):
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                await connection.close()
        self._connection = await Connection.open(order)

    async def call(self, order):
        wanted, progress = order.get("progress", 0), []
        complete = asyncio.Event()

        async def note(*step):
            progress.append(step[0])
            if len(progress) >= wanted:
                complete.set()

        result = await self._ask(
            lambda session: session.call_tool(
                order["name"], order.get("arguments"), progress_callback=note if wanted else None
            )
        )
        answer = self._answer(result.model_dump(mode="json", by_alias=True))
        if wanted:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(complete.wait(), LATE)
            answer["progress"] = [int(step) for step in progress]
        return answer

    def _answer(self, result):
        text = "".join(block.get("text", "") for block in result["content"])
        if result["isError"]:
            raise ToolError(text)
        structured = result.get("structuredContent")
        if structured is None:
            return {"result": text}
        # The SDK's servers wrap so what is no object.
        return {"result": structured["result"] if structured.keys() == {"result"} else structured}

    async def tools(self, _order):
        result = await self._ask(lambda session: session.list_tools())
        return {"tools": sorted(tool.name for tool in result.tools)}

    async def together(self, order):
        return {"answers": await asyncio.gather(*map(in_turn, order["scripts"]))}

    async def ping(self, _order):
        await self._ask(lambda session: session.send_ping())

    async def close(self, _order):
        connection, self._connection = self._open(), None
        await connection.close()

    async def session(self, _order):
        return {"session": self._open().session_id}

    async def _ask(self, ask):
        return await self._open().call(ask)

    def _open(self):
        if self._connection is None:
            raise NotConnected("connect first")
        return self._connection


def failure(error):
    error = cause(error)
    response = getattr(error, "response", None)
    told = getattr(error, "error", None)
    return {
        "ok": False,
        "class": type(error).__name__,
        "status": getattr(response, "status_code", None),
        "code": getattr(told, "code", None),
        "message": str(error) or repr(error),
    }


async def answer(client, order):
    try:
        return {"ok": True, **await client.do(order)}
    except Exception as error:
        return failure(error)


async def in_turn(orders):
    client = Client()
    return [await answer(client, order) for order in orders]


async def main():
    client = Client()
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await answer(client, json.loads(line))), flush=True)
    # Leaves what is open as it is, as a client that dies does.
    os._exit(0)


asyncio.run(main())
