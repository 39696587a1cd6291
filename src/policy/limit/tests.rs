use super::*;
use crate::policy::rule::Origin;
use proptest::prelude::*;

const SECOND: u64 = 1_000_000_000;

fn limit<T>(tools: Option<&str>, value: T, key: &'static str, text: &str) -> Limit<T> {
    Limit {
        tools: tools.map(|tools| Pattern::read(tools).unwrap()),
        value,
        rule: Rule {
            key,
            value: text.to_owned(),
            origin: Origin::Flag(match key {
                "rate-limit" => "--rate-limit",
                _ => "--max-concurrent",
            }),
        },
    }
}

fn rate(tools: Option<&str>, count: u32, seconds: u64) -> Limit<Rate> {
    let per = Duration::from_secs(seconds);
    let text = format!("{count}/{seconds}s");
    let text = tools.map_or(text.clone(), |tools| format!("{tools}={text}"));
    limit(tools, Rate { count, per }, "rate-limit", &text)
}

fn at_once(tools: Option<&str>, count: u32) -> Limit<u32> {
    limit(tools, count, "max-concurrent", &count.to_string())
}

fn tool(name: &str) -> Frame {
    let text =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#);
    Frame::parse(&text).unwrap()
}

#[test]
fn a_bucket_allows_its_calls_at_once_and_then_one_for_each_that_is_refilled() {
    let limits = Limits::new(&[rate(None, 5, 10)], &[]);
    let (mut state, call) = (State::default(), limits.for_frame(&tool("x")));
    let start = 1000 * SECOND;
    for _ in 0..5 {
        limits.admit(&call, &mut state, 1, start).unwrap();
    }
    let refused = limits
        .admit(&call, &mut state, 1, start + SECOND / 2)
        .unwrap_err();
    assert_eq!(refused.wait, Duration::from_millis(1500));
    // The time that was said is the one.
    limits
        .admit(&call, &mut state, 1, start + 2 * SECOND - 1)
        .unwrap_err();
    limits
        .admit(&call, &mut state, 1, start + 2 * SECOND)
        .unwrap();
    limits
        .admit(&call, &mut state, 1, start + 2 * SECOND)
        .unwrap_err();
    let passed = (0..9).filter(|_| {
        limits
            .admit(&call, &mut state, 1, start + 60 * SECOND)
            .is_ok()
    });
    assert_eq!(passed.count(), 5);
}

#[test]
fn a_call_takes_from_all_its_limits_or_from_none() {
    let limits = Limits::new(
        &[rate(None, 10, 60), rate(Some("delete_*"), 1, 60)],
        &[at_once(None, 4)],
    );
    let (delete, read) = (
        limits.for_frame(&tool("delete_x")),
        limits.for_frame(&tool("read")),
    );
    assert_eq!((delete.len(), read.len()), (3, 2));
    let mut state = State::default();
    limits.admit(&delete, &mut state, 1, 0).unwrap();
    let before = state.clone();
    let refused = limits.admit(&delete, &mut state, 1, 0).unwrap_err();
    assert_eq!((refused.by.len(), state == before), (1, true));
    for _ in 0..3 {
        limits.admit(&read, &mut state, 1, 0).unwrap();
    }
    // Now the calls under way refuse, and the bucket for all keeps its six.
    let refused = limits.admit(&read, &mut state, 1, 0).unwrap_err();
    assert!(limits.is_about_places(&refused) && refused.least.is_zero());
    limits.end(&read, &mut state, 1);
    limits.admit(&read, &mut state, 1, 0).unwrap();
}

