//! Challenges to what the host has not asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::coordination::{Machine, answer, eventually};
use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{INITIALIZE, INITIALIZED, call, request};
use crate::support::remote::{Ask, Reply, Server, Step, opening, ordinary};

/// A machine whose remote wants a token for whatever `wants` says.
async fn machine(wants: fn(&Ask) -> bool, serves: fn(&Ask) -> Reply) -> Machine {
    let mut machine = Machine::new().await;
    let issuer = machine.authority.clone();
    let remote = Server::that(move |ask| guarded(ask, &issuer, wants, serves)).await;
    let resource = remote.url();
    machine
        .authority
        .configure(|options| options.resource = Some(resource));
    machine.remote = remote;
    machine.good_from = Arc::new(AtomicUsize::new(0));
    machine
}

fn guarded(
    ask: &Ask,
    issuer: &Authority,
    wants: fn(&Ask) -> bool,
    serves: fn(&Ask) -> Reply,
) -> Reply {
    if let Some(document) = issuer.metadata_of(ask) {
        return document;
    }
    let shown = ask.header("authorization").unwrap_or_default();
    let good = issuer.access_tokens();
    let is_good = good.iter().any(|token| shown == format!("Bearer {token}"));
    if is_good || !wants(ask) {
        return serves(ask);
    }
    let host = ask.header("host").unwrap();
    let metadata = format!("http://{host}/.well-known/oauth-protected-resource/mcp");
    let challenge = format!("Bearer resource_metadata=\"{metadata}\"");
    Reply::status(401).with("WWW-Authenticate", &challenge)
}

/// Has a standing stream.
fn standing(ask: &Ask) -> Reply {
    match (ask.verb.as_str(), ask.label().as_str()) {
        ("GET", _) => Reply::events([Step::forever()]),
        (_, "POST server/discover") => Reply::status(404),
        _ => ordinary(ask),
    }
}

fn is_public(ask: &Ask) -> bool {
    let label = ask.label();
    matches!(label.as_str(), "POST initialize" | "POST tools/list")
}

