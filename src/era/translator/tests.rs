//! Which pair a host and a remote make.

mod legacy_attempt;
mod probe;
mod replaced;
mod tomorrow;

use super::*;
use crate::era::{Head, HttpError, Transport};
use crate::frame::{BridgeError, Id};

pub(super) fn translator(protocol: Protocol, remembered: Option<ServerEra>) -> Translator {
    Translator::new(Options {
        protocol,
        transport: Transport::HttpFirst,
        remembered,
        ..Options::default()
    })
}

pub(super) fn initialize() -> Frame {
    Frame::parse(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#).unwrap()
}

pub(super) fn posts(actions: &[Action]) -> Vec<(ExchangeId, String)> {
    let post = |action: &Action| match action {
        Action::Post(post) => Some((
            post.exchange,
            post.frame.method().unwrap_or("answer").to_owned(),
        )),
        _ => None,
    };
    actions.iter().filter_map(post).collect()
}

#[test]
fn an_unknown_remote_is_asked_before_anything_else_is_said() {
    let mut actions = Vec::new();
    let mut translator = translator(Protocol::Auto, None);
    translator.on_host_message(initialize(), &mut actions);
    let asked = posts(&actions);
    assert_eq!(
        asked
            .iter()
            .map(|(_, method)| method.as_str())
            .collect::<Vec<_>>(),
        ["server/discover"]
    );

    actions.clear();
    let refused = Arrival::Refused(HttpError {
        status: 404,
        ..HttpError::default()
    });
    translator.on_arrival(asked[0].0, refused, &mut actions);
    assert_eq!(posts(&actions)[0].1, "initialize");
    assert_ne!(posts(&actions)[0].0, asked[0].0);
}

#[test]
fn a_remembered_legacy_remote_is_asked_nothing() {
    for mut translator in [
        translator(Protocol::Auto, Some(ServerEra::Legacy)),
        translator(Protocol::Legacy, None),
    ] {
        let mut actions = Vec::new();
        translator.on_host_message(initialize(), &mut actions);
        assert_eq!(posts(&actions)[0].1, "initialize");
        assert_eq!(translator.server_era(), None);
    }
}

#[test]
fn a_remote_in_trouble_is_told_to_the_host_and_asked_again_by_the_next_request() {
    let mut actions = Vec::new();
    let mut translator = translator(Protocol::Auto, None);
    translator.on_host_message(initialize(), &mut actions);
    for method in ["server/discover", "initialize"] {
        let (exchange, asked) = posts(&actions).remove(0);
        assert_eq!(asked, method);
        actions.clear();
        let down = BridgeError::new("unreachable", "x");
        translator.on_arrival(exchange, Arrival::Failed(down), &mut actions);
    }
    assert!(
        matches!(actions.as_slice(), [Action::Reply(frame)] if frame.id() == initialize().id())
    );
    actions.clear();
    translator.on_host_message(initialize(), &mut actions);
    assert_eq!(posts(&actions)[0].1, "server/discover");
}

#[test]
fn a_version_refused_is_asked_for_once_more() {
    let mut actions = Vec::new();
    let mut translator = translator(Protocol::Auto, None);
    translator.on_host_message(initialize(), &mut actions);
    let exchange = posts(&actions)[0].0;
    let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"v","data":{"supported":["2026-07-28"]}}}"#;
    let refusal = || {
        Arrival::Refused(HttpError {
            status: 400,
            frame: Frame::parse(body).ok(),
            ..HttpError::default()
        })
    };
    actions.clear();
    translator.on_arrival(exchange, refusal(), &mut actions);
    let again = posts(&actions)[0].0;
    assert_ne!(again, exchange);
    actions.clear();
    translator.on_arrival(again, Arrival::Opened(Head::default()), &mut actions);
    assert!(actions.is_empty());
    translator.on_arrival(again, refusal(), &mut actions);
    assert!(matches!(actions.as_slice(), [Action::Reply(_)]));
}

