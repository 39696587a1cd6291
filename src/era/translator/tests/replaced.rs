//! Relays that take one another's place: what the old one began is not the new one's.

use super::{initialize, modern, posts, translator};
use crate::era::translator::*;
use crate::era::{Head, Listen};
use crate::frame::Id;

fn modern_call() -> Frame {
    let able = r#"Capabilities":{"elicitation":{}}"#;
    let call = modern(7, "tools/call");
    Frame::parse(&call.text().replace(r#"Capabilities":{}"#, able)).unwrap()
}

/// Makes a modern host's call at a legacy remote, asked something back, and returns the token of its timer.
fn asked_back(translator: &mut Translator) -> u64 {
    let mut actions = Vec::new();
    translator.on_host_message(modern_call(), &mut actions);
    let answer = r#"{"capabilities":{"tools":{}},"protocolVersion":"2025-11-25"}"#;
    for _ in 0..5 {
        for action in std::mem::take(&mut actions) {
            let (exchange, arrival) = match action {
                Action::Post(post) => match post.frame.method() {
                    Some("initialize") => {
                        let answer = Frame::result(post.frame.id().unwrap(), answer);
                        (post.exchange, Arrival::Frame(answer))
                    }
                    Some("tools/call") => {
                        let id = Id::ours(1);
                        let ask = Frame::request(&id, "elicitation/create", None);
                        (post.exchange, Arrival::Frame(ask))
                    }
                    _ => (post.exchange, Arrival::Accepted(Head::default())),
                },
                Action::Listen(listen) => (listen.exchange, Arrival::Opened(Head::default())),
                Action::SetTimer { token, .. } => return token,
                other => panic!("{other:?}"),
            };
            translator.on_arrival(exchange, arrival, &mut actions);
        }
    }
    panic!("nothing asked")
}

#[test]
fn a_time_that_a_relay_asked_for_is_not_another_ones() {
    let mut translator = translator(Protocol::Legacy, None);
    let old = asked_back(&mut translator);
    // Today only relays that have asked for nothing are replaced. It would not be noticed if that changed.
    translator.phase = Phase::Fresh;
    let new = asked_back(&mut translator);
    assert_ne!(old, new);
    let mut actions = Vec::new();
    translator.on_timer(old, &mut actions);
    assert!(actions.is_empty(), "{actions:?}");
    translator.on_timer(new, &mut actions);
    assert!(
        matches!(&actions[0], Action::Reply(frame) if frame.text().contains("input_required")),
        "{actions:?}"
    );
    actions.clear();
    translator.on_timer(new, &mut actions);
    assert!(actions.is_empty(), "{actions:?}");
}

#[test]
fn a_session_begun_for_a_look_around_is_not_heard_after_it() {
    let mut translator = translator(Protocol::Legacy, None);
    let mut actions = Vec::new();
    translator.on_host_message(modern(1, "server/discover"), &mut actions);
    let exchange = posts(&actions)[0].0;
    let head = Head {
        session: Some(crate::secret::Secret::new("s")),
        ..Head::default()
    };
    let Action::Post(post) = &actions[0] else {
        panic!("{actions:?}")
    };
    let answer = Frame::result(post.frame.id().unwrap(), r#"{"capabilities":{}}"#);
    translator.on_arrival(exchange, Arrival::Opened(head), &mut actions);
    translator.on_arrival(exchange, Arrival::Frame(answer), &mut actions);
    let exchange = posts(&actions).last().unwrap().0;
    let accepted = Arrival::Accepted(Head::default());
    translator.on_arrival(exchange, accepted, &mut actions);
    let Some(Action::Listen(Listen {
        exchange: stream, ..
    })) = actions.pop()
    else {
        panic!("no stream")
    };
    actions.clear();
    translator.on_host_message(initialize(), &mut actions);
    assert!(
        matches!(&actions[..], [
            Action::Close(_), Action::Close(closed), Action::EndSession(_), Action::Post(_)
        ] if *closed == stream),
        "{actions:?}"
    );
    actions.clear();
    let ask = Frame::request(&Id::ours(1), "roots/list", None);
    translator.on_arrival(stream, Arrival::Frame(ask), &mut actions);
    assert!(actions.is_empty(), "{actions:?}");
}
