use super::*;
use proptest::prelude::*;
use serde::de::IgnoredAny;

/// The values of an array as this scanner finds them.
fn found(text: &str) -> Option<Vec<&str>> {
    let mut values = Vec::new();
    elements(text, |place| values.push(place.value(text)))?;
    Some(values)
}

/// The same by serde_json.
fn expected(text: &str) -> Option<Vec<&str>> {
    let values: Vec<&serde_json::value::RawValue> = serde_json::from_str(text).ok()?;
    Some(
        values
            .into_iter()
            .map(serde_json::value::RawValue::get)
            .collect(),
    )
}

/// Values and what is nearly one: every token of the grammar, whole and cut.
fn value() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        r#"-?(0|[1-9][0-9]{0,3})(\.[0-9]{1,2})?([eE][+-]?[0-9]{1,2})?"#,
        r#""([a-z]{0,40}|\\["\\/bfnrtu]|\\u[0-9a-fA-F]{3,4}|é|\x00|\x1f|\x7f){0,6}""#,
        "(true|false|null|tru|-|01|1\\.|\\.1|1e|[+]1|\"|nul)",
    ];
    token.prop_recursive(4, 24, 4, |inner| {
        let many = prop::collection::vec(inner, 0..4);
        let space = "[ \t\n\r]{0,2}";
        (many, space, "(\\[@\\]|\\{#\\}|\\[@,\\]|\\{@\\}|\\[@|@\\])").prop_map(
            |(values, space, form)| {
                let object: Vec<_> = values
                    .iter()
                    .map(|value| format!("\"a\"{space}:{value}"))
                    .collect();
                let list = values.join(&format!("{space},{space}"));
                form.replace('@', &list)
                    .replace('#', &object.join(&format!(",{space}")))
            },
        )
    })
}

proptest! {
    #[test]
    fn accepts_and_finds_what_serde_json_does(values in prop::collection::vec(value(), 0..3)) {
        let text = format!("[{}]", values.join(","));
        prop_assert_eq!(found(&text), expected(&text));
        let object = format!("{{\"a\":{text}}}");
        prop_assert_eq!(members(&object, |_| {}).is_some(), serde_json::from_str::<IgnoredAny>(&object).is_ok());
    }

    #[test]
    fn the_members_of_members_are_those_that_each_has_alone(values in prop::collection::vec(value(), 0..3), many in 0..80usize) {
        let many: Vec<_> = (0..many).map(|number| format!("\"m{number}\":1")).collect();
        let text = format!("{{\"many\":{{{}}},\"a\":[{}]}}", many.join(","), values.join(","));
        let text = values.iter().fold(text, |text, value| text.replacen('{', &format!("{{\"v\":{value},"), 1));
        let mut count = 0;
        let Some((found, _)) = message(&text, |_| count += 1) else {
            prop_assert!(serde_json::from_str::<IgnoredAny>(&text).is_err());
            return Ok(());
        };
        let found = found.unwrap();
        prop_assert_eq!(found.len(), count);
        for member in found {
            let mut alone = Vec::new();
            let value = member.place.value(&text);
            let is_object = members(value, |place| alone.push(place.value(value).to_owned())).is_some();
            let noted = member.members.map(|places| places.iter().map(|place| place.value(value).to_owned()).collect());
            prop_assert_eq!(noted, (is_object && alone.len() <= MAX_NOTED).then_some(alone));
        }
    }

    #[test]
    fn of_more_members_than_are_noted_none_is_but_each_is_called_back(count in 60..70usize) {
        let text: Vec<_> = (0..count).map(|number| format!("\"m{number}\":1")).collect();
        let mut called = 0;
        let (found, _) = message(&format!("{{{}}}", text.join(",")), |_| called += 1).unwrap();
        prop_assert_eq!(called, count);
        prop_assert_eq!(found.map(|found| found.len()), (count <= MAX_NOTED).then_some(count));
    }

    #[test]
    fn a_special_byte_is_seen_wherever_it_stands_in_a_block(before in 0..300usize, after in 0..300usize) {
        let (before, after) = ("x".repeat(before), "y".repeat(after));
        for special in ["\\n", "\"", "\n", "\u{1}", "\u{7f}", "\u{80}", "\\"] {
            let text = format!("[\"{before}{special}{after}\"]");
            prop_assert_eq!(found(&text), expected(&text));
        }
    }
}

/// At the start and the end of words and blocks. A byte that is no UTF-8 makes no text, and does not come so far.
#[test]
fn each_byte_inside_a_string_is_taken_or_refused_as_by_serde_json() {
    for byte in 0..=u8::MAX {
        for before in [0, 6, 7, 8, 55, 56, 63, 64, 65, 127, 128, 191, 192] {
            let text = [b"[\"", &*vec![b'x'; before], &[byte], &[b'y'; 9], b"\"]"].concat();
            let is_json = serde_json::from_slice::<IgnoredAny>(&text).is_ok();
            if let Ok(text) = std::str::from_utf8(&text) {
                assert_eq!(found(text).is_some(), is_json, "{byte} {before}");
            }
        }
    }
}

#[test]
fn depth_has_no_limit_and_costs_no_stack() {
    for depth in [1, 127, 128, 129, 1_000_000] {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(
            found(&text).map(|found| found.len()),
            Some(usize::from(depth > 1))
        );
        assert_eq!(found(text.get(1..).unwrap()), None);
        assert_eq!(found(text.get(..text.len() - 1).unwrap()), None);
    }
}
