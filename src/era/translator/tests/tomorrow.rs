//! A revision and an extension that no specification has: a row of each is all that the pairs need to speak them.

use super::probe::Play;
use crate::era::protocol::made_up::{EXTENSION, REVISION, with_made_up};
use crate::era::{Action, Arrival};
use crate::frame::Frame;

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
const NEITHER: &str =
    r#"{"code":-32022,"message":"v","data":{"supported":["2099-01-01"],"requested":"2026-07-28"}}"#;

/// A modern host's request in the made-up revision; `params` are members, with a comma behind.
fn modern(id: u64, method: &str, params: &str) -> String {
    let meta = format!(
        r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"{REVISION}","io.modelcontextprotocol/clientCapabilities":{{}}}}"#
    );
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}{meta}}}}}"#)
}

fn discovered() -> String {
    format!(
        r#""result":{{"resultType":"complete","supportedVersions":["{REVISION}"],"capabilities":{{"extensions":{{"{EXTENSION}":{{"listChanged":true}}}}}},"ttlMs":0,"cacheScope":"private"}}"#
    )
}

#[test]
fn a_legacy_host_is_served_by_a_server_of_that_revision_alone() {
    with_made_up(|| {
        let mut play = Play::new(None, &[]);
        let first = play.says(INITIALIZE).posted();
        let again = play.refuses(&first, 400, NEITHER).posted();
        assert_eq!(again.headers["mcp-protocol-version"], REVISION);
        play.answers(&again, &discovered());
        let handshake = play.replies().concat();
        assert!(handshake.contains(EXTENSION), "{handshake}");
        // What the extension announces is listened for.
        let listen = play.says(INITIALIZED).posted();
        assert_eq!(listen.headers["mcp-protocol-version"], REVISION);
        assert!(listen.frame.text().contains(r#""xListChanged":true"#));
        // What is harmless in it is asked again when its answer is lost.
        let look = play
            .says(r#"{"jsonrpc":"2.0","id":1,"method":"x/look"}"#)
            .posted();
        play.brings(look.exchange, Arrival::Ended);
        assert!(matches!(
            play.actions[..],
            [Action::SetTimer { is_retry: true, .. }]
        ));
        // What stands in it is told under the host's id, and goes on at its cursor.
        let watch = play
            .says(r#"{"jsonrpc":"2.0","id":"w","method":"x/watch"}"#)
            .posted();
        let (id, begun) = (watch.frame.id().unwrap(), "notifications/x/begun");
        let mark = |id: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","method":"{begun}","params":{{"position":7,"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
            )
        };
        let begins = Frame::parse(&mark(id.text())).unwrap();
        play.brings(watch.exchange, Arrival::Frame(begins));
        assert_eq!(play.replies(), [mark(r#""w""#)]);
        play.brings(watch.exchange, Arrival::Ended);
        let on = play.fires().posted();
        assert_eq!(on.frame.param("position"), Some("7"));
    });
    // Without the row the revision is none of ours.
    let mut play = Play::new(None, &[]);
    let first = play.says(INITIALIZE).posted();
    play.refuses(&first, 400, NEITHER);
    assert!(play.replies().concat().contains("2099-01-01"));
}

#[test]
fn a_host_of_that_revision_is_served_by_a_legacy_server() {
    let asks = modern(1, "server/discover", "");
    with_made_up(|| {
        let mut play = Play::new(None, &[]);
        let probe = play.says(&asks).posted();
        let initialize = play
            .refuses(&probe, 400, r#"{"code":-32600,"message":"No session"}"#)
            .posted();
        assert_eq!(initialize.frame.method(), Some("initialize"));
        let capabilities = format!(r#"{{"extensions":{{"{EXTENSION}":{{"listChanged":true}}}}}}"#);
        play.answers(
            &initialize,
            &format!(
                r#""result":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"serverInfo":{{"name":"s","version":"1"}}}}"#
            ),
        );
        let told = play.replies().concat();
        assert!(told.contains(&format!(
            r#""supportedVersions":["{REVISION}","2026-07-28"]"#
        )));
        assert!(told.contains(EXTENSION));
    });
}
