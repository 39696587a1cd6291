//! The capabilities that the bridge adds to those a host declares: the authorization extensions it was told to use.
//! Servers look for them among the client's capabilities (`extensions`); without any, nothing is touched.

use super::protocol::META_CAPABILITIES;
use crate::frame::{Frame, Object};

/// Returns the frame with `extensions` declared in it, where it declares capabilities: `initialize`, and every modern
/// request. What the host says of one of them stays.
pub(crate) fn declared(frame: Frame, extensions: &[&'static str]) -> Frame {
    if extensions.is_empty() || !frame.is_request() {
        return frame;
    }
    let is_modern = frame.meta(META_CAPABILITIES).is_some();
    if !is_modern && frame.method() != Some("initialize") {
        return frame;
    }
    frame.edit(|message| {
        message.edit("params", |params| match is_modern {
            false => params.edit("capabilities", |it| add(it, extensions)),
            true => params.edit("_meta", |meta| {
                meta.edit(META_CAPABILITIES, |it| add(it, extensions));
            }),
        });
    })
}

fn add(capabilities: &mut Object, extensions: &[&'static str]) {
    capabilities.edit("extensions", |declared| {
        for extension in extensions {
            if declared.get(extension).is_none() {
                declared.set(extension, "{}");
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "io.modelcontextprotocol/oauth-client-credentials";

    fn said(text: &str) -> String {
        let frame = Frame::parse(text).unwrap();
        declared(frame, &[ONE]).text().to_owned()
    }

    #[test]
    fn the_bridges_extensions_stand_beside_the_hosts() {
        for (from, to) in [
            (
                r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{},"extensions":{"a/b":{"n":1.50}}}}}"#,
                r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{},"extensions":{"a/b":{"n":1.50},"io.modelcontextprotocol/oauth-client-credentials":{}}}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{}}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/oauth-client-credentials":{}}}}}}"#,
            ),
        ] {
            assert_eq!(said(from), to);
            assert_eq!(said(to), to, "said twice");
        }
    }

    #[test]
    fn what_declares_nothing_stays_as_it_came() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{ "jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"progressToken":1}}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":{"_meta":{}}}"#,
        ] {
            assert_eq!(said(text), Frame::parse(text).unwrap().text());
        }
    }
}
