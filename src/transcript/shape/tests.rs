use super::*;

#[test]
fn of_what_is_said_only_the_shape_is_left() {
    for (said, shown) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send","arguments":{"to":"canary","n":3,"ok":true,"none":null,"list":["canary",1]},"_meta":{"progressToken":1,"x":"canary"}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"send","arguments":{"to":"(6 characters)","n":"(number)","ok":"(boolean)","none":null,"list":["(6 characters)","(number)"]},"_meta":{"progressToken":1,"x":"(6 characters)"}}}"#,
        ),
        (
            r#"{"id":1,"result":{"content":[{"type":"text","text":"canary"},{"type":"image","mimeType":"image/png","data":"canary"}],"isError":false,"structuredContent":{"a":{"b":"canary"}}}}"#,
            r#"{"id":1,"result":{"content":[{"type":"text","text":"(6 characters)"},{"type":"image","mimeType":"image/png","data":"(6 characters)"}],"isError":false,"structuredContent":{"a":{"b":"(6 characters)"}}}}"#,
        ),
        (
            r#"{"id":"a","method":"resources/read","params":{"uri":"https://x.example/canary?token=canary"}}"#,
            r#"{"id":"a","method":"resources/read","params":{"uri":"https:(37 characters)"}}"#,
        ),
        (
            r#"{"id":1,"error":{"code":-32000,"message":"canary","data":{"x":"canary"}}}"#,
            r#"{"id":1,"error":{"code":-32000,"message":"(6 characters)","data":{"x":"(6 characters)"}}}"#,
        ),
        (
            r#"{"id":1,"error":{"code":-32601,"message":"Method not found"}}"#,
            r#"{"id":1,"error":{"code":-32601,"message":"Method not found"}}"#,
        ),
        (
            r#"{"id":1,"result":[1,2,3,4,5,6,7,8,9,10]}"#,
            r#"{"id":1,"result":["(number)","(number)","(number)","(number)","(number)","(number)","(number)","(number)","(and 2 more)"]}"#,
        ),
        ("canary", "(6 characters)"),
        ("", ""),
    ] {
        assert_eq!(of(said), shown);
    }
}

#[test]
fn nothing_of_a_user_is_left_in_any_message_of_either_era() {
    for said in [
        r#"[{"method":"notifications/message","params":{"level":"info","logger":"l","data":"canary"}},{"method":"notifications/progress","params":{"progressToken":1,"progress":1,"message":"canary"}}]"#,
        r#"{"id":1,"method":"sampling/createMessage","params":{"messages":[{"role":"user","content":{"type":"text","text":"canary"}}],"systemPrompt":"canary","maxTokens":1}}"#,
        r#"{"id":1,"result":{"role":"assistant","content":{"type":"text","text":"canary"},"model":"m","stopReason":"endTurn"}}"#,
        r#"{"id":1,"method":"elicitation/create","params":{"message":"canary","requestedSchema":{"type":"object","properties":{"a":{"title":"canary"}}}}}"#,
        r#"{"id":1,"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x.example/?canary"}}"#,
        r#"{"id":1,"result":{"action":"accept","content":{"name":"canary"}}}"#,
        r#"{"id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"x://canary"},"argument":{"name":"a","value":"canary"},"context":{"arguments":{"b":"canary"}}}}"#,
        r#"{"id":1,"result":{"completion":{"values":["canary"],"total":1}}}"#,
        r#"{"id":1,"result":{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"canary"}}},"requestState":"canary"}}"#,
        r#"{"id":1,"method":"tools/call","params":{"name":"t","arguments":{},"inputResponses":{"a":{"action":"accept","content":{"x":"canary"}}},"requestState":"canary"}}"#,
        r#"{"id":1,"result":{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"f:///canary","text":"canary"}}}],"description":"canary"}}"#,
        r#"{"id":1,"result":{"contents":[{"uri":"f:///canary?q=canary","text":"canary","blob":"canary"}]}}"#,
        r#"{"id":1,"result":{"resources":[{"uri":"f:///canary","name":"canary","title":"canary","mimeType":"text/plain"}]}}"#,
        r#"{"id":1,"result":{"roots":[{"uri":"file:///home/canary","name":"canary"}]}}"#,
        r#"{"id":1,"result":{"task":{"taskId":"t","status":"working","statusMessage":"canary"}}}"#,
        r#"{"id":1,"result":{"taskId":"t","status":"completed","result":{"content":[{"type":"text","text":"canary"}],"structuredContent":"canary"}}}"#,
        r#"{"id":1,"result":{"taskId":"t","status":"failed","error":{"code":1,"message":"canary"}}}"#,
        r#"{"method":"notifications/cancelled","params":{"requestId":1,"reason":"canary"}}"#,
        r#"{"method":"notifications/resources/updated","params":{"uri":"mail://canary/canary"}}"#,
        r#"{"id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["f:///canary"]}}}"#,
        r#"{"id":1,"method":"x.example/own","params":{"a":["canary"],"b":{"c":"canary"}}}"#,
        r#"{"id":1,"result":{"tools":[{"name":"t","canary text":1,"secret":"canary"}]},"extra":"canary"}"#,
    ] {
        let shown = of(said);
        assert!(
            !shown.contains("canary\"") && !shown.contains("/canary"),
            "{shown}"
        );
        let again: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(again.is_array(), said.starts_with('['));
    }
}

#[test]
fn what_cannot_be_looked_through_is_a_length() {
    let deep = format!(
        r#"{{"id":1,"result":{}{}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    for said in [
        deep.as_str(),
        r#"{"id":1,"result":1e400}"#,
        r#"{"a":"canary"#,
    ] {
        let shown = of(said);
        assert!(shown.ends_with("characters)"), "{shown}");
    }
}
