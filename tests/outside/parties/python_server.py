"""A Streamable HTTP server out of the official Python SDK, with the same tools as tools-server.mjs where it has them.

    python python_server.py [--sse] [--json]

It takes a free loopback port; uvicorn's own line on stderr says which.
"""

import argparse

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import BaseModel

server = MCPServer("outside-python", version="1.0.0")


class Answer(BaseModel):
    answer: str


@server.tool()
async def add(a: float, b: float) -> str:
    return f"{a + b:g}"


@server.tool()
async def wait(ms: int) -> str:
    await anyio.sleep(ms / 1000)
    return f"waited {ms}"


@server.tool()
async def report(steps: int, ctx: Context, ms: int = 10) -> str:
    for step in range(1, steps + 1):
        await anyio.sleep(ms / 1000)
        await ctx.report_progress(step, steps)
    return f"reported {steps}"


@server.tool()
async def ask(question: str, ctx: Context) -> str:
    said = await ctx.elicit(question, Answer)
    return f"{said.action}: {said.data.answer}" if said.action == "accept" else said.action


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sse", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.sse:
        server.run("sse", port=0)
    else:
        server.run("streamable-http", port=0, json_response=asked.json)
