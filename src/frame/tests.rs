use super::*;
use serde_json::Value;

mod edits;

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
    assert_eq!(Parsed::read("[1]]").unwrap_err().code, PARSE_ERROR);
}

#[test]
fn a_batch_has_a_bound_that_is_looked_at_while_it_is_read() {
    let of = |members: usize| format!("[{}]", vec!["{}"; members].join(","));
    let Parsed::Batch(members) = Parsed::read(&of(MAX_BATCH)).unwrap() else {
        panic!("not a batch")
    };
    assert_eq!(members.len(), MAX_BATCH);
    let refused = Parsed::read(&of(MAX_BATCH + 1)).unwrap_err();
    assert_eq!(refused.code, INVALID_REQUEST);
    assert_eq!(refused.reason, "a batch of more than 1000 messages");
    // One reply for all of it, and no text of megabytes taken apart.
    assert_eq!(
        Parsed::read(&of(4_000_000)).unwrap_err().code,
        INVALID_REQUEST
    );
    let unfinished = of(MAX_BATCH + 1).replace(']', ",");
    assert_eq!(Parsed::read(&unfinished).unwrap_err().code, PARSE_ERROR);
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
    let reply = BridgeError::new("unreachable", "Nobody answers.")
        .hint("Try later.")
        .retryable()
        .reply(&Id::ours(1));
    let value: Value = serde_json::from_str(reply.text()).unwrap();
    assert_eq!(value["error"]["code"], INTERNAL_ERROR);
    assert_eq!(value["error"]["message"], "Nobody answers. Try later.");
    assert_eq!(value["error"]["data"]["kind"], "unreachable");
    assert_eq!(value["error"]["data"]["retryable"], true);
}

#[test]
fn a_notification_whose_id_is_null_is_one_and_leaves_without_it() {
    for (text, expected) in [
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"id":null} , "id" : null }"#,
            r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"id":null}  }"#,
        ),
        (
            r#"{"\u0069d":null,"jsonrpc":"2.0","id":null,"method":"notifications/x"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/x"}"#,
        ),
    ] {
        let frame = frame(text);
        assert!(
            matches!(frame.outline(), Outline::Notification { .. }),
            "{text}"
        );
        assert_eq!(frame.text(), expected);
        assert!(!frame.is_request() && frame.id().is_none());
    }
    // A request that wants an answer has to say under which id, and an id of another kind is none.
    for text in [
        r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":{},"method":"notifications/initialized"}"#,
    ] {
        assert_eq!(Frame::parse(text).unwrap_err().code, INVALID_REQUEST);
    }
}

#[test]
fn an_id_that_a_server_writes_in_its_own_way_is_like_the_hosts() {
    let id = |text: &str| Id::parse(text).unwrap();
    for (ours, theirs, is_like) in [
        ("1", "\"1\"", true),
        ("1", "1.0", true),
        ("1", "1e0", true),
        ("\"1\"", "1", true),
        ("\"a\"", "\"\\u0061\"", true),
        ("1", "2", false),
        ("1", "0", false),
        ("\"a\"", "\"A\"", false),
        ("9007199254740993", "9007199254740992", false),
        ("9007199254740993", "\"9007199254740993\"", true),
    ] {
        assert_eq!(id(ours).is_like(&id(theirs)), is_like, "{ours} {theirs}");
    }
}
/// Member names that only a careless reader takes for `id`, `result` or `method`, and text that is no JSON.
#[test]
fn text_that_the_host_would_read_differently_is_refused() {
    for name in ["i\nd", "i\rd", "\nid", "id\t", "i\0d", "\u{1}", "\u{1f}x"] {
        for text in [
            format!(r#"{{"jsonrpc":"2.0","id":1,"{name}":2,"result":{{}}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"{name}":2}}}}"#),
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"a":{{"{name}":2}}}}}}"#),
            format!(r#"[{{"jsonrpc":"2.0","method":"m","{name}":2}}]"#),
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{name}"}}"#),
        ] {
            let code = match Parsed::read(&text) {
                Err(malformed) => malformed.code,
                Ok(Parsed::Batch(members)) => members[0].as_ref().unwrap_err().code,
                Ok(Parsed::One(frame)) => panic!("taken: {:?}", frame.text()),
            };
            assert_eq!(code, PARSE_ERROR, "{text:?}");
        }
    }
}

