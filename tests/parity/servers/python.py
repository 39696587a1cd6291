"""The server on the official Python SDK 2, with custom handlers for events, skills and what a vendor may add.

Prints its address on stdout once it listens. `--era modern` or `--era legacy` turns the other era's requests away.
"""

import warnings

import anyio
import mcp_types as types
from mcp.server import MCPServer, NotificationOptions
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, ConfigDict
from typing import Annotated, Any

import asgi

# Logging, sampling and roots are on their way out, and here to be tested until then.
warnings.simplefilter("ignore")

LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"

server = MCPServer("parity-python", title="Parity ✓", version="1.0.0", instructions="Ask politely.\n\u2028 Grüße 世界", log_level="WARNING")
low = server._lowlevel_server
state = {"cancelled": False, "level": "debug"}
subscribers: dict[str, list] = {}


class Sum(BaseModel):
    sum: float


class Name(BaseModel):
    name: str


class Params(types.RequestParams):
    """Params of any method, with every member."""

    model_config = ConfigDict(extra="allow")


class Loose(types.Result):
    """A result with every member."""

    model_config = ConfigDict(extra="allow")


class News(types.Notification[Any, str]):
    """A notification of any method."""


def text(said: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=said)])


def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


def ask_model() -> Sample:
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="think hard"))
    return Sample([message], max_tokens=10)


def ask_roots() -> ListRoots:
    return ListRoots()


@server.tool(title="Add", description="add", annotations=types.ToolAnnotations(read_only_hint=True), meta={"com.example/rank": 1})
def add(a: float, b: float) -> Sum:
    return Sum(sum=a + b)


@server.tool(description="mixed", structured_output=False)
def mixed() -> types.CallToolResult:
    linked = types.ResourceLink(type="resource_link", uri="memo://one", name="one")
    image = types.ImageContent(type="image", mime_type="image/png", data="AAECA/8=")
    annotated = types.TextContent(type="text", text="one №", annotations=types.Annotations(audience=["user"], priority=0.5))
    return types.CallToolResult(content=[annotated, image, linked], _meta={"com.example/trace": "abc"})


@server.tool(description="fail", structured_output=False)
def fail() -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text="deliberate")], is_error=True)


@server.tool(description="throw", structured_output=False)
def throw() -> str:
    raise ValueError("thrown")


@server.tool(description="ask", structured_output=False)
def ask(answer: Annotated[ElicitationResult[Name], Resolve(ask_name)]) -> str:
    return f"hello {answer.data.name}" if isinstance(answer, AcceptedElicitation) else answer.action


@server.tool(description="think", structured_output=False)
def think(answer: Annotated[types.CreateMessageResult, Resolve(ask_model)]) -> str:
    return f"thought: {answer.content.text}"


@server.tool(description="where", structured_output=False)
def where(answer: Annotated[types.ListRootsResult, Resolve(ask_roots)]) -> str:
    return ",".join(str(root.uri) for root in answer.roots)


@server.tool(description="count", structured_output=False)
async def count(to: int, ctx: Context) -> str:
    for done in range(1, to + 1):
        await ctx.report_progress(done, to, f"step {done}")
    return f"counted to {to}"


@server.tool(description="speak", structured_output=False)
async def speak(ctx: Context) -> str:
    # In the legacy era what was set with logging/setLevel is the application's to heed.
    heeded = 0 if ctx.protocol_version == asgi.MODERN else LEVELS.index(state["level"])
    for level, said in (("debug", "quiet"), ("warning", "loud")):
        if LEVELS.index(level) >= heeded:
            await ctx.log(level, said)
    return "spoken"


@server.tool(description="touch", structured_output=False)
async def touch(uri: str, ctx: Context) -> str:
    await ctx.notify_resource_updated(uri)
    for session in subscribers.get(uri, []):
        await session.send_resource_updated(uri)
    return "touched"


@server.tool(description="grow", structured_output=False)
async def grow(ctx: Context) -> str:
    server.add_tool(lambda: "here", name="grown", description="grown", structured_output=False)
    await ctx.notify_tools_changed()
    if ctx.protocol_version != asgi.MODERN:
        await ctx.session.send_tool_list_changed()
    return "grew"


@server.tool(description="wait", structured_output=False)
async def wait(ctx: Context) -> str:
    await ctx.report_progress(1, 2)
    try:
        await anyio.sleep_forever()
    finally:
        state["cancelled"] = True
    return "never read"


@server.tool(description="seen", structured_output=False)
def seen() -> str:
    said = "cancelled" if state["cancelled"] else "nothing"
    state["cancelled"] = False
    return said


@server.prompt(name="greeting", title="Greeting")
def greeting(name: str) -> str:
    return f"Say hello to {name}"


@server.completion()
async def complete(ref, argument, context) -> types.Completion:
    return types.Completion(values=[name for name in ("Ada", "Alan", "Barbara") if name.startswith(argument.value)])


@server.resource("memo://one", name="one", mime_type="text/plain")
def one() -> str:
    return "the first memo\r\n\u2028"


@server.resource("memo://bytes", name="bytes", mime_type="application/octet-stream")
def some_bytes() -> bytes:
    return bytes([0, 1, 2, 3, 255])


@server.resource("memo://item/{n}", name="item")
def item(n: str) -> str:
    return f"item {n}"


