//! Streams that stand at modern servers are left at once.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};
use crate::support::remote::{Ask, Reply, Server, Step};

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

/// What nothing but a closed pipe is waited for may measure on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(800);

fn modern(ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST server/discover" => Reply::result(
            ask,
            r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"remote","version":"1"},"ttlMs":0,"cacheScope":"private","resultType":"complete"}"#,
        ),
        "POST subscriptions/listen" => {
            let id = ask.id();
            let note = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}},"notifications":{{"toolsListChanged":true}}}}}}"#
            );
            Reply::events([Step::event(note), Step::forever()])
        }
        "POST initialize" => Reply::status(400),
        _ => Reply::result(ask, r#"{"resultType":"complete","content":[]}"#),
    }
}

#[tokio::test]
async fn a_modern_server_with_a_stream_that_listens_is_left_at_once() {
    for is_modern in [true, false] {
        let server = Server::that(modern).await;
        let mut host = Process::start_with(&[&server.url()], &[("MCPIPE_PROTOCOL", "auto")]);
        if is_modern {
            let listen = format!(
                r#"{{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{{{META},"notifications":{{"toolsListChanged":true}}}}}}"#
            );
            host.send(listen).await;
            host.next().await;
        } else {
            host.send(INITIALIZE).await;
            assert!(host.next().await.contains("protocolVersion"));
            host.send(INITIALIZED).await;
            host.send(call(1)).await;
            host.next().await;
        }
        server.asked("POST subscriptions/listen", 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let begun = Instant::now();
        let left = host.closed().await;
        assert!(
            begun.elapsed() < AT_ONCE,
            "modern host: {is_modern}, {:?}",
            left.took
        );
        assert_eq!(
            left.status.code(),
            Some(0),
            "modern host: {is_modern}, {}",
            left.stderr
        );
    }
}
