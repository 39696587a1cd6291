"""The server on FastMCP 4: its own skills, an app, and events as an extension of its own making.

FastMCP 4.2.3 has no events itself, and its tasks are a package of another version. Prints its address on stdout once it
listens. `--era modern` or `--era legacy` turns the other era's requests away.
"""

import warnings
from typing import Any

import anyio
import mcp_types as types
from fastmcp import Context, FastMCP
from fastmcp.server.extensions import MethodBinding, ServerExtension
from fastmcp.skills import Skill
from fastmcp.skills.provider import SkillCatalogProvider
from fastmcp.tools import ToolResult
from mcp.shared.exceptions import MCPError
from pydantic import ConfigDict

import asgi

warnings.simplefilter("ignore")

EVENTS = "io.modelcontextprotocol/events"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
state = {"cancelled": False}


class Params(types.RequestParams):
    """Params of any method, with every member."""

    model_config = ConfigDict(extra="allow")


class News(types.Notification[Any, str]):
    """A notification of any method."""


async def tell(ctx, method: str, params: dict) -> None:
    await ctx.session.send_notification(News(method=method, params=params), related_request_id=ctx.request_id)


def complete(ctx, **members) -> dict:
    return {**members, "resultType": "complete"} if ctx.protocol_version == asgi.MODERN else members


class Events(ServerExtension):
    """Events of SEP-3415: one kind, polled and streamed."""

    identifier = EVENTS

    def settings(self) -> dict:
        return {"listChanged": False}

    def methods(self):
        return [MethodBinding(f"events/{name}", Params, act) for name, act in [("list", listed), ("poll", polled), ("stream", streamed)]]


async def listed(ctx, params: Params) -> dict:
    kind = {"name": "memo.written", "delivery": ["poll", "push"], "inputSchema": {"type": "object"}, "payloadSchema": {"type": "object"}}
    return complete(ctx, events=[kind])


async def polled(ctx, params: Params) -> dict:
    if params.model_extra.get("name") != "memo.written":
        raise MCPError(code=-32011, message="NotFound", data={"kind": "event"})
    event = {"eventId": "evt_1", "name": "memo.written", "timestamp": "2026-02-19T15:30:00Z", "data": {"n": 1, "list": [None]}}
    return complete(ctx, events=[event], cursor="c1", truncated=False, hasMore=False, nextPollMs=30000)


async def streamed(ctx, params: Params) -> dict:
    name, cursor = params.model_extra.get("name"), params.model_extra.get("cursor")
    if name == "memo.secret":
        raise MCPError(code=-32012, message="Forbidden", data={"name": name})
    meta = {"_meta": {SUBSCRIPTION: ctx.request_id}}
    await tell(ctx, "notifications/events/active", {"cursor": cursor or "c0", "truncated": False, **meta})
    if name == "memo.lost":
        await tell(ctx, "notifications/events/terminated", {"error": {"code": -32013, "message": "NotFound"}, "cursor": None, **meta})
        return complete(ctx, _meta={SUBSCRIPTION: ctx.request_id})
    for n in (1, 2):
        event = {"eventId": f"evt_{n}", "name": "memo.written", "timestamp": "2026-02-19T15:30:00Z", "data": {"n": n}}
        await tell(ctx, "notifications/events/event", {**event, "cursor": f"c{n}", **meta})
    try:
        await anyio.sleep_forever()
    finally:
        state["cancelled"] = True


server = FastMCP("parity-fastmcp", version="1.0.0", instructions="Ask politely.\n\u2028 Grüße 世界")
server.add_extension(Events())
brewing = Skill(
    name="brewing",
    description="How tea is brewed",
    instructions="# Brewing\n\nSee references/HEAT.md.\n",
    files={"references/HEAT.md": "# Heat\n\n80 °C for green tea\n", "assets/leaf.bin": bytes([0, 1, 2, 3, 255, 254])},
)
pouring = Skill(name="pouring", description="How tea is poured", instructions="Slowly.\n")
server.add_provider(SkillCatalogProvider([brewing, pouring]))


@server.tool(title="Add", annotations={"readOnlyHint": True}, meta={"com.example/rank": 1})
def add(a: float, b: float) -> dict[str, float]:
    return {"sum": a + b}


@server.tool
def mixed() -> ToolResult:
    image = types.ImageContent(type="image", mime_type="image/png", data="AAECA/8=")
    return ToolResult(content=[types.TextContent(type="text", text="one №"), image], meta={"com.example/trace": "abc"})


@server.tool
def fail() -> str:
    raise ValueError("deliberate")


@server.tool
async def count(to: int, ctx: Context) -> str:
    for done in range(1, to + 1):
        await ctx.report_progress(done, to, f"step {done}")
    return f"counted to {to}"


@server.tool
async def wait(ctx: Context) -> str:
    await ctx.report_progress(1, 2)
    try:
        await anyio.sleep_forever()
    finally:
        state["cancelled"] = True


@server.tool
def seen() -> str:
    said = "cancelled" if state["cancelled"] else "nothing"
    state["cancelled"] = False
    return said


@server.tool(meta={"ui": {"resourceUri": "ui://chart/view.html"}})
def chart() -> ToolResult:
    return ToolResult(content="drawn", structured_content={"points": [1, 2]})


@server.resource("ui://chart/view.html", mime_type="text/html;profile=mcp-app", meta={"ui": {"prefersBorder": True}})
def view() -> str:
    return "<!doctype html><title>chart</title>"


@server.prompt(title="Greeting")
def greeting(name: str) -> str:
    return f"Say hello to {name}"


@server.resource("memo://one", name="one", mime_type="text/plain")
def one() -> str:
    return "the first memo\r\n\u2028"


@server.resource("memo://bytes", name="bytes", mime_type="application/octet-stream")
def some_bytes() -> bytes:
    return bytes([0, 1, 2, 3, 255])


@server.resource("memo://item/{n}", name="item")
def item(n: str) -> str:
    return f"item {n}"


if __name__ == "__main__":
    asgi.serve(server.http_app())
