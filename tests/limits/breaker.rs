//! `--circuit-breaker`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcpipe::policy::Rules;
use serde_json::Value;

use super::{call, limited};
use crate::support::host::{InProcess, limit};
use crate::support::memory::Memory;
use crate::support::remote::{Reply, ordinary};

#[tokio::test(start_paused = true)]
async fn a_server_that_only_fails_gets_no_calls_but_a_trial_and_an_answer_closes_the_circuit() {
    let home = tempfile::tempdir().unwrap();
    let is_well = Arc::new(AtomicBool::new(true));
    let well = Arc::clone(&is_well);
    let remote = Memory::that(move |ask| match ask.label().as_str() {
        "POST tools/call" if !well.load(Ordering::SeqCst) => Reply::status(500),
        "POST tools/call" if ask.body.contains("unknown") => {
            let id = ask.id();
            Reply::json(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32602,"message":"no"}}}}"#
            ))
        }
        _ => ordinary(ask),
    });
    let rules = Rules {
        circuit_breaker: vec![limit("circuit-breaker", None, 3)],
        ..Rules::default()
    };
    let mut host = InProcess::opened(remote.remote(), limited(home.path(), rules)).await;
    let mut id = 0;
    let mut kind = async |host: &mut InProcess, tool: &str| -> Value {
        id += 1;
        host.send(call(id, tool)).await;
        let answer = host.next_json().await;
        answer["error"]["data"]["kind"].clone()
    };
    // The server's own errors are answers.
    for _ in 0..5 {
        assert_eq!(kind(&mut host, "unknown").await, Value::Null);
    }
    is_well.store(false, Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(kind(&mut host, "x").await, "refused");
    }
    let sent = remote.count("POST tools/call");
    for _ in 0..3 {
        assert_eq!(kind(&mut host, "x").await, "circuit_open");
    }
    assert_eq!(remote.count("POST tools/call"), sent);
    tokio::time::sleep(Duration::from_millis(1001)).await;
    assert_eq!(kind(&mut host, "x").await, "refused");
    assert_eq!(kind(&mut host, "x").await, "circuit_open");
    assert_eq!(remote.count("POST tools/call"), sent + 1);
    // The second pause is longer; a trial that is answered ends it.
    tokio::time::sleep(Duration::from_millis(1001)).await;
    assert_eq!(kind(&mut host, "x").await, "circuit_open");
    is_well.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(1001)).await;
    for _ in 0..3 {
        assert_eq!(kind(&mut host, "x").await, Value::Null);
    }
}