/// The outline as any other reader of JSON finds it, written again in one form.
fn outline_elsewhere(text: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let id = value.get("id").map(ToString::to_string);
    let method = value.get("method").map(ToString::to_string);
    Ok(format!(
        "{id:?} {method:?} {}",
        value.get("error").is_some()
    ))
}

fn outline_here(frame: &Frame) -> String {
    let id = frame.id().map(|id| {
        let value: Value = serde_json::from_str(id.text()).unwrap();
        value.to_string()
    });
    let method = frame.method().map(|it| Value::from(it).to_string());
    let failed = matches!(frame.outline(), Outline::Response { failed: true, .. });
    format!("{id:?} {method:?} {failed}")
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig {
        failure_persistence: None,
        ..Default::default()
    })]
    #[test]
    fn what_is_accepted_is_json_and_is_written_with_the_outline_that_was_read(
        seed in 0..SEEDS.len(),
        changes in proptest::collection::vec((0_usize..200, 0..PIECES.len(), 0_usize..3), 0..4),
    ) {
        let mut text: Vec<char> = SEEDS[seed].chars().collect();
        for (place, piece, taken) in changes {
            let place = place % (text.len() + 1);
            let end = (place + taken).min(text.len());
            text.splice(place..end, PIECES[piece].chars());
        }
        let text: String = text.into_iter().collect();
        let frames = match Parsed::read(&text) {
            Err(_) => Vec::new(),
            Ok(Parsed::One(frame)) => vec![frame],
            Ok(Parsed::Batch(members)) => members.into_iter().flatten().collect(),
        };
        for frame in frames {
            let again = Frame::parse(frame.text()).unwrap();
            assert_eq!(again.outline(), frame.outline());
            assert!(!frame.text().contains(['\n', '\r']));
            match outline_elsewhere(frame.text()) {
                Ok(elsewhere) => {
                    // A null id is no id, in an answer.
                    let elsewhere = elsewhere.replace(r#"Some("null")"#, "None");
                    assert_eq!(outline_here(&frame), elsewhere, "{:?}", frame.text());
                }
                // JSON all the same (RFC 8259 sections 6 and 8.2), which passes untouched.
                Err(why) => assert!(
                    why.contains("number out of range") || why.contains("surrogate") || why.contains("hex escape"),
                    "{why}: {:?}", frame.text()
                ),
            }
        }
    }
}

const SEEDS: [&str; 5] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"id":2}}}"#,
    r#"{"jsonrpc":"2.0","id":"x","result":{"content":[{"type":"text","text":"t"}]}}"#,
    r#"{ "id" : 1.50 , "jsonrpc" : "2.0" , "error" : { "code" : -32601 , "message" : "no" } }"#,
    r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1e3}}"#,
    r#"[{"jsonrpc":"2.0","id":7,"method":"ping"},{"jsonrpc":"2.0","id":7,"result":{}}]"#,
];
const PIECES: [&str; 24] = [
    "\n",
    "\r",
    "\0",
    "\t",
    "\u{1}",
    "\u{7f}",
    "\u{feff}",
    "\"",
    "\\",
    "\\u0069",
    "\\ud800",
    "\\n",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"id\":2,",
    "\"method\":\"m\",",
    "\"error\":{},",
    "0",
    "-",
    "\u{2028}",
];

#[test]
fn a_text_that_is_owned_is_read_as_one_that_is_borrowed() {
    for text in [
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n ",
        " \n{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n",
        "\u{feff}{\"jsonrpc\":\"2.0\",\n\"id\":1,\"result\":{}}",
        "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}] ",
        " ",
        "",
        "{",
    ] {
        let shown = |read| format!("{read:?}");
        assert_eq!(
            shown(Parsed::read_owned(text.to_owned())),
            shown(Parsed::read(text)),
            "{text:?}"
        );
        if let (Ok(Parsed::One(owned)), Ok(Parsed::One(borrowed))) =
            (Parsed::read_owned(text.to_owned()), Parsed::read(text))
        {
            assert_eq!(owned.text(), borrowed.text());
        }
    }
}
