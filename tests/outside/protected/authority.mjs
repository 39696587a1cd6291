// The authorization server: npm oidc-provider, which is certified for OpenID Connect and strict about the rest.
//
// Dynamic registration (RFC 7591), PKCE required (RFC 7636), resource indicators (RFC 8707), `iss` in the answer
// (RFC 9207), device authorization (RFC 8628), revocation (RFC 7009), and refresh tokens that are good for one use:
// the second use of one revokes the whole grant.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";

import Provider, { errors } from "oidc-provider";

import { chooser, policyWithChoice } from "./chooser.mjs";

export const scopes = ["mcp:read", "mcp:write"];

/// Starts one on a loopback port of its own.
///
/// - `accessTokenTtl`: seconds an access token lives
/// - `tokenFormat`: `jwt` or `opaque`
/// - `clients`: clients registered beforehand, in RFC 7591's words
/// - `dpopNonces`: whether proofs of possession need a nonce of its own (RFC 9449); it offers to bind tokens in any case
/// - `metadata`: where it is described: `openid` (the provider's own place), `oauth` (RFC 8414 only), or `both`
///
/// - `accounts`: people who can be chosen among, on a page of its own that `prompt=select_account` shows too; without them it
///   refuses that value, as the provider does whose operator has not configured it
///
/// `counters` say what was asked of it, `issued` every secret that it gave out or was shown, by kind.
export async function startAuthority(t, { accessTokenTtl = 3600, tokenFormat = "jwt", metadata = "openid", dpopNonces = false, clients = [], accounts } = {}) {
  const counters = {
    registrations: 0, authorizations: 0, codeExchanges: 0, refreshes: 0, reuses: 0, refusals: 0, revocations: 0, deviceCodes: 0,
    clientCredentials: 0,
  };
  const issued = [];
  const keep = (kind, value) => void (value && issued.push({ kind, value }));
  const resources = new Set();

  const listener = http.createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => {
    listener.closeAllConnections();
    listener.close();
  });
  const issuer = `http://127.0.0.1:${listener.address().port}`;

  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "outside" }] },
    cookies: { keys: [randomBytes(32).toString("hex")] },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    clients,
    ...(accounts && { interactions: { policy: policyWithChoice(), url: (_, { uid }) => `/choose/${uid}` } }),
    enabledJWA: { clientAuthSigningAlgValues: ["RS256", "PS256", "ES256", "EdDSA"] },
    scopes: ["openid", "offline_access", ...scopes],
    pkce: { required: () => true },
    clientDefaults: { token_endpoint_auth_method: "none" },
    issueRefreshToken: (_, client) => client.grantTypeAllowed("refresh_token"),
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: accessTokenTtl,
      AuthorizationCode: 60,
      ClientCredentials: accessTokenTtl,
      DeviceCode: 600,
      Grant: 86_400,
      IdToken: 3600,
      Interaction: 3600,
      RefreshToken: 86_400,
      Session: 86_400,
    },
    features: {
      devInteractions: { enabled: !accounts },
      registration: { enabled: true },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      dPoP: { enabled: true, ...(dpopNonces && { nonceSecret: randomBytes(32), requireNonce: () => true }) },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, resource) => {
          if (!resources.has(resource)) throw new errors.InvalidTarget();
          return {
            scope: scopes.join(" "),
            audience: resource,
            accessTokenTTL: accessTokenTtl,
            accessTokenFormat: tokenFormat,
            jwt: { sign: { alg: "RS256" } },
          };
        },
      },
    },
  });

  provider.use(async (ctx, next) => {
    const oauth = ctx.path === "/.well-known/oauth-authorization-server";
    const openid = ctx.path === "/.well-known/openid-configuration";
    if ((oauth && metadata === "openid") || (openid && metadata === "oauth")) return void (ctx.status = 404);
    if (oauth) ctx.path = "/.well-known/openid-configuration";
    await next();
    if (ctx.path === "/token/revocation" && ctx.status === 200) counters.revocations += 1;
  });
  if (accounts) provider.use(chooser(provider, accounts));
  provider.on("registration_create.success", (ctx) => {
    counters.registrations += 1;
    keep("client secret", ctx.body.client_secret);
    keep("registration access token", ctx.body.registration_access_token);
  });
  provider.on("authorization.success", (_, out) => {
    if (!out?.code) return;
    counters.authorizations += 1;
    keep("authorization code", out.code);
  });
  provider.on("device_authorization.success", (_, body) => {
    counters.deviceCodes += 1;
    keep("device code", body.device_code);
  });
  provider.on("grant.success", (ctx) => {
    const { grant_type, code_verifier } = ctx.oidc.params;
    if (grant_type === "authorization_code") counters.codeExchanges += 1;
    if (grant_type === "refresh_token") counters.refreshes += 1;
    if (grant_type === "client_credentials") counters.clientCredentials += 1;
    keep("client assertion", ctx.oidc.params.client_assertion);
    keep("code verifier", code_verifier);
    keep("access token", ctx.body.access_token);
    keep("refresh token", ctx.body.refresh_token);
    keep("id token", ctx.body.id_token);
  });
  provider.on("grant.error", (ctx, error) => {
    if (["authorization_pending", "slow_down"].includes(error.error)) return;
    counters.refusals += 1;
    if (error.error_detail === "refresh token already used") counters.reuses += 1;
  });
  provider.on("server_error", (_, error) => console.error("authority:", error));

  listener.on("request", provider.callback());
  return {
    issuer,
    provider,
    counters,
    issued,
    protect: (resource) => void resources.add(resource),
    /// From now on the server is unreachable.
    close: () => {
      listener.closeAllConnections();
      listener.close();
    },
    description: async () => (await fetch(`${issuer}/.well-known/${metadata === "oauth" ? "oauth-authorization-server" : "openid-configuration"}`)).json(),
  };
}
