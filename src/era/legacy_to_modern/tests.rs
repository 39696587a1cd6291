//! The translating half alone: frames of a legacy host, and the frames that a modern host would send.

mod listen;
mod whole;

use super::{OutboxItem, Translation};
use crate::frame::Frame;

const EVERYTHING: &str = r#"{"tools":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"prompts":{},"logging":{}}"#;
const ABLE: &str = r#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#;

/// Completes a frame with `jsonrpc`.
fn frame(text: &str) -> Frame {
    Frame::parse(&text.replacen('{', r#"{"jsonrpc":"2.0","#, 1)).unwrap()
}

pub(super) struct Talk {
    pub(super) translation: Translation,
}

impl Talk {
    pub(super) fn begin(version: &str, capabilities: &str, remote: &str) -> Self {
        let mut talk = Self {
            translation: Translation::new(&format!(r#"{{"capabilities":{remote}}}"#), "x", 0),
        };
        let answer = talk.host(&format!(
            r#"{{"id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"h","version":"1"}}}}}}"#
        ));
        assert_eq!(answer.len(), 1, "{answer:?}");
        talk
    }

    /// With a host that can do everything, and ready, and a remote that tells of nothing.
    fn calling() -> Self {
        let mut talk = Self::begin("2025-11-25", ABLE, r#"{"tools":{}}"#);
        assert!(talk.ready().is_empty());
        talk
    }

    pub(super) fn ready(&mut self) -> Vec<String> {
        self.host(r#"{"method":"notifications/initialized"}"#)
    }

    pub(super) fn host(&mut self, text: &str) -> Vec<String> {
        self.translation.on_host_message(&frame(text));
        self.said()
    }

    pub(super) fn remote(&mut self, text: &str) -> Vec<String> {
        self.translation.on_server_message(&frame(text));
        self.said()
    }

    pub(super) fn on_timer(&mut self, said: &str) -> Vec<String> {
        let token = said.rsplit(' ').next().unwrap();
        self.translation.on_timer(token.parse().unwrap());
        self.said()
    }

    /// Returns the output, without the `_meta` keys that every request has.
    pub(super) fn said(&mut self) -> Vec<String> {
        let signed = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#;
        self.translation
            .out
            .take()
            .into_iter()
            .filter(|said| !matches!(said, OutboxItem::Limit(..) | OutboxItem::EndLimit(_)))
            .map(|said| match said {
                OutboxItem::Limit(..) | OutboxItem::EndLimit(_) => String::new(),
                OutboxItem::ToServer(frame) => {
                    let text = frame.text();
                    if frame.is_request() {
                        assert!(text.contains(signed), "{text}");
                    }
                    format!("up {}", shown(text))
                }
                OutboxItem::ToHost(frame) => format!("down {}", shown(frame.text())),
                OutboxItem::Cancelled(id) => format!("forget {id}"),
                OutboxItem::SetTimer(after, token, _) => {
                    format!("wake {} {token}", after.as_millis())
                }
            })
            .collect()
    }
}

fn shown(text: &str) -> String {
    let text = text.replacen(r#""jsonrpc":"2.0","#, "", 1);
    let start = r#""io.modelcontextprotocol/protocolVersion""#;
    let Some(at) = text.find(start) else {
        return text;
    };
    // Either the signature is all of `_meta`, or it follows the host's own keys.
    let (before, rest) = text.split_at(at);
    let mut depth = 0_i32;
    let end = rest
        .char_indices()
        .find(|(_, c)| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth < 0
        })
        .unwrap()
        .0;
    format!("{before}@{}", &rest[end..])
}

/// Reads the id in an output.
pub(super) fn id(said: &str) -> String {
    let at = said.find("\"id\":").unwrap() + 5;
    said[at..].split([',', '}']).next().unwrap().to_owned()
}

fn call(id: u32, name: &str) -> String {
    format!(r#"{{"id":{id},"method":"tools/call","params":{{"name":"{name}"}}}}"#)
}

/// Sends a call and returns its upstream id.
fn sent(talk: &mut Talk, number: u32) -> String {
    let said = talk.host(&call(number, "t"));
    assert_eq!(said.len(), 1, "{said:?}");
    id(&said[0])
}

fn asks(upstream: &str, requests: &str, state: &str) -> String {
    format!(
        r#"{{"id":{upstream},"result":{{"resultType":"input_required","inputRequests":{requests}{state}}}}}"#
    )
}

const FORM: &str = r#"{"ok":{"method":"elicitation/create","params":{"mode":"form","message":"?","requestedSchema":{"x":1e400}}}}"#;

// MCP 2026-07-28, basic
#[test]
fn a_call_goes_up_under_another_id_and_comes_down_under_its_own() {
    let mut talk = Talk::calling();
    let said = talk.host(r#"{"id":1.0,"method":"tools/call","params":{"name":"b","arguments":{"n":1e400},"task":{"ttl":1},"_meta":{"progressToken":"p"}},"x":1}"#);
    let up = id(&said[0]);
    assert_eq!(
        said[0],
        format!(
            r#"up {{"id":{up},"method":"tools/call","params":{{"name":"b","arguments":{{"n":1e400}},"_meta":{{"progressToken":"p",@}}}},"x":1}}"#
        )
    );
    let answer =
        format!(r#"{{"id":{up},"result":{{"resultType":"complete","content":[1.0]}},"y":2}}"#);
    assert_eq!(
        talk.remote(&answer),
        [r#"down {"id":1.0,"result":{"content":[1.0]},"y":2}"#]
    );
    assert!(talk.remote(&answer).is_empty());
}

// MCP 2026-07-28, server/resources
#[test]
fn an_error_comes_down_as_it_is() {
    let mut talk = Talk::calling();
    let up = sent(&mut talk, 1);
    let error = r#""error":{"code":-32602,"message":"no","data":{"uri":"x","n":1e400}}"#;
    assert_eq!(
        talk.remote(&format!(r#"{{"id":{up},{error}}}"#)),
        [format!(r#"down {{"id":1,{error}}}"#)]
    );
}

// MCP 2026-07-28, basic
#[test]
fn a_result_of_a_kind_without_rules_passes_with_its_name() {
    for kind in [r#""later""#, "7"] {
        let mut talk = Talk::calling();
        let result = format!(r#""result":{{"resultType":{kind},"n":1.0}}"#);
        let up = sent(&mut talk, 1);
        let said = talk.remote(&format!(r#"{{"id":{up},{result}}}"#));
        assert_eq!(said, [format!(r#"down {{"id":1,{result}}}"#)]);
    }
}

// MCP 2026-07-28, basic and basic/patterns/mrtr
#[test]
fn a_result_that_cannot_be_translated_is_an_error_that_says_so() {
    for (method, kind, word) in [
        ("tools/call", "task", "task"),
        ("tools/list", "input_required", "input"),
    ] {
        let mut talk = Talk::calling();
        let said = talk.host(&format!(r#"{{"id":1,"method":"{method}"}}"#));
        let said = talk.remote(&format!(
            r#"{{"id":{},"result":{{"resultType":"{kind}","requestState":"S"}}}}"#,
            id(&said[0])
        ));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with(r#"down {"id":1,"error":{"code":-32603"#) && said[0].contains(word),
            "{said:?}"
        );
    }
}

#[test]
fn what_the_modern_era_has_no_method_for_is_answered_here() {
    let mut talk = Talk::begin("2025-11-25", "{}", EVERYTHING);
    assert_eq!(
        talk.host(r#"{"id":1,"method":"ping"}"#),
        [r#"down {"id":1,"result":{}}"#]
    );
    for method in ["tasks/list", "server/discover", "subscriptions/listen"] {
        let said = talk.host(&format!(r#"{{"id":2,"method":"{method}"}}"#));
        assert!(said[0].contains("-32601") && said.len() == 1, "{said:?}");
    }
    for method in ["roots/list_changed", "progress"] {
        let text = format!(r#"{{"method":"notifications/{method}"}}"#);
        assert!(talk.host(&text).is_empty());
    }
    let said = talk.host(r#"{"id":3,"method":"tools/list","params":[]}"#);
    assert!(said[0].contains("-32602") && said.len() == 1, "{said:?}");
    assert!(talk.host(r#"{"id":"bridge:h99","result":{}}"#).is_empty());
}

// MCP 2026-07-28, server/utilities/logging
#[test]
fn a_log_level_goes_with_every_request_and_messages_come_only_then() {
    let mut talk = Talk::begin("2025-11-25", "{}", EVERYTHING);
    let message = r#"{"method":"notifications/message","params":{"level":"info","data":1}}"#;
    assert!(talk.remote(message).is_empty());
    let set = |level: &str| {
        format!(r#"{{"id":1,"method":"logging/setLevel","params":{{"level":"{level}"}}}}"#)
    };
    assert!(talk.host(&set("loud"))[0].contains("-32602"));
    assert_eq!(talk.host(&set("info")), [r#"down {"id":1,"result":{}}"#]);
    talk.translation.on_host_message(&frame(&call(2, "t")));
    let Some(OutboxItem::ToServer(up)) = talk.translation.out.take().pop() else {
        panic!("nothing sent")
    };
    let meta = up.param("_meta").unwrap();
    assert!(meta.contains(r#""io.modelcontextprotocol/logLevel":"info""#));
    assert_eq!(talk.remote(message), [format!("down {message}")]);
    let mut silent = Talk::calling();
    assert!(silent.host(&set("info"))[0].contains("-32601"));
}

// MCP 2026-07-28, basic/patterns/mrtr
#[test]
fn a_question_reaches_the_host_and_its_answer_the_next_round() {
    let mut talk = Talk::calling();
    let first = sent(&mut talk, 7);
    let said = talk.remote(&asks(&first, FORM, r#","requestState":"S\u00311 ""#));
    let question = id(&said[1]);
    assert!(said[0].starts_with("wake 600000 "), "{said:?}");
    assert_eq!(
        said[1..],
        [format!(
            r#"down {{"id":{question},"method":"elicitation/create","params":{{"mode":"form","message":"?","requestedSchema":{{"x":1e400}}}}}}"#
        )]
    );
    let said = talk.host(&format!(
        r#"{{"id":{question},"result":{{"action":"accept","content":{{"n":1e400}},"_meta":{{}}}}}}"#
    ));
    let second = id(&said[0]);
    assert_ne!(first, second);
    assert_eq!(
        said,
        [format!(
            r#"up {{"id":{second},"method":"tools/call","params":{{"name":"t","inputResponses":{{"ok":{{"action":"accept","content":{{"n":1e400}}}}}},"requestState":"S\u00311 ","_meta":{{@}}}}}}"#
        )]
    );
    // This round has no state, and what was answered before is not said again.
    let said = talk.remote(&asks(&second, r#"{"r":{"method":"roots/list"}}"#, ""));
    let question = id(&said[1]);
    assert_eq!(
        said[1],
        format!(r#"down {{"id":{question},"method":"roots/list"}}"#)
    );
    let said = talk.host(&format!(r#"{{"id":{question},"result":{{"roots":[]}}}}"#));
    assert!(
        said[0]
            .contains(r#""params":{"name":"t","inputResponses":{"r":{"roots":[]}},"_meta":{@}}"#),
        "{said:?}"
    );
    let done = format!(r#"{{"id":{},"result":{{"content":[]}}}}"#, id(&said[0]));
    assert_eq!(
        talk.remote(&done),
        [r#"down {"id":7,"result":{"content":[]}}"#]
    );
}

// MCP 2026-07-28, basic/patterns/mrtr
#[test]
fn concurrent_calls_never_mix_and_all_questions_of_a_round_are_answered_first() {
    let mut talk = Talk::calling();
    let (one, two) = (sent(&mut talk, 1), sent(&mut talk, 2));
    let both = r#"{"a":{"method":"roots/list"},"b":{"method":"sampling/createMessage","params":{"messages":[]}}}"#;
    let first = talk.remote(&asks(&one, both, r#","requestState":"ONE""#));
    let other = talk.remote(&asks(&two, FORM, r#","requestState":"TWO""#));
    assert_eq!((first.len(), other.len()), (3, 2));
    let result = |id: String, result: &str| format!(r#"{{"id":{id},"result":{result}}}"#);
    assert!(
        talk.host(&result(id(&first[2]), r#"{"role":"assistant"}"#))
            .is_empty()
    );
    let said = talk.host(&result(id(&other[1]), r#"{"action":"decline"}"#));
    assert!(
        said[0].contains(r#""inputResponses":{"ok":{"action":"decline"}},"requestState":"TWO""#)
    );
    let said = talk.host(&result(id(&first[1]), r#"{"roots":[]}"#));
    assert!(
        said[0].contains(
            r#""inputResponses":{"a":{"roots":[]},"b":{"role":"assistant"}},"requestState":"ONE""#
        ),
        "{said:?}"
    );
}

// MCP 2026-07-28, basic/patterns/mrtr
#[test]
fn a_question_the_host_never_offered_to_answer_fails_the_call_unasked() {
    for request in [
        r#"{"method":"roots/list"}"#,
        r#"{"method":"sampling/createMessage","params":{}}"#,
        r#"{"method":"elicitation/create","params":{"mode":"url","url":"https://x"}}"#,
        r#"{"method":"elicitation/create","params":{"mode":"smell"}}"#,
        r#"{"method":"tools/list"}"#,
    ] {
        let mut talk = Talk::begin("2025-11-25", r#"{"elicitation":{}}"#, "{}");
        talk.ready();
        let up = sent(&mut talk, 1);
        let requests = format!(r#"{{"fine":{},"k":{request}}}"#, &FORM[6..FORM.len() - 1]);
        let said = talk.remote(&asks(&up, &requests, ""));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(r#"down {"id":1,"error""#), "{said:?}");
    }
}

// MCP 2026-07-28, basic/patterns/mrtr
#[test]
fn a_round_that_asks_nothing_is_sent_again_soon_and_not_for_ever() {
    let mut talk = Talk::calling();
    let mut up = sent(&mut talk, 1);
    for _ in 0..10 {
        let said = talk.remote(&asks(&up, "{}", r#","requestState":"S""#));
        assert!(
            said.len() == 1 && said[0].starts_with("wake 250 "),
            "{said:?}"
        );
        let said = talk.on_timer(&said[0]);
        assert!(
            said[0].contains(r#""params":{"name":"t","requestState":"S","_meta""#),
            "{said:?}"
        );
        up = id(&said[0]);
    }
    let said = talk.remote(&asks(&up, "{}", r#","requestState":"S""#));
    assert!(
        said.len() == 1 && said[0].contains("too_many_rounds"),
        "{said:?}"
    );
    let up = sent(&mut talk, 2);
    assert!(talk.remote(&asks(&up, "{}", ""))[0].contains("bad_answer"));
}

#[test]
fn cancelling_takes_back_the_questions_or_the_request() {
    let mut talk = Talk::calling();
    let up = sent(&mut talk, 1);
    let cancel = r#"{"method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(
        talk.host(cancel),
        [
            format!(r#"up {{"method":"notifications/cancelled","params":{{"requestId":{up}}}}}"#),
            "forget 1".to_owned()
        ]
    );
    let late = format!(r#"{{"id":{up},"result":{{}}}}"#);
    assert!(talk.remote(&late).is_empty() && talk.host(cancel).is_empty()); // MCP 2026-07-28, basic/patterns/cancellation
    let up = sent(&mut talk, 1);
    let question = id(&talk.remote(&asks(&up, FORM, ""))[1]);
    let said = talk.host(cancel);
    assert!(
        said[0].starts_with(&format!(
            r#"down {{"method":"notifications/cancelled","params":{{"requestId":{question},"#
        )),
        "{said:?}"
    );
    assert_eq!(said[1..], ["forget 1"]);
    assert!(
        talk.host(&format!(r#"{{"id":{question},"result":{{}}}}"#))
            .is_empty()
    );
}

#[test]
fn a_host_that_fails_to_answer_cancels_a_form_and_fails_the_rest() {
    let mut talk = Talk::calling();
    let up = sent(&mut talk, 1);
    let question = id(&talk.remote(&asks(&up, FORM, ""))[1]);
    let failed = |id: &str| format!(r#"{{"id":{id},"error":{{"code":-1,"message":"no"}}}}"#);
    let said = talk.host(&failed(&question));
    assert!(
        said[0].contains(r#"{"ok":{"action":"cancel"}}"#),
        "{said:?}"
    );
    let both = r#"{"a":{"method":"roots/list"},"b":{"method":"roots/list"}}"#;
    let said = talk.remote(&asks(&id(&said[0]), both, ""));
    let said = talk.host(&failed(&id(&said[1])));
    assert!(said[0].contains("notifications/cancelled"), "{said:?}");
    assert!(
        said[1].starts_with(r#"down {"id":1,"result""#) && said[1].contains(r#""isError":true"#)
    );
    assert_eq!(said.len(), 2);
}

#[test]
fn nobody_answers_and_the_call_does_not_hang() {
    let mut talk = Talk::calling();
    let up = sent(&mut talk, 1);
    let asked = talk.remote(&asks(&up, FORM, ""));
    let said = talk.on_timer(&asked[0]);
    assert!(said[0].contains("notifications/cancelled") && said[1].contains("unanswered"));
    let up = sent(&mut talk, 2);
    talk.remote(&asks(&up, FORM, ""));
    talk.translation.on_host_gone();
    let said = talk.said();
    assert!(said.len() == 1 && said[0].contains("host_gone"), "{said:?}");
}

#[test]
fn an_address_to_open_gets_an_id_and_its_end_is_told() {
    let mut talk = Talk::calling();
    let up = sent(&mut talk, 1);
    let url = r#"{"u":{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x/"}}}"#;
    let said = talk.remote(&asks(&up, url, ""));
    let at = said[1].find(r#""elicitationId":"#).unwrap();
    let elicitation = said[1][at + 16..].trim_end_matches('}').to_owned();
    let said = talk.host(&format!(
        r#"{{"id":{},"result":{{"action":"accept"}}}}"#,
        id(&said[1])
    ));
    let said = talk.remote(&format!(r#"{{"id":{},"result":{{}}}}"#, id(&said[0])));
    assert_eq!(
        said,
        [
            format!(
                r#"down {{"method":"notifications/elicitation/complete","params":{{"elicitationId":{elicitation}}}}}"#
            ),
            r#"down {"id":1,"result":{}}"#.to_owned()
        ]
    );
}

#[test]
fn an_older_host_is_asked_in_its_own_words() {
    let mut talk = Talk::begin("2025-06-18", ABLE, "{}");
    let up = sent(&mut talk, 1);
    let requests = format!(
        r#"{},"s":{{"method":"sampling/createMessage","params":{{"messages":[{{"role":"user","content":[{{"n":1}},{{"n":2}}]}}]}}}}}}"#,
        &FORM[..FORM.len() - 1]
    );
    assert_eq!(talk.remote(&asks(&up, &requests, "")).len(), 1); // it is not ready
    let said = talk.ready();
    assert!(said[0].contains(r#""params":{"message""#), "{said:?}");
    assert!(
        said[1].contains(
            r#""messages":[{"role":"user","content":{"n":1}},{"role":"user","content":{"n":2}}]"#
        ),
        "{said:?}"
    );
}

// MCP 2026-07-28, basic/patterns/progress
#[test]
fn progress_only_ever_grows_and_ends_with_its_call() {
    let mut talk = Talk::calling();
    let said =
        talk.host(r#"{"id":1,"method":"tools/call","params":{"_meta":{"progressToken":7}}}"#);
    let mut told = |progress: &str, token: &str| {
        let text = format!(
            r#"{{"method":"notifications/progress","params":{{"progressToken":{token},"progress":{progress}}}}}"#
        );
        talk.remote(&text).len()
    };
    assert_eq!(
        [
            told("1", "7"),
            told("1.0", "7"),
            told("0.5", "7"),
            told("2", "7")
        ],
        [1, 0, 0, 1]
    );
    assert_eq!([told("3", "\"7\""), told("3", "8")], [0, 0]);
    talk.remote(&format!(r#"{{"id":{},"result":{{}}}}"#, id(&said[0])));
    let late = r#"{"method":"notifications/progress","params":{"progressToken":7,"progress":9}}"#;
    assert!(talk.remote(late).is_empty());
}
