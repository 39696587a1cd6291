//! Servers of both eras, and what is remembered of servers: host and server speak the same era where they have one in
//! common.

use serde_json::{Value, json};

use super::{DISCOVER, HOSTS, Host, OPEN, error, learned, start};
use crate::support::host::{INITIALIZE, INITIALIZED, request};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary};

/// How the legacy side of a server of both eras keeps its sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// By an id.
    Session,
    /// Without an id, and with a stream for what it has to say.
    Stream,
    /// Not at all.
    Stateless,
    /// Not at all, and its GET is not answered.
    Hanging,
    /// There is none: it says so to the question already.
    Refused,
    /// There is none: the handshake is a method it does not know.
    Unknown,
    /// There is none: the handshake is not answered.
    Silent,
}

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#;
const OPENED: &str = r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"remote","version":"1"}}"#;

/// The revision that a request is in, by its envelope.
fn is_modern(ask: &Ask) -> bool {
    ask.header("mcp-protocol-version") == Some("2026-07-28")
}

fn refused(ask: &Ask) -> Reply {
    let id = ask.id();
    Reply {
        status: 400,
        ..Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"v","data":{{"supported":["2026-07-28"],"requested":"x"}}}}}}"#
        ))
    }
}

async fn server(side: Side) -> Server {
    let mut rejections = usize::from(side == Side::Refused);
    Server::that(move |ask: &Ask| match (ask.label().as_str(), side) {
        (DISCOVER, _) if rejections > 0 => {
            rejections -= 1;
            refused(ask)
        }
        (DISCOVER, _) => Reply::result(ask, DISCOVERED),
        (OPEN, Side::Session) => Reply::result(ask, OPENED).with("Mcp-Session-Id", "s"),
        (OPEN, Side::Stream | Side::Stateless | Side::Hanging) => Reply::result(ask, OPENED),
        (OPEN, Side::Refused) => refused(ask),
        (OPEN, Side::Unknown) => error(ask, -32601, "no such method"),
        (OPEN, Side::Silent) => Reply::status(200).after(Step::forever()),
        ("GET", Side::Session | Side::Stream) => Reply::events([Step::forever()]),
        ("GET", Side::Hanging) => Reply::status(200).after(Step::forever()),
        ("GET", _) => Reply::status(405),
        ("DELETE", _) => Reply::status(200),
        ("POST notifications/initialized", _) => Reply::accepted(),
        ("POST tools/list", _) => Reply::result(ask, r#"{"resultType":"complete","tools":[]}"#),
        _ => ordinary(ask),
    })
    .await
}

/// Which era the server was asked for its tools in.
fn spoken(server: &Server) -> Vec<Host> {
    let lists = server.all();
    let lists = lists.iter().filter(|ask| ask.label() == "POST tools/list");
    let era = |ask: &Ask| match is_modern(ask) {
        true => Host::Modern,
        false => Host::Legacy,
    };
    lists.map(era).collect()
}

#[tokio::test]
async fn host_and_server_speak_the_same_era_where_they_have_one_in_common_and_lose_nothing_by_it() {
    for (side, spoken_to, word) in [
        (Side::Session, Host::Legacy, "both"),
        (Side::Stream, Host::Legacy, "both"),
        (Side::Stateless, Host::Modern, "modern"),
        (Side::Hanging, Host::Modern, "modern"),
        (Side::Refused, Host::Modern, "modern"),
        (Side::Unknown, Host::Modern, "modern"),
        (Side::Silent, Host::Modern, "modern"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let server = server(side).await;
        let url = server.url();
        let mut bridge = start(home.path(), &[&url]);
        let told = Host::Legacy.asks_for_tools(&mut bridge).await;
        assert!(told["result"]["tools"].is_array(), "{side:?}: {told}");
        assert_eq!(spoken(&server), [spoken_to], "{side:?}");
        let opened = usize::from(side != Side::Refused);
        assert_eq!(server.count(OPEN), opened, "{side:?}");
        let is_told = server.count("POST notifications/initialized");
        assert!(is_told <= 1, "{side:?}: said {is_told} times");
        bridge.closed().await;
        assert_eq!(learned(home.path())["era"], word, "{side:?}");

        // The next start begins where this one ended up.
        let asked = server.labels().len();
        let mut again = start(home.path(), &[&url]);
        Host::Legacy.asks_for_tools(&mut again).await;
        let first = server.labels()[asked].clone();
        let expected = match spoken_to {
            Host::Legacy => OPEN,
            Host::Modern => DISCOVER,
        };
        assert_eq!(first, expected, "{side:?}");
        assert_eq!(
            server.count(OPEN),
            opened + usize::from(spoken_to == Host::Legacy),
            "{side:?}: tried again"
        );
        assert_eq!(spoken(&server), [spoken_to, spoken_to], "{side:?}");
        drop(again);

        // A modern host is served in its own era whatever has been remembered, and nothing is forgotten over it.
        let mut newer = start(home.path(), &[&url]);
        Host::Modern.asks_for_tools(&mut newer).await;
        assert_eq!(spoken(&server)[2], Host::Modern, "{side:?}");
        newer.closed().await;
        assert_eq!(learned(home.path())["era"], word, "{side:?}");
    }
}

#[tokio::test]
async fn what_a_modern_host_has_found_out_does_not_keep_a_legacy_host_from_its_own_era() {
    let home = tempfile::tempdir().unwrap();
    let server = server(Side::Session).await;
    let mut newer = start(home.path(), &[&server.url()]);
    Host::Modern.asks_for_tools(&mut newer).await;
    newer.closed().await;
    let mut bridge = start(home.path(), &[&server.url()]);
    Host::Legacy.asks_for_tools(&mut bridge).await;
    assert_eq!(spoken(&server), HOSTS.into_iter().rev().collect::<Vec<_>>());
}

/// Writes down an era for the one server, as a version of mcpipe would that knows it by these members.
fn remember(home: &std::path::Path, url: &str, era: &Value) {
    let facts = mcpipe::server_cache::ServerCache::about(Some(home), url, "default");
    facts.store("era", era.clone());
}

#[expect(clippy::disallowed_methods, reason = "the binary reads the same clock")]
fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

#[tokio::test]
async fn a_verdict_of_a_version_that_knew_two_is_found_out_anew() {
    for era in ["modern", "legacy"] {
        let home = tempfile::tempdir().unwrap();
        let server = server(Side::Session).await;
        let url = server.url();
        remember(home.path(), &url, &json!({ "era": era, "at": now() - 60 }));
        let mut bridge = start(home.path(), &[&url]);
        Host::Legacy.asks_for_tools(&mut bridge).await;
        assert_eq!(server.labels()[..2], [DISCOVER, OPEN], "{era}");
        bridge.closed().await;
        assert_eq!(learned(home.path())["era"], "both", "{era}");
    }
}

#[tokio::test]
async fn a_server_that_has_changed_since_is_asked_after_all() {
    for was in ["legacy", "both"] {
        for side in [Side::Refused, Side::Unknown] {
            for host in HOSTS {
                let home = tempfile::tempdir().unwrap();
                let server = server(side).await;
                let url = server.url();
                let era = json!({ "era": was, "at": now() - 60, "initializeTried": true });
                remember(home.path(), &url, &era);
                let mut bridge = start(home.path(), &[&url]);
                let told = host.asks_for_tools(&mut bridge).await;
                assert!(
                    told["result"]["tools"].is_array(),
                    "{was}, {side:?}, {host:?}: {told}"
                );
                assert_eq!(spoken(&server), [Host::Modern], "{was}, {side:?}, {host:?}");
                assert!(server.count(OPEN) <= 1, "{was}, {side:?}, {host:?}");
                bridge.closed().await;
                let expected = if (was, host) == ("both", Host::Modern) {
                    "both"
                } else {
                    "modern"
                };
                assert_eq!(
                    learned(home.path())["era"],
                    expected,
                    "{was}, {side:?}, {host:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_answer_to_the_handshake_is_the_servers_own_to_the_letter() {
    let odd = r#"{"protocolVersion":"2025-03-26","capabilities":{"tools":{"x":1e400}},"serverInfo":{"name":"r","version":"1"},"instructions":"\u0041"}"#;
    for session in [true, false] {
        let server = Server::that(move |ask| match ask.label().as_str() {
            DISCOVER => Reply::result(ask, DISCOVERED),
            OPEN if session => Reply::result(ask, odd).with("Mcp-Session-Id", "s"),
            OPEN => Reply::result(ask, odd),
            "GET" => Reply::events([
                Step::event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#),
                Step::forever(),
            ]),
            _ => ordinary(ask),
        })
        .await;
        let home = tempfile::tempdir().unwrap();
        let mut bridge = start(home.path(), &[&server.url()]);
        bridge.send(INITIALIZE).await;
        let told = bridge.next().await;
        assert_eq!(
            told,
            format!(r#"{{"jsonrpc":"2.0","id":0,"result":{odd}}}"#)
        );
        assert_eq!(server.asked(OPEN, 1).await.body, INITIALIZE);
        bridge.send(INITIALIZED).await;
        // What came on the stream meanwhile is not lost.
        let changed = bridge.next().await;
        assert!(changed.contains("tools/list_changed"), "{changed}");
        bridge.send(request(1, "tools/call")).await;
        assert_eq!(bridge.next_json().await["id"], 1);
        let said = server.count("POST notifications/initialized");
        assert_eq!(said, 1, "with a session id: {session}");
    }
}

#[tokio::test]
async fn what_the_host_says_meanwhile_waits_in_order() {
    for side in [Side::Session, Side::Stream, Side::Stateless] {
        let server = server(side).await;
        let home = tempfile::tempdir().unwrap();
        let mut bridge = start(home.path(), &[&server.url()]);
        // A host that does not wait for answers.
        bridge.send(INITIALIZE).await;
        bridge.send(INITIALIZED).await;
        for id in 1..=3 {
            bridge.send(request(id, "tools/list")).await;
        }
        let mut ids = Vec::new();
        while ids.len() < 4 {
            let told = bridge.next_json().await;
            assert!(told.get("error").is_none(), "{side:?}: {told}");
            ids.extend(told["id"].as_u64());
        }
        assert_eq!(ids[0], 0, "{side:?}");
        let asked = server.labels();
        let first = |label: &str| asked.iter().position(|it| it == label);
        let initialized = first("POST notifications/initialized");
        assert!(
            initialized < first("POST tools/list"),
            "{side:?}: {asked:?}"
        );
        let left = bridge.closed().await;
        assert!(left.answers().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_answers_the_question_with_revisions_to_come_may_still_have_an_older_one() {
    let to_come = DISCOVERED.replace("2026-07-28", "2031-01-01");
    let server = Server::that(move |ask| match ask.label().as_str() {
        DISCOVER => Reply::result(ask, &to_come),
        "POST tools/list" => Reply::result(ask, r#"{"tools":[]}"#),
        _ => ordinary(ask),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let mut bridge = start(home.path(), &[&server.url()]);
    let told = Host::Legacy.asks_for_tools(&mut bridge).await;
    assert!(told["result"]["tools"].is_array(), "{told}");
    bridge.closed().await;

    // If it has none, the host hears what it named.
    let to_come = DISCOVERED.replace("2026-07-28", "2031-01-01");
    let server = Server::that(move |ask| match ask.label().as_str() {
        DISCOVER => Reply::result(ask, &to_come),
        _ => Reply::status(400),
    })
    .await;
    let mut bridge = start(home.path(), &[&server.url()]);
    let told = Host::Legacy.asks_for_tools(&mut bridge).await;
    assert_eq!(told["error"]["code"], -32602, "{told}");
    assert_eq!(told["error"]["data"]["supported"], json!(["2031-01-01"]));
}