async def subscribe(ctx, params: types.SubscribeRequestParams) -> types.EmptyResult:
    subscribers.setdefault(str(params.uri), []).append(ctx.session)
    return types.EmptyResult()


async def unsubscribe(ctx, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
    subscribers.pop(str(params.uri), None)
    return types.EmptyResult()


async def set_level(ctx, params: types.SetLevelRequestParams) -> types.EmptyResult:
    state["level"] = params.level
    return types.EmptyResult()


async def templates(ctx, params: types.PaginatedRequestParams) -> types.ListResourceTemplatesResult:
    """One template a page."""
    names = ["item", "page", "leaf"]
    if params.cursor not in (None, "page 1", "page 2"):
        raise MCPError(code=-32602, message="bad cursor", data={"cursor": params.cursor})
    at = 0 if params.cursor is None else int(params.cursor[-1])
    found = types.ResourceTemplate(name=names[at], uri_template=f"memo://{names[at]}/{{n}}", _meta={"com.example/rank": at})
    return types.ListResourceTemplatesResult(resource_templates=[found], next_cursor=f"page {at + 1}" if at < 2 else None)


def members(params: Params) -> dict:
    return {**(params.model_extra or {})}


async def tell(ctx, method: str, params: dict) -> None:
    await ctx.session.send_notification(News(method=method, params=params), related_request_id=ctx.request_id)


async def events_list(ctx, params: Params) -> Loose:
    kind = {"name": "memo.written", "delivery": ["poll", "push"], "inputSchema": {"type": "object"}, "payloadSchema": {"type": "object"}}
    return Loose(events=[kind], **cache(ctx))


async def events_poll(ctx, params: Params) -> Loose:
    asked = members(params)
    if asked.get("name") != "memo.written":
        raise MCPError(code=-32011, message="NotFound", data={"kind": "event"})
    event = {"eventId": "evt_1", "name": "memo.written", "timestamp": "2026-02-19T15:30:00Z", "data": {"n": 1, "list": [None]}}
    return Loose(events=[event], cursor="c1", truncated=False, hasMore=False, nextPollMs=30000, **complete_of(ctx))


async def events_stream(ctx, params: Params) -> Loose:
    asked = members(params)
    if asked.get("name") == "memo.secret":
        raise MCPError(code=-32012, message="Forbidden", data={"name": "memo.secret"})
    meta = {"_meta": {SUBSCRIPTION: ctx.request_id}}
    await tell(ctx, "notifications/events/active", {"cursor": asked.get("cursor") or "c0", "truncated": False, **meta})
    if asked.get("name") == "memo.lost":
        await tell(ctx, "notifications/events/terminated", {"error": {"code": -32013, "message": "NotFound"}, "cursor": None, **meta})
        return Loose(_meta={SUBSCRIPTION: ctx.request_id}, **complete_of(ctx))
    for n in (1, 2):
        event = {"eventId": f"evt_{n}", "name": "memo.written", "timestamp": "2026-02-19T15:30:00Z", "data": {"n": n}}
        await tell(ctx, "notifications/events/event", {**event, "cursor": f"c{n}", **meta})
    try:
        await anyio.sleep_forever()
    finally:
        state["cancelled"] = True


async def echo(ctx, params: Params) -> Loose:
    return Loose(echo=members(params), **{"com.example/answer": {"to": None, "list": [1.5, "№"]}}, **complete_of(ctx))


async def refuse(ctx, params: Params) -> Loose:
    raise MCPError(code=-31999, message="as you wished\nand more", data={"nested": {"list": [None]}})


async def kind(ctx, params: Params) -> Loose:
    return Loose(resultType="com.example/kind", kind={"unheard": "of"})


async def news(ctx, params: Params) -> Loose:
    await tell(ctx, "notifications/com.example/news", {"headline": "№ 1", "_meta": {"com.example/trace": 5}})
    return Loose(told=True, **complete_of(ctx))


def is_modern(ctx) -> bool:
    return ctx.session.protocol_version == asgi.MODERN


def complete_of(ctx) -> dict:
    return {"resultType": "complete"} if is_modern(ctx) else {}


def cache(ctx) -> dict:
    return {**complete_of(ctx), "ttlMs": 0, "cacheScope": "private"} if is_modern(ctx) else {}


for method, params_type, act in [
    ("resources/subscribe", types.SubscribeRequestParams, subscribe),
    ("resources/unsubscribe", types.UnsubscribeRequestParams, unsubscribe),
    ("logging/setLevel", types.SetLevelRequestParams, set_level),
    ("resources/templates/list", types.PaginatedRequestParams, templates),
    ("events/list", Params, events_list),
    ("events/poll", Params, events_poll),
    ("events/stream", Params, events_stream),
    ("com.example/echo", Params, echo),
    ("com.example/fail", Params, refuse),
    ("com.example/kind", Params, kind),
    ("com.example/tell", Params, news),
]:
    low.add_request_handler(method, params_type, act)

plain_options = low.create_initialization_options
low.create_initialization_options = lambda *_, **more: plain_options(
    NotificationOptions(tools_changed=True, prompts_changed=True, resources_changed=True), **more
)

if __name__ == "__main__":
    asgi.serve(server.streamable_http_app())
