//! Ids of requests that mcpipe makes itself: there are servers that read ids into an integer, and answer nothing else.

use serde_json::Value;

use super::{DISCOVER, Host, start};
use crate::support::host::{INITIALIZE, INITIALIZED, Process, json, request};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary};

/// The ids of everything asked that the host did not ask under that id.
fn minted(server: &Server, hosts: &[u64]) -> Vec<(String, Value)> {
    let asks = server.all();
    let requests = asks.iter().filter_map(|ask| {
        let message: Value = serde_json::from_str(&ask.body).ok()?;
        let id = message
            .get("id")
            .filter(|_| message.get("method").is_some())?;
        Some((ask.label(), id.clone()))
    });
    let is_ours = |(_, id): &(String, Value)| !id.as_u64().is_some_and(|id| hosts.contains(&id));
    requests.filter(is_ours).collect()
}

/// An integer that a double holds exactly, and that no host counts to.
fn is_out_of_the_way(id: &Value) -> bool {
    id.as_u64()
        .is_some_and(|id| (1 << 32..1 << 53).contains(&id))
}

fn assert_integers(server: &Server, hosts: &[u64], labels: &[&str]) {
    let minted = minted(server, hosts);
    for label in labels {
        assert!(
            minted.iter().any(|(it, _)| it == label),
            "{label}: {minted:?}"
        );
    }
    let mut ids: Vec<String> = minted.iter().map(|(_, id)| id.to_string()).collect();
    for (label, id) in &minted {
        assert!(is_out_of_the_way(id), "{label}: {id}");
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), minted.len(), "twice the same: {minted:?}");
}

/// Waits until the server was asked that so often.
async fn until(server: &Server, label: &str, times: usize) {
    server.asked(label, times).await;
}

#[tokio::test]
async fn requests_of_our_own_to_a_legacy_server_have_integers_for_ids() {
    let mut sessions = 0;
    let mut is_lost = true;
    let server = Server::that(move |ask: &Ask| match ask.label().as_str() {
        "POST initialize" => {
            sessions += 1;
            let result = r#"{"protocolVersion":"2025-06-18","capabilities":{"logging":{},"resources":{"subscribe":true}},"serverInfo":{"name":"r","version":"1"}}"#;
            Reply::result(ask, result).with("Mcp-Session-Id", &format!("s{sessions}"))
        }
        // The session is lost once.
        "POST tools/list" if std::mem::take(&mut is_lost) => Reply::status(404),
        _ => ordinary(ask),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    let mut bridge = start(home.path(), &["--ping-interval", "0.2", &url]);
    bridge.send(INITIALIZE).await;
    bridge.next().await;
    bridge.send(INITIALIZED).await;
    bridge
        .send(r#"{"jsonrpc":"2.0","id":1,"method":"logging/setLevel","params":{"level":"info"}}"#)
        .await;
    bridge.next().await;
    bridge
        .send(r#"{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"a:b"}}"#)
        .await;
    bridge.next().await;
    bridge.send(request(3, "tools/list")).await;
    loop {
        let told = bridge.next_json().await;
        if told["id"] == 3 {
            break assert!(told.get("error").is_none(), "{told}");
        }
    }
    until(&server, "POST ping", 1).await;
    let ours = [
        DISCOVER,
        "POST initialize",
        "POST logging/setLevel",
        "POST resources/subscribe",
        "POST ping",
    ];
    assert_integers(&server, &[0, 1, 2, 3], &ours);
}

#[tokio::test]
async fn requests_to_a_modern_server_on_behalf_of_a_legacy_host_have_integers_for_ids() {
    let server = Server::that(|ask: &Ask| match ask.label().as_str() {
        DISCOVER => Reply::result(
            ask,
            r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"ttlMs":0,"cacheScope":"private"}"#,
        ),
        "POST tools/list" => Reply::result(ask, r#"{"resultType":"complete","tools":[]}"#),
        "POST subscriptions/listen" => Reply::events([Step::forever()]),
        _ => Reply::status(404),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let mut bridge = start(home.path(), &[&server.url()]);
    Host::Legacy.asks_for_tools(&mut bridge).await;
    until(&server, "POST subscriptions/listen", 1).await;
    let ours = [DISCOVER, "POST tools/list", "POST subscriptions/listen"];
    assert_integers(&server, &[0], &ours);
}

#[tokio::test]
async fn requests_to_a_legacy_server_on_behalf_of_a_modern_host_have_integers_for_ids() {
    let server = Server::that(|ask: &Ask| match ask.label().as_str() {
        DISCOVER => Reply::status(404),
        "POST tools/list" => Reply::result(ask, r#"{"tools":[]}"#),
        _ => ordinary(ask),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let mut bridge = start(home.path(), &[&server.url()]);
    let told = Host::Modern.asks_for_tools(&mut bridge).await;
    assert!(told["result"]["tools"].is_array(), "{told}");
    assert_integers(
        &server,
        &[],
        &[DISCOVER, "POST initialize", "POST tools/list"],
    );
}

#[tokio::test]
async fn an_id_of_our_own_is_never_one_that_the_host_has_under_way() {
    // The host has as many calls under way as it takes to meet a number that counts up from the first.
    let (answer, _held) = (Step::forever(), ());
    let mut answers = vec![answer];
    let server = Server::that(move |ask: &Ask| match ask.label().as_str() {
        "POST tools/call" => Reply::status(200).after(answers.pop().unwrap_or_else(Step::forever)),
        _ => ordinary(ask),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    let arguments = ["--ping-interval", "0.3", &url];
    let mut bridge = Process::start_in(home.path(), &arguments, &[("MCPIPE_PROTOCOL", "legacy")]);
    bridge.send(INITIALIZE).await;
    bridge.next().await;
    bridge.send(INITIALIZED).await;
    let first = server.asked("POST ping", 1).await;
    let first = json(&first.body)["id"].as_u64().unwrap();
    let hosts: Vec<u64> = (first + 1..first + 40).collect();
    for id in &hosts {
        bridge.send(request(id, "tools/call")).await;
    }
    let pinged = server.count("POST ping");
    until(&server, "POST ping", pinged + 2).await;
    let pings = server.all();
    let pings = pings
        .iter()
        .filter(|ask| ask.label() == "POST ping")
        .skip(pinged);
    for ping in pings {
        let id = json(&ping.body)["id"].as_u64().unwrap();
        assert!(!hosts.contains(&id), "{id} is the host's");
    }
}
