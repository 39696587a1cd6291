"""A host on the official Python client 2, or on FastMCP's, of either era.

    python.py --party mcp|fastmcp --era legacy|modern --story FILE (--url URL | -- COMMAND [ARGUMENT ...])

Plays the steps of a story in order and prints what came of each as JSON; judging is the runner's. The recorder sits at
the SDK's transport, as in recorder.mjs.
"""

import json
import os
import sys
import time
import warnings
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from pydantic import ConfigDict

warnings.simplefilter("ignore")

MODERN = "2026-07-28"
META = "io.modelcontextprotocol/"
SUBSCRIPTION = f"{META}subscriptionId"
STEP_SECONDS = 20
own = sys.argv[1:]
cut = own.index("--") if "--" in own else -1


def option(name):
    return own[own.index(name) + 1]


party, era = option("--party"), option("--era")
with open(option("--story"), encoding="utf-8") as file:
    steps = json.load(file)


class Recorder:
    """What comes, step by step, in words that do not depend on the numbers of one run."""

    def __init__(self):
        self.steps, self.sent, self.tokens = {}, {}, {}
        self.begin("connect")

    def begin(self, name):
        self.step = {"answers": [], "heard": [], "asked": [], "questions": []}
        self.steps[name] = self.step
        return self.step

    def goes(self, message):
        if "id" not in message or "method" not in message:
            return
        method, place = message["method"], {"to": message["method"]}
        number = sum(one["to"] == method for one in self.step["answers"]) + 1
        label = f"{method} {number}"
        self.step["answers"].append(place)
        self.sent[json.dumps(message["id"])] = (place, label)
        token = ((message.get("params") or {}).get("_meta") or {}).get("progressToken")
        if token is not None:
            self.tokens[json.dumps(token)] = label

    def comes(self, message):
        if "method" in message:
            kind = "asked" if "id" in message else "heard"
            params = {"params": self.worded(message["params"])} if "params" in message else {}
            self.step[kind].append({"method": message["method"], **params})
            return
        place, _ = self.sent.get(json.dumps(message.get("id")), (None, None))
        said = {"error": message["error"]} if "error" in message else {"result": self.worded(message["result"])}
        if place is None:
            self.step["heard"].append({"answerToNothing": said})
        elif "result" in place or "error" in place:
            self.step["heard"].append({"secondAnswer": place["to"], **said})
        else:
            place.update(said)

    def worded(self, value, key=""):
        if isinstance(value, list):
            return [self.worded(one) for one in value]
        if isinstance(value, dict):
            return {name: self.worded(one, name) for name, one in value.items()}
        if key in (SUBSCRIPTION, "requestId"):
            return f"<id of {self.sent.get(json.dumps(value), (None, f'nothing: {value}'))[1]}>"
        if key == "progressToken":
            return f"<token of {self.tokens.get(json.dumps(value), f'nothing: {value}')}>"
        return value

    async def hear(self, wanted, seconds=5.0):
        """Waits until this step has heard so many of each method, or the time is up, which shows in the recording."""
        step = self.step

        def is_heard():
            return all(sum(one.get("method") == method for one in step["heard"]) >= number for method, number in (wanted or {}).items())

        with anyio.move_on_after(seconds):
            while not is_heard():
                await anyio.sleep(0.01)


recorder = Recorder()
person = {"action": "accept", "content": {"name": "Ada"}}


class Tapped:
    """A stream of the SDK's transport, with the recorder at it."""

    def __init__(self, stream, note):
        self.stream, self.note = stream, note

    def __getattr__(self, name):
        return getattr(self.stream, name)

    async def __aenter__(self):
        await self.stream.__aenter__()
        return self

    async def __aexit__(self, *why):
        return await self.stream.__aexit__(*why)

    def told(self, item):
        if hasattr(item, "message"):
            self.note(item.message.model_dump(by_alias=True, mode="json", exclude_unset=True))
        return item

    def __aiter__(self):
        return self

    async def __anext__(self):
        return self.told(await self.stream.__anext__())

    async def receive(self):
        return self.told(await self.stream.receive())

    async def send(self, item):
        self.told(item)
        await self.stream.send(item)


@asynccontextmanager
async def tapped(transport):
    async with transport as (read, write):
        yield Tapped(read, recorder.comes), Tapped(write, recorder.goes)


def transport():
    if cut < 0:
        return streamable_http_client(option("--url"))
    return stdio_client(StdioServerParameters(command=own[cut + 1], args=own[cut + 2 :], env=dict(os.environ)))


