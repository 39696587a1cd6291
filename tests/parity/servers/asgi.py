"""A Python server's HTTP side: its address on stdout, its era, and at `GET /seen` every message that came."""

import argparse
import json
import socket

import uvicorn

MODERN = "2026-07-28"


def seen(app):
    """Keeps every message that is posted, and shows the list."""
    kept = []

    def told(entry):
        """An entry, and with a cancellation the method of its request, which may have come after it."""
        message = entry["message"]
        if message.get("method") != "notifications/cancelled":
            return entry
        about = [one["message"]["method"] for one in kept if one["message"].get("id") == message["params"].get("requestId") and "method" in one["message"]]
        return {**entry, "about": about[0] if about else "nothing"}

    async def recorded(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        if scope["path"] == "/seen":
            body = json.dumps([told(entry) for entry in kept]).encode()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
            return await send({"type": "http.response.body", "body": body})
        if scope["method"] == "DELETE":
            kept.append({"message": {"method": "(DELETE)"}})
        if scope["method"] != "POST":
            return await app(scope, receive, send)
        parts = []

        async def heard():
            message = await receive()
            parts.append(message.get("body", b""))
            if message["type"] == "http.request" and not message.get("more_body"):
                body = json.loads(b"".join(parts))
                kept.append({"message": body})
            return message

        await app(scope, heard, send)

    return recorded


def only(app, era):
    """Turns away what the other era would send, as a server that never heard of it does."""

    async def gate(scope, receive, send):
        if scope["type"] != "http":
            return await app(scope, receive, send)
        headers = {key.decode().lower(): value.decode() for key, value in scope["headers"]}
        version = headers.get("mcp-protocol-version", "")
        if (version >= MODERN) == (era == "modern"):
            return await app(scope, receive, send)
        if era == "modern":
            error = {"code": -32022, "message": "Unsupported protocol version", "data": {"supported": [MODERN], "requested": version}}
        else:
            error = {"code": -32000, "message": f"Bad Request: Unsupported protocol version: {version}"}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    return gate


def era() -> str:
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=["modern", "legacy", "both"], required=True)
    return parser.parse_args().era


def serve(app) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
    wanted = era()
    app = seen(app if wanted == "both" else only(app, wanted))
    uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)).run(sockets=[listener])