#[test]
fn what_is_said_meanwhile_is_held_and_what_is_cancelled_is_forgotten() {
    let mut actions = Vec::new();
    let mut translator = translator(Protocol::Auto, None);
    translator.on_host_message(initialize(), &mut actions);
    let list = Frame::request(&Id::ours(7), "tools/list", None);
    translator.on_host_message(list, &mut actions);
    let cancel = Frame::notification("notifications/cancelled", Some(r#"{"requestId":7}"#));
    translator.on_host_message(cancel, &mut actions);
    assert!(matches!(actions.last(), Some(Action::Cancelled(id)) if *id == Id::ours(7)));
    let ping = Frame::request(&Id::ours(8), "ping", None);
    translator.on_host_message(ping, &mut actions);
    assert!(
        matches!(actions.last(), Some(Action::Reply(frame)) if frame.id() == Some(&Id::ours(8)))
    );
    assert_eq!(translator.waiting(), 1);
}

pub(super) fn modern(id: u64, method: &str) -> Frame {
    let params = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
    Frame::request(&Id::ours(id), method, Some(params))
}

const DISCOVERED: &str = r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#;

fn found_modern(translator: &mut Translator, first: Frame) -> Vec<Action> {
    let mut actions = Vec::new();
    translator.on_host_message(first, &mut actions);
    let exchange = posts(&actions)[0].0;
    let Action::Post(post) = &actions[0] else {
        panic!("{actions:?}")
    };
    let answer = Frame::result(post.frame.id().unwrap(), DISCOVERED);
    let mut actions = Vec::new();
    translator.on_arrival(exchange, Arrival::Frame(answer), &mut actions);
    actions
}

#[test]
fn a_host_that_only_looked_around_may_begin_the_legacy_way() {
    let mut translator = translator(Protocol::Auto, None);
    found_modern(&mut translator, modern(1, "server/discover"));
    let mut actions = Vec::new();
    // One look is answered, and its id free again; the other is not, and waits for nothing now.
    translator.on_host_message(modern(2, "server/discover"), &mut actions);
    actions.clear();
    translator.on_host_message(initialize().with_id(&Id::ours(1)), &mut actions);
    let replies = actions.iter().filter_map(|action| match action {
        Action::Reply(frame) => frame.id(),
        _ => None,
    });
    assert_eq!(replies.collect::<Vec<_>>(), [&Id::ours(2)], "{actions:?}");
    assert_eq!(posts(&actions)[0].1, "server/discover");
}

#[test]
fn a_host_that_has_called_the_modern_way_keeps_its_calls() {
    let mut translator = translator(Protocol::Auto, None);
    found_modern(&mut translator, modern(1, "tools/list"));
    let mut actions = Vec::new();
    translator.on_host_message(initialize(), &mut actions);
    assert!(posts(&actions).is_empty());
    assert!(
        matches!(&actions[..], [Action::Reply(frame)] if frame.text().contains("2026-07-28")),
        "{actions:?}"
    );
}

#[test]
fn a_remote_remembered_wrongly_is_asked_after_all() {
    let mut translator = translator(Protocol::Auto, Some(ServerEra::Legacy));
    let mut actions = Vec::new();
    translator.on_host_message(initialize(), &mut actions);
    let exchange = posts(&actions)[0].0;
    let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"v","data":{"supported":["2026-07-28"]}}}"#;
    let refusal = HttpError {
        status: 400,
        frame: Frame::parse(body).ok(),
        ..HttpError::default()
    };
    actions.clear();
    translator.on_arrival(exchange, Arrival::Refused(refusal), &mut actions);
    assert_eq!(posts(&actions)[0].1, "server/discover");
}

#[test]
fn a_remote_remembered_wrongly_is_asked_after_all_for_a_modern_host_too() {
    let mut translator = translator(Protocol::Auto, Some(ServerEra::Legacy));
    let mut actions = Vec::new();
    translator.on_host_message(modern(1, "tools/list"), &mut actions);
    translator.on_host_message(modern(2, "tools/call"), &mut actions);
    let [(exchange, method)] = &posts(&actions)[..] else {
        panic!("{actions:?}")
    };
    assert_eq!(method, "initialize");
    let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"v","data":{"supported":["2026-07-28"]}}}"#;
    let refusal = HttpError {
        status: 400,
        frame: Frame::parse(body).ok(),
        ..HttpError::default()
    };
    actions.clear();
    translator.on_arrival(*exchange, Arrival::Refused(refusal), &mut actions);
    let Some(Action::Post(question)) = actions.pop() else {
        panic!("{actions:?}")
    };
    let answer = Frame::result(question.frame.id().unwrap(), DISCOVERED);
    translator.on_arrival(question.exchange, Arrival::Frame(answer), &mut actions);
    let asked = posts(&actions).into_iter().map(|(_, method)| method);
    assert_eq!(asked.collect::<Vec<_>>(), ["tools/list", "tools/call"]);
    assert_eq!(translator.server_era(), Some(ServerEra::Modern));
}

#[test]
fn a_remote_remembered_wrongly_still_answers_what_else_is_under_way() {
    let mut translator = translator(Protocol::Auto, Some(ServerEra::Legacy));
    let mut actions = Vec::new();
    for id in 1..=2 {
        translator.on_host_message(
            Frame::request(&Id::ours(id), "tools/list", None),
            &mut actions,
        );
    }
    let [first, second] = &posts(&actions)[..] else {
        panic!("{actions:?}")
    };
    let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"v","data":{"supported":["2026-07-28"]}}}"#;
    let refusal = HttpError {
        status: 400,
        frame: Frame::parse(body).ok(),
        ..HttpError::default()
    };
    actions.clear();
    translator.on_arrival(first.0, Arrival::Refused(refusal), &mut actions);
    let answer = Frame::result(&Id::ours(2), "{}");
    translator.on_arrival(second.0, Arrival::Frame(answer), &mut actions);
    for id in 1..=2 {
        let is_it = |action: &Action| matches!(action, Action::Reply(frame) if frame.id() == Some(&Id::ours(id)));
        assert!(actions.iter().any(is_it), "{id}: {actions:?}");
    }
}
