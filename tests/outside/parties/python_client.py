"""The official Python client as the host of a bridge with guard rails.

    python_client.py -- COMMAND [ARGUMENT ...]

Lists the tools, makes four kinds of calls, and prints what came of each as one line of JSON.
"""

import json
import os
import sys

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError

command, *arguments = sys.argv[sys.argv.index("--") + 1 :]


async def refusal(call):
    try:
        result = await call
    except MCPError as error:
        return error.error.data if hasattr(error, "error") else error.data
    return {"kind": "none", "result": str(result)}


async def main():
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    async with Client(stdio_client(server)) as client:
        seen = {"tools": [tool.name for tool in (await client.list_tools()).tools]}
        answer = await client.call_tool("get-sum", {"a": 19, "b": 23})
        seen["allowed"] = answer.content[0].text
        seen["denied"] = await refusal(client.call_tool("get-env", {}))
        seen["invalid"] = await refusal(client.call_tool("get-sum", {"a": "nineteen", "b": 23}))
        for _ in range(3):
            await client.call_tool("echo", {"message": "hello"})
        seen["limited"] = await refusal(client.call_tool("echo", {"message": "hello"}))
        print(json.dumps(seen), flush=True)


anyio.run(main)
