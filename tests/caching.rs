//! What is answered without asking again: for how long, for whom, and what puts an end to it (MCP 2026-07-28,
//! server/utilities/caching).

mod between; // caching between the eras
mod binary; // the real binary
mod identity; // results belong to one account
mod skills; // digests of files, and lists asked anew

use std::time::Duration;

use mcpipe::era::{Arrival, HttpError};
use mcpipe::frame::{BridgeError, Frame, Id};

use between::{Between, Era, PAIRS};

const LISTS: [&str; 5] = [
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "skills/list",
];
const PUBLIC: &str = r#"{"x":[1e400],"ttlMs":10000,"cacheScope":"public"}"#;
const PRIVATE: &str = r#"{"x":[1e400],"ttlMs":10000,"cacheScope":"private"}"#;
const SILENT: &str = r#"{"x":[1e400]}"#;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn what_the_remote_gave_a_life_is_told_again_while_it_lasts() {
    let others = ["resources/read", "skills/get"].map(|method| (method, r#"{"uri":"a:b"}"#));
    for pair in PAIRS {
        for (method, params) in LISTS.map(|list| (list, "{}")).into_iter().chain(others) {
            let mut between = Between::new(pair, None);
            let (first, _) = between.asks(method, params);
            between.later(4000);
            let (second, is_asked) = between.asks(method, params);
            let (first, second) = (first.unwrap(), second.unwrap());
            assert!(!is_asked, "{pair:?} {method}");
            let expected = first.with_id(second.id().unwrap());
            let expected = expected
                .text()
                .replace(r#""ttlMs":10000"#, r#""ttlMs":6000"#);
            assert_eq!(second.text(), expected);
            between.later(6000);
            assert!(between.is_asked(method, params), "{pair:?} {method}");
        }
    }
}

#[test]
fn only_a_host_that_knows_the_hints_sees_them() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        between.is_asked("tools/list", "{}");
        between.later(1);
        let (answer, _) = between.asks("tools/list", "{}");
        let seen = match pair {
            (Era::Legacy, Era::Modern) => None,
            _ => Some(r#""ttlMs":9999"#),
        };
        let answer = answer.unwrap();
        assert_eq!(answer.text().contains("ttlMs"), seen.is_some(), "{pair:?}");
        assert!(
            answer.text().contains(seen.unwrap_or_default()),
            "{answer:?}"
        );
    }
}

#[test]
fn a_modern_remotes_word_of_itself_is_kept_too() {
    let mut between = Between::new((Era::Modern, Era::Modern), None);
    assert!(between.is_asked("server/discover", "{}"));
    assert!(!between.is_asked("server/discover", "{}"));
}

#[test]
fn calls_are_never_answered_from_here() {
    for pair in PAIRS {
        let mut between = Between::new(pair, Some(seconds(60)));
        for (method, params) in [
            ("tools/call", r#"{"name":"x"}"#),
            ("prompts/get", r#"{"name":"x"}"#),
            ("completion/complete", "{}"),
            // What a directory holds is seen, not remembered (SEP-2640).
            ("resources/directory/read", r#"{"uri":"a:b"}"#),
            ("vendor/list", "{}"),
        ] {
            assert!(between.is_asked(method, params), "{pair:?} {method}");
            assert!(between.is_asked(method, params), "{pair:?} {method}");
        }
    }
}

#[test]
fn without_a_word_from_the_remote_nothing_is_kept_unless_the_user_says_so() {
    for pair in PAIRS {
        for (cache_ttl, is_kept) in [(None, false), (Some(seconds(60)), true)] {
            let mut between = Between::new(pair, cache_ttl);
            between.result = Some(SILENT.to_owned());
            for list in LISTS {
                assert!(between.is_asked(list, "{}"));
                assert_eq!(between.is_asked(list, "{}"), !is_kept, "{pair:?} {list}");
            }
            for method in ["resources/read", "skills/get"] {
                let params = r#"{"uri":"a:b"}"#;
                assert!(between.is_asked(method, params));
                assert!(between.is_asked(method, params), "{pair:?} {method}");
            }
            between.later(60_000);
            assert!(between.is_asked("tools/list", "{}"), "{pair:?}");
        }
    }
}

#[test]
fn a_remote_that_says_that_nothing_lasts_is_believed() {
    for pair in PAIRS {
        for result in [
            r#"{"ttlMs":0,"cacheScope":"public"}"#,
            r#"{"ttlMs":-5,"cacheScope":"public"}"#,
        ] {
            let mut between = Between::new(pair, Some(seconds(60)));
            between.result = Some(result.to_owned());
            assert!(between.is_asked("tools/list", "{}"));
            assert!(between.is_asked("tools/list", "{}"), "{pair:?} {result}");
        }
    }
}

// MCP 2026-07-28, server/utilities/caching
#[test]
fn each_page_is_kept_by_itself_and_progress_makes_no_difference() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        for page in ["{}", r#"{"cursor":""}"#, r#"{"cursor":"b"}"#] {
            assert!(between.is_asked("tools/list", page), "{pair:?} {page}");
        }
        for page in ["{}", r#"{"cursor":""}"#, r#"{ "cursor" : "b" }"#] {
            assert!(!between.is_asked("tools/list", page), "{pair:?} {page}");
        }
        if pair.0 == Era::Legacy {
            let page = r#"{"_meta":{"progressToken":"p"},"cursor":"b"}"#;
            assert!(!between.is_asked("tools/list", page), "{pair:?}");
            let other = r#"{"_meta":{"example.com/tenant":"p"},"cursor":"b"}"#;
            assert!(between.is_asked("tools/list", other), "{pair:?}");
        }
    }
}

#[test]
fn a_refused_cursor_makes_all_pages_of_its_list_doubtful() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        between.is_asked("tools/list", "{}");
        between.is_asked("prompts/list", "{}");
        between.result = None;
        for (params, is_kept) in [(r#"{"filter":1}"#, true), (r#"{"cursor":"c"}"#, false)] {
            between.asks("tools/list", params);
            let post = between.asked.last().unwrap().clone();
            between.refuses(&post, 400, -32602);
            assert_eq!(
                !between.asks("tools/list", "{}").1,
                is_kept,
                "{pair:?} {params}"
            );
        }
        assert!(!between.asks("prompts/list", "{}").1, "{pair:?}");
    }
}

// MCP 2026-07-28, server/utilities/caching
#[test]
fn a_change_that_is_announced_is_seen_at_once() {
    let kept = [
        ("tools/list", "{}"),
        ("prompts/list", "{}"),
        ("resources/list", "{}"),
        ("resources/templates/list", r#"{"cursor":"2"}"#),
        ("resources/read", r#"{"uri":"a:b"}"#),
        ("resources/read", r#"{"uri":"a:c"}"#),
        ("skills/list", "{}"),
        ("skills/get", r#"{"uri":"a:s"}"#),
    ];
    for pair in PAIRS {
        for (note, params, gone) in [
            ("tools/list_changed", None, &[0][..]),
            ("prompts/list_changed", None, &[1]),
            ("resources/list_changed", None, &[2, 3, 4, 5, 6, 7]),
            ("skills/list_changed", None, &[4, 5, 6, 7]),
            ("resources/updated", Some(r#"{"uri":"a:\u0062"}"#), &[4]),
            ("resources/updated", None, &[4, 5, 6, 7]),
            ("message", None, &[]),
        ] {
            let mut between = Between::new(pair, None);
            for (method, params) in kept {
                assert!(between.is_asked(method, params));
            }
            between.notes(&format!("notifications/{note}"), params);
            for (place, (method, params)) in kept.into_iter().enumerate() {
                let is_asked = between.is_asked(method, params);
                assert_eq!(is_asked, gone.contains(&place), "{pair:?} {note} {method}");
            }
        }
    }
}

#[test]
fn an_answer_that_a_change_has_overtaken_is_not_kept() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        between.result = None;
        between.asks("tools/list", "{}");
        between.notes("notifications/tools/list_changed", None);
        let post = between.asked[0].clone();
        between.answers(&post, PUBLIC);
        between.result = Some(PUBLIC.to_owned());
        assert!(between.is_asked("tools/list", "{}"), "{pair:?}");
        assert!(!between.is_asked("tools/list", "{}"), "{pair:?}");
    }
}

// MCP 2026-07-28, server/utilities/caching
#[test]
fn what_is_private_dies_with_the_sign_in_and_what_is_public_does_not() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        between.is_asked("tools/list", "{}");
        between.result = Some(PRIVATE.to_owned());
        between.is_asked("prompts/list", "{}");
        between.translator.update_context(between.now, 1);
        assert!(!between.is_asked("tools/list", "{}"), "{pair:?}");
        assert!(between.is_asked("prompts/list", "{}"), "{pair:?}");
        assert!(!between.is_asked("prompts/list", "{}"), "{pair:?}");

        // A result that arrives after the account has changed.
        between.result = None;
        between.asks("resources/list", "{}");
        between.translator.update_context(between.now, 2);
        let post = between.asked.last().unwrap().clone();
        between.answers(&post, PRIVATE);
        assert!(between.asks("resources/list", "{}").1, "{pair:?}");
    }
}

#[test]
fn who_is_refused_is_told_nothing_from_before() {
    let refused = || {
        let forbidden = HttpError {
            status: 403,
            ..HttpError::default()
        };
        let error = BridgeError::new("sign_in_needed", "no");
        [Arrival::Failed(error), Arrival::Refused(forbidden)]
    };
    for pair in PAIRS {
        for arrival in refused() {
            let mut between = Between::new(pair, None);
            between.result = Some(PRIVATE.to_owned());
            between.is_asked("tools/list", "{}");
            between.result = None;
            between.asks("tools/call", r#"{"name":"x"}"#);
            let post = between.asked.last().unwrap().clone();
            let shown = format!("{pair:?} {arrival:?}");
            between.brings(post.exchange, arrival);
            assert!(between.asks("tools/list", "{}").1, "{shown}");
        }
    }
}

// MCP 2026-07-28, server/utilities/caching
#[test]
fn what_came_of_questions_is_not_kept() {
    let asks = r#"{"resultType":"input_required","ttlMs":10000,"cacheScope":"public","inputRequests":{"q":{"method":"elicitation/create","params":{"mode":"form","message":"?","requestedSchema":{"type":"object","properties":{}}}}},"requestState":"s"}"#;
    let read = r#"{"uri":"a:b"}"#;
    for host in [Era::Legacy, Era::Modern] {
        let mut between = Between::new((host, Era::Modern), None);
        if host == Era::Legacy {
            let able = r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{}}"#;
            between.says(Frame::request(&Id::ours(9), "initialize", Some(able)));
            between.says(Frame::notification("notifications/initialized", None));
        }
        between.result = Some(asks.to_owned());
        between.asks("resources/read", read);
        between.result = Some(PUBLIC.to_owned());
        if host == Era::Legacy {
            let question = between.told.last().unwrap().clone();
            assert_eq!(question.method(), Some("elicitation/create"));
            let answer = Frame::result(
                question.id().unwrap(),
                r#"{"action":"accept","content":{}}"#,
            );
            between.says(answer);
            assert!(between.told.last().unwrap().text().contains("1e400"));
        } else {
            let retry = r#"{"uri":"a:b","requestState":"s","inputResponses":{"q":{"action":"accept","content":{}}}}"#;
            assert!(between.is_asked("resources/read", retry));
            assert!(between.is_asked("resources/read", retry));
        }
        assert!(between.is_asked("resources/read", read), "{host:?}");
        assert!(!between.is_asked("resources/read", read), "{host:?}");
    }
}

#[test]
fn a_host_that_begins_anew_is_told_nothing_from_before() {
    for remote in [Era::Legacy, Era::Modern] {
        let mut between = Between::new((Era::Legacy, remote), None);
        between.is_asked("tools/list", "{}");
        between.open();
        assert!(between.is_asked("tools/list", "{}"), "{remote:?}");
    }
}

#[test]
fn a_session_that_was_lost_takes_its_answers_with_it() {
    let words = Frame::error(None, -32000, "Session not found", None);
    for host in [Era::Legacy, Era::Modern] {
        for (status, frame) in [(404, None), (400, Some(words.clone()))] {
            let mut between = Between::new((host, Era::Legacy), None);
            between.is_asked("tools/list", "{}");
            between.result = None;
            between.asks("tools/call", r#"{"name":"x"}"#);
            let post = between.asked.last().unwrap().clone();
            between.result = Some(PUBLIC.to_owned());
            let refusal = HttpError {
                status,
                frame,
                ..HttpError::default()
            };
            between.brings(post.exchange, Arrival::Refused(refusal));
            assert!(between.is_asked("tools/list", "{}"), "{host:?} {status}");
        }
    }
}

// MCP 2026-07-28, basic/transports/streamable-http
#[test]
fn a_tool_whose_headers_are_refused_is_listed_anew() {
    for host in [Era::Legacy, Era::Modern] {
        let mut between = Between::new((host, Era::Modern), None);
        between.is_asked("tools/list", "{}");
        between.result = None;
        between.asks("tools/call", r#"{"name":"x"}"#);
        let post = between.asked.last().unwrap().clone();
        between.result = Some(PUBLIC.to_owned());
        between.refuses(&post, 400, -32020);
        assert!(between.is_asked("tools/list", "{}"), "{host:?}");
    }
}

#[test]
fn a_cancelled_question_leaves_nothing_behind() {
    for pair in PAIRS {
        let mut between = Between::new(pair, None);
        between.result = None;
        between.asks("tools/list", "{}");
        let cancel = format!(r#"{{"requestId":"host {}"}}"#, between.ids);
        between.says(Frame::notification(
            "notifications/cancelled",
            Some(&cancel),
        ));
        let post = between.asked[0].clone();
        between.answers(&post, PUBLIC);
        between.result = Some(PUBLIC.to_owned());
        assert!(between.is_asked("tools/list", "{}"), "{pair:?}");
    }
}
