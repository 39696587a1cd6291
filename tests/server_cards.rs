//! Targets that name no endpoint: bare domains, and addresses that answer 404 or 405 (SEP-2127).
//!
//! Three catalogs of public projects are among the documents: a card that is labelled as plain JSON (tldraw/tldraw#10703),
//! a documentation site whose card names a server beside it (stellar/stellar-docs#2832), and a site whose application
//! answers every path with a page (callstack/agent-device#2239).

mod choices; // several servers, other sites, what a card wants
mod documents; // kept, asked again, damaged, endless
mod login; // signing in, and nothing registered at a place that does not exist
#[cfg(unix)]
mod terminal; // a person who is asked

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::support::host::{INITIALIZE, INITIALIZED, Process, call, json as parsed};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary};

const CATALOG: &str = "/.well-known/ai-catalog.json";
const CARD: &str = "/mcp/server-card";

/// A modern host's request.
fn modern(id: u64, method: &str) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": {"_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "host", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }}})
    .to_string()
}

/// A modern server, which does not know `initialize`.
fn modern_server(ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST server/discover" => Reply::result(
            ask,
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"serverInfo":{"name":"remote","version":"1"},"resultType":"complete"}"#,
        ),
        "POST initialize" => Reply::status(404)
            .with("Content-Type", "application/json")
            .body(format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"unknown"}}}}"#,
                ask.id()
            )),
        label if label.starts_with("POST ") => {
            Reply::result(ask, r#"{"resultType":"complete","content":[]}"#)
        }
        _ => Reply::status(405),
    }
}

/// A catalog with cards at these places.
fn catalog(cards: &[&str]) -> Value {
    let entries = cards.iter().map(|url| {
        json!({"identifier": "urn:air:a.example:mcp:a", "type": "application/mcp-server-card+json", "url": url})
    });
    json!({"specVersion": "1.0", "entries": entries.collect::<Vec<_>>()})
}

/// A card with this endpoint; `ORIGIN` is the origin of the site.
fn card(endpoint: &str) -> Value {
    json!({
        "$schema": "https://static.modelcontextprotocol.io/schemas/v1/server-card.schema.json",
        "name": "example.a/weather",
        "version": "1.0.0",
        "description": "Weather",
        "remotes": [{"type": "streamable-http", "url": endpoint}],
    })
}

/// A site that answers with these documents, at `/mcp` as this server, and everywhere else with this status.
fn site(
    documents: Vec<(&'static str, Value)>,
    elsewhere: u16,
    mut server: impl FnMut(&Ask) -> Reply + Send + 'static,
) -> impl FnMut(&Ask) -> Reply + Send + 'static {
    move |ask| {
        let origin = format!("http://{}", ask.header("host").unwrap());
        let document = documents.iter().find(|(path, _)| *path == ask.path);
        match (ask.path.as_str(), document) {
            (_, Some((_, document))) => {
                Reply::json(document.to_string().replace("ORIGIN", &origin))
            }
            ("/mcp", None) => server(ask),
            _ => Reply::status(elsewhere),
        }
    }
}

/// The usual site: one catalog, one card, one server.
fn usual() -> Vec<(&'static str, Value)> {
    vec![
        (CATALOG, catalog(&["ORIGIN/mcp/server-card"])),
        (CARD, card("ORIGIN/mcp")),
    ]
}

/// The domain of a site: its host and port.
fn domain(site: &Server) -> String {
    site.origin().replace("http://", "")
}

/// Paths and labels of what a server was asked.
fn asked(server: &Server) -> Vec<String> {
    let all = server.all().into_iter();
    all.map(|ask| format!("{} {}", ask.label(), ask.path))
        .collect()
}

/// What a bridge to this target makes of these lines, in the era that it finds.
async fn bridged(target: &str, lines: &[String], flags: &[&str]) -> crate::support::host::Exit {
    let arguments = [flags, &[target]].concat();
    let mut host = Process::start_with(&arguments, &[("MCPIPE_PROTOCOL", "auto")]);
    for line in lines {
        host.try_send(&format!("{line}\n")).await;
    }
    host.closed().await
}

fn opening_lines() -> Vec<String> {
    vec![INITIALIZE.to_owned(), INITIALIZED.to_owned(), call(1)]
}

