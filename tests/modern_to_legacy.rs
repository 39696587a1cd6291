//! A modern host with a legacy server: sessions that the host knows nothing of, kept and left behind.

use std::time::Duration;

use mcpipe::bridge::Settings;
use tokio::time::Instant;

use crate::support::host::{InProcess, settings};
use crate::support::memory::Memory;
use crate::support::remote::{Reply, Step, opening, ordinary};

/// A modern host's request that declares this.
fn declaring(id: u64, capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list","params":{{"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn a_session_that_its_host_has_outgrown_is_left_while_the_next_goes_on() {
    let mut opened = 0;
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST initialize" => {
            opened += 1;
            opening(ask, &format!("session-{opened}"))
        }
        "GET" => Reply::events([Step::forever()]),
        "DELETE" => Reply::status(405).after(Step::forever()),
        _ => ordinary(ask),
    });
    let mut host = InProcess::bridged_to(remote.remote(), settings());
    for (id, capabilities) in [(1, "{}"), (2, r#"{"roots":{}}"#), (3, "{}")] {
        host.send(declaring(id, capabilities)).await;
        assert_eq!(host.next_json().await["id"], id);
    }
    let left = remote.asked("DELETE", 1).await;
    assert_eq!(left.header("mcp-session-id"), Some("session-1"));
    let lists = remote.all();
    let lists = lists.iter().filter(|ask| ask.label() == "POST tools/list");
    let sessions: Vec<_> = lists
        .map(|ask| ask.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(sessions, ["session-1", "session-2", "session-2"]);
    host.close();
    host.ended().await;
    let left = remote.asked("DELETE", 2).await;
    assert_eq!(left.header("mcp-session-id"), Some("session-2"));
}

#[tokio::test(start_paused = true)]
async fn what_is_tried_again_is_not_tried_in_step_with_other_bridges() {
    for (random_fraction, expected) in [
        ((|| 0.0) as fn() -> f64, 1000),
        (|| 0.4, 1100),
        (|| 1.0, 1250),
    ] {
        let mut opened = 0;
        let remote = Memory::that(move |ask| match ask.label().as_str() {
            "POST initialize" => {
                opened += 1;
                match opened {
                    1 => opening(ask, "session"),
                    _ => Reply::cut(),
                }
            }
            "GET" => Reply::events([Step::forever()]),
            "POST tools/list" => Reply::status(404),
            _ => ordinary(ask),
        });
        let settings = Settings {
            random_fraction,
            ..settings()
        };
        let mut host = InProcess::bridged_to(remote.remote(), settings);
        let listen = declaring(1, "{}").replace("tools/list", "subscriptions/listen");
        let filter = r#""params":{"notifications":{},"#;
        host.send(listen.replace(r#""params":{"#, filter)).await;
        let told = host.next_json().await;
        assert_eq!(told["method"], "notifications/subscriptions/acknowledged");
        host.send(declaring(2, "{}")).await;
        let lost = host.next_json().await;
        assert_eq!(lost["error"]["data"]["kind"], "cut", "{lost}");
        let begun = Instant::now();
        remote.asked("POST initialize", 3).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(expected));
    }
}
