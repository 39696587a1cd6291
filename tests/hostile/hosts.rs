//! Hosts that never stop, in all four pairs of eras: what they may order is bounded, what they say wrongly is answered and
//! logged once, and their other calls go on.

use serde_json::{Value, json};

use super::endless::Pair;
use crate::support::host::Process;
use crate::support::remote::{Reply, Server, Step};

const PAIRS: [Pair; 4] = [
    Pair {
        is_host_modern: false,
        is_server_modern: false,
    },
    Pair {
        is_host_modern: false,
        is_server_modern: true,
    },
    Pair {
        is_host_modern: true,
        is_server_modern: false,
    },
    Pair {
        is_host_modern: true,
        is_server_modern: true,
    },
];

/// The answers to so many lines, whatever else is said.
async fn answers(host: &mut Process, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    while found.len() < count {
        let line = host.next_json().await;
        if line.get("method").is_none() {
            found.push(line);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_says_wrongly_is_answered_each_time_and_logged_once_with_the_number() {
    for pair in PAIRS {
        let server = Server::that(move |ask| pair.behaved(ask)).await;
        let mut host = pair.host(&server, &[]).await;
        // A line longer than may be, and then lines that are no messages.
        for _ in 0..4 {
            host.send("x".repeat(9 << 20)).await;
            assert!(host.next().await.contains("more than 8388608 bytes"));
        }
        for _ in 0..20 {
            host.send("{broken\n".repeat(25).trim_end()).await;
            answers(&mut host, 25).await;
        }
        host.send(pair.request(2, "tools/list")).await;
        let answer = answers(&mut host, 1).await.remove(0);
        assert_eq!(answer["id"], 2, "{pair:?}: {answer}");
        let peak = host.peak();
        println!("{pair:?}, lines: {peak} MiB");
        assert!(peak <= 100, "{pair:?}: {peak} MiB");
        let left = host.closed().await;
        let said = left.stderr.matches("reason=").count();
        assert_eq!(said, 1, "{pair:?}: {}", left.stderr);
        let counted = "503 more lines of one kind were left out (mcpipe::bridge";
        assert!(left.stderr.contains(counted), "{pair:?}: {}", left.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_costs_nothing_however_much_of_it_a_host_says() {
    for pair in PAIRS {
        let server = Server::that(move |ask| pair.behaved(ask)).await;
        let mut host = pair.host(&server, &[]).await;
        let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"of no request"}}"#;
        for _ in 0..2000 {
            host.send(cancel).await;
        }
        host.send(pair.request(2, "tools/list")).await;
        let answer = answers(&mut host, 1).await.remove(0);
        assert_eq!(answer["id"], 2, "{pair:?}: {answer}");
        let peak = host.peak();
        assert!(peak <= 100, "{pair:?}: {peak} MiB");
        host.closed().await;
    }
}

/// A server on which resources can be subscribed to.
async fn with_resources(pair: Pair) -> Server {
    let mut listens = 0;
    Server::that(move |ask| match ask.label().as_str() {
        "GET" => Reply::events([Step::forever()]),
        "POST initialize" => {
            let result = r#"{"protocolVersion":"2025-06-18","capabilities":{"resources":{"subscribe":true}},"serverInfo":{"name":"remote","version":"1"}}"#;
            Reply::result(ask, result).with("Mcp-Session-Id", "session-1")
        }
        "POST subscriptions/listen" => {
            listens += 1;
            let asked: Value = serde_json::from_str(&ask.body).unwrap();
            let acknowledged = json!({
                "jsonrpc": "2.0",
                "method": "notifications/subscriptions/acknowledged",
                "params": {
                    "notifications": asked["params"]["notifications"],
                    "_meta": { "io.modelcontextprotocol/subscriptionId": asked["id"] },
                },
            });
            assert!(listens < 1100, "a listen for each that was refused");
            Reply::events([Step::event(acknowledged.to_string()), Step::forever()])
        }
        _ => pair.behaved(ask),
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_subscribes_to_a_thousand_resources_and_is_told_where_that_ends() {
    for pair in PAIRS
        .iter()
        .filter(|it| it.is_host_modern != it.is_server_modern)
    {
        let server = with_resources(*pair).await;
        let mut host = pair.host(&server, &[]).await;
        let refused = if pair.is_host_modern {
            let mut listen: Value =
                serde_json::from_str(&pair.request(1, "subscriptions/listen")).unwrap();
            let uris: Vec<_> = (0..100_000).map(|n| format!("file:///{n}")).collect();
            listen["params"]["notifications"] = json!({ "resourceSubscriptions": uris });
            host.send(listen.to_string()).await;
            answers(&mut host, 1).await
        } else {
            let mut all = Vec::new();
            for id in 1..=1020_u64 {
                let mut subscribe: Value =
                    serde_json::from_str(&pair.request(id, "resources/subscribe")).unwrap();
                subscribe["params"]["uri"] = json!(format!("file:///{id}"));
                host.send(subscribe.to_string()).await;
                all.extend(answers(&mut host, 1).await);
            }
            all.split_off(1000)
        };
        for answer in refused {
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(
                message.contains("No more than 1000 resources"),
                "{pair:?}: {answer}"
            );
        }
        host.send(pair.request(5000, "tools/list")).await;
        let answer = answers(&mut host, 1).await.remove(0);
        assert_eq!(answer["id"], 5000, "{pair:?}: {answer}");
        let peak = host.peak();
        println!("{pair:?}, subscriptions: {peak} MiB");
        assert!(peak <= 150, "{pair:?}: {peak} MiB");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_calls_are_not_answered_is_read_no_further_than_four_thousand_of_them() {
    for pair in PAIRS.iter().filter(|it| !it.is_host_modern) {
        let pair = *pair;
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => Reply::events([Step::forever()]),
            _ => pair.behaved(ask),
        })
        .await;
        let mut host = pair.host(&server, &["--max-in-flight", "16"]).await;
        let call = format!("{}\n", pair.request(1, "tools/call"));
        for id in 0..6000_u64 {
            let call = call.replace("\"id\":1", &format!("\"id\":{}", id + 10));
            let sent =
                tokio::time::timeout(std::time::Duration::from_secs(2), host.try_send(&call));
            if sent.await.is_err() {
                assert!(id > 4000, "{pair:?}: {id}");
                break;
            }
        }
        let peak = host.peak();
        println!("{pair:?}, calls: {peak} MiB");
        assert!(peak <= 400, "{pair:?}: {peak} MiB");
    }
}
