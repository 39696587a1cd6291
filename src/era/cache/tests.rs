use std::time::Duration;

use super::entries::{Entries, MAX_BYTES, MAX_ENTRIES};
use super::key::{CacheableRequest, Freshness};
use super::*;
use crate::era::protocol::Content;

fn request(method: &str, params: &str) -> Frame {
    Frame::request(&Id::ours(1), method, Some(params))
}

fn key(method: &str, params: &str) -> Option<String> {
    let frame = request(method, params);
    Some(CacheableRequest::of(&frame)?.key(&frame))
}

const SECOND: Duration = Duration::from_secs(1);
const LIFE: Freshness = Freshness {
    ttl: SECOND,
    is_private: true,
};

// MCP 2026-07-28, server/utilities/caching
#[test]
fn what_may_change_a_result_makes_another_question() {
    let same = [
        r#"{"cursor":"a","_meta":{"x":1,"y":2}}"#,
        r#"{"_meta":{"y":2,"x":1}, "cursor" : "a"}"#,
        r#"{"cursor":"a","_meta":{"x":1,"progressToken":7,"y":2,"traceparent":"00"}}"#,
    ]
    .map(|params| key("tools/list", params).unwrap());
    assert!(same.iter().all(|one| *one == same[0]), "{same:?}");
    for other in [
        "{}",
        r#"{"cursor":"b","_meta":{"x":1,"y":2}}"#,
        r#"{"cursor":"a"}"#,
        r#"{"cursor":"a","_meta":{"x":2,"y":2}}"#,
        r#"{"cursor":"a","_meta":{"x":1,"y":2},"filter":1}"#,
        r#"{"cursor":"a","cursor":"b","_meta":{"x":1,"y":2}}"#,
    ] {
        assert_ne!(key("tools/list", other).unwrap(), same[0], "{other}");
    }
    assert_ne!(key("prompts/list", "{}"), key("tools/list", "{}"));
    assert_eq!(
        key("tools/list", "{}"),
        CacheableRequest::of(&Frame::request(&Id::ours(2), "tools/list", None))
            .map(|request| request.key(&Frame::request(&Id::ours(2), "tools/list", None)))
    );
}

// MCP 2026-07-28, server/utilities/caching
#[test]
fn only_what_the_table_says_and_no_round_of_questions_may_be_kept() {
    for (method, params) in [
        ("tools/call", "{}"),
        ("prompts/get", "{}"),
        ("completion/complete", "{}"),
        ("subscriptions/listen", "{}"),
        ("resources/directory/read", r#"{"uri":"a:"}"#),
        ("events/list", "{}"),
        ("vendor/list", "{}"),
        ("resources/read", r#"{"uri":"a:","inputResponses":{}}"#),
        ("resources/read", r#"{"uri":"a:","requestState":"s"}"#),
        ("tools/list", "[]"),
    ] {
        assert_eq!(key(method, params), None, "{method} {params}");
    }
    for method in ["server/discover", "skills/list", "skills/get"] {
        assert!(key(method, "{}").is_some(), "{method}");
    }
    let note = Frame::notification("tools/list", None);
    assert_eq!(CacheableRequest::of(&note), None);
}

// MCP 2026-07-28, server/utilities/caching and basic
#[test]
fn a_life_is_what_the_remote_says_it_is() {
    let default = Some(Duration::from_secs(9));
    let of = |result: &str, kind| {
        Freshness::of(&Frame::result(&Id::ours(1), result), kind, default)
            .map(|freshness| (freshness.ttl.as_millis(), freshness.is_private))
    };
    for (result, wanted) in [
        (r#"{"ttlMs":5,"cacheScope":"public"}"#, Some((5, false))),
        (r#"{"ttlMs":5,"cacheScope":"private"}"#, Some((5, true))),
        (r#"{"ttlMs":5,"cacheScope":"shared"}"#, Some((5, true))),
        (r#"{"ttlMs":5}"#, Some((5, true))),
        (r#"{"resultType":"complete","ttlMs":5}"#, Some((5, true))),
        (r#"{"resultType":"input_required","ttlMs":5}"#, None),
        (r#"{"resultType":"input_required"}"#, None),
        (r#"{"ttlMs":0}"#, None),
        (r#"{"ttlMs":-1}"#, None),
        (r#"{"ttlMs":"5"}"#, None),
        (r#"{"ttlMs":5.5}"#, None),
        (r#"{"ttlMs":1e400}"#, None),
        (r#"{"ttlMs":null}"#, Some((9000, true))),
        (r#"{"cacheScope":"public"}"#, Some((9000, true))),
        ("7", None),
    ] {
        assert_eq!(of(result, Content::Page), wanted, "{result}");
    }
    assert_eq!(of("{}", Content::Resource), None);
    assert_eq!(of("{}", Content::Description), None);
    assert_eq!(of(r#"{"ttlMs":5}"#, Content::Resource), Some((5, true)));
}

fn put(entries: &mut Entries, key: &str, result: &str) {
    let first = CacheableRequest::of(&request("tools/list", "{}")).unwrap();
    let answer = Frame::result(&Id::ours(1), result);
    entries.put(key.to_owned(), first, &answer, None, (LIFE, Duration::ZERO));
}

#[test]
fn few_are_kept_and_the_oldest_goes_first() {
    let mut entries = Entries::default();
    for number in 0..=MAX_ENTRIES {
        put(&mut entries, &number.to_string(), "{}");
    }
    assert!(entries.serve("0", Duration::ZERO).is_none());
    assert!(entries.serve("1", Duration::ZERO).is_some());
    // An answer in the place of another pushes none out.
    put(&mut entries, "1", "{}");
    assert!(entries.serve("2", Duration::ZERO).is_some());
}

#[test]
fn they_are_kept_within_bytes_too() {
    let large = format!(r#"{{"x":"{}"}}"#, "x".repeat(MAX_BYTES / 3));
    let mut entries = Entries::default();
    for key in ["a", "b", "c"] {
        put(&mut entries, key, &large);
    }
    let kept = ["a", "b", "c"].map(|key| entries.serve(key, Duration::ZERO).is_some());
    assert_eq!(kept, [false, true, true]);
    // An answer that is too large for the whole cache pushes none out.
    put(&mut entries, "d", &large.repeat(3).replace("}{", ","));
    let kept = ["b", "c", "d"].map(|key| entries.serve(key, Duration::ZERO).is_some());
    assert_eq!(kept, [true, true, false]);
}

// MCP 2026-07-28, server/utilities/caching
#[test]
fn an_answer_ages_and_is_otherwise_what_it_was() {
    let mut entries = Entries::default();
    let stated = r#"{ "b":1e400, "ttlMs" : 1000 ,"tools":[],"a":"\u0061"}"#;
    put(&mut entries, "k", stated);
    let mut at = |millis| {
        let answer = entries.serve("k", Duration::from_millis(millis))?;
        Some(answer.member("result").unwrap().to_owned())
    };
    assert_eq!(at(0).as_deref(), Some(stated));
    assert_eq!(at(400), Some(stated.replace("1000", "600")));
    assert_eq!(at(999), Some(stated.replace("1000", "1")));
    assert_eq!(at(1000), None);
    assert_eq!(at(0), None, "what was stale is gone");
}

#[test]
fn a_life_told_shorter_than_it_is_stays_as_it_was_told() {
    let mut entries = Entries::default();
    put(&mut entries, "k", r#"{"ttlMs":0}"#);
    let answer = entries.serve("k", Duration::from_millis(1)).unwrap();
    assert_eq!(answer.member("result"), Some(r#"{"ttlMs":0}"#));
}
