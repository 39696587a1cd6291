//! The four pairs of eras in process: the same host and the same server, each in its own era's words.

use mcpipe::bridge::Settings;
use mcpipe::era::Protocol;
use mcpipe::frame::Frame;
use serde_json::{Value, json};

use super::host::{INITIALIZED, InProcess, settings};
use super::memory::Memory;
use super::remote::{Ask, Reply};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// Host and server.
pub(crate) const PAIRS: [(Era, Era); 4] = [
    (Era::Legacy, Era::Legacy),
    (Era::Legacy, Era::Modern),
    (Era::Modern, Era::Legacy),
    (Era::Modern, Era::Modern),
];

/// A server of that era, which has these capabilities and gives the results that it is told.
pub(crate) fn server(
    era: Era,
    capabilities: &str,
    result: impl Fn(&Frame) -> Option<String> + Send + 'static,
) -> Memory {
    let capabilities = capabilities.to_owned();
    Memory::that(move |ask| answer(era, &capabilities, &result, ask))
}

/// The answer of such a server.
pub(crate) fn answer(
    era: Era,
    capabilities: &str,
    result: impl Fn(&Frame) -> Option<String>,
    ask: &Ask,
) -> Reply {
    let frame = match Frame::parse(&ask.body) {
        Ok(frame) if frame.is_request() => frame,
        Ok(_) => return Reply::accepted(),
        Err(_) => return Reply::status(if ask.verb == "DELETE" { 200 } else { 405 }),
    };
    match (era, frame.method().unwrap_or_default()) {
        (Era::Legacy, "initialize") => {
            let result = format!(
                r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"serverInfo":{{"name":"server","version":"1"}}}}"#
            );
            return Reply::result(ask, &result).with("Mcp-Session-Id", "session");
        }
        (Era::Modern, "server/discover") => {
            let result = format!(
                r#"{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{capabilities},"ttlMs":0,"cacheScope":"private","_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"server","version":"1"}}}}}}"#
            );
            return Reply::result(ask, &result);
        }
        _ => {}
    }
    match result(&frame) {
        Some(result) if era == Era::Modern && !result.contains("\"resultType\"") => {
            let rest = result.strip_prefix('{').unwrap();
            let comma = if rest.starts_with('}') { "" } else { "," };
            Reply::result(ask, &format!(r#"{{"resultType":"complete"{comma}{rest}"#))
        }
        Some(result) => Reply::result(ask, &result),
        None => Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32601,"message":"no such method"}}}}"#,
            ask.id()
        )),
    }
}

/// A host of one era.
pub(crate) struct Pair {
    pub(crate) host: InProcess,
    era: Era,
    asked: u64,
    /// The answer to the handshake.
    pub(crate) opening: Value,
}

impl Pair {
    /// A host of that era, bridged to the server, after its handshake.
    pub(crate) async fn open(
        (host, remote): (Era, Era),
        server: &Memory,
        with: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings();
        settings.protocol = match remote {
            Era::Legacy => Protocol::Legacy,
            Era::Modern => Protocol::Modern,
        };
        with(&mut settings);
        let mut pair = Self {
            host: InProcess::bridged_to(server.remote(), settings),
            era: host,
            asked: 0,
            opening: Value::Null,
        };
        pair.opening = match host {
            Era::Legacy => {
                let opening = pair
                    .ask(
                        "initialize",
                        json!({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"host","version":"1"}}),
                    )
                    .await;
                pair.host.send(INITIALIZED).await;
                opening
            }
            Era::Modern => pair.ask("server/discover", json!({})).await,
        };
        pair
    }

    /// The line of a request, and its id.
    pub(crate) fn line(&mut self, method: &str, params: Value) -> (u64, String) {
        self.asked += 1;
        let mut params = params;
        if self.era == Era::Modern {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name":"host","version":"1"},
            });
        }
        let line = json!({"jsonrpc":"2.0","id":self.asked,"method":method,"params":params});
        (self.asked, line.to_string())
    }

    /// The whole answer to a request.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        let (id, line) = self.line(method, params);
        self.host.send(line).await;
        self.answer(id).await
    }

    /// The answer to the request of that id.
    pub(crate) async fn answer(&mut self, id: u64) -> Value {
        loop {
            let line = self.host.next_with_id().await;
            if line["id"] == id {
                return line;
            }
        }
    }
}
