//! What servers answer to the first request.

use async_compression::tokio::write::GzipEncoder;
use mcpipe::doctor::finding::Verdict::{Fail, Ok, Warn};
use tokio::io::AsyncWriteExt as _;

use super::{Case, case, findings, found, play, report};
use crate::support::remote::{Ask, Body, Reply, Server, Step, ordinary};
use crate::support::tls::{Front, fixture};

fn always(
    code: &'static str,
    verdict: mcpipe::doctor::finding::Verdict,
    reply: fn() -> Reply,
) -> Case {
    case(code, verdict, move |_| reply())
}

fn page(text: &str) -> Reply {
    Reply::status(200)
        .with("Content-Type", "text/html; charset=utf-8")
        .body(format!(
            "<!DOCTYPE html><html><head><title>{text}</title></head></html>"
        ))
}

#[tokio::test]
async fn each_status_has_its_code() {
    play(vec![
        always("CHALLENGE_MISSING", Warn, || Reply::status(401)),
        always("SIGN_IN_WANTED", Ok, || {
            Reply::status(401).with("WWW-Authenticate", "Bearer realm=\"x\"")
        }),
        always("SIGN_IN_REFUSED", Fail, || Reply::status(401))
            .with(&["--header", "Authorization: Bearer s3cret-k3y"]),
        always("HTTP_FORBIDDEN", Fail, || Reply::status(403)),
        always("HTTP_NOT_FOUND", Fail, || Reply::status(404)),
        always(
            "CARD_NONE",
            mcpipe::doctor::finding::Verdict::Skipped,
            || Reply::status(404),
        ),
        always("HTTP_METHOD", Fail, || Reply::status(405)),
        always("HTTP_NOT_ACCEPTABLE", Fail, || Reply::status(406)),
        always("HTTP_GONE", Fail, || Reply::status(410)),
        always("HTTP_WRONG_HOST", Fail, || {
            Reply::status(421).body("Invalid Host header")
        }),
        always("HTTP_TOO_MANY", Fail, || {
            Reply::status(429).with("Retry-After", "30")
        }),
        always("HTTP_BAD_REQUEST", Fail, || {
            Reply::status(400).body("no such tenant")
        }),
        always("WRONG_SCHEME", Fail, || {
            Reply::status(400).body("The plain HTTP request was sent to HTTPS port")
        }),
        always("HTTP_SERVER_ERROR", Fail, || Reply::status(500)),
        always("HTTP_GATEWAY", Fail, || Reply::status(502)),
        always("HTTP_UNAVAILABLE", Fail, || Reply::status(503)),
        always("CAPTIVE_PORTAL", Fail, || Reply::status(511)),
        always("BOT_CHALLENGE", Fail, || {
            Reply::status(403).with("cf-mitigated", "challenge")
        }),
    ])
    .await;
}

#[tokio::test]
async fn each_body_has_its_code() {
    play(vec![
        always("HTML_PAGE", Fail, || page("Sign up for Acme")),
        always("CAPTIVE_PORTAL", Fail, || page("Hotel Hotspot")),
        always("EMPTY_ANSWER", Fail, || Reply::json("")),
        always("EMPTY_ANSWER", Fail, Reply::accepted),
        always("NOT_MCP", Fail, || Reply::status(200).with("Content-Type", "text/plain").body("ok")),
        always("NOT_MCP", Fail, || Reply::json(r#"{"status":"ok"}"#)),
        always("ANSWER_UNENDED", Fail, || Reply::events([Step::text(": hello\n\n"), Step::forever()]))
            .with(&["--headers-timeout", "0.3"]),
        always("HTTP_SILENT", Fail, || Reply::status(200).after(Step::forever()))
            .with(&["--headers-timeout", "0.3"]),
        always("HTTP_CUT", Fail, Reply::cut),
        case("HANDSHAKE_REFUSED", Fail, |ask| {
            let id = ask.id();
            Reply::json(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32603,"message":"no database"}}}}"#))
        }),
        case("HANDSHAKE_INVALID", Fail, |ask| Reply::result(ask, r#"{"pong":true}"#)),
        case("REVISION_REFUSED", Fail, |ask| {
            let id = ask.id();
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"no","data":{{"supported":["2031-01-01"]}}}}}}"#
            ))
        }),
        case("WRONG_CONTENT_TYPE", Warn, |ask| {
            let mut reply = ordinary(ask);
            for (name, value) in &mut reply.headers {
                if name == "Content-Type" {
                    *value = "text/plain".to_owned();
                }
            }
            reply
        }),
        case("CLOCK_WRONG", Fail, |ask| {
            ordinary(ask).with("Date", "Thu, 01 Jan 2015 00:00:00 GMT")
        }),
    ])
    .await;
}

#[tokio::test]
async fn a_body_that_is_compressed_unasked_is_read_and_told() {
    let text = r#"{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"x","version":"1"}}}"#;
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(text.as_bytes()).await.unwrap();
    encoder.shutdown().await.unwrap();
    let bytes = encoder.into_inner();
    play(vec![case("COMPRESSED_UNASKED", Warn, move |ask| {
        if ask.label() != "POST initialize" {
            return ordinary(ask);
        }
        let mut reply = Reply::json("").with("Content-Encoding", "gzip");
        reply.body = Body::Whole(bytes.clone());
        reply
    })])
    .await;
}

