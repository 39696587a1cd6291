// A server and its authorization server whose consent makes the browser POST to the callback from another site: as a
// form (OAuth 2.0 Form Post Response Mode), or by a 307 (RFC 9110 section 15.4.8). The pages are at `localhost`, mcpipe
// listens at 127.0.0.1: two sites, so that a browser sends no `SameSite=Lax` cookie with the POST.

import { randomUUID } from "node:crypto";
import http from "node:http";
import { once } from "node:events";

/// Starts both. `way` is "form" or "307". `spent` are the codes that were exchanged, `asked` the authorization requests.
export async function startCrossPosting(t, way) {
  const seen = { spent: [], asked: [] };
  const server = http.createServer((request, response) => answer(request, response, way, seen));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${server.address().port}/mcp`, ...seen };
}

async function answer(request, response, way, { spent, asked }) {
  const { port } = request.socket.address();
  const at = new URL(request.url, `http://localhost:${port}`);
  let body = "";
  for await (const chunk of request) body += chunk;
  const json = (status, value, headers = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(JSON.stringify(value));
  };
  const issuer = `http://localhost:${port}`;
  const resource = `http://127.0.0.1:${port}/mcp`;
  const back = (parameters) => {
    const to = new URL(parameters.get("redirect_uri"));
    to.searchParams.set("code", randomUUID());
    to.searchParams.set("state", parameters.get("state"));
    return to;
  };
  const hidden = (parameters) =>
    [...parameters].map(([name, value]) => `<input type=hidden name="${name}" value="${value}">`).join("");
  const page = (action, parameters) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end(`<!doctype html><title>Consent</title><form method=post action="${action}">${hidden(parameters)}<button>Allow</button></form>`);
  };
  switch (`${request.method} ${at.pathname}`) {
    case "POST /mcp": {
      const metadata = `http://127.0.0.1:${port}/.well-known/oauth-protected-resource/mcp`;
      return json(401, {}, { "www-authenticate": `Bearer resource_metadata="${metadata}"` });
    }
    case "GET /.well-known/oauth-protected-resource/mcp":
      return json(200, { resource, authorization_servers: [issuer] });
    case "GET /.well-known/oauth-authorization-server":
      return json(200, {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        registration_endpoint: `${issuer}/register`,
        response_types_supported: ["code"],
        code_challenge_methods_supported: ["S256"],
      });
    case "POST /register":
      return json(201, { ...JSON.parse(body), client_id: "client" });
    case "GET /authorize": {
      asked.push(at.href);
      const to = back(at.searchParams);
      return way === "form" ? page(to.origin + to.pathname, to.searchParams) : page("/consent", at.searchParams);
    }
    case "POST /consent":
      response.writeHead(307, { location: back(new URLSearchParams(body)).href });
      return response.end();
    case "POST /token":
      spent.push(new URLSearchParams(body).get("code"));
      return json(200, { access_token: randomUUID(), token_type: "Bearer", expires_in: 3600 });
    default:
      return json(404, {});
  }
}