#[test]
fn calls_of_all_processes_are_under_way_and_end_with_their_own() {
    let limits = Limits::new(&[], &[at_once(None, 3)]);
    let (mut state, call) = (State::default(), limits.for_frame(&tool("x")));
    for process in [1, 2, 2] {
        limits.admit(&call, &mut state, process, 0).unwrap();
    }
    limits.admit(&call, &mut state, 1, 0).unwrap_err();
    // An end too many takes no place from another process.
    limits.end(&call, &mut state, 1);
    limits.end(&call, &mut state, 1);
    limits.admit(&call, &mut state, 3, 0).unwrap();
    limits.admit(&call, &mut state, 1, 0).unwrap_err();
    assert_eq!(state.processes(), [1, 2, 3]);
}

#[test]
fn limits_that_are_alike_count_once_and_the_lower_of_two_numbers_at_once_counts() {
    let limits = Limits::new(
        &[rate(None, 60, 60), rate(None, 60, 60), rate(None, 1, 1)],
        &[at_once(None, 5), at_once(None, 2), at_once(None, 7)],
    );
    let (mut state, call) = (State::default(), limits.for_frame(&tool("x")));
    assert_eq!(call.len(), 3);
    limits.admit(&call, &mut state, 1, 0).unwrap();
    limits.admit(&call, &mut state, 1, SECOND).unwrap();
    assert!(limits.is_about_places(&limits.admit(&call, &mut state, 1, 9 * SECOND).unwrap_err()));
    // A process that allows more sees the same calls.
    let other = Limits::new(&[], &[at_once(None, 3)]);
    other
        .admit(&other.for_frame(&tool("x")), &mut state, 2, 0)
        .unwrap();
    other
        .admit(&other.for_frame(&tool("x")), &mut state, 2, 0)
        .unwrap_err();
}

#[test]
fn a_clock_that_was_set_forward_and_back_holds_a_limit_up_for_no_longer_than_its_own_time() {
    let limits = Limits::new(&[rate(None, 2, 60)], &[]);
    let (mut state, call) = (State::default(), limits.for_frame(&tool("x")));
    let now = 1_000_000 * SECOND;
    limits
        .admit(&call, &mut state, 1, now + 86_400 * SECOND)
        .unwrap();
    let refused = limits.admit(&call, &mut state, 1, now).unwrap_err();
    assert_eq!(refused.wait, Duration::from_secs(30));
    limits
        .admit(&call, &mut state, 1, now + 30 * SECOND)
        .unwrap();
}

#[test]
fn calls_prompts_resources_and_completions_count_and_upkeep_does_not() {
    let limits = Limits::new(&[rate(None, 1, 60), rate(Some("x*"), 1, 60)], &[]);
    for (method, expected) in [
        ("tools/call", 2),
        ("prompts/get", 1),
        ("resources/read", 1),
        ("completion/complete", 1),
        ("initialize", 0),
        ("tools/list", 0),
        ("tasks/get", 0),
        ("ping", 0),
    ] {
        let text =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"name":"x1"}}}}"#);
        let applied = limits.for_frame(&Frame::parse(&text).unwrap());
        assert_eq!(applied.len(), expected, "{method}");
    }
    // A server may trim a name, or take no notice of its case.
    for (name, expected) in [(" X1", 2), ("X\\u200b1", 2), ("y", 1), ("", 1)] {
        assert_eq!(limits.for_frame(&tool(name)).len(), expected, "{name}");
    }
    // A server may carry a notification out; it has no answer that would end it.
    let limits = Limits::new(&[rate(None, 1, 60)], &[at_once(None, 1)]);
    let notice = r#"{"jsonrpc":"2.0","method":"Tools/call","params":{"name":"x"}}"#;
    let applied = limits.for_frame(&Frame::parse(notice).unwrap());
    assert_eq!((applied.len(), limits.places_of(&applied).len()), (1, 0));
}

