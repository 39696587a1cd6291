//! What a host is told of a refusal: where it was, in the server's own words, and whether the scheme is the right one.

use serde_json::Value;

use crate::support::host::{INITIALIZE, Process, request};
use crate::support::remote::{Ask, Reply, Server, ordinary};
use crate::support::tls::{Front, fixture};

/// A modern host's first words.
const DISCOVER: &str = r#"{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;

/// The error that answers the first request.
async fn error_of(first: &str, arguments: &[&str]) -> Value {
    let mut host = Process::start(arguments);
    host.send(first).await;
    let answer = host.next_json().await;
    assert!(answer["error"].is_object(), "{answer}");
    answer["error"].clone()
}

fn message(error: &Value) -> &str {
    error["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_404_names_the_address_without_its_query() {
    for transport in ["http-first", "http-only", "sse-first", "sse-only"] {
        for (protocol, first) in [
            ("auto", INITIALIZE),
            ("legacy", INITIALIZE),
            ("modern", INITIALIZE),
            ("auto", DISCOVER),
            ("modern", DISCOVER),
        ] {
            let server = Server::that(|_| Reply::status(404)).await;
            let url = format!("{}/wrong/place?key=canary", server.origin());
            let arguments = [&url, "--protocol", protocol, "--transport", transport];
            let error = error_of(first, &arguments).await;
            let place = format!("{}/wrong/place", server.origin());
            let case = format!("{transport} {protocol} {error}");
            assert!(message(&error).contains(&place), "{case}");
            assert!(message(&error).contains("404"), "{case}");
            assert_eq!(error["data"]["url"], place, "{case}");
            assert!(!error.to_string().contains("canary"), "{case}");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_not_found_names_the_address_too() {
    let server = Server::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/list" => Reply::status(404),
        _ => ordinary_without_session(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(request(1, "tools/list")).await;
    let answer = host.next_json().await;
    let said = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(said.contains(&server.url()), "{answer}");
}

/// As [`ordinary`], so that a 404 is no lost session.
fn ordinary_without_session(ask: &Ask) -> Reply {
    let mut reply = ordinary(ask);
    reply
        .headers
        .retain(|(name, _)| !name.eq_ignore_ascii_case("mcp-session-id"));
    reply
}

#[tokio::test]
async fn a_refusal_s_own_words_reach_the_host_cleaned_and_without_secrets() {
    const SECRET: &str = "k3y-0f-th3-us3r-123456";
    type Case = (u16, &'static str, &'static str, &'static str);
    let cases: [Case; 8] = [
        (
            403,
            "text/plain",
            "Your seat was removed.\n",
            "HTTP 403: Your seat was removed.",
        ),
        (
            403,
            "application/json",
            r#"{"message":"No such workspace"}"#,
            "No such workspace",
        ),
        (
            403,
            "application/problem+json",
            r#"{"title":"Forbidden","detail":"Ask your administrator"}"#,
            "Forbidden: Ask your administrator",
        ),
        (
            403,
            "application/json",
            r#"{"error":{"code":403,"message":"Disabled for \u001b[31mthis project"}}"#,
            "Disabled for",
        ),
        (
            403,
            "text/plain",
            "key k3y-0f-th3-us3r-123456 has no access",
            "has no access",
        ),
        (
            400,
            "text/plain",
            "Missing header X-Team",
            "Missing header X-Team",
        ),
        (
            429,
            "application/json",
            r#"{"detail":"30 calls a minute"}"#,
            "30 calls a minute",
        ),
        (503, "text/plain", "Back at noon", "Back at noon"),
    ];
    for (status, kind, body, wanted) in cases {
        let server = Server::that(move |_| {
            let reply = Reply::status(status).with("Content-Type", kind);
            reply.with("Retry-After", "0").body(body)
        })
        .await;
        for (protocol, first) in [("legacy", INITIALIZE), ("modern", DISCOVER)] {
            let header = format!("X-Api-Key: {SECRET}");
            let url = server.url();
            let arguments = [&url, "--header", &header, "--protocol", protocol];
            let error = error_of(first, &arguments).await;
            let said = message(&error);
            assert!(said.contains(wanted), "{status} {kind} {protocol}: {error}");
            assert!(!error.to_string().contains(SECRET), "{error}");
            assert!(!said.contains('\u{1b}'), "{error}");
        }
    }
    // A page is no word of the server's, and a very long text is cut.
    let server = Server::that(|_| Reply::status(403).body("<html>canary</html>")).await;
    let error = error_of(INITIALIZE, &[&server.url()]).await;
    assert!(!error.to_string().contains("canary"), "{error}");
    let server = Server::that(|_| Reply::status(403).body("x".repeat(100_000))).await;
    let error = error_of(INITIALIZE, &[&server.url()]).await;
    assert!(error.to_string().len() < 2_000, "{error}");
}

#[tokio::test]
async fn the_wrong_scheme_is_said_in_those_words() {
    let server = Server::that(ordinary).await;
    let front = Front::before(&server.origin()).await;
    let ca = fixture("ca.pem").display().to_string();
    let plain = server.url().replace("http://", "https://");
    let tls = format!("{}/mcp", front.origin.replace("https://", "http://"));
    for (url, speaks, right) in [
        (
            &plain,
            "speaks plain http, and its address says https",
            "http://",
        ),
        (
            &tls,
            "speaks https (TLS), and its address says http",
            "https://",
        ),
    ] {
        for (protocol, first) in [
            ("auto", INITIALIZE),
            ("auto", DISCOVER),
            ("legacy", INITIALIZE),
        ] {
            let arguments = [url.as_str(), "--ca", &ca, "--protocol", protocol];
            let error = error_of(first, &arguments).await;
            assert!(message(&error).contains(speaks), "{error}");
            assert!(message(&error).contains(right), "{error}");
            assert_eq!(error["data"]["retryable"], false, "{error}");
        }
        let left = Process::start(&["login", url, "--ca", &ca]).closed().await;
        assert!(left.stderr.contains(speaks), "{}", left.stderr);
        assert_eq!(left.status.code(), Some(4), "{}", left.stderr);
    }
    // A certificate that is not trusted is that, and a server that hangs up has not spoken.
    let tls = format!("{}/mcp", front.origin);
    let error = error_of(INITIALIZE, &[&tls]).await;
    assert!(message(&error).contains("certificate"), "{error}");
    let server = Server::that(|_| Reply::cut()).await;
    let error = error_of(INITIALIZE, &[&server.url(), "--protocol", "legacy"]).await;
    assert!(!message(&error).contains("speaks"), "{error}");
}
