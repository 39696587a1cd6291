use serde_json::{Value, json};

use super::*;
use crate::frame::Id;

fn answered(sanitizer: &mut Sanitizer, method: &str, result: &Value) -> (Value, Vec<String>) {
    let frame = Frame::result(&Id::parse("1").unwrap(), &result.to_string());
    let Sanitized { frame, notices } = sanitizer.answer(method, frame);
    (
        serde_json::from_str(frame.member("result").unwrap()).unwrap(),
        notices,
    )
}

fn asked(sanitizer: &Sanitizer, method: &str, params: &Value) -> Value {
    let id = Id::parse("1").unwrap();
    let frame = Frame::request(&id, method, Some(&params.to_string()));
    serde_json::from_str(sanitizer.request(frame).member("params").unwrap()).unwrap()
}

#[test]
fn a_tool_is_sanitized_in_all_its_texts_and_called_by_its_own_name() {
    let mut sanitizer = Sanitizer::default();
    let list = json!({"tools": [{
        "name": "add\u{202e}", "title": "Add\u{200b}\nall", "description": "Adds.\n\u{e0041}\u{e0042}",
        "annotations": {"title": "\u{1b}[31mAdd", "readOnlyHint": true},
        "inputSchema": {"type": "object", "required": ["a\u{200b}"], "properties": {
            "a\u{200b}": {"type": "string", "description": "x\u{200b}", "enum": ["e\u{ad}", "f"]}}},
        "_meta": {"k": "\u{200b}"}, "icons": [{"src": "data:\u{200b}"}]}], "nextCursor": "\u{200b}"});
    let (shown, notices) = answered(&mut sanitizer, "tools/list", &list);
    let wanted = json!({"tools": [{
        "name": "add_u202e_", "title": "Add\\u{200b}\\u{000a}all", "description": "Adds.\n\\u{e0041}\\u{e0042}",
        "annotations": {"title": "\\u{001b}[31mAdd", "readOnlyHint": true},
        "inputSchema": {"type": "object", "required": ["a\\u{200b}"], "properties": {
            "a\\u{200b}": {"type": "string", "description": "x\\u{200b}", "enum": ["e\\u{00ad}", "f"]}}},
        "_meta": {"k": "\u{200b}"}, "icons": [{"src": "data:\u{200b}"}]}], "nextCursor": "\u{200b}"});
    assert_eq!(shown, wanted);
    let first = "Escaped 1 terminal sequence (U+001B) in annotations.title of tool \"add_u202e_\".";
    assert_eq!(notices[0], first);
    assert!(
        notices.contains(
            &"Escaped 2 characters of hidden text (U+E0041) in description of tool \"add_u202e_\"."
                .into()
        ),
        "{notices:?}"
    );
    assert!(
        notices
            .iter()
            .any(|it| it.contains("in inputSchema.properties.a\\u{200b}.enum.1 of")),
        "{notices:?}"
    );
    let (again, notices) = answered(&mut sanitizer, "tools/list", &list);
    assert_eq!((again, notices), (wanted, vec![]), "it is said once");

    let called = json!({"name": "add_u202e_", "arguments": {"a\\u{200b}": "e\\u{00ad}", "b": ["e\\u{00ad}", "x"]}});
    assert_eq!(
        asked(&sanitizer, "tools/call", &called),
        json!({"name": "add\u{202e}", "arguments": {"a\u{200b}": "e\u{ad}", "b": ["e\u{ad}", "x"]}})
    );
    let other = json!({"name": "f", "arguments": {"b": "e\\u{00ad}"}});
    assert_eq!(asked(&sanitizer, "tools/call", &other), other);
}

#[test]
fn two_names_are_never_shown_alike() {
    let mut sanitizer = Sanitizer::default();
    let names = [
        "a\u{202e}",
        "a_u202e_",
        "a_u202e_\u{200b}",
        "b_u202e_",
        "b\u{202e}",
        "a_u202e__2",
        "ok_user",
    ];
    let tools: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
    let (shown, _) = answered(&mut sanitizer, "tools/list", &json!({"tools": tools}));
    let shown: Vec<_> = shown["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    let wanted = [
        "a_u202e_",
        "a_u202e__2",
        "a_u202e__u200b_",
        "b_u202e_",
        "b_u202e__2",
        "a_u202e__2_2",
        "ok_user",
    ];
    assert_eq!(shown, wanted);
    for (name, shown) in names.iter().zip(shown) {
        let sent = asked(&sanitizer, "tools/call", &json!({"name": shown}));
        assert_eq!(sent["name"], *name);
    }
}

