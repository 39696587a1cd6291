//! Answers with other ids, under other statuses and in other places than the specification has; streams that end at once;
//! sessions begun twice.

mod bodies; // statuses with unexpected bodies
mod ids; // responses under wrong ids
mod old; // HTTP+SSE, found in other ways
mod sessions; // sessions begun twice, early pings, notifications with an id
mod streams; // streams that end at once

use std::time::{Duration, SystemTime};

use mcpipe::bridge::Settings;
use mcpipe::era::Protocol;
use serde_json::{Value, json};

use crate::support::host::{INITIALIZE, INITIALIZED, InProcess, json as read, request};
use crate::support::memory::Memory;
use crate::support::remote::{Ask, Reply};

const INITIALIZED_WITH: &str =
    r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}}}"#;
const DISCOVERED: &str =
    r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#;

/// Which eras meet: of the host, and of the server.
const PAIRS: [(Era, Era); 4] = [
    (Era::Legacy, Era::Legacy),
    (Era::Legacy, Era::Modern),
    (Era::Modern, Era::Legacy),
    (Era::Modern, Era::Modern),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
}

/// A server of that era that says its results like this: everything but notifications, `server/discover` included.
fn server(era: Era, mut says: impl FnMut(&Ask, &str) -> Reply) -> impl FnMut(&Ask) -> Reply {
    move |ask| {
        let label = ask.label();
        match (era, ask.verb.as_str()) {
            (Era::Legacy, "GET") => return Reply::status(405),
            (_, "DELETE") => return Reply::status(200),
            (Era::Modern, "GET") => return Reply::status(405),
            _ => {}
        }
        match (era, label.as_str()) {
            (_, "POST answer") => Reply::accepted(),
            (_, label) if label.contains("notifications/") => Reply::accepted(),
            (Era::Legacy, "POST server/discover") => Reply::status(404),
            (Era::Legacy, "POST initialize") => {
                says(ask, INITIALIZED_WITH).with("Mcp-Session-Id", "session-1")
            }
            (Era::Legacy, _) => says(ask, r#"{"content":[]}"#),
            (Era::Modern, "POST server/discover") => says(ask, DISCOVERED),
            (Era::Modern, _) => says(ask, r#"{"resultType":"complete","content":[]}"#),
        }
    }
}

/// A response with that text for an id.
fn under(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

fn auto() -> Settings {
    Settings {
        protocol: Protocol::Auto,
        ..Settings::new(|| SystemTime::UNIX_EPOCH)
    }
}

/// A `tools/call` as a host of that era writes it.
fn calls(era: Era, id: impl std::fmt::Display) -> String {
    let mut call = read(&request(id, "tools/call"));
    if era == Era::Modern {
        call["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    call.to_string()
}

/// A host of that era, ready to call.
async fn host(era: Era, remote: &Memory) -> InProcess {
    let mut host = InProcess::bridged_to(remote.remote(), auto());
    if era == Era::Legacy {
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert!(answer.get("result").is_some(), "{answer}");
        host.send(INITIALIZED).await;
    }
    host
}

fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap_or_default()
}

/// A minute that is paused passes.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
