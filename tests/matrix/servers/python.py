"""The story's server on the official Python SDK 2.x, which speaks both eras at one address.

Prints its address on stdout once it listens. `--era modern` or `--era legacy` turns the other era's requests away, so
that a bridge in front of it has no choice; `--era both` leaves it the choice.
"""

import argparse
import json
import socket
import sys
import warnings
from typing import Annotated

import anyio
import mcp_types as types
import uvicorn
from mcp.server import MCPServer, NotificationOptions
from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, ListRoots, Resolve, Sample
from pydantic import BaseModel, Field

# Logging, sampling and roots are on their way out, and here to be tested until then.
warnings.simplefilter("ignore")

MODERN = "2026-07-28"
LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]

server = MCPServer("story", version="1.0.0", log_level="WARNING")
state = {"cancelled": False, "level": "debug"}
subscribers: dict[str, list] = {}


class Sum(BaseModel):
    sum: float


class Name(BaseModel):
    name: str


def ask_name() -> Elicit[Name]:
    return Elicit("What is your name?", Name)


def ask_model() -> Sample:
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="think hard"))
    return Sample([message], max_tokens=10)


def ask_roots() -> ListRoots:
    return ListRoots()


@server.tool(description="add")
def add(a: float, b: float) -> Sum:
    return Sum(sum=a + b)


@server.tool(description="greet", structured_output=False)
def greet(name: str) -> str:
    return f"Grüße, {name}!"


@server.tool(description="picture", structured_output=False)
def picture() -> types.CallToolResult:
    image = types.ImageContent(type="image", mime_type="image/png", data="AAECA/8=")
    return types.CallToolResult(content=[image])


@server.tool(description="locate", structured_output=False)
def locate(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    shard: Annotated[int, Field(json_schema_extra={"x-mcp-header": "Shard"})],
) -> str:
    return f"in {region}, shard {shard}"


@server.tool(description="fail", structured_output=False)
def fail() -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text="deliberate")], is_error=True)


@server.tool(description="ask", structured_output=False)
def ask(answer: Annotated[ElicitationResult[Name], Resolve(ask_name)]) -> str:
    return f"hello {answer.data.name}" if isinstance(answer, AcceptedElicitation) else "declined"


@server.tool(description="visit", structured_output=False)
async def visit(ctx: Context) -> types.CallToolResult | types.InputRequiredResult:
    message, url = "Please sign", "https://example.com/sign"
    if ctx.protocol_version != MODERN:
        action = (await ctx.elicit_url(message, url, "sign-1")).action
    elif ctx.input_responses is None:
        question = types.ElicitRequest(params=types.ElicitRequestURLParams(message=message, url=url))
        return types.InputRequiredResult(input_requests={"it": question})
    else:
        action = ctx.input_responses["it"].action
    said = "visited" if action == "accept" else "declined"
    return types.CallToolResult(content=[types.TextContent(type="text", text=said)])


@server.tool(description="think", structured_output=False)
def think(answer: Annotated[types.CreateMessageResult, Resolve(ask_model)]) -> str:
    return f"thought: {answer.content.text}"


@server.tool(description="where", structured_output=False)
def where(answer: Annotated[types.ListRootsResult, Resolve(ask_roots)]) -> str:
    return ",".join(str(root.uri) for root in answer.roots)


@server.tool(description="count", structured_output=False)
async def count(to: int, ctx: Context) -> str:
    for done in range(1, to + 1):
        await ctx.report_progress(done, to)
    return f"counted to {to}"


@server.tool(description="speak", structured_output=False)
async def speak(ctx: Context) -> str:
    # In the legacy era what was set with logging/setLevel is the application's to heed.
    heeded = 0 if ctx.protocol_version == MODERN else LEVELS.index(state["level"])
    for level, said in (("debug", "quiet"), ("warning", "loud")):
        if LEVELS.index(level) >= heeded:
            await ctx.log(level, said)
    return "spoken"


@server.tool(description="touch", structured_output=False)
async def touch(ctx: Context) -> str:
    await ctx.notify_resource_updated("memo://one")
    for session in subscribers.get("memo://one", []):
        await session.send_resource_updated("memo://one")
    return "touched"


@server.tool(description="grow", structured_output=False)
async def grow(ctx: Context) -> str:
    server.add_tool(lambda: "here", name="grown", description="grown", structured_output=False)
    await ctx.notify_tools_changed()
    if ctx.protocol_version != MODERN:
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
    return "cancelled" if state["cancelled"] else "nothing"


@server.prompt(name="greeting")
def greeting(name: str) -> str:
    return f"Say hello to {name}"


@server.completion()
async def complete(ref, argument, context) -> types.Completion:
    return types.Completion(values=[name for name in ("Ada", "Alan", "Barbara") if name.startswith(argument.value)])


@server.resource("memo://one", name="one")
def one() -> str:
    return "the first memo"


@server.resource("memo://item/{n}", name="item")
def item(n: str) -> str:
    return f"item {n}"


# The high-level server leaves these legacy methods, and the promise of list changes, to the low-level one.
low = server._lowlevel_server


async def subscribe(ctx, params: types.SubscribeRequestParams) -> types.EmptyResult:
    subscribers.setdefault(str(params.uri), []).append(ctx.session)
    return types.EmptyResult()


async def unsubscribe(ctx, params: types.UnsubscribeRequestParams) -> types.EmptyResult:
    subscribers.pop(str(params.uri), None)
    return types.EmptyResult()


async def set_level(ctx, params: types.SetLevelRequestParams) -> types.EmptyResult:
    state["level"] = params.level
    return types.EmptyResult()


low.add_request_handler("resources/subscribe", types.SubscribeRequestParams, subscribe)
low.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, unsubscribe)
low.add_request_handler("logging/setLevel", types.SetLevelRequestParams, set_level)
plain_options = low.create_initialization_options
low.create_initialization_options = lambda *_, **more: plain_options(
    NotificationOptions(tools_changed=True, prompts_changed=True, resources_changed=True), **more
)


def only(app, era):
    """Turns away what the other era would send, as a server that never heard of it does."""

    async def gate(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        version = headers.get("mcp-protocol-version", "")
        is_modern = version >= MODERN
        if is_modern == (era == "modern"):
            return await app(scope, receive, send)
        if era == "modern":
            error = {"code": -32022, "message": "Unsupported protocol version", "data": {"supported": [MODERN], "requested": version}}
        else:
            error = {"code": -32000, "message": f"Bad Request: Unsupported protocol version: {version}"}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    return gate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=["modern", "legacy", "both"], required=True)
    era = parser.parse_args().era
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    app = server.streamable_http_app()
    if era != "both":
        app = only(app, era)
    uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)).run(sockets=[listener])


if __name__ == "__main__":
    sys.exit(main())