/// Sends on from `/mcp`, and is a server elsewhere.
fn sends_on(status: u16, to: &'static str) -> impl FnMut(&Ask) -> Reply + Send + 'static {
    move |ask| match ask.path.as_str() {
        "/mcp" => Reply::status(status).with("Location", to),
        _ => ordinary(ask),
    }
}

#[tokio::test]
async fn each_redirect_has_its_code() {
    play(vec![
        case("REDIRECT_FOLLOWED", Warn, sends_on(307, "/mcp/")),
        case("REDIRECT_LOSES_POST", Fail, sends_on(301, "/mcp/")),
        case("REDIRECT_LOOP", Fail, sends_on(308, "/mcp")),
        case(
            "REDIRECT_ELSEWHERE",
            Fail,
            sends_on(307, "http://127.0.0.1:9/mcp"),
        ),
        case(
            "REDIRECT_TO_SIGN_IN",
            Fail,
            sends_on(302, "http://127.0.0.1:9/cdn-cgi/access/login/x"),
        ),
    ])
    .await;
}

/// Reports of users of other programs, whose programs said "fetch failed", "connected" or "authorization failed".
#[tokio::test]
async fn public_reports_get_the_sentence_that_was_missing() {
    play(vec![
        // agencyenterprise/draft-detective#774: without the slash a web sign-in answers.
        case("REDIRECT_TO_SIGN_IN", Fail, |ask| match ask.path.as_str() {
            "/mcp" => Reply::status(307).with("Location", "/api/auth/signin?callbackUrl=%2Fmcp"),
            _ => page("Sign in"),
        }),
        case("REDIRECT_TO_SIGN_IN", Fail, |ask| match ask.path.as_str() {
            "/mcp" => Reply::status(302).with("Location", "/login"),
            _ => page("Sign in"),
        }),
        // punkpeye/mcp-remote#126: the TypeScript SDK's refusal of a host name.
        case("HTTP_WRONG_HOST", Fail, |_| {
            Reply::status(403).body(r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Invalid Host header: localhost:6575"},"id":null}"#)
        }),
        // agentic-community/mcp-gateway-registry#960: another replica answers.
        case("SESSION_LOST", Fail, |ask| match ask.label().as_str() {
            "POST tools/list" => Reply::status(404).with("Content-Type", "application/json").body(
                r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}"#,
            ),
            _ => ordinary(ask),
        }),
        // The same with the older status of the Python SDK.
        case("SESSION_LOST", Fail, |ask| match ask.label().as_str() {
            "POST tools/list" => Reply::status(400).body("Bad Request: No valid session ID provided"),
            _ => ordinary(ask),
        }),
    ])
    .await;
    // wmde/WikidataMCP#3 and zoho/analytics-mcp-server#22: the remedy is the address with its slash.
    for (status, code, verdict) in [
        (301, "REDIRECT_LOSES_POST", Fail),
        (307, "REDIRECT_FOLLOWED", Warn),
    ] {
        let server = Server::that(sends_on(status, "/mcp/")).await;
        let report = report(&[&server.url()]).await;
        let remedy = found(&report, code, verdict).remedy.as_deref().unwrap();
        assert!(remedy.ends_with("/mcp/"), "{remedy}");
    }
}

/// BerriAI/litellm#34845: behind a proxy that ends TLS, the server sends on to its own address as http.
#[tokio::test]
async fn an_address_that_a_server_names_for_itself_is_told_as_it_is_visited() {
    let server = Server::that(|ask: &Ask| match ask.path.as_str() {
        "/mcp" => {
            let host = ask.header("host").unwrap();
            Reply::status(307).with("Location", &format!("http://{host}/mcp/"))
        }
        _ => ordinary(ask),
    })
    .await;
    let front = Front::before(&server.origin()).await;
    let ca = fixture("ca.pem").display().to_string();
    let report = report(&[&format!("{}/mcp", front.origin), "--ca", &ca]).await;
    let followed = found(&report, "REDIRECT_FOLLOWED", Warn);
    let wanted = format!("mcpipe {}/mcp/ --ca {ca}", front.origin);
    assert!(
        followed.remedy.as_deref().unwrap().ends_with(&wanted),
        "{followed:?}"
    );
}

#[tokio::test]
async fn a_server_card_names_the_endpoint() {
    let server = Server::that(|ask: &Ask| {
        let origin = format!("http://{}", ask.header("host").unwrap());
        match ask.path.as_str() {
            "/.well-known/ai-catalog.json" => Reply::json(format!(
                r#"{{"specVersion":"1.0","entries":[{{"identifier":"urn:air:a.example:mcp:a","type":"application/mcp-server-card+json","url":"{origin}/card"}}]}}"#
            )),
            "/card" => Reply::json(format!(
                r#"{{"$schema":"https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json","name":"example.a/weather","version":"1.0.0","description":"Weather","remotes":[{{"type":"streamable-http","url":"{origin}/real"}}]}}"#
            )),
            "/real" => ordinary(ask),
            _ => Reply::status(404),
        }
    })
    .await;
    let origin = server.origin();
    let bare = origin.trim_start_matches("http://");
    for target in [&server.url(), bare] {
        let report = report(&[target]).await;
        let card = found(&report, "CARD_NAMES_ENDPOINT", Warn);
        let remedy = card.remedy.as_deref().unwrap();
        assert_eq!(remedy, format!("mcpipe doctor {origin}/real"), "{target}");
    }
}

#[tokio::test]
async fn a_server_that_is_well_has_no_fault() {
    let server = Server::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/list" => Reply::result(ask, r#"{"tools":[{"name":"a"},{"name":"b"}]}"#),
        _ => ordinary(ask),
    })
    .await;
    let report = report(&[&server.url()]).await;
    let bad: Vec<_> = findings(&report)
        .into_iter()
        .filter(|it| matches!(it.verdict, Fail | Warn))
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
    for code in [
        "HANDSHAKE_DONE",
        "ERA_LEGACY",
        "SESSION_KEPT",
        "TOOLS_LISTED",
        "POLICY_NONE",
    ] {
        found(&report, code, Ok);
    }
    assert_eq!(server.count("DELETE"), 1, "{:?}", server.labels());
}
