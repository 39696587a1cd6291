"""A protected server of the official Python SDK that is its own authorization server (`mcp.server.auth`).

    python python_authority.py [--sse] [--lifetime SECONDS]

It takes a free loopback port; a line on stderr says which. `/counters` says what was asked of it. Codes and tokens are
kept in memory; all the rest (metadata, registration, client authentication, PKCE, forms) is the SDK's own.
"""

import argparse
import secrets
import socket
import sys
import time

import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    RefreshToken,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthToken
from starlette.responses import JSONResponse

parser = argparse.ArgumentParser()
parser.add_argument("--sse", action="store_true")
parser.add_argument("--lifetime", type=int, default=3600)
asked = parser.parse_args()

counters = {"registered": [], "codes": 0, "refreshes": 0, "revocations": 0}


class Provider:
    def __init__(self):
        self.clients, self.codes, self.refreshes, self.tokens = {}, {}, {}, {}

    async def get_client(self, client_id):
        return self.clients.get(client_id)

    async def register_client(self, client):
        self.clients[client.client_id] = client
        counters["registered"].append(client.token_endpoint_auth_method)

    async def authorize(self, client, params):
        code = AuthorizationCode(
            code=secrets.token_urlsafe(32),
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(self, client, code):
        return self.codes.get(code)

    async def exchange_authorization_code(self, client, code):
        del self.codes[code.code]
        counters["codes"] += 1
        return self.issue(client, code.scopes, code.resource)

    async def load_refresh_token(self, client, token):
        return self.refreshes.get(token)

    async def exchange_refresh_token(self, client, token, scopes):
        del self.refreshes[token.token]
        counters["refreshes"] += 1
        return self.issue(client, scopes or token.scopes, token.resource)

    async def load_access_token(self, token):
        return self.tokens.get(token)

    async def revoke_token(self, token):
        counters["revocations"] += 1
        self.refreshes.pop(token.token, None)
        self.tokens.pop(token.token, None)

    def issue(self, client, scopes, resource):
        said = {"client_id": client.client_id, "scopes": scopes, "resource": resource}
        access, refresh = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self.tokens[access] = AccessToken(token=access, expires_at=int(time.time()) + asked.lifetime, **said)
        self.refreshes[refresh] = RefreshToken(token=refresh, **said)
        return OAuthToken(
            access_token=access,
            refresh_token=refresh,
            expires_in=asked.lifetime,
            scope=" ".join(scopes),
        )


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
path = "/sse" if asked.sse else "/mcp"

server = MCPServer(
    "outside-python-authority",
    version="1.0.0",
    auth_server_provider=Provider(),
    auth=AuthSettings(
        issuer_url=origin,
        resource_server_url=f"{origin}{path}",
        required_scopes=["user"],
        validate_token_resource=not asked.sse,
        client_registration_options=ClientRegistrationOptions(
            enabled=True, valid_scopes=["user"], default_scopes=["user"]
        ),
        revocation_options=RevocationOptions(enabled=True),
    ),
)


@server.tool()
async def add(a: float, b: float) -> str:
    return f"{a + b:g}"


@server.custom_route("/counters", methods=["GET"])
async def count(_):
    return JSONResponse(counters)


if __name__ == "__main__":
    app = server.sse_app() if asked.sse else server.streamable_http_app()
    print(f"running on {origin}{path}", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
