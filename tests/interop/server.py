"""An MCP server as one pod: server.py HOST PORT [--sse | --json]. Runs on either generation of the Python SDK."""

import asyncio
import os
import signal
import sys
import threading
from collections import Counter

import uvicorn
from mcp.server import streamable_http_manager
from mcp.server.streamable_http import (
    GET_STREAM_KEY,
    EventMessage,
    EventStore,
    StreamableHTTPServerTransport,
)
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import SamplingMessage, TextContent
from pydantic import BaseModel

try:
    from mcp.server.mcpserver import Context, MCPServer
    from mcp_types import InputRequiredResult

    GENERATION = 2
except ImportError:
    from mcp.server.fastmcp import Context, FastMCP

    GENERATION = 1

# Milliseconds after which a client whose stream was closed is to come back.
RETRY = 50

ANY_HOST = TransportSecuritySettings(enable_dns_rebinding_protection=False)

counts: Counter[tuple[str, str]] = Counter()


def bump(key: str, ctx: Context) -> int:
    """Counts how often the session that asks has said this key."""
    request = ctx.request_context.request
    session = request.headers.get("mcp-session-id") or request.query_params["session_id"]
    counts[session, key] += 1
    return counts[session, key]


def pid() -> int:
    """Tells which process answers."""
    return os.getpid()


def add_settle(server):
    # The first generation does not have it.
    def settle(ctx: Context) -> str | InputRequiredResult:
        """Takes two rounds, of which the second has the state of the first, sealed by this process."""
        return ctx.request_state or InputRequiredResult(request_state="settled")

    server.add_tool(settle)


class Who(BaseModel):
    name: str


async def progress(steps: int, ctx: Context) -> str:
    """Tells of so many steps before it answers."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
        await asyncio.sleep(0.05)
    return f"{steps} steps"


async def interrupted(steps: int, ctx: Context) -> str:
    """The same, but closes its stream after the first: the rest waits for a client that resumes it."""
    await ctx.report_progress(1, steps)
    # The client has read what came before this once it answers.
    await ctx.elicit("Who is there?", Who)
    await ctx.close_sse_stream()
    for step in range(2, steps + 1):
        await ctx.report_progress(step, steps)
    return f"{steps} steps"


async def sample(text: str, ctx: Context) -> str:
    """Has the client's model say something to a text."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    result = await ctx.session.create_message([message], max_tokens=10, related_request_id=ctx.request_id)
    return result.content.text


async def elicit(ctx: Context) -> str:
    """Asks the client's user for a name."""
    result = await ctx.elicit("Who is there?", Who)
    return result.data.name if result.action == "accept" else result.action


async def announce(step: int, ctx: Context) -> str:
    """Tells of a step on the stream of the session, which is that of no request."""
    await ctx.session.send_progress_notification("announced", step)
    return "announced"


class Events(EventStore):
    """What was sent in one session, in memory, for a client that resumes a stream."""

    def __init__(self):
        self._events = []
        self._more = asyncio.Condition()

    async def store_event(self, stream_id, message):
        async with self._more:
            self._events.append((stream_id, message))
            self._more.notify_all()
        return str(len(self._events) - 1)

    async def replay_events_after(self, last_event_id, send_callback):
        last = int(last_event_id)
        stream, _ = self._events[last]
        # The SDK loses what comes between the end of this and when the new stream is there.
        async with self._more:
            await self._more.wait_for(lambda: stream == GET_STREAM_KEY or self._is_answered(stream))
        for number, (of, message) in enumerate(self._events[last + 1 :], last + 1):
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream

    def _is_answered(self, stream):
        # A message of the second generation is wrapped no more.
        said = (getattr(message, "root", message) for of, message in self._events if of == stream)
        return any(hasattr(message, "result") or hasattr(message, "error") for message in said)


class Transport(StreamableHTTPServerTransport):
    """Has a store of its own: the SDK names a stream by the id of its request, which others have too."""

    def __init__(self, *positional, **named):
        super().__init__(*positional, **{**named, "event_store": Events()})


streamable_http_manager.StreamableHTTPServerTransport = Transport


def app(sse: bool, json: bool):
    http = {} if sse else {"json_response": json, "retry_interval": RETRY}
    if GENERATION == 2:
        server = MCPServer("interop")
        options = {"transport_security": ANY_HOST, **http}
    else:
        server = FastMCP("interop", transport_security=ANY_HOST, **http)
        options = {}
    server.add_tool(bump)
    server.add_tool(pid)
    if GENERATION == 2:
        add_settle(server)
    server.add_tool(announce)
    # Where a response is one JSON message, nothing can be said before it.
    if not json:
        for tool in (progress, sample, elicit):
            server.add_tool(tool)
    if not json and not sse:
        server.add_tool(interrupted)
    return server.sse_app(**options) if sse else server.streamable_http_app(**options)


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        if self.started:
            print("ready", flush=True)

    # Without waiting for streams that clients hold open.
    def handle_exit(self, sig, frame):
        os._exit(0)


def end_with_stdin():
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


def main():
    host, port, *flags = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=end_with_stdin, daemon=True).start()
    # A pod that failed its start says so by its status.
    served = app("--sse" in flags, "--json" in flags)
    options = {"log_level": "warning", "access_log": False}
    # Else it closes connections that were idle for 5 seconds, some just when a proxy sends a request on them.
    server = Server(uvicorn.Config(served, host, int(port), timeout_keep_alive=600, **options))
    server.run()
    sys.exit(not server.started)


main()
