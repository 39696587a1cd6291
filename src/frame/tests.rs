use super::*;

fn frame(text: &str) -> Frame {
    Frame::parse(text).unwrap()
}

#[test]
fn a_frame_nobody_edits_leaves_as_it_came() {
    for text in [
        r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"x","params":{"big":1e400,"n":123456789012345678901234567890}}"#,
        r#"{ "method" : "x", "zz":{"b":1,"a":2,"b":3},"jsonrpc":"2.0" , "id":"\u0061\/" }"#,
        "{\"jsonrpc\":\"2.0\",\"method\":\"x\",\"params\":{\"s\":\"\\ud800 \u{2028} é\\u00e9\"}}",
        r#"{"jsonrpc":"2.0","id":1,"result":{"float":1.0,"exp":1E+2,"neg":-0}}"#,
    ] {
        assert_eq!(frame(text).text(), text);
    }
}

#[test]
fn deep_nesting_is_carried_not_followed() {
    let depth = 100_000;
    let text = format!(
        r#"{{"jsonrpc":"2.0","method":"x","params":{}{}}}"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    assert_eq!(frame(&text).text().len(), text.len());
}

#[test]
fn line_breaks_between_tokens_go_and_nothing_else() {
    let pretty = "{\n  \"jsonrpc\": \"2.0\",\r\n  \"id\": 1,\n  \"result\": {\"a\": \"x\\ny\"}\n}";
    assert_eq!(
        frame(pretty).text(),
        r#"{  "jsonrpc": "2.0",  "id": 1,  "result": {"a": "x\ny"}}"#
    );
}

#[test]
fn ids_keep_type_and_value() {
    let ids = ["1", "1.0", "\"1\"", "-0", "0", "\"\""].map(|text| Id::parse(text).unwrap());
    for (i, a) in ids.iter().enumerate() {
        for (j, b) in ids.iter().enumerate() {
            assert_eq!(a == b, i == j, "{a} and {b}");
        }
    }
    assert_eq!(Id::parse(r#""a""#), Id::parse(r#""\u0061""#));
    assert_ne!(Id::parse(r#""\"""#), Id::parse(r#""\\\"""#));
    for bad in ["null", "true", "{}", "[1]", "", "01", "\"\\x\""] {
        assert_eq!(Id::parse(bad), None, "{bad}");
    }
}

#[test]
fn what_is_not_a_message_says_so_with_the_right_code() {
    for (text, code, id) in [
        ("{", PARSE_ERROR, None),
        ("nonsense", PARSE_ERROR, None),
        (r#"{"jsonrpc":"2.0"} {}"#, PARSE_ERROR, None),
        ("3", INVALID_REQUEST, None),
        (r#"{"jsonrpc":"2.0","id":4}"#, INVALID_REQUEST, Some("4")),
        (
            r#"{"jsonrpc":"1.0","id":4,"method":"x"}"#,
            INVALID_REQUEST,
            Some("4"),
        ),
        (r#"{"id":"q","method":"x"}"#, INVALID_REQUEST, Some("\"q\"")),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":{},"method":"x"}"#,
            INVALID_REQUEST,
            None,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            INVALID_REQUEST,
            Some("1"),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#,
            INVALID_REQUEST,
            Some("1"),
        ),
    ] {
        let found = Frame::parse(text).unwrap_err();
        assert_eq!(
            (found.code, found.id.as_ref().map(Id::text)),
            (code, id),
            "{text}"
        );
        assert!(frame(found.reply().text()).is_response());
    }
}

#[test]
fn a_batch_is_judged_member_by_member() {
    let Parsed::Batch(members) = Parsed::read(
        r#" [{"jsonrpc":"2.0","method":"x"}, 3, {"jsonrpc":"2.0","id":1,"method":"y"}] "#,
    )
    .unwrap() else {
        panic!("not a batch")
    };
    assert_eq!(
        members.iter().map(Result::is_ok).collect::<Vec<_>>(),
        [true, false, true]
    );
    assert_eq!(Parsed::read("[]").unwrap_err().code, INVALID_REQUEST);
    assert_eq!(Parsed::read("[1,").unwrap_err().code, PARSE_ERROR);
}

#[test]
fn a_new_id_leaves_the_rest_alone() {
    let before = frame(r#"{"a":{"id":1}, "id" : "x" ,"jsonrpc":"2.0","method":"m","z":1e400}"#);
    let after = before.with_id(&Id::ours(7));
    assert_eq!(
        after.text(),
        r#"{"a":{"id":1}, "id" : 7 ,"jsonrpc":"2.0","method":"m","z":1e400}"#
    );
    assert_eq!(after.id(), Some(&Id::ours(7)));
    for (before, after) in [
        // A reader may take the first of two.
        (
            r#"{"id":1,"jsonrpc":"2.0","method":"m","id":2}"#,
            r#"{"id":7,"jsonrpc":"2.0","method":"m","id":7}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","error":{"code":1}}"#,
            r#"{"id":7,"jsonrpc":"2.0","error":{"code":1}}"#,
        ),
    ] {
        let id = Id::parse("7").unwrap();
        assert_eq!(frame(before).with_id(&id).text(), after);
    }
}

#[test]
fn members_are_found_by_name_and_cancellations_by_id() {
    let cancel = frame(
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId": "7" ,"reason":"x"}}"#,
    );
    assert_eq!(cancel.cancels(), Id::parse("\"7\""));
    assert_eq!(cancel.param("reason"), Some("\"x\""));
    assert_eq!(cancel.param("none"), None);
    assert_eq!(member_of("[1]", "x"), None);
}

#[test]
fn a_trouble_is_an_error_for_people_and_for_programs() {
    let reply = Trouble::new("unreachable", "Nobody answers.")
        .hint("Try later.")
        .retryable()
        .reply(&Id::ours(1));
    let value: Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!(value["error"]["code"], INTERNAL_ERROR);
    assert_eq!(value["error"]["message"], "Nobody answers. Try later.");
    assert_eq!(value["error"]["data"]["kind"], "unreachable");
    assert_eq!(value["error"]["data"]["retryable"], true);
}
