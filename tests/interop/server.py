"""An MCP server as one pod: server.py HOST PORT [--sse]. Runs on either generation of the Python SDK."""

import os
import signal
import sys
import threading
from collections import Counter

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings

try:
    from mcp.server.mcpserver import Context, MCPServer
    from mcp_types import InputRequiredResult

    GENERATION = 2
except ImportError:
    from mcp.server.fastmcp import Context, FastMCP

    GENERATION = 1

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


def app(sse: bool):
    if GENERATION == 2:
        server = MCPServer("interop")
        options = {"transport_security": ANY_HOST}
    else:
        server = FastMCP("interop", transport_security=ANY_HOST)
        options = {}
    server.add_tool(bump)
    server.add_tool(pid)
    if GENERATION == 2:
        add_settle(server)
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
    server = Server(uvicorn.Config(app("--sse" in flags), host, int(port), log_level="warning", access_log=False))
    server.run()
    sys.exit(not server.started)


main()
