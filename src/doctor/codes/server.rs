//! Codes of the server's answers.

use crate::doctor::code::table;

table! {
    HTTP_ANSWERED: "request", "the server answers the first question",
        "It was asked without anything of yours, and has answered as MCP has it.",
        "Nothing is to be done.";
    SIGN_IN_WANTED: "request", "the server asks for a sign-in",
        "It has answered 401 with a challenge (WWW-Authenticate), as servers with a sign-in do.",
        "`mcpipe login ADDRESS` signs in; the checks below say whether that will work.";
    CHALLENGE_MISSING: "request", "the server asks for a sign-in and does not say how",
        "Its 401 has no WWW-Authenticate. The server wants a key in a header, or forgets the field, or a proxy takes it out.",
        "If the server gives keys: --header 'Authorization: Bearer ${vault:NAME}'. Otherwise try `mcpipe login ADDRESS`.";
    SIGN_IN_REFUSED: "handshake", "the server refuses the header or the token that was sent",
        "The key or the token was revoked, has expired, is for another server, or lacks its scheme (Bearer).",
        "Check the header's value, or sign in again: `mcpipe login ADDRESS`.";
    REDIRECT_FOLLOWED: "request", "the server sends requests on to another address of its own",
        "The address lacks a slash at its end, or has one too many; or it says http where the server has https.",
        "Use the address that the sentence names: it saves a request each time, and other clients do not follow.";
    REDIRECT_LOSES_POST: "request", "the server sends on in a way that turns a POST into a GET",
        "301, 302 and 303 do that for most clients (RFC 9110 section 15.4). Web frameworks answer so where a slash is missing.",
        "Use the address that the sentence names.";
    REDIRECT_ELSEWHERE: "request", "the server sends requests on to another origin, which is not followed",
        "The server has moved, or a page for people answers. Tokens would go to another party.",
        "If you trust that place, use its address.";
    REDIRECT_TO_SIGN_IN: "request", "the server sends on to a sign-in page for browsers",
        "A gateway with single sign-on (Cloudflare Access, oauth2-proxy, Azure App Service) stands before the server and knows \
         browsers only.",
        "The operator has to except the MCP address, or give out a header for programs (CF-Access-Client-Id and the like).";
    REDIRECT_TO_HTTP: "request", "the server sends on from https to plain http, which is not followed",
        "A proxy ends TLS, and the program behind it takes its own address for http.",
        "The operator has to pass X-Forwarded-Proto on, or to set the public address.";
    REDIRECT_LOOP: "request", "the server sends requests on in a circle",
        "A rule for slashes and another for https contradict each other.",
        "Tell the operator.";
    BOT_CHALLENGE: "request", "a bot protection answers in the place of the server",
        "Cloudflare or another service shows a page that only a browser passes (cf-mitigated: challenge).",
        "The operator has to except the address of the server from it.";
    HTTP_BAD_REQUEST: "request", "the server refuses the request as wrong (4xx)",
        "The address is that of another service, or the server wants a header or a session that a host would not send.",
        "Check the address; show the operator the words of the finding.";
    HTTP_FORBIDDEN: "request", "the server refuses this caller (403)",
        "The account has no right, the server knows only some networks or origins, or a firewall (WAF) refuses.",
        "Sign in as an account that has the right; ask the operator which networks are allowed.";
    HTTP_NOT_FOUND: "request", "there is no MCP server at this path (404)",
        "The path is wrong: often /mcp or /sse is missing, or there is one slash too many.",
        "Look the address up in the server's documentation; the check of server cards below looks for it too.";
    HTTP_METHOD: "request", "the address takes no POST (405)",
        "It is an address for pages, or for the old transport (HTTP+SSE) whose messages go elsewhere.",
        "Look the address up in the server's documentation; try --transport sse-first.";
    HTTP_NOT_ACCEPTABLE: "request", "the server can answer neither in JSON nor in events (406)",
        "Another kind of service answers there, or a proxy takes the Accept field out.",
        "Check the path, and that no proxy changes Accept.";
    HTTP_GONE: "request", "the address is gone for good (410)",
        "The server was moved or shut down.",
        "Look for the new address in the server's documentation.";
    HTTP_WRONG_HOST: "request", "the server does not answer to the host name of the address (421, 403)",
        "Servers refuse unknown host names against DNS rebinding; a proxy or a tunnel gives them another name than they know.",
        "The operator has to add the name to the allowed hosts.";
    HTTP_TOO_MANY: "request", "the server takes no more requests for now (429)",
        "A limit of the server or of its proxy is reached, perhaps by a host that repeats a failing call.",
        "Wait for the time that it names; --rate-limit 30/m keeps a host below it.";
    HTTP_SERVER_ERROR: "request", "the server has failed on its own side (5xx)",
        "A fault of the server's program, often with a request that it does not know.",
        "Try again later; the operator's log has the reason.";
    HTTP_UNAVAILABLE: "request", "the server is down or overloaded (503)",
        "It is being started, stopped, or has no instance that is ready.",
        "Try again in a minute.";
    HTTP_GATEWAY: "request", "a proxy before the server gets no answer from it (502, 504)",
        "The server's program is not running, or takes longer than the proxy waits.",
        "Try again later, and tell the operator.";
    HTTP_SILENT: "request", "the server takes the request and does not answer in time",
        "The program behind the address hangs, or a proxy keeps the answer back.",
        "Tell the operator. `curl -v -X POST ADDRESS` meets the same.";
    HTTP_CUT: "request", "the connection ends without a whole answer",
        "The program behind the address crashes, speaks no HTTP, or a device on the way refuses the request.",
        "Try again; if it happens again, the operator has to look at the log.";
    WRONG_SCHEME: "request", "the address says http, and the server speaks https there",
        "The address was copied without its s, or the port is that of TLS.",
        "Begin the address with https://.";
    CAPTIVE_PORTAL: "request", "the network answers in the place of the server",
        "A hotel's, a train's or an airport's network wants a sign-in of its own.",
        "Open any http page in a browser and sign in to the network.";
    HTML_PAGE: "request", "a web page answers, and no MCP server",
        "The address is that of the site and not of the MCP endpoint, or an application answers every path with its page.",
        "Look the address up in the server's documentation: it often ends in /mcp or /sse.";
    EMPTY_ANSWER: "request", "the answer to the handshake is empty",
        "The server sends its answers elsewhere (HTTP+SSE), or drops what it does not know.",
        "Check the path; try --transport sse-first.";
    ANSWER_UNENDED: "request", "the answer to the handshake begins and does not come",
        "A proxy between collects the answer before it passes it on, as nginx does with events by default.",
        "The operator has to switch that off: `proxy_buffering off`, or X-Accel-Buffering: no.";
    NOT_MCP: "request", "the answer is no message of MCP",
        "Another service answers there, or a proxy changes the body.",
        "Check the path in the server's documentation.";
    COMPRESSED_UNASKED: "request", "the server compresses although it is asked not to",
        "A proxy before the server compresses everything.",
        "mcpipe reads it. Streams of events may come late: the operator should except text/event-stream.";
    WRONG_CONTENT_TYPE: "request", "the server labels its answers as something else",
        "The server sets no Content-Type, or a wrong one.",
        "mcpipe reads them; tell the operator, because other clients do not.";
    CLOCK_RIGHT: "clock", "this machine's clock agrees with the server's",
        "The server's Date was compared with this machine's clock.",
        "Nothing is to be done.";
    CLOCK_WRONG: "clock", "this machine's clock and the server's differ",
        "This machine's clock is not set by the network (WSL and virtual machines after a pause), or the server's is not. Above \
         five minutes assertions, DPoP proofs and certificates are refused.",
        "Set the clock: `timedatectl set-ntp true`; in WSL `sudo hwclock -s`.";
    CARD_NAMES_ENDPOINT: "server card", "the site's server card names the endpoint",
        "Nothing of MCP is at the address itself, and the site's catalog or card names the address of its server.",
        "Use that address.";
    CARD_NAMES_FOREIGN: "server card", "the site's server card names an endpoint of another site",
        "The server is run by another party than the site. mcpipe does not go there by itself.",
        "Use that address if you trust it.";
    CARD_NAMES_SEVERAL: "server card", "the site has several servers",
        "Its catalog names more than one endpoint.",
        "Give the address of the one that is meant.";
    CARD_INCOMPLETE: "server card", "the site's server card wants more than an address",
        "The endpoint's address has variables, or needs headers.",
        "Give the address itself, and the headers that the server's documentation names.";
    CARD_NONE: "server card", "the site has no server card that names an endpoint",
        "Few sites have one yet.",
        "Look the address up in the server's documentation.";
    HANDSHAKE_DONE: "handshake", "the server greets as MCP has it",
        "It has answered server/discover or initialize.",
        "Nothing is to be done.";
    HANDSHAKE_REFUSED: "handshake", "the server refuses the handshake with an error",
        "The server has a fault, or wants something that this client does not offer.",
        "Show the operator the words of the finding.";
    HANDSHAKE_INVALID: "handshake", "the answer to the handshake is none of MCP's",
        "Another JSON-RPC service answers there.",
        "Check the path.";
    REVISION_REFUSED: "handshake", "the server speaks other revisions of MCP",
        "--protocol forces an era that the server does not speak, or the server is newer or older than this mcpipe.",
        "Leave --protocol out, and use the newest mcpipe.";
    ERA_MODERN: "era", "the server speaks the modern era (2026-07-28)",
        "It has answered server/discover.",
        "Nothing is to be done.";
    ERA_LEGACY: "era", "the server speaks the legacy era, with initialize",
        "It has answered initialize, and server/discover not.",
        "Nothing is to be done: mcpipe translates.";
    TRANSPORT_SSE: "era", "the server speaks HTTP+SSE, the transport of 2024-11-05",
        "A GET brings a stream that names an address for messages.",
        "Nothing is to be done: mcpipe speaks it. The operator should offer Streamable HTTP.";
    ERA_REMEMBERED_OTHER: "era", "the server speaks another era than an earlier bridge has found",
        "The server was updated since.",
        "Start the host again.";
    SESSION_NONE: "tools", "the server keeps no session",
        "Its answer to initialize has no Mcp-Session-Id, and the next request did not need one.",
        "Nothing is to be done.";
    SESSION_KEPT: "tools", "the session that the server has given is known with the next request",
        "Two requests of one session have come to the same memory.",
        "Nothing is to be done.";
    SESSION_LOST: "tools", "the server does not know the session that it has just given",
        "Several instances stand behind a load balancer and share no sessions; or the server forgets them at once.",
        "The operator has to keep a session with one instance (sticky sessions), or to share them.";
    SESSION_NOT_GIVEN: "tools", "the server wants a session and gives none",
        "A proxy takes the field Mcp-Session-Id out of the answer, or the server has a fault.",
        "The operator has to let Mcp-Session-Id pass in both directions.";
    TOOLS_LISTED: "tools", "the server lists tools",
        "tools/list was answered, page by page.",
        "Nothing is to be done. `--compare` lists them with each identity.";
    TOOLS_NONE: "tools", "the server lists no tools",
        "The account may use none, tools are switched off at the server, or they come after a step in the server's settings.",
        "Sign in as another account, or look at the server's settings; `--compare` shows what others get.";
    TOOLS_TWICE: "tools", "the server lists two tools under one name",
        "A fault of the server, often of a gateway that joins several.",
        "Tell the operator; --ignore-tool NAME hides them.";
    TOOLS_NOT_OFFERED: "tools", "the server does not offer tools",
        "Its capabilities have no tools: it offers prompts or resources only, or others to this account.",
        "Check the address.";
    TOOLS_ENDLESS: "tools", "the server's list of tools has no end",
        "Each page names a next one that was read before.",
        "Tell the operator: the last page has no nextCursor.";
    TOOLS_FAILED: "tools", "the server refuses to list its tools",
        "The account has no right, the session is lost, or the server has a fault.",
        "Show the operator the words of the finding; sign in again where the status is 401 or 403.";
    TOOLS_COMPARED: "tools", "the number of tools with another identity",
        "With --compare the tools are listed with each identity that there is.",
        "Nothing is to be done.";
    TOOLS_DIFFER: "tools", "the server lists other tools with another identity",
        "Servers choose tools by account, by scope, and by headers: one that is sent beside a sign-in can win over it.",
        "Use the identity with the tools that you need.";
}
