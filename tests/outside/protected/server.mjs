// A protected MCP server: the official TypeScript SDK's Streamable HTTP server behind the SDK's own bearer check and
// protected resource metadata (RFC 9728), with tokens and their audience checked against the authority.

import { InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import express from "express";
import { createRemoteJWKSet, jwtVerify } from "jose";

import { newCounters, serve } from "../parties/tools-server.mjs";
import { scopes } from "./authority.mjs";
import { startGround } from "./ground.mjs";

/// Starts an authority (with the options of `startAuthority`) and a server that it protects, which `serve` may change.
/// The tool `count` wants `mcp:write` beside `mcp:read`, so that there is something to step up to.
export async function startProtected(t, options = {}) {
  const { authority, app, url } = await startGround(t, options);

  const counters = { ...newCounters(), challenged: 0, tokens: new Set() };
  const verifyAccessToken = options.tokenFormat === "opaque" ? opaque(authority) : signed(authority);
  const guard = (requiredScopes) =>
    requireBearerAuth({
      verifier: {
        verifyAccessToken: async (token) => {
          const known = await verifyAccessToken(token);
          counters.tokens.add(token);
          return known;
        },
      },
      requiredScopes,
      expectedResource: url,
      resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(url),
    });
  const toRead = guard(scopes.slice(0, 1));
  const toWrite = guard(scopes);
  const guards = [
    (_, res, next) => {
      res.on("finish", () => (counters.challenged += res.statusCode === 401 || res.statusCode === 403 ? 1 : 0));
      next();
    },
    express.json({ limit: "64mb" }),
    (req, res, next) => (req.body?.params?.name === "count" ? toWrite : toRead)(req, res, next),
  ];

  app.use(
    mcpAuthMetadataRouter({
      oauthMetadata: await authority.description(),
      resourceServerUrl: url,
      scopesSupported: scopes.slice(0, 1),
      resourceName: "outside",
    }),
  );
  (options.serve ?? serve)(app, { counters, guards });
  return { url: url.href, authority, counters };
}

const info = (token, { client_id, scope, exp, aud }) => ({
  token,
  clientId: client_id,
  scopes: scope?.split(" ") ?? [],
  expiresAt: exp,
  resource: new URL(aud),
});

/// JWT access tokens (RFC 9068), checked with the authority's published keys.
function signed(authority) {
  let keys;
  return async (token) => {
    keys ??= createRemoteJWKSet(new URL((await authority.description()).jwks_uri));
    try {
      const { payload } = await jwtVerify(token, keys, { issuer: authority.issuer });
      return info(token, payload);
    } catch (error) {
      throw new InvalidTokenError(error.message);
    }
  };
}

/// Opaque access tokens, asked of the authority, which is in the same process.
function opaque(authority) {
  return async (token) => {
    const { AccessToken, ClientCredentials } = authority.provider;
    const known = (await AccessToken.find(token)) ?? (await ClientCredentials.find(token));
    if (!known) throw new InvalidTokenError("unknown or expired");
    return info(token, { client_id: known.clientId, scope: known.scope, exp: known.exp, aud: known.aud });
  };
}
