//! Codes of the sign-in: the challenge, the metadata, the client.

use crate::doctor::code::table;

table! {
    CHALLENGE_NAMES_METADATA: "challenge", "the server asks for a credential and says where its metadata are",
        "An answer 401 or 403 has a Bearer or DPoP challenge with `resource_metadata` (RFC 9728 section 5.1).",
        "Nothing is to be done.";
    CHALLENGE_WITHOUT_METADATA: "challenge", "the challenge does not say where the metadata are",
        "The server's WWW-Authenticate has no `resource_metadata`. mcpipe then looks at the well-known places; not every client does.",
        "Nothing, if the resource metadata are found below. The server's operator can add `resource_metadata` (RFC 9728 section 5.1).";
    CHALLENGE_OTHER_SCHEME: "challenge", "the server asks for a credential that no sign-in brings",
        "All challenges have schemes such as Basic or Negotiate, and OAuth is not among them. A gateway may have answered.",
        "Send what it asks for with --header 'Authorization: Basic ${vault:NAME}', or ask its operator how clients sign in.";
    CHALLENGE_WANTS_SCOPE: "challenge", "the server wants more scopes than the request had",
        "The answer has the error insufficient_scope (RFC 6750 section 3.1).",
        "`mcpipe login URL` asks for the scopes that the challenge names.";
    OWN_AUTHORIZATION: "challenge", "an Authorization header of yours takes the place of signing in",
        "--header, --header-file, --bearer or mcpipe.toml sets Authorization. It is sent as it is, and nothing stored is used.",
        "Nothing, if that is meant. Leave the header out to sign in with OAuth.";

    RESOURCE_METADATA: "resource metadata", "the server's metadata as a protected resource are found and are about it",
        "The document of RFC 9728 names the server's address, or its origin with leading parts of the path.",
        "Nothing is to be done.";
    RESOURCE_IS_SHORTER: "resource metadata", "the metadata name a shorter address than the server's",
        "`resource` covers the address and is not the same. mcpipe takes it; RFC 9728 section 3.3 wants the same, and stricter clients stop here.",
        "Nothing for mcpipe. The server's operator can name the address itself in `resource`.";
    RESOURCE_METADATA_ELSEWHERE: "resource metadata", "the challenge leads to metadata on another origin",
        "`resource_metadata` is an address at another host or port. mcpipe visits it where the guard allows it, and compares `resource`.",
        "Nothing, if that host belongs to the server's operator.";
    RESOURCE_OTHER: "resource metadata", "the metadata are about another resource",
        "`resource` is missing, or is neither the server's address nor a part of it: a copied document, a server behind a proxy that does \
         not know its public address, or a wrong address.",
        "Configure the address that the metadata name if that is the server, or have `resource` corrected there (RFC 9728 section 3.3).";
    RESOURCE_BAD_SERVER: "resource metadata", "no name of an authorization server in the metadata is an address",
        "All entries of `authorization_servers` hold characters that no address has.",
        "Have the metadata corrected, or name the server with --authorization-server URL.";
    RESOURCE_METADATA_UNREACHABLE: "resource metadata", "the places of the metadata cannot be looked at",
        "A place is forbidden (not https, or a private address that a public server names), does not answer, or answers with an error of its own.",
        "Try again, or look at the network findings. --allow-private goes to addresses in a private network of yours.";
    RESOURCE_METADATA_ABSENT: "resource metadata", "the server has no metadata as a protected resource",
        "Every place answers with a refusal, a page, or JSON of another kind. Servers of MCP 2025-03-26 have none, and servers that take keys only.",
        "Nothing, if an authorization server is found below. If the server takes a key: --bearer NAME, after `mcpipe vault put NAME`.";

    SERVER_METADATA: "authorization server", "the authorization server's metadata are found and name it as it was asked for",
        "The document of RFC 8414 or OpenID Connect Discovery has the issuer that it was looked up by.",
        "Nothing is to be done.";
    SERVER_SECOND: "authorization server", "another authorization server is taken than the first that the server names",
        "The first of `authorization_servers` has no usable metadata, does not announce PKCE, or was not the one of the last sign-in.",
        "Nothing, if the one that is taken is right. --authorization-server URL fixes it.";
    SERVER_ASSUMED: "authorization server", "the authorization server has no metadata, and its endpoints are a guess",
        "Neither the resource nor its origin has metadata, so the endpoints /authorize, /token and /register of MCP 2025-03-26 are assumed.",
        "If the server takes a key, send it with --bearer NAME or --header. If it has an authorization server, name it with --authorization-server URL.";
    SERVER_OTHER_ISSUER: "authorization server", "the authorization server gives itself another name",
        "`issuer` in the metadata is not the name by which they were looked up (RFC 8414 section 3.3). That may be an attack, or a wrong setting.",
        "If that is who is to sign you in, say so with --authorization-server or --expect-issuer, and give the host the same flag.";
    SERVER_UNEXPECTED_ISSUER: "authorization server", "the authorization server is not the one that --expect-issuer names",
        "--expect-issuer is compared byte for byte with `issuer` in the metadata.",
        "Correct --expect-issuer, or leave it out.";
    SERVER_NO_METADATA: "authorization server", "the authorization server has no metadata at any place",
        "The server names it, and RFC 8414's and OpenID's places answer with a refusal, a page, or JSON of another kind.",
        "Name the right one with --authorization-server URL: the address of the issuer, without a well-known part.";
    SERVER_BAD_METADATA: "authorization server", "the authorization server's metadata lack something or hold something unusable",
        "An endpoint is missing or is no address, or the name of the issuer is none.",
        "Have the metadata corrected, or name another authorization server with --authorization-server URL.";
    SERVER_NOT_HTTPS: "authorization server", "an address of the authorization server is plain http",
        "Codes, tokens and secrets would cross the network in the open. Plain http is taken on this machine only.",
        "Have the metadata name https addresses. A server behind a proxy often needs to be told its public address.";
    SERVER_PRIVATE: "authorization server", "a public server names an authorization server in a private network",
        "Its address is private, local or reserved, which a public server has no business to name (RFC 9728 section 7.7).",
        "If that is a private network of yours, --allow-private goes there.";
    SERVER_UNREACHABLE: "authorization server", "the authorization server does not answer",
        "Its name has no address, no connection is made, or it answers with an error of its own (5xx, 429).",
        "Try again later. Stored tokens go on working until they end.";
    SERVER_UNTRUSTED: "authorization server", "the authorization server's TLS is not trusted",
        "Its certificate has ended, is for another name, or is of an authority that this machine does not know.",
        "In a company network, give the company's certificate with --ca FILE.";
    SERVER_CHANGED: "authorization server", "the server now leads to another authorization server than at the last sign-in",
        "The issuer, or the origin of an endpoint, is not what it was. A server that was taken over would look the same.",
        "If you want to sign in there, `mcpipe login URL` accepts it.";
    SERVER_ENDPOINT_IGNORED: "authorization server", "an endpoint in the metadata is left out because it may not be visited",
        "A registration, revocation or device endpoint is no address, or is not https.",
        "Have the metadata corrected. Until then mcpipe goes on as if the server had no such endpoint.";
    PROVIDER_KNOWN: "authorization server", "the authorization server is known to differ from the standards",
        "mcpipe has a table of well-known providers with their differences, and follows it.",
        "Nothing, unless the finding gives advice.";

    PKCE_S256: "PKCE", "the authorization server announces PKCE with S256",
        "`code_challenge_methods_supported` has S256.",
        "Nothing is to be done.";
    PKCE_BELIEVED: "PKCE", "PKCE is used although the authorization server does not announce it",
        "The provider is known to support it, its revision of MCP requires it, or --assume-pkce says so.",
        "Nothing is to be done.";
    PKCE_UNSAID: "PKCE", "the authorization server does not say that it supports PKCE",
        "`code_challenge_methods_supported` is missing. MCP has clients stop here, because codes could be stolen.",
        "If it supports PKCE all the same, --assume-pkce goes on.";
    PKCE_PLAIN_ONLY: "PKCE", "the authorization server announces PKCE without S256",
        "`code_challenge_methods_supported` has other methods only. With `plain`, whoever sees the request can spend the code.",
        "Have S256 switched on there. If it takes S256 although it does not say so, --assume-pkce goes on.";

    CLIENT_GIVEN: "client", "the client is the one that you name",
        "--client-id or --static-oauth-client-info names a client that was registered beforehand.",
        "Nothing is to be done.";
    CLIENT_ELSEWHERE: "client", "the client that you name was used at another authorization server",
        "The server once led to another authorization server, and the client belongs to that one. Its secret must not be shown to this one.",
        "If the server really moved, say so with --authorization-server and a client of the new one.";
    CLIENT_DOCUMENT: "client", "the client is your client metadata document",
        "The authorization server takes client ids that are addresses of documents, and --client-metadata-url names one.",
        "Nothing is to be done.";
    CLIENT_DOCUMENT_UNUSED: "client", "the authorization server takes no client metadata documents",
        "`client_id_metadata_document_supported` is not true, so that --client-metadata-url is passed over.",
        "Nothing, if a client can be registered.";
    CLIENT_REGISTERED: "client", "a client is registered there already",
        "An earlier sign-in has registered one (RFC 7591), and the vault holds it.",
        "Nothing is to be done.";
    CLIENT_EXPIRED: "client", "the registered client's secret has ended",
        "The authorization server gave it an end (`client_secret_expires_at`). The next sign-in registers a new client.",
        "`mcpipe login URL` registers a new one, if renewing fails.";
    CLIENT_TO_REGISTER: "client", "a client will be registered by the first sign-in",
        "The authorization server has a registration endpoint (RFC 7591).",
        "Nothing is to be done. An endpoint that wants a token of its administrator gets it with --dcr-token-env.";
    CLIENT_WAIT: "client", "the authorization server has asked for patience with registrations",
        "It answered a registration with HTTP 429, and no process of this machine asks again before the time is over.",
        "Wait, or name a client with --client-id.";
    CLIENT_NONE: "client", "the authorization server registers no clients, and you name none",
        "It has no registration endpoint and takes no metadata document that you have named.",
        "Register a client there by hand with the redirect URI that the finding names, then sign in with --client-id.";
    CLIENT_UNUSABLE: "client", "the client that you name cannot be used there",
        "Its key signs with no algorithm that the authorization server takes, or --client-metadata-url is no https address with a path.",
        "Correct --client-key, --client-alg or --client-metadata-url.";
    CLIENT_PROOF_UNLISTED: "client", "the authorization server does not list the way in which the client proves itself",
        "`token_endpoint_auth_methods_supported` lacks it: a public client where secrets are wanted, or a secret where none is taken.",
        "Give what is listed: --client-secret-env VAR or --client-key FILE, or neither.";

    SCOPES_ASKED: "scopes", "the scopes that a sign-in asks for",
        "They come from --scope, else from the challenge, else from the server's metadata; those of the last sign-in stay.",
        "Nothing is to be done. --scope asks for others.";
    SCOPES_UNLISTED: "scopes", "a scope of --scope is listed neither by the server nor by its authorization server",
        "Both have `scopes_supported`, and the scope is in neither. A misspelt scope makes the sign-in end with invalid_scope.",
        "Correct --scope. Some servers take scopes that they do not list.";

    DPOP_USED: "DPoP", "tokens will be bound to a key",
        "Both servers announce DPoP with ES256, or --dpop require asks for it (RFC 9449).",
        "Nothing is to be done.";
    DPOP_UNUSED: "DPoP", "tokens will not be bound to a key",
        "One of the two servers does not announce DPoP, or --dpop off says so.",
        "Nothing is to be done.";
    DPOP_NOT_OFFERED: "DPoP", "tokens that are bound to a key are wanted, and the authorization server offers none",
        "--dpop require, or the server's challenge, wants DPoP, and `dpop_signing_alg_values_supported` lacks ES256.",
        "Leave --dpop require out to take bearer tokens, or have DPoP switched on there.";
    DPOP_SWITCHED_OFF: "DPoP", "the server asks for tokens that are bound to a key, and --dpop off forbids them",
        "The server's challenges, or its metadata, ask for DPoP only.",
        "Leave --dpop off out.";

    DEVICE_CODE_OFFERED: "device code", "a sign-in on another device is possible",
        "The authorization server has a device authorization endpoint (RFC 8628).",
        "Nothing is to be done. --device-code uses it.";
    DEVICE_CODE_NOT_OFFERED: "device code", "--device-code is set, and the authorization server has none",
        "Its metadata have no `device_authorization_endpoint`.",
        "Leave --device-code out: `mcpipe login URL` prints an address, and takes the pasted answer.";

    FLAG_OVERRIDES: "sign-in flags", "a flag of yours says something else than the metadata",
        "--authorization-server or --resource is used in the place of what the server names.",
        "Nothing, if that is meant. Leave the flag out to follow the server.";
    FLAG_UNUSED: "sign-in flags", "a flag of yours has no effect",
        "Another flag, or something that the servers say, leaves nothing for it to do.",
        "Leave it out.";
}