#[test]
fn prompts_resources_and_completions_are_asked_for_by_the_servers_names() {
    let mut sanitizer = Sanitizer::default();
    let prompts = json!({"prompts": [{"name": "p\u{200b}", "description": "\u{200b}", "arguments": [{"name": "q\u{200b}", "description": "\u{7}"}]}]});
    let (shown, _) = answered(&mut sanitizer, "prompts/list", &prompts);
    assert_eq!(
        shown["prompts"][0]["arguments"][0],
        json!({"name": "q\\u{200b}", "description": "\\u{0007}"})
    );
    let resources = json!({"resources": [{"uri": "x://\u{200b}", "name": "\u{1b}c"}]});
    let (shown, _) = answered(&mut sanitizer, "resources/list", &resources);
    assert_eq!(
        shown["resources"][0],
        json!({"uri": "x://%E2%80%8B", "name": "\\u{001b}c"})
    );

    let got = asked(
        &sanitizer,
        "prompts/get",
        &json!({"name": "p_u200b_", "arguments": {"q\\u{200b}": "1"}}),
    );
    assert_eq!(
        got,
        json!({"name": "p\u{200b}", "arguments": {"q\u{200b}": "1"}})
    );
    let read = asked(
        &sanitizer,
        "resources/read",
        &json!({"uri": "x://%E2%80%8B"}),
    );
    assert_eq!(read, json!({"uri": "x://\u{200b}"}));
    let (content, _) = answered(
        &mut sanitizer,
        "resources/read",
        &json!({"contents": [{"uri": "x://\u{200b}", "text": "\u{200b}"}]}),
    );
    assert_eq!(
        content["contents"][0],
        json!({"uri": "x://%E2%80%8B", "text": "\u{200b}"})
    );
    let completed = json!({"ref": {"type": "ref/prompt", "name": "p_u200b_"}, "argument": {"name": "q\\u{200b}", "value": "v"}});
    let wanted = json!({"ref": {"type": "ref/prompt", "name": "p\u{200b}"}, "argument": {"name": "q\u{200b}", "value": "v"}});
    assert_eq!(asked(&sanitizer, "completion/complete", &completed), wanted);
    let listen = json!({"notifications": {"resourceSubscriptions": ["x://%E2%80%8B", "y://"]}});
    let wanted = json!({"notifications": {"resourceSubscriptions": ["x://\u{200b}", "y://"]}});
    assert_eq!(asked(&sanitizer, "subscriptions/listen", &listen), wanted);
    let updated = Frame::notification(
        "notifications/resources/updated",
        Some("{\"uri\":\"x://\u{200b}\"}"),
    );
    assert_eq!(
        sanitizer.message(updated).frame.member("params"),
        Some(r#"{"uri":"x://%E2%80%8B"}"#)
    );
}

#[test]
fn instructions_identities_and_errors_are_sanitized_and_contents_are_not() {
    let mut sanitizer = Sanitizer::default();
    let hello = json!({"serverInfo": {"name": "s\u{202e}"}, "instructions": "a\u{200b}\nb", "capabilities": {"x": "\u{200b}"}});
    let (shown, notices) = answered(&mut sanitizer, "initialize", &hello);
    assert_eq!(
        shown,
        json!({"serverInfo": {"name": "s\\u{202e}"}, "instructions": "a\\u{200b}\nb", "capabilities": {"x": "\u{200b}"}})
    );
    assert_eq!(
        notices[0],
        "Escaped 1 invisible character (U+200B) in instructions of the answer to initialize."
    );

    let modern = json!({"content": [{"type": "text", "text": "\u{1b}[0m"}], "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s\u{202e}"}, "a": "\u{200b}"}});
    let (shown, _) = answered(&mut sanitizer, "tools/call", &modern);
    assert_eq!(
        shown,
        json!({"content": [{"type": "text", "text": "\u{1b}[0m"}], "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s\\u{202e}"}, "a": "\u{200b}"}})
    );

    let failed = json!({"isError": true, "content": [{"type": "text", "text": "\u{1b}[0m"}, {"type": "resource", "resource": {"text": "\u{200b}"}}]});
    let (shown, _) = answered(&mut sanitizer, "tools/call", &failed);
    assert_eq!(shown["content"][0]["text"], "\\u{001b}[0m");
    assert_eq!(shown["content"][1]["resource"]["text"], "\u{200b}");

    let frame = Frame::error(
        Some(&Id::parse("1").unwrap()),
        -1,
        "no\u{202e}",
        Some(&json!({"a": ["\u{200b}"], "n": 1})),
    );
    let shown = sanitizer.answer("tools/call", frame);
    assert_eq!(
        shown.frame.member("error"),
        Some(r#"{"code":-1,"message":"no\\u{202e}","data":{"a":["\\u{200b}"],"n":1}}"#)
    );
    assert!(
        shown.notices[1].ends_with("in message of an error that answers tools/call."),
        "{:?}",
        shown.notices
    );
}

