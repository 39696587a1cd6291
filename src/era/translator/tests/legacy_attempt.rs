//! A legacy host with a server that speaks both eras: what settles which one is spoken.

use super::probe::{DISCOVERED, Play, initialize};
use crate::era::translator::*;
use crate::era::{Head, HttpError, Post};
use crate::secret::Secret;

const OPENED: &str = r#""result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#;

/// Up to the host's `initialize`.
fn tried(play: &mut Play) -> Post {
    let asked = play.says(&initialize("{}")).posted();
    let post = play
        .answers(&asked, &format!(r#""result":{DISCOVERED}"#))
        .posted();
    assert_eq!(post.frame.text(), initialize("{}"));
    assert!(post.patience.is_some());
    post
}

fn head(session: Option<&str>) -> Arrival {
    Arrival::Opened(Head {
        status: 200,
        session: session.map(Secret::new),
    })
}

/// Up to the GET stream of a server that names no session.
fn listens(play: &mut Play) -> ExchangeId {
    let post = tried(play);
    play.brings(post.exchange, head(None));
    let initialized = play.answers(&post, OPENED).posted();
    assert_eq!(
        initialized.frame.method(),
        Some("notifications/initialized")
    );
    assert!(play.replies().is_empty());
    play.brings(initialized.exchange, Arrival::Accepted(Head::default()));
    let [Action::Listen(listen)] = &play.actions[..] else {
        panic!("{:?}", play.actions)
    };
    listen.exchange
}

#[test]
fn a_session_id_settles_it_at_once() {
    let mut play = Play::new(None, &[]);
    let post = tried(&mut play);
    play.brings(post.exchange, head(Some("s")));
    play.answers(&post, OPENED);
    assert_eq!(play.replies().len(), 1);
    assert_eq!(play.translator.pair(), Some(Pair::Legacy));
    assert_eq!(play.translator.server_era(), Some(ServerEra::Both));
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(
        play.says(initialized).methods(),
        ["notifications/initialized"]
    );
}

#[test]
fn a_stream_that_opens_settles_it_and_the_host_need_not_be_heard_twice() {
    let mut play = Play::new(None, &[]);
    let stream = listens(&mut play);
    play.brings(stream, head(None));
    assert_eq!(play.replies().len(), 1);
    assert_eq!(play.translator.pair(), Some(Pair::Legacy));
    assert_eq!(play.translator.server_era(), Some(ServerEra::Both));
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert!(play.says(initialized).posts().is_empty());
    assert_eq!(play.says(initialized).posts().len(), 1);
}

#[test]
fn a_stream_that_does_not_open_leaves_it_at_the_modern_era() {
    let refused = Arrival::Refused(HttpError {
        status: 405,
        ..HttpError::default()
    });
    // Not in good time; and refused.
    for arrival in [Arrival::Opened(Head::default()), refused] {
        let mut play = Play::new(None, &[]);
        let stream = listens(&mut play);
        play.brings(stream, arrival);
        assert_eq!(play.replies().len(), 1);
        assert_eq!(play.translator.pair(), Some(Pair::LegacyToModern));
        assert_eq!(play.translator.server_era(), Some(ServerEra::Modern));
        assert!(!play.translator.is_legacy_untried());
        assert!(play.translator.take_discovered().is_some());
    }
}

#[test]
fn the_time_for_it_ends() {
    let mut play = Play::new(None, &[]);
    let post = tried(&mut play);
    play.brings(post.exchange, head(None));
    play.answers(&post, OPENED);
    let token = play.actions.iter().find_map(|action| match action {
        Action::SetTimer { token, .. } => Some(*token),
        _ => None,
    });
    play.actions.clear();
    play.translator.on_timer(token.unwrap(), &mut play.actions);
    assert_eq!(play.replies().len(), 1);
    assert_eq!(play.translator.pair(), Some(Pair::LegacyToModern));
}

#[test]
fn trouble_on_the_way_says_nothing_of_the_servers_other_side() {
    let down = || crate::frame::BridgeError::new("unreachable", "x");
    for (arrival, is_untried) in [
        (Arrival::Failed(down()), true),
        (
            Arrival::Failed(crate::frame::BridgeError::new("bad_answer", "x")),
            false,
        ),
        (
            Arrival::GivenUp(crate::frame::BridgeError::new("timed_out", "x")),
            false,
        ),
        (
            Arrival::Refused(HttpError {
                status: 404,
                ..HttpError::default()
            }),
            false,
        ),
    ] {
        let mut play = Play::new(None, &[]);
        let post = tried(&mut play);
        play.brings(post.exchange, arrival);
        assert_eq!(play.translator.pair(), Some(Pair::LegacyToModern));
        assert_eq!(play.translator.is_legacy_untried(), is_untried);
    }
}

#[test]
fn an_answer_of_another_revision_is_no_session() {
    for result in [
        r#""result":{"protocolVersion":"2026-07-28","capabilities":{}}"#,
        r#""result":{}"#,
        r#""error":{"code":-32601,"message":"no"}"#,
    ] {
        let mut play = Play::new(None, &[]);
        let post = tried(&mut play);
        play.brings(post.exchange, head(Some("s")));
        play.answers(&post, result);
        assert_eq!(
            play.translator.pair(),
            Some(Pair::LegacyToModern),
            "{result}"
        );
    }
}

#[test]
fn a_server_that_has_said_that_it_speaks_no_legacy_revision_is_not_tried() {
    let mut play = Play::new(None, &[]);
    let asked = play.says(&initialize("{}")).posted();
    let error = r#"{"code":-32022,"message":"v","data":{"supported":["2026-07-28"]}}"#;
    let again = play.refuses(&asked, 400, error).posted();
    play.answers(&again, &format!(r#""result":{DISCOVERED}"#));
    assert!(play.posts().is_empty(), "{:?}", play.actions);
    assert_eq!(play.replies().len(), 1);
    assert!(!play.translator.is_legacy_untried());
}
