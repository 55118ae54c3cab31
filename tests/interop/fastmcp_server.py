"""A FastMCP server with tasks in memory, as one pod: fastmcp_server.py HOST PORT."""

import os
import signal
import sys
import threading

import uvicorn
from fastmcp import FastMCP
from fastmcp_tasks import TasksExtension

mcp = FastMCP("tasks")
mcp.add_extension(TasksExtension(url="memory://"))


@mcp.tool(task=True)
async def work(number: int) -> int:
    """Answers by a task, if the client likes tasks."""
    return number


@mcp.tool
def pid() -> int:
    """Tells which process answers."""
    return os.getpid()


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        if self.started:
            print("ready", flush=True)

    def handle_exit(self, sig, frame):
        os._exit(0)


def end_with_stdin():
    while sys.stdin.buffer.read(1024):
        pass
    os._exit(0)


def main():
    host, port = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=end_with_stdin, daemon=True).start()
    app = mcp.http_app(host_origin_protection=False)
    server = Server(uvicorn.Config(app, host, int(port), log_level="warning", access_log=False))
    server.run()
    sys.exit(not server.started)


main()