#[test]
fn questions_to_the_user_are_sanitized() {
    let mut sanitizer = Sanitizer::default();
    let params = json!({"message": "a\u{200b}", "requestedSchema": {"properties": {"x": {"title": "\u{200b}", "enum": ["\u{200b}"]}}}});
    let shown = json!({"message": "a\\u{200b}", "requestedSchema": {"properties": {"x": {"title": "\\u{200b}", "enum": ["\u{200b}"]}}}});
    let frame = Frame::request(
        &Id::parse("1").unwrap(),
        "elicitation/create",
        Some(&params.to_string()),
    );
    assert_eq!(
        sanitizer.message(frame).frame.member("params"),
        Some(&*shown.to_string())
    );
    let result = json!({"resultType": "input_required", "inputRequests": {"k": {"method": "elicitation/create", "params": params}}});
    let (answer, _) = answered(&mut sanitizer, "tools/call", &result);
    assert_eq!(answer["inputRequests"]["k"]["params"], shown);
}

#[test]
fn an_output_schema_that_results_would_not_fit_any_more_is_left_out() {
    let mut sanitizer = Sanitizer::default();
    let list = json!({"tools": [
        {"name": "a", "outputSchema": {"properties": {"x": {"description": "\u{200b}"}}}},
        {"name": "b", "outputSchema": {"properties": {"x\u{200b}": {}}}, "n": 1}]});
    let (shown, notices) = answered(&mut sanitizer, "tools/list", &list);
    assert_eq!(
        shown,
        json!({"tools": [
        {"name": "a", "outputSchema": {"properties": {"x": {"description": "\\u{200b}"}}}},
        {"name": "b", "n": 1}]})
    );
    assert!(
        notices[1].starts_with("The outputSchema of tool \"b\" is left out"),
        "{notices:?}"
    );
}

#[test]
fn members_are_found_however_their_names_are_written() {
    let mut sanitizer = Sanitizer::default();
    let text = r#"{"\u0074ools":[{"n\u0061me":"a\u202e","d\u0065scription":"\ud800"}],"n":1e400}"#;
    let frame = Frame::result(&Id::parse("1").unwrap(), text);
    let shown = sanitizer.answer("tools/list", frame).frame;
    let wanted =
        r#"{"\u0074ools":[{"n\u0061me":"a_u202e_","d\u0065scription":"\\u{d800}"}],"n":1e400}"#;
    assert_eq!(shown.member("result"), Some(wanted));
}

#[test]
fn what_is_clean_keeps_every_byte() {
    let mut sanitizer = Sanitizer::default();
    let text = r#"{ "tools" : [ {"name":"a", "description":"caf\u00e9\n\ud83d\ude00", "inputSchema":{"x":1e400}} ] }"#;
    let frame = Frame::result(&Id::parse("1").unwrap(), text);
    let shown = sanitizer.answer("tools/list", frame.clone());
    assert!(std::ptr::eq(shown.frame.text(), frame.text()));
    let call = Frame::request(
        &Id::parse("1").unwrap(),
        "tools/call",
        Some(r#"{ "name":"a"}"#),
    );
    assert!(std::ptr::eq(
        sanitizer.request(call.clone()).text(),
        call.text()
    ));
}