#[tokio::test]
async fn a_domain_leads_to_the_endpoint_of_its_card_in_every_pair() {
    for is_server_modern in [false, true] {
        for is_host_modern in [false, true] {
            let server = match is_server_modern {
                true => modern_server,
                false => ordinary,
            };
            let site = Server::that(site(usual(), 404, server)).await;
            let lines = match is_host_modern {
                true => vec![modern(0, "server/discover"), modern(1, "tools/call")],
                false => opening_lines(),
            };
            let left = bridged(&domain(&site), &lines, &[]).await;
            let pair = format!("{is_host_modern} {is_server_modern}: {}", left.stderr);
            let answers = left.answers();
            assert_eq!(answers.len(), 2, "{pair}");
            assert!(
                answers.iter().all(|it| it.get("result").is_some()),
                "{pair} {answers:?}"
            );
            assert!(left.status.success(), "{pair}");
            assert_eq!(
                asked(&site)[..2],
                [format!("GET {CATALOG}"), format!("GET {CARD}")]
            );
            let rest = asked(&site).split_off(2);
            assert!(rest.iter().all(|it| it.ends_with(" /mcp")), "{rest:?}");
        }
    }
}

#[tokio::test]
async fn an_address_without_a_server_leads_to_the_endpoint_and_no_line_is_lost_or_doubled() {
    for status in [404, 405] {
        for is_host_modern in [false, true] {
            for is_server_modern in [false, true] {
                let server = match is_server_modern {
                    true => modern_server,
                    false => ordinary,
                };
                let site = Server::that(site(usual(), status, server)).await;
                let lines = match is_host_modern {
                    true => vec![modern(0, "server/discover"), modern(1, "tools/call")],
                    false => opening_lines(),
                };
                let left = bridged(&site.origin(), &lines, &[]).await;
                let pair = format!(
                    "{status} {is_host_modern} {is_server_modern}: {}",
                    left.stderr
                );
                let answers = left.answers();
                assert_eq!(answers.len(), 2, "{pair} {answers:?}");
                assert!(
                    answers.iter().all(|it| it.get("result").is_some()),
                    "{pair} {answers:?}"
                );
                assert!(left.status.success(), "{pair}");
                assert_eq!(site.count("POST tools/call"), 1, "{pair}");
                // What older protocols have comes first.
                let asked = asked(&site);
                let catalog = asked.iter().position(|it| it.ends_with(CATALOG)).unwrap();
                assert!(
                    asked[..catalog].contains(&"GET /".to_owned()),
                    "{pair} {asked:?}"
                );
                assert!(
                    asked[catalog..].iter().all(|it| !it.ends_with(" /")),
                    "{pair} {asked:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_the_host_was_answered_already_is_not_answered_again() {
    let site = Server::that(site(usual(), 404, ordinary)).await;
    let mut lines = vec![
        "no message".to_owned(),
        INITIALIZE.to_owned(),
        r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#.to_owned(),
    ];
    lines.extend([INITIALIZED.to_owned(), call(1)]);
    let left = bridged(&site.origin(), &lines, &[]).await;
    let mut ids: Vec<String> = left
        .answers()
        .iter()
        .map(|it| it["id"].to_string())
        .collect();
    ids.sort();
    assert_eq!(ids, ["\"p\"", "0", "1", "null"], "{:?}", left.lines);
}

#[tokio::test]
async fn the_card_at_the_place_below_the_address_is_found_too() {
    let documents = vec![("/server-card", card("ORIGIN/mcp"))];
    let site = Server::that(site(documents, 404, ordinary)).await;
    for target in [site.origin(), domain(&site)] {
        let left = bridged(&target, &opening_lines(), &[]).await;
        assert!(
            left.answers().iter().all(|it| it.get("result").is_some()),
            "{}",
            left.stderr
        );
    }
    let documents = vec![("/old/server-card", card("ORIGIN/mcp"))];
    let site = Server::that(self::site(documents, 404, ordinary)).await;
    let left = bridged(&format!("{}/old/", site.origin()), &opening_lines(), &[]).await;
    assert!(
        left.answers().iter().all(|it| it.get("result").is_some()),
        "{}",
        left.stderr
    );
}

#[tokio::test]
async fn an_endpoint_that_answers_costs_no_request_more() {
    for protocol in ["auto", "legacy"] {
        let server = Server::that(site(usual(), 404, ordinary)).await;
        let url = server.url();
        let mut host = Process::start_with(&[&url], &[("MCPIPE_PROTOCOL", protocol)]);
        host.send(INITIALIZE).await;
        host.next().await;
        host.send(INITIALIZED).await;
        host.send(call(1)).await;
        host.next().await;
        assert!(host.closed().await.status.success());
        let strange: Vec<_> = asked(&server)
            .into_iter()
            .filter(|it| !it.ends_with(" /mcp"))
            .collect();
        assert!(strange.is_empty(), "{strange:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_in_other_ways_is_not_looked_for_elsewhere() {
    type Answer = fn(&Ask) -> Reply;
    let answers: [(&str, Answer); 5] = [
        ("refused", |_| Reply::status(400)),
        ("forbidden", |_| Reply::status(403)),
        ("unwell", |_| Reply::status(500)),
        ("a page", |_| {
            Reply::status(200)
                .with("Content-Type", "text/html")
                .body("<html>")
        }),
        ("a message", |ask| {
            let error = r#"{"code":-32601,"message":"unknown"}"#;
            Reply::status(404)
                .with("Content-Type", "application/json")
                .body(format!(
                    r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#,
                    if ask.body.is_empty() {
                        "null".to_owned()
                    } else {
                        ask.id()
                    }
                ))
        }),
    ];
    for (name, answer) in answers {
        let site = Server::that(site(usual(), 404, answer)).await;
        let left = bridged(&site.url(), &[INITIALIZE.to_owned()], &[]).await;
        assert!(
            left.answers()[0].get("error").is_some(),
            "{name} {:?}",
            left.lines
        );
        let asked = asked(&site);
        assert!(
            !asked.iter().any(|it| it.contains(CATALOG)),
            "{name} {asked:?}"
        );
    }
}

#[tokio::test]
async fn a_server_of_2024_behind_405_is_found_without_its_card() {
    let old = |ask: &Ask| match ask.verb.as_str() {
        "GET" => Reply::events([
            Step::text("event: endpoint\ndata: /messages\n\n"),
            Step::forever(),
        ]),
        _ => Reply::status(405),
    };
    let site = Server::that(site(usual(), 404, old)).await;
    let mut host = Process::start_with(&[&site.url()], &[("MCPIPE_PROTOCOL", "auto")]);
    host.send(INITIALIZE).await;
    // The stream stands, and the message goes where it says.
    site.asked("POST initialize", 2).await;
    host.next().await;
    host.closed().await;
    let asked = asked(&site);
    assert!(!asked.iter().any(|it| it.contains(CATALOG)), "{asked:?}");
}

#[tokio::test]
async fn where_no_card_is_found_the_host_is_told_the_first_fault() {
    let site = Server::that(site(Vec::new(), 404, ordinary)).await;
    let left = bridged(&site.origin(), &[INITIALIZE.to_owned()], &[]).await;
    let error = left.answers()[0]["error"].clone();
    assert_eq!(error["data"]["status"], 404, "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("The server answered HTTP 404 at ")
    );
    let left = bridged(&domain(&site), &[INITIALIZE.to_owned()], &[]).await;
    assert_eq!(left.status.code(), Some(1));
    let said = "names no MCP server: ";
    assert!(left.stderr.contains(said), "{}", left.stderr);
    assert!(
        left.stderr.contains(&format!("{CATALOG} answered 404")),
        "{}",
        left.stderr
    );
    // The host of a domain without a server is told why, too.
    let answer = parsed(&left.lines[0]);
    assert!(
        answer["error"]["message"].as_str().unwrap().contains(said),
        "{answer}"
    );
}

#[tokio::test]
async fn a_domain_that_cannot_be_reached_is_a_failure_of_the_network() {
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let left = bridged(&closed, &[INITIALIZE.to_owned()], &[]).await;
    assert_eq!(left.status.code(), Some(4), "{}", left.stderr);
    let error = &left.answers()[0]["error"];
    assert_eq!(error["data"]["retryable"], true, "{error}");
    let left = Process::start(&["login", &closed]).closed().await;
    assert_eq!(left.status.code(), Some(4), "{}", left.stderr);
}

#[tokio::test]
async fn nothing_of_a_card_is_sent_or_run_but_the_address() {
    let home = tempfile::tempdir().unwrap();
    let trace = home.path().join("ran");
    let touch = format!("touch {}", trace.display());
    let evil = json!({
        "name": "a", "command": touch, "args": ["-c", touch],
        "packages": [{"registryType": "npm", "identifier": touch, "runtimeHint": "sh"}],
        "remotes": [{
            "type": "streamable-http", "url": "ORIGIN/mcp", "supportedProtocolVersions": ["1999-01-01"],
            "headers": [
                {"name": "X-Evil", "value": "evil"},
                {"name": "Authorization", "isRequired": true, "value": "Bearer evil"},
            ],
        }],
    });
    let documents = vec![(
        CATALOG,
        json!({"entries": [
            {"identifier": "a", "type": "application/mcp-server-card+json", "data": evil},
        ]}),
    )];
    let site = Server::that(site(documents, 404, ordinary)).await;
    let left = bridged(&domain(&site), &opening_lines(), &[]).await;
    assert!(
        left.answers().iter().all(|it| it.get("result").is_some()),
        "{}",
        left.stderr
    );
    for ask in site.all() {
        let evil = ask
            .headers
            .iter()
            .find(|(_, value)| value.to_str().unwrap().contains("evil"));
        assert!(evil.is_none() && !ask.body.contains("1999"), "{ask:?}");
    }
    assert!(!trace.exists());
}

#[tokio::test]
async fn guard_rails_of_the_target_and_of_the_endpoint_both_hold() {
    let site = Server::that(site(usual(), 404, ordinary)).await;
    let home = tempfile::tempdir().unwrap();
    let path = mcpipe::settings::config_file::path(Some(home.path())).unwrap();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let origin = site.origin();
    let tables = format!(
        "[server.\"{origin}/old\"]\ndeny-tool = \"x\"\n[server.\"{origin}/mcp\"]\ndeny-tool = \"y\"\n"
    );
    std::fs::write(&path, tables).unwrap();
    for target in [format!("{origin}/old"), domain(&site)] {
        let mut host = Process::start_in(home.path(), &[&target], &[("MCPIPE_PROTOCOL", "auto")]);
        host.send(INITIALIZE).await;
        host.next().await;
        host.send(INITIALIZED).await;
        for (id, tool) in [(1, "x"), (2, "y")] {
            let call = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
            host.send(call.to_string()).await;
            let answer = host.next_json().await;
            let is_denied = answer["error"]["data"]["kind"] == "refused_by_policy";
            assert!(
                is_denied || target == domain(&site) && tool == "x",
                "{target} {answer}"
            );
        }
        host.closed().await;
    }
}

#[tokio::test]
async fn a_server_that_moves_is_followed_by_the_card_that_is_read_again() {
    for (is_modern, by_domain) in [(false, true), (true, true), (false, false), (true, false)] {
        let has_moved = Arc::<AtomicBool>::default();
        let moved = Arc::clone(&has_moved);
        let site = Server::that(move |ask| {
            let place = match moved.load(Ordering::SeqCst) {
                true => "/new",
                false => "/mcp",
            };
            let origin = format!("http://{}", ask.header("host").unwrap());
            let document = match ask.path.as_str() {
                CATALOG => catalog(&[CARD]),
                CARD => card(&format!("{origin}{place}")),
                path if path == place && is_modern => return modern_server(ask),
                path if path == place => return ordinary(ask),
                _ => return Reply::status(404),
            };
            Reply::json(document.to_string()).with("Cache-Control", "max-age=3600")
        })
        .await;
        let home = tempfile::tempdir().unwrap();
        let target = match by_domain {
            true => domain(&site),
            // The address of the server itself, whose era is remembered.
            false => site.url(),
        };
        for at in 0..3 {
            let mut host =
                Process::start_in(home.path(), &[&target], &[("MCPIPE_PROTOCOL", "auto")]);
            for line in opening_lines() {
                host.try_send(&format!("{line}\n")).await;
            }
            let left = host.closed().await;
            let answers = left.answers();
            let is_served =
                answers.len() == 2 && answers.iter().all(|it| it.get("result").is_some());
            assert!(
                is_served,
                "{is_modern} {by_domain} {at} {answers:?} {}",
                left.stderr
            );
            has_moved.store(true, Ordering::SeqCst);
        }
        assert_eq!(site.count("POST tools/call"), 3);
    }
}

#[tokio::test]
async fn the_recording_and_the_audit_go_on_at_the_endpoint() {
    let site = Server::that(site(usual(), 404, ordinary)).await;
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    let (audit, recording) = (path("audit"), path("recording"));
    let flags = ["--audit", &audit, "--record", &recording, "--verbose"];
    let left = bridged(&site.origin(), &opening_lines(), &flags).await;
    assert!(left.status.success(), "{}", left.stderr);
    assert_eq!(
        left.stderr.matches("Recording to").count(),
        1,
        "{}",
        left.stderr
    );
    assert!(
        !left.stderr.contains("may lack its last lines"),
        "{}",
        left.stderr
    );
    let recorded = std::fs::read_to_string(&recording).unwrap();
    let of_host = recorded.lines().filter(|line| line.contains("\"host\":{"));
    assert_eq!(of_host.count(), 3, "{recorded}");
    assert!(recorded.contains("\"eof\":true"), "{recorded}");
    let audited = std::fs::read_to_string(&audit).unwrap();
    let calls = audited.lines().filter(|line| line.contains("tools/call"));
    assert!(calls.count() >= 1, "{audited}");
    let verified = Process::start_in(home.path(), &["audit", "verify", &audit], &[])
        .closed()
        .await;
    assert!(
        verified.status.success(),
        "{:?} {}",
        verified.lines,
        verified.stderr
    );
}