class AnyRequest(types.Request[Any, str]):
    """A request of any method."""


class AnyNotification(types.Notification[Any, str]):
    """A notification of any method."""


class Loose(types.Result):
    """A result with every member."""

    model_config = ConfigDict(extra="allow")


def dumped(value):
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True, mode="json", exclude_none=True)
    if isinstance(value, (list, tuple)):
        return [dumped(one) for one in value]
    return value


def failure(error):
    if isinstance(error, MCPError):
        data = {} if error.error.data is None else {"data": error.error.data}
        return {"error": {"code": error.error.code, "message": error.error.message, **data}}
    return {"error": {"message": f"{type(error).__name__}: {error}"}}


async def elicit(context, params):
    recorder.step["questions"].append({"method": "elicitation/create", "params": recorder.worded(dumped(params))})
    return types.ElicitResult(**person)


async def sample(context, params):
    recorder.step["questions"].append({"method": "sampling/createMessage", "params": recorder.worded(dumped(params))})
    return types.CreateMessageResult(role="assistant", model="none", content=types.TextContent(type="text", text="answer"))


async def roots(context):
    recorder.step["questions"].append({"method": "roots/list"})
    return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])


async def ignored(*_, **__):
    pass


async def request(client, method, params=None, progress=False, **_):
    on_progress = ignored if progress else None
    if method == "tools/call":
        meta = params.get("_meta")
        return await client.call_tool(params["name"], params["arguments"], progress_callback=on_progress, meta=meta)
    if method == "tools/list" and not (params or {}).get("cursor"):
        return await client.list_tools()
    # A question of the server before its answer is the typed method's to settle.
    return await client.session.send_request(AnyRequest(method=method, params=params or {}), Loose, progress_callback=on_progress)


async def server(client, **_):
    [said] = [one for one in recorder.steps["connect"]["answers"] if one["to"] in ("initialize", "server/discover")]
    result = said["result"]
    info = result.get("serverInfo") or (result.get("_meta") or {}).get(f"{META}serverInfo")
    return {"said": {"capabilities": result["capabilities"], "instructions": result.get("instructions"), "server": info}}


async def level(client, level, **_):
    # In the modern era it is given with each request.
    if era == "legacy":
        await client.set_logging_level(level)
    return "set"


async def speak(client, level, **_):
    meta = {f"{META}logLevel": level} if era == "modern" else None
    return await client.call_tool("speak", {}, meta=meta)


async def subscribed(client, uri, **_):
    if era == "legacy":
        await client.subscribe_resource(uri)
        said = await client.call_tool("touch", {"uri": uri})
        await recorder.hear({"notifications/resources/updated": 1})
        await client.unsubscribe_resource(uri)
        return said
    async with client.listen(resource_subscriptions=[uri]):
        said = await client.call_tool("touch", {"uri": uri})
        await recorder.hear({"notifications/resources/updated": 1})
    return said


async def changed(client, **_):
    async def grow():
        said = await client.call_tool("grow", {})
        await recorder.hear({"notifications/tools/list_changed": 1})
        tools = (await client.list_tools(cache_mode="refresh")).tools
        return {"said": dumped(said), "listed": any(tool.name == "grown" for tool in tools)}

    if era == "legacy":
        return await grow()
    async with client.listen(tools_list_changed=True):
        return await grow()


async def quietly(act):
    """Runs `act` without keeping its answers, of which there may be any number."""
    step = recorder.step
    recorder.step = {"answers": [], "heard": step["heard"], "asked": [], "questions": []}
    try:
        return await act()
    finally:
        recorder.step = step


async def left(client, hear=None, seen=False, **step):
    """A request that lasts until the host has heard enough and leaves it."""
    outcome = {"left": True}
    async with anyio.create_task_group() as tasks:

        async def one():
            outcome.update({"left": False, "answer": dumped(await request(client, **step))})

        tasks.start_soon(one)
        await recorder.hear(hear)
        tasks.cancel_scope.cancel()
    if not seen:
        return outcome
    # The server learns of it in its own time.
    for _ in range(60):
        said = (await quietly(lambda: client.call_tool("seen", {}))).content[0].text
        if said != "nothing":
            return {**outcome, "said": said}
        await anyio.sleep(0.05)
    return {**outcome, "said": "the server was never told"}