/// What the host asks for is served without a token, and all else is not: no page opens and no stream is kept. Then a call
/// wants one, and what was turned down before is made good.
#[tokio::test]
async fn a_challenge_to_what_the_host_has_not_asked_for_opens_no_page_until_the_host_asks_for_something()
 {
    for arguments in [
        &["--protocol", "legacy"][..],
        &["--protocol", "auto"],
        &["--protocol", "legacy", "--ping-interval", "1"],
    ] {
        let machine = machine(|ask| !is_public(ask), standing).await;
        let mut host = machine.start_with(arguments);
        host.send(INITIALIZE).await;
        let opened = answer(&mut host, 0).await;
        assert!(opened["result"].is_object(), "{arguments:?}: {opened}");
        host.send(INITIALIZED).await;
        for id in 1..=3 {
            host.send(request(id, "tools/list")).await;
            assert!(answer(&mut host, id).await["result"].is_object());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert!(machine.shown().is_empty(), "{arguments:?}");
        assert!(machine.authority.seen().is_empty(), "{arguments:?}");
        assert_eq!(machine.remote.count("GET"), 1, "asked for once");

        host.send(call(4)).await;
        let person = async { browser::follow(&machine.page(1).await).await };
        let (called, _) = tokio::join!(answer(&mut host, 4), person);
        assert!(called["result"].is_object(), "{arguments:?}: {called}");
        let with_token = |label: &str| {
            let all = machine.remote.all();
            all.iter()
                .filter(|ask| ask.label() == label && ask.header("authorization").is_some())
                .count()
        };
        eventually(|| (with_token("GET") == 1).then_some(())).await;
        assert_eq!(with_token("POST notifications/initialized"), 1);
        assert_eq!(machine.shown().len(), 1);
    }
}

/// A server pings on the GET stream when it likes; the host has not asked for anything that depends on the answer.
#[tokio::test]
async fn an_answer_that_nothing_depends_on_opens_no_page() {
    fn pinging(ask: &Ask) -> Reply {
        match (ask.verb.as_str(), ask.label().as_str()) {
            ("GET", _) => Reply::events([
                Step::event(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#),
                Step::forever(),
            ]),
            (_, "POST server/discover") => Reply::status(404),
            (_, "POST initialize") => opening(ask, "session-1"),
            _ => ordinary(ask),
        }
    }
    let machine = machine(|ask| ask.body.contains("\"result\""), pinging).await;
    let mut host = machine.start();
    host.send(INITIALIZE).await;
    answer(&mut host, 0).await;
    host.send(INITIALIZED).await;
    let ping = host.next_json().await;
    assert_eq!(ping["method"], "ping", "{ping}");
    host.send(r#"{"jsonrpc":"2.0","id":"p","result":{}}"#).await;
    eventually(|| {
        machine
            .remote
            .all()
            .iter()
            .any(|ask| ask.body.contains("\"result\""))
            .then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(machine.shown().is_empty());
    assert!(machine.authority.seen().is_empty());
    host.send(call(1)).await;
    assert!(answer(&mut host, 1).await["result"].is_object());
}

#[tokio::test]
async fn a_server_that_is_protected_all_over_is_signed_in_to_for_the_hosts_own_request() {
    let machine = machine(|_| true, standing).await;
    let mut host = machine.start_with(&["--protocol", "auto"]);
    host.send(INITIALIZE).await;
    let person = async { browser::follow(&machine.page(1).await).await };
    let (opened, _) = tokio::join!(answer(&mut host, 0), person);
    assert!(opened["result"].is_object(), "{opened}");
    let asked = machine.remote.all();
    let posts = asked.iter().filter(|ask| ask.verb == "POST");
    let labels: Vec<_> = posts.map(Ask::label).collect();
    assert_eq!(
        labels,
        ["POST server/discover", "POST initialize", "POST initialize"]
    );
    host.closed().await;

    // With a token that is stored nothing is asked twice.
    let before = machine.remote.all().len();
    let mut host = machine.start_with(&["--protocol", "auto"]);
    host.send(INITIALIZE).await;
    assert!(answer(&mut host, 0).await["result"].is_object());
    let asked = machine.remote.all().split_off(before);
    assert!(
        asked
            .iter()
            .all(|ask| ask.header("authorization").is_some())
    );
    assert!(asked.len() <= 2, "{asked:?}");
}

/// A server of the other era only, which nothing could be learned of without a token.
#[tokio::test]
async fn a_modern_server_that_is_protected_all_over_serves_hosts_of_both_eras() {
    fn modern(ask: &Ask) -> Reply {
        let discover = json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "remote", "version": "1" },
            "ttlMs": 0,
            "cacheScope": "private",
        });
        match ask.label().as_str() {
            "POST server/discover" => Reply::result(ask, &discover.to_string()),
            "POST tools/list" => Reply::result(
                ask,
                r#"{"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"}"#,
            ),
            "POST initialize" => Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"no"}}}}"#,
                ask.id()
            )),
            _ => Reply::status(405),
        }
    }
    const MODERN: &str = r#"{"jsonrpc":"2.0","id":0,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    // Whether it looks at the credential first, or at the revision.
    let wants: [fn(&Ask) -> bool; 2] = [|_| true, |ask| ask.label() != "POST initialize"];
    for (first, wants) in [
        (INITIALIZE, wants[0]),
        (INITIALIZE, wants[1]),
        (MODERN, wants[0]),
    ] {
        let machine = machine(wants, modern).await;
        let mut host = machine.start_with(&["--protocol", "auto"]);
        host.send(first).await;
        let person = async { browser::follow(&machine.page(1).await).await };
        let (answered, _) = tokio::join!(answer(&mut host, 0), person);
        assert!(answered["result"].is_object(), "{answered}");
        assert_eq!(machine.shown().len(), 1);
    }
}

/// The session is lost while the host is silent; the process that opens it again is challenged.
#[tokio::test]
async fn a_session_that_is_opened_again_for_a_request_of_the_hosts_may_open_a_page() {
    static LOST: AtomicUsize = AtomicUsize::new(0);
    fn losing(ask: &Ask) -> Reply {
        let is_lost = LOST.load(Ordering::SeqCst) > 0;
        match ask.label().as_str() {
            "POST initialize" if is_lost => opening(ask, "session-2"),
            "GET" => Reply::status(405),
            _ if is_lost && ask.header("mcp-session-id") == Some("session-1") => Reply::status(404),
            _ => ordinary(ask),
        }
    }
    fn wants(ask: &Ask) -> bool {
        LOST.load(Ordering::SeqCst) > 0 && ask.header("mcp-session-id") != Some("session-1")
    }
    let machine = machine(wants, losing).await;
    let mut host = machine.start();
    host.send(INITIALIZE).await;
    answer(&mut host, 0).await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    answer(&mut host, 1).await;
    LOST.store(1, Ordering::SeqCst);
    host.send(call(2)).await;
    let person = async { browser::follow(&machine.page(1).await).await };
    let (called, _) = tokio::join!(answer(&mut host, 2), person);
    assert!(called["result"].is_object(), "{called}");
}