#[test]
fn a_refusal_says_the_rule_and_the_time() {
    let limits = Limits::new(&[rate(Some("delete_*"), 5, 60)], &[at_once(None, 1)]);
    let (mut state, call) = (State::default(), limits.for_frame(&tool("delete_x")));
    limits.admit(&call, &mut state, 1, 0).unwrap();
    let refused = limits.admit(&call, &mut state, 1, 0).unwrap_err();
    let refusal = limits.refusal(&refused).unwrap();
    assert_eq!(
        (refusal.kind, refusal.retry_after),
        (RATE_LIMITED, Some(PLACE_PAUSE))
    );
    assert_eq!(
        refusal.message,
        "The policy allows 1 call at once to this server and account, from all of this machine, and as many are under way."
    );
    limits.end(&call, &mut state, 1);
    for _ in 0..4 {
        limits.admit(&call, &mut state, 1, 0).unwrap();
        limits.end(&call, &mut state, 1);
    }
    let refused = limits.admit(&call, &mut state, 1, SECOND).unwrap_err();
    let refusal = limits.refusal(&refused).unwrap();
    assert_eq!(
        refusal.message,
        "The policy allows 5 calls of tools that match delete_* in 1 minute to this server and account, from all of this machine, and as many were made."
    );
    assert_eq!(refusal.hint.unwrap(), "try again in 11 s");
}

#[test]
fn a_time_that_the_number_does_not_divide_allows_no_call_more() {
    let value = Rate {
        count: 3,
        per: Duration::from_nanos(10),
    };
    let limits = Limits::new(&[limit(None, value, "rate-limit", "")], &[]);
    let (mut state, call) = (State::default(), limits.for_frame(&tool("x")));
    let passed = (1..=1000).filter(|now| limits.admit(&call, &mut state, 1, *now).is_ok());
    assert!(passed.count() <= 3 + 300);
}

#[test]
fn times_are_written_as_people_write_them() {
    for (millis, expected) in [
        (1, "0.001 s"),
        (1_500, "1.5 s"),
        (12_001, "13 s"),
        (60_000, "1 minute"),
        (90_000, "90 s"),
        (119_500, "2 minutes"),
        (600_000, "10 minutes"),
        (3_600_000, "1 hour"),
        (5_400_000, "90 minutes"),
        (86_400_000, "1 day"),
        (180_000_000, "50 hours"),
        (9_000_500_000, "105 days"),
    ] {
        assert_eq!(time(Duration::from_millis(millis)), expected, "{millis}");
    }
}

proptest! {
    /// In any stretch of time, calls are at most one bucket and what is refilled; the time that a refusal states is the
    /// earliest; and a bucket lets as many pass as it says.
    #[test]
    fn no_stretch_of_time_has_more_calls_than_the_bucket(
        count in 1_u32..40,
        per in 1_u64..100_000_000_000,
        pauses in proptest::collection::vec(0_u64..9_000_000_000, 1..200),
    ) {
        let value = Rate { count, per: Duration::from_nanos(per) };
        let limits = Limits::new(&[limit(None, value, "rate-limit", "")], &[]);
        let (mut state, call) = (State::default(), limits.for_frame(&tool("x")));
        let mut now = 5_000_000_000_000;
        let mut passed = Vec::new();
        for pause in pauses {
            now += pause;
            match limits.admit(&call, &mut state, 1, now) {
                Ok(()) => passed.push(now),
                Err(excess) => {
                    let wait = u64::try_from(excess.wait.as_nanos()).unwrap();
                    prop_assert!(wait <= per.div_ceil(u64::from(count)).max(1));
                    prop_assert!(limits.admit(&call, &mut state.clone(), 1, now + wait - 1).is_err());
                    prop_assert!(limits.admit(&call, &mut state.clone(), 1, now + wait).is_ok());
                }
            }
        }
        prop_assert!(passed.len() >= usize::try_from(count).unwrap().min(passed.len()));
        for (at, first) in passed.iter().enumerate() {
            for (behind, last) in passed[at..].iter().enumerate() {
                let refilled = u128::from(last - first) * u128::from(count) / u128::from(per);
                prop_assert!(u128::try_from(behind).unwrap() < u128::from(count) + refilled + 1);
            }
        }
    }
}