async def streams(client, streams, hear, **_):
    """Two streams at once: every notification has to name its own."""
    async with anyio.create_task_group() as tasks:
        for params in streams:
            tasks.start_soon(lambda params=params: request(client, "events/stream", params))
        await recorder.hear(hear)
        tasks.cancel_scope.cancel()
    return ["left", "left"]


VERBS = {"request": request, "raw": request, "server": server, "level": level, "speak": speak, "subscribed": subscribed, "changed": changed, "left": left, "streams": streams}


@asynccontextmanager
async def fastmcp_client():
    """FastMCP's client, whose transports cannot be tapped: compared are what it returns and what it was asked."""
    from fastmcp import Client as FastClient
    from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
    from fastmcp.skills import SkillsClientExtension

    own_transport = StreamableHttpTransport(option("--url")) if cut < 0 else StdioTransport(own[cut + 1], own[cut + 2 :], env=dict(os.environ), keep_alive=False)

    async def notice(message):
        if hasattr(message, "method"):
            recorder.step["heard"].append({"method": message.method, "params": dumped(message.params)})

    async def asked(message, response_type, params, context):
        recorder.step["questions"].append({"method": "elicitation/create", "message": message})
        return person["content"] if person["action"] == "accept" else types.ElicitResult(action=person["action"])

    client = FastClient(
        own_transport,
        mode="auto" if era == "modern" else "legacy",
        message_handler=notice,
        elicitation_handler=asked,
        extensions=[SkillsClientExtension()],
        cache=False,
    )
    async with client:
        yield client


async def fast_server(client, **_):
    return {"capabilities": dumped(client.server_capabilities), "instructions": client.instructions, "server": dumped(client.server_info)}


async def fast_skills(client, **_):
    listed = await client.list_skills()
    files = {}
    for skill in listed:
        for entry in (await client.get_skill(skill.uri)).resources:
            files[str(entry.uri)] = dumped(await client.read_resource(str(entry.uri)))
    return {"skills": dumped(listed), "files": files}


async def fast_request(client, method, params=None, progress=False, **_):
    params = params or {}
    if method == "tools/list":
        return await client.list_tools()
    if method == "tools/call":
        return await client.call_tool_mcp(params["name"], params["arguments"], progress_handler=ignored if progress else None)
    if method == "prompts/list":
        return await client.list_prompts()
    if method == "prompts/get":
        return await client.get_prompt(params["name"], params.get("arguments"))
    if method == "resources/list":
        return await client.list_resources()
    if method == "resources/templates/list":
        return await client.list_resource_templates()
    if method == "resources/read":
        return await client.read_resource(params["uri"])
    if method == "completion/complete":
        return await client.complete(types.PromptReference(type="ref/prompt", name=params["ref"]["name"]), params["argument"])
    return await client.session.send_request(AnyRequest(method=method, params=params), Loose)


FAST_VERBS = {"request": fast_request, "server": fast_server, "skills": fast_skills}


def client_of():
    if party == "fastmcp":
        return fastmcp_client()
    return Client(
        tapped(transport()),
        # A pinned revision is taken without a question, which would leave the server's own words unheard.
        mode="auto" if era == "modern" else "legacy",
        client_info=types.Implementation(name="parity-host", version="2.0.0", title="Host ✓"),
        elicitation_callback=elicit,
        sampling_callback=sample,
        list_roots_callback=roots,
        logging_callback=ignored,
        cache=None,
    )


async def play():
    global person
    verbs = FAST_VERBS if party == "fastmcp" else VERBS
    began = 0.0
    async with client_of() as client:
        recorder.step["outcome"] = "connected"
        for step in steps:
            kept = recorder.begin(step["step"])
            person = step.get("person", person)
            given = {key: value for key, value in step.items() if key not in ("feature", "step", "do", "needs", "person", "expect", "fold", "sorted", "pairs", "settle")}
            try:
                with anyio.fail_after(STEP_SECONDS):
                    kept["outcome"] = recorder.worded(dumped(await verbs[step["do"]](client, **given)))
            except Exception as error:
                kept["outcome"] = failure(error)
            await recorder.hear(step.get("hear"))
        began = time.monotonic()
    recorder.begin("leave")["outcome"] = "left by itself" if time.monotonic() - began < 1.9 else "had to be killed"


try:
    anyio.run(play)
except BaseException as error:
    recorder.steps["failed"] = f"{type(error).__name__}: {error}"
sys.stdout.write(json.dumps(recorder.steps))
sys.stdout.flush()
os._exit(0)
