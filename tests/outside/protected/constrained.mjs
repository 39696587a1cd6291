// A protected MCP server that takes sender-constrained tokens only (RFC 9449 section 7): the official TypeScript SDK's
// server, behind a check of token and proof by npm `jose`.
//
// Its nonces are its own, and change: the last two are good. A proof is good once.

import { createHash, randomBytes } from "node:crypto";

import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from "@modelcontextprotocol/sdk/server/auth/router.js";
import express from "express";
import { calculateJwkThumbprint, createRemoteJWKSet, EmbeddedJWK, jwtVerify } from "jose";

import { newCounters, serve } from "../parties/tools-server.mjs";
import { scopes } from "./authority.mjs";
import { startGround } from "./ground.mjs";

class Refused extends Error {
  constructor(code, why) {
    super(why);
    this.code = code;
  }
}

/// Starts an authority (with the options of `startAuthority`) and a server that it protects.
/// `nonceMs` is how long a nonce is the newest. `judged` are the proofs that were good, `refused` why others were not.
export async function startConstrained(t, { nonceMs = 1000, ...options } = {}) {
  const { authority, app, url } = await startGround(t, options);
  const metadata = getOAuthProtectedResourceMetadataUrl(url);

  const nonces = [randomBytes(12).toString("base64url")];
  const turning = setInterval(() => nonces.unshift(randomBytes(12).toString("base64url")) > 2 && nonces.pop(), nonceMs);
  t.after(() => clearInterval(turning));
  const seen = new Set();
  const judged = [];
  const refused = [];
  let keys;

  const judge = async (req) => {
    const [scheme, token] = (req.headers.authorization ?? "").split(" ");
    if (!token) throw new Refused(undefined, "no token");
    keys ??= createRemoteJWKSet(new URL((await authority.description()).jwks_uri));
    const { payload: known } = await jwtVerify(token, keys, { issuer: authority.issuer, audience: url.href }).catch((error) => {
      throw new Refused("invalid_token", error.message);
    });
    if (scheme !== "DPoP" || !known.cnf?.jkt) throw new Refused("invalid_token", `${scheme} with a token bound to ${known.cnf?.jkt}`);
    const proof = req.headers.dpop;
    if (!proof || proof.includes(",")) throw new Refused("invalid_dpop_proof", "not one proof");
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, { typ: "dpop+jwt", algorithms: ["ES256"] }).catch((error) => {
      throw new Refused("invalid_dpop_proof", error.message);
    });
    const claims = {
      "a private key": !("d" in protectedHeader.jwk),
      jkt: (await calculateJwkThumbprint(protectedHeader.jwk)) === known.cnf.jkt,
      htm: payload.htm === req.method,
      htu: payload.htu === url.href,
      iat: Math.abs(Date.now() / 1000 - payload.iat) < 60,
      ath: payload.ath === createHash("sha256").update(token).digest("base64url"),
      jti: typeof payload.jti === "string" && !seen.has(payload.jti),
    };
    const wrong = Object.keys(claims).filter((name) => !claims[name]);
    if (wrong.length > 0) throw new Refused("invalid_dpop_proof", wrong.join(", "));
    if (!nonces.includes(payload.nonce)) throw new Refused("use_dpop_nonce", "no nonce of mine");
    seen.add(payload.jti);
    judged.push({ key: known.cnf.jkt, method: req.method, proof });
    return { token, clientId: known.client_id, scopes: known.scope.split(" "), expiresAt: known.exp, resource: url };
  };
  const guard = async (req, res, next) => {
    try {
      res.set("DPoP-Nonce", nonces[0]);
      req.auth = await judge(req);
      next();
    } catch (error) {
      if (!(error instanceof Refused)) return next(error);
      if (error.code) refused.push({ code: error.code, why: error.message });
      const words = [error.code && `error="${error.code}"`, 'algs="ES256"', `resource_metadata="${metadata}"`];
      res.status(401).set("WWW-Authenticate", `DPoP ${words.filter(Boolean).join(", ")}`).json({ error: error.code ?? "unauthorized" });
    }
  };

  app.use(
    mcpAuthMetadataRouter({
      oauthMetadata: await authority.description(),
      resourceServerUrl: url,
      scopesSupported: scopes.slice(0, 1),
      resourceName: "outside",
    }),
  );
  const counters = newCounters();
  serve(app, { counters, guards: [guard, express.json({ limit: "64mb" })] });
  return { url: url.href, authority, counters, judged, refused, nonce: () => nonces[0] };
}
