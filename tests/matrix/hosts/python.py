"""The story's host on the official Python client 2.x, as a host of either era.

    python.py --era legacy|modern --story FILE (--url URL | -- COMMAND [ARGUMENT ...])

Plays the story's steps in order and prints `{step: outcome}` as JSON. A step that raises has the error as its outcome;
judging is the runner's.
"""

import json
import os
import sys
import time
import warnings

import anyio
import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

MODERN = "2026-07-28"
STEP_SECONDS = 15

warnings.simplefilter("ignore")
own = sys.argv[1:]
cut = own.index("--") if "--" in own else -1


def option(name):
    return own[own.index(name) + 1]


era = option("--era")


class Host:
    def __init__(self):
        self.person = {"action": "cancel"}
        self.question = ""
        self.logged = []
        self.updated = []
        self.list_changed = 0

    async def elicit(self, context, params):
        wanted = params.url if params.mode == "url" else ",".join(params.requested_schema["properties"])
        self.question = f"{params.message}: {wanted}"
        return types.ElicitResult(**self.person)

    async def sample(self, context, params):
        content = params.messages[0].content
        block = content[0] if isinstance(content, list) else content
        answer = types.TextContent(type="text", text=f"answer to {block.text}")
        return types.CreateMessageResult(role="assistant", model="none", content=answer)

    async def roots(self, context):
        return types.ListRootsResult(roots=[types.Root(uri="file:///work", name="work")])

    async def log(self, params):
        self.logged.append(f"{params.level}: {params.data}")

    async def noted(self, message):
        if isinstance(message, types.ResourceUpdatedNotification):
            self.updated.append(str(message.params.uri))
        if isinstance(message, types.ToolListChangedNotification):
            self.list_changed += 1


host = Host()


def text_of(result):
    if result.is_error:
        return f"failed: {[block.model_dump() for block in result.content]}"
    return result.content[0].text


async def until(done):
    while not done():
        await anyio.sleep(0.02)


def call(client, name, arguments=None, **more):
    return client.call_tool(name, arguments or {}, **more)


async def server(client):
    return client.server_info.name


async def tools(client):
    return sorted(tool.name for tool in (await client.list_tools()).tools)


async def schema(client, name):
    found = next(tool for tool in (await client.list_tools()).tools if tool.name == name)
    return {key: value["type"] for key, value in found.input_schema["properties"].items()}


async def structured(client, **step):
    return (await call(client, **step)).structured_content


async def text(client, **step):
    return text_of(await call(client, **step))


async def twice(client, **step):
    said = []

    async def one():
        said.append(text_of(await call(client, **step)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(one)
        tasks.start_soon(one)
    return said


async def image(client, **step):
    block = (await call(client, **step)).content[0]
    return f"{block.mime_type} {block.data}"


async def failure(client, **step):
    result = await call(client, **step)
    return f"the tool said: {result.content[0].text}" if result.is_error else "it went well"


async def prompts(client):
    return sorted(prompt.name for prompt in (await client.list_prompts()).prompts)


async def prompt(client, name, arguments):
    message = (await client.get_prompt(name, arguments)).messages[0]
    return f"{message.role}: {message.content.text}"


async def complete(client, prompt, argument, value):
    ref = types.PromptReference(type="ref/prompt", name=prompt)
    return (await client.complete(ref, {"name": argument, "value": value})).completion.values


async def resources(client):
    return sorted(str(resource.uri) for resource in (await client.list_resources()).resources)


async def templates(client):
    return sorted(template.uri_template for template in (await client.list_resource_templates()).resource_templates)


async def read(client, uri):
    return (await client.read_resource(uri)).contents[0].text


async def missing(client, uri):
    try:
        await client.read_resource(uri)
    except MCPError as error:
        return "refused" if error.code in (-32602, -32002) else f"refused with {error.code}: {error}"
    return "it was there"


async def asked(client):
    return host.question


async def progress(client, **step):
    steps = []

    async def on_progress(done, total, message):
        steps.append(f"{done:g}/{total:g}")

    result = await call(client, **step, progress_callback=on_progress)
    return [*steps, text_of(result)]


async def log(client, name, level):
    host.logged.clear()
    meta = None
    if era == "legacy":
        await client.set_logging_level(level)
    else:
        meta = {"io.modelcontextprotocol/logLevel": level}
    result = await call(client, name, meta=meta)
    # A legacy server may say it on the standing stream, which is not in step with the call's own.
    with anyio.move_on_after(1):
        await until(lambda: host.logged)
    return [*host.logged, text_of(result)]


async def subscribe(client, uri, name):
    if era == "legacy":
        await client.subscribe_resource(uri)
        await call(client, name)
        await until(lambda: uri in host.updated)
        await client.unsubscribe_resource(uri)
    else:
        async with client.listen(resource_subscriptions=[uri]) as events:
            await call(client, name)
            async for event in events:
                if event.uri == uri:
                    break
    return f"{uri} changed"


async def changed(client, name):
    if era == "legacy":
        before = host.list_changed
        await call(client, name)
        await until(lambda: host.list_changed > before)
    else:
        async with client.listen(tools_list_changed=True) as events:
            await call(client, name)
            async for _ in events:
                break
    listed = await client.list_tools(cache_mode="refresh")
    return "grown is listed" if any(tool.name == "grown" for tool in listed.tools) else "nothing is new"


async def cancel(client, name, seen):
    answered = None

    async def waiting(scope):
        nonlocal answered

        async def on_progress(done, total, message):
            scope.cancel()

        with scope:
            answered = await call(client, name, progress_callback=on_progress)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(waiting, anyio.CancelScope())
    if answered is not None:
        return "answered after all"
    # The server learns of it in its own time.
    for _ in range(40):
        said = text_of(await call(client, seen))
        if said != "nothing":
            return said
        await anyio.sleep(0.05)
    return "the server was never told"


VERBS = {
    verb.__name__: verb
    for verb in (
        server, tools, schema, structured, text, twice, image, failure, prompts, prompt, complete, resources, templates, read,
        missing, asked, progress, log, subscribe, changed, cancel,
    )
}


async def play():
    with open(option("--story"), encoding="utf-8") as file:
        steps = json.load(file)
    if cut < 0:
        target = option("--url")
    else:
        target = StdioServerParameters(command=own[cut + 1], args=own[cut + 2 :], env=dict(os.environ))
    client = Client(
        target,
        mode="legacy" if era == "legacy" else "auto",
        elicitation_callback=host.elicit,
        sampling_callback=host.sample,
        list_roots_callback=host.roots,
        logging_callback=host.log,
        message_handler=host.noted,
        client_info=types.Implementation(name="story-host", version="1.0.0"),
    )
    outcome = {}
    left = time.monotonic()
    try:
        async with client:
            if (client.protocol_version == MODERN) != (era == "modern"):
                raise RuntimeError(f"negotiated {client.protocol_version}")
            for step in steps:
                host.person = step.get("person", host.person)
                try:
                    with anyio.fail_after(STEP_SECONDS):
                        outcome[step["step"]] = await VERBS[step["do"]](client, **step.get("with", {}))
                except Exception as error:
                    outcome[step["step"]] = f"error: {type(error).__name__} {error}"
            left = time.monotonic()
        # The client kills what has not left after two seconds.
        outcome["left by itself"] = time.monotonic() - left < 1.9
    except Exception as error:
        outcome["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(outcome, ensure_ascii=False))


if __name__ == "__main__":
    anyio.run(play)
