//! Messages that were edited are what reading their text gives.

use super::*;

/// The places noted in a message are those that its text has, and so is the outline.
fn assert_is_what_its_text_says(frame: &Frame) {
    let text = frame.text();
    let again = Frame::parse(text).unwrap();
    assert_eq!(again.text(), text);
    assert_eq!(again.outline(), frame.outline(), "{text:.300}");
    assert!(again.0.members == frame.0.members, "{text:.300}");
    assert_eq!(frame.pieces().collect::<String>(), text);
    assert_eq!(frame.length(), text.len());
}

/// An edit of the top level, or of what is within a member of it.
#[derive(Debug, Clone)]
enum Edit {
    Set(usize, usize),
    Remove(usize),
    Within(usize, Box<Self>),
    WithId,
}

const NAMES: [&str; 8] = [
    "id", "result", "params", "error", "_meta", "method", "data", "a\"",
];
const VALUES: [&str; 9] = [
    "1",
    " \"x\" ",
    "null",
    "{}",
    r#"{ "a":{"b":[1, 2]}, "\u0061":1}"#,
    "{\n\"a\":\r\n 1}",
    "[1,]",
    "tru",
    "\"\u{e9}\"",
];

fn edit() -> impl proptest::strategy::Strategy<Value = Edit> {
    use proptest::prelude::*;
    let one = prop_oneof![
        (0..NAMES.len(), 0..VALUES.len()).prop_map(|(name, value)| Edit::Set(name, value)),
        (0..NAMES.len()).prop_map(Edit::Remove),
        Just(Edit::WithId),
    ];
    one.prop_recursive(2, 4, 1, |inner| {
        (0..NAMES.len(), inner).prop_map(|(name, edit)| Edit::Within(name, Box::new(edit)))
    })
}

fn carry_out(edit: &Edit, object: &mut Object) {
    match edit {
        Edit::Set(name, value) => object.set(NAMES[*name], VALUES[*value]),
        Edit::Remove(name) => drop(object.remove(NAMES[*name])),
        Edit::Within(name, edit) => object.edit(NAMES[*name], |inner| carry_out(edit, inner)),
        Edit::WithId => {}
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn an_edited_message_is_what_reading_its_text_gives(
        seed in 0..SEEDS.len() - 1,
        is_long in proptest::prelude::any::<bool>(),
        many in 60..70_usize,
        edits in proptest::collection::vec(edit(), 1..4),
    ) {
        let long = format!("\"data\":\"{}\",", "x".repeat(if is_long { 20_000 } else { 0 }));
        let many: String = (0..many).map(|number| format!("\"m{number}\":1,")).collect();
        let text = SEEDS[seed].replace('{', &format!("{{{long}"));
        let text = if is_long { text } else { text.replacen('{', &format!("{{{many}"), 1) };
        let mut frame = Frame::parse(&text).unwrap();
        for edit in &edits {
            let before = frame.clone();
            frame = match edit {
                Edit::WithId => frame.with_id(&Id::parse("\"new\"").unwrap()),
                edit => frame.edit(|object| carry_out(edit, object)),
            };
            assert_is_what_its_text_says(&frame);
            // As the message is without its notes: read, edited, written and read again.
            let Edit::WithId = edit else {
                let mut object = Object::read(before.text()).unwrap();
                carry_out(edit, &mut object);
                let expected = Frame::parse(&object.text());
                let expected = expected.map_or(before.text().to_owned(), |it| it.text().to_owned());
                assert_eq!(frame.text(), expected);
                continue;
            };
        }
        assert_is_what_its_text_says(&frame.detached());
    }
}

#[test]
fn what_the_bridge_writes_itself_is_what_its_text_says() {
    let id = Id::parse("\"a\\u0062\"").unwrap();
    for params in [
        None,
        Some("{}"),
        Some(r#"{"a":{"b":1},"c":[ ]}"#),
        Some("[1]"),
        Some("null"),
    ] {
        assert_is_what_its_text_says(&Frame::request(&id, "a\"b", params));
        assert_is_what_its_text_says(&Frame::notification("x", params));
        assert_is_what_its_text_says(&Frame::result(&id, params.unwrap_or("1")));
    }
    let data = serde_json::json!({"a": [1]});
    assert_is_what_its_text_says(&Frame::error(None, 1, "a\nb", Some(&data)));
    assert_is_what_its_text_says(&Frame::error(Some(&id), -1, "", None));
}

#[test]
fn a_large_value_that_is_not_edited_is_not_copied() {
    let long = "x".repeat(1 << 20);
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":"{long}"}}}}"#);
    let frame = Frame::parse(&text).unwrap();
    let place = frame.member_in("result", "content").unwrap().as_ptr();
    let edited = frame
        .edit(|message| message.edit("result", |result| result.set("resultType", "1")))
        .with_id(&Id::ours(7))
        .edit(|message| message.edit("result", |result| drop(result.remove("resultType"))));
    assert_eq!(
        edited.member_in("result", "content").unwrap().as_ptr(),
        place
    );
    assert_eq!(edited.id(), Some(&Id::ours(7)));
    assert_eq!(edited.text(), text.replace("\"id\":1", "\"id\":7"));
}

#[test]
fn a_member_of_meta_is_the_last_of_its_name_however_many_there_are() {
    let with = |meta: &str| {
        let params = format!(r#"{{"name":"x","_meta":{meta}}}"#);
        Frame::request(&Id::ours(1), "tools/call", Some(&params))
    };
    for many in [0, 63, 64, 65] {
        let many: String = (0..many)
            .map(|number| format!("\"m{number}\":1,"))
            .collect();
        let frame = with(&format!(r#"{{{many}"a":1, "\u0061" : [2] }}"#));
        for _ in 0..2 {
            assert_eq!(frame.meta("a"), Some("[2]"));
            assert_eq!(frame.meta("b"), None);
        }
        assert_eq!(frame.with_id(&Id::ours(77_777)).meta("a"), Some("[2]"));
    }
    for no_object in ["[]", "1", "null", "\"a\""] {
        assert_eq!(with(no_object).meta("a"), None);
    }
    assert_eq!(frame(r#"{"jsonrpc":"2.0","method":"x"}"#).meta("a"), None);
}
