//! Handshakes, sessions, tools, and the policy over them.

use mcpipe::doctor::finding::Verdict::{Fail, Ok, Skipped, Warn};
use mcpipe::server_cache::ServerCache;
use serde_json::json;

use super::{case, found, play, report, report_in};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary};

/// An ordinary server whose list of tools is this.
fn listing(list: &'static str) -> impl FnMut(&Ask) -> Reply + Send + 'static {
    move |ask| match ask.label().as_str() {
        "POST tools/list" => Reply::result(ask, list),
        _ => ordinary(ask),
    }
}

fn modern(ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST server/discover" => Reply::result(
            ask,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#,
        ),
        "POST tools/list" => {
            Reply::result(ask, r#"{"resultType":"complete","tools":[{"name":"a"}]}"#)
        }
        _ => Reply::status(400),
    }
}

#[tokio::test]
async fn eras_sessions_and_lists_have_their_codes() {
    play(vec![
        case("ERA_MODERN", Ok, modern),
        case("TRANSPORT_SSE", Ok, |ask| match ask.verb.as_str() {
            "GET" => Reply::events([Step::text("event: endpoint\ndata: /messages?id=1\n\n"), Step::forever()]),
            _ => Reply::status(405),
        }),
        case("SESSION_LOST", Fail, |ask| match ask.label().as_str() {
            "POST initialize" | "DELETE" => ordinary(ask),
            "POST server/discover" => Reply::status(400),
            _ => Reply::status(404),
        }),
        case("SESSION_NOT_GIVEN", Fail, |ask| match ask.label().as_str() {
            "POST initialize" => {
                let mut reply = ordinary(ask);
                reply.headers.retain(|(name, _)| name != "Mcp-Session-Id");
                reply
            }
            "POST tools/list" => Reply::status(400).body("Bad Request: No valid session ID provided"),
            _ => ordinary(ask),
        }),
        case("TOOLS_NONE", Warn, listing(r#"{"tools":[]}"#)),
        case("TOOLS_TWICE", Warn, listing(r#"{"tools":[{"name":"a"},{"name":"a"}]}"#)),
        case("TOOLS_ENDLESS", Fail, listing(r#"{"tools":[],"nextCursor":"x"}"#)),
        case("TOOLS_FAILED", Fail, listing("{}")),
        case("TOOLS_FAILED", Fail, |ask| match ask.label().as_str() {
            "POST tools/list" => Reply::status(403).body("missing scope tools:read"),
            _ => ordinary(ask),
        }),
        case("TOOLS_NOT_OFFERED", Warn, |ask| match ask.label().as_str() {
            "POST initialize" => Reply::result(
                ask,
                r#"{"protocolVersion":"2025-06-18","capabilities":{"prompts":{}},"serverInfo":{"name":"x","version":"1"}}"#,
            ),
            _ => ordinary(ask),
        }),
        case("POLICY_HIDES", Warn, listing(r#"{"tools":[{"name":"read"},{"name":"delete_it"}]}"#))
            .with(&["--deny-tool", "delete_*"]),
        case("POLICY_HIDES_ALL", Fail, listing(r#"{"tools":[{"name":"read"}]}"#)).with(&["--read-only"]),
    ])
    .await;
}

#[tokio::test]
async fn a_list_that_differs_by_identity_is_told() {
    let server = Server::that(|ask: &Ask| {
        let is_known = ask.header("x-key").is_some();
        match (ask.label().as_str(), is_known) {
            ("POST tools/list", true) => {
                Reply::result(ask, r#"{"tools":[{"name":"a"},{"name":"b"}]}"#)
            }
            ("POST tools/list", false) => Reply::result(ask, r#"{"tools":[{"name":"a"}]}"#),
            _ => ordinary(ask),
        }
    })
    .await;
    let url = server.url();
    let report = report(&[&url, "--header", "X-Key: s3cret-k3y", "--compare"]).await;
    let differ = found(&report, "TOOLS_DIFFER", Warn);
    assert!(differ.sentence.contains(": b"), "{differ:?}");
    found(&report, "TOOLS_LISTED", Ok);
    assert!(!format!("{report:?}").contains("s3cret-k3y"));
}

#[tokio::test]
async fn the_file_and_the_line_of_a_rule_are_told() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(
        home.path().join("mcpipe.toml"),
        "[defaults]\ndeny-tool = [\n  \"drop_*\",\n]\n",
    )
    .unwrap();
    let server = Server::that(listing(r#"{"tools":[{"name":"read"},{"name":"drop_it"}]}"#)).await;
    let report = report_in(&home, &[&server.url()], &[]).await;
    let hides = found(&report, "POLICY_HIDES", Warn);
    assert!(hides.sentence.contains("drop_it"), "{hides:?}");
    assert!(hides.sentence.contains("mcpipe.toml:"), "{hides:?}");
}

#[tokio::test]
async fn an_era_that_was_remembered_and_has_changed_is_told() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::that(modern).await;
    let facts = ServerCache::about(Some(home.path()), &server.url(), "default");
    facts.store("era", json!({"era": "legacy", "at": 1}));
    let report = report_in(&home, &[&server.url()], &[]).await;
    found(&report, "ERA_REMEMBERED_OTHER", Warn);
}

#[tokio::test]
async fn the_failures_that_a_bridge_has_met_are_told_later() {
    use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};
    let home = tempfile::tempdir().unwrap();
    let server = Server::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/call" => Reply::status(200).after(Step::forever()),
        _ => ordinary(ask),
    })
    .await;
    let url = server.url();
    let mut host = Process::start_in(home.path(), &[&url, "--headers-timeout", "0.3"], &[]);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    host.send(call(7)).await;
    host.next().await;
    host.closed().await;
    let report = report_in(&home, &[&url], &[]).await;
    let last = found(&report, "FAILURES_RECENT", Warn);
    assert!(last.sentence.starts_with("tools/call failed"), "{last:?}");
    assert!(last.sentence.contains("--headers-timeout"), "{last:?}");
    assert!(
        last.sentence.contains("may have carried it out"),
        "{last:?}"
    );
}

#[tokio::test]
async fn without_an_answer_everything_after_it_is_skipped() {
    let report = report(&["http://127.0.0.1:9/mcp"]).await;
    found(&report, "TCP_REFUSED", Fail);
    found(&report, "SKIPPED", Skipped);
    assert_eq!(report.failed(), 1, "{report:?}");
}
