//! Frames cross untouched, both ways, through the real binary; and each HTTP request carries what it must beside them.

use serde_json::Value;

use crate::support::host::{INITIALIZE, INITIALIZED, Process, call, json, request};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary, result_of};

/// Spellings that a bridge which rebuilds messages would change.
const ODD: &str = r#""big":123456789012345678901234567890,"exp":1e400,"frac":1.10,"neg":-0,"esc":"\u0041\/\ud83d\ude00\n","same":1,"same":2,"z":0,"a":[ 1 ,2],"sep":"x y","nul":null,"deep":{"$schema":"next year","lone":"\ud800"}"#;

#[tokio::test]
async fn a_request_leaves_and_its_answer_returns_byte_for_byte() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => Reply::result(ask, &format!("{{{ODD}}}")),
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    for id in [
        "7",
        "\"7\"",
        "12345678901234567890123",
        "\"\\u0061\\/\"",
        "-1",
    ] {
        let asked = format!(
            r#"{{ "extra":{{{ODD}}}, "method":"tools/call","id": {id} ,"jsonrpc":"2.0","params":{{{ODD}}} }}"#
        );
        host.send(&asked).await;
        let answer = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{ODD}}}}}"#);
        assert_eq!(host.next().await, answer);
        assert_eq!(server.all().last().unwrap().body, asked);
    }
}

#[tokio::test]
async fn a_message_spread_over_many_lines_of_data_is_one_line() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let id = ask.id();
            Reply::events([Step::text(format!(
                "event: message\r\ndata: {{\r\ndata:   \"jsonrpc\": \"2.0\",\r\ndata:   \"id\": {id},\r\ndata:   \
                 \"result\": {{\"text\": \"a\u{2028}b\"}}\r\ndata: }}\r\n\r\n"
            ))])
        }
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    let answer = host.next().await;
    assert!(answer.contains("\"a\u{2028}b\""), "{answer}");
    assert_eq!(json(&answer)["id"], 1);
}

#[tokio::test]
async fn an_event_cut_inside_a_character_is_still_that_character() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let text = format!("data: {}\n\n", result_of(ask, r#""héé😀""#));
            let pieces = text.bytes().map(|byte| Step::Bytes(vec![byte]));
            Reply::events(pieces.collect::<Vec<_>>())
        }
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    assert_eq!(host.next_json().await["result"], "héé😀");
}

#[tokio::test]
async fn lines_that_are_no_messages_are_answered_and_life_goes_on() {
    let mut server = Server::that(ordinary).await;
    server.expect("POST tools/call", 1);
    let url = server.url();
    let mut host = Process::opened(&url, &["--max-message-size", "1024"]).await;
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":8,"method":"{}"}}"#,
        "x".repeat(5000)
    );
    for (line, code, id) in [
        ("{\"jsonrpc\":", -32700, "null"),
        ("hello", -32700, "null"),
        ("7", -32600, "null"),
        ("[]", -32600, "null"),
        (r#"{"jsonrpc":"1.0","id":5,"method":"x"}"#, -32600, "5"),
        (
            r#"{"jsonrpc":"2.0","id":null,"method":"x"}"#,
            -32600,
            "null",
        ),
        (r#"{"jsonrpc":"2.0","id":"six"}"#, -32600, "\"six\""),
        (long.as_str(), -32600, "null"),
    ] {
        host.send(line).await;
        let answer = host.next_json().await;
        assert_eq!(answer["error"]["code"], code, "{line}");
        assert_eq!(answer["id"].to_string(), id, "{line}");
    }
    host.send(b"\"\xff\"").await;
    assert_eq!(host.next_json().await["error"]["code"], -32700);
    host.send("  \r").await;
    host.send(call(1)).await;
    assert_eq!(host.next_json().await["id"], 1);
}

/// An ordinary server that speaks this revision.
fn in_revision(revision: &str, ask: &Ask) -> Reply {
    match ask.label().as_str() {
        "POST initialize" => Reply::result(
            ask,
            &format!(r#"{{"protocolVersion":"{revision}","capabilities":{{}}}}"#),
        ),
        _ => ordinary(ask),
    }
}

const ELSEWHERE: [&str; 3] = ["2024-11-05", "2025-06-18", "2025-11-25"];

#[tokio::test]
async fn where_another_revision_was_agreed_an_array_of_one_is_that_message_and_one_of_several_is_refused()
 {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    for revision in ELSEWHERE {
        let mut server = Server::that(|ask| in_revision(revision, ask)).await;
        server.expect("POST tools/call", 2);
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(format!("[{}]", call(1))).await;
        let answer = host.next_json().await;
        assert_eq!(answer["id"], 1, "{revision}: {answer}");
        for several in [
            format!("[{},{}]", call(2), call(3)),
            format!("[{note},{}]", call(4)),
        ] {
            host.send(several).await;
            let refused = host.next_json().await;
            assert_eq!(refused["error"]["code"], -32600, "{revision}: {refused}");
            assert_eq!(refused["id"], Value::Null);
            let said = refused["error"]["message"].as_str().unwrap();
            assert!(said.contains(revision), "{said}");
        }
        host.send("[7]").await;
        assert_eq!(host.next_json().await["error"]["code"], -32600);
        host.send(call(5)).await;
        assert_eq!(host.next_json().await["id"], 5);
    }
}

#[tokio::test]
async fn before_a_revision_is_agreed_a_hosts_batch_is_taken() {
    let server = Server::that(ordinary).await;
    let mut host = Process::start(&[&server.url()]);
    let second = r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#;
    host.send(format!("[{INITIALIZE},{second}]")).await;
    let answers = host.next_json().await;
    assert_eq!(answers.as_array().map(Vec::len), Some(2), "{answers}");
}

#[tokio::test]
async fn a_servers_array_of_several_is_a_bad_answer_where_another_revision_was_agreed() {
    let several = |ask: &Ask| {
        format!(
            r#"[{{"jsonrpc":"2.0","method":"notifications/y"}},{}]"#,
            result_of(ask, "1")
        )
    };
    for revision in ELSEWHERE {
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => Reply::json(several(ask)),
            "POST tools/list" => Reply::events([Step::event(several(ask)), Step::forever()]),
            "POST prompts/list" => Reply::json(format!("[{}]", result_of(ask, "2"))),
            _ => in_revision(revision, ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        for (id, method) in [(1, "tools/call"), (2, "tools/list")] {
            host.send(request(id, method)).await;
            let refused = host.next_json().await;
            assert_eq!(refused["id"], id, "{refused}");
            assert_eq!(refused["error"]["data"]["kind"], "bad_answer", "{refused}");
            let said = refused["error"]["message"].as_str().unwrap();
            assert!(said.contains(revision) && said.contains("array"), "{said}");
        }
        host.send(request(3, "prompts/list")).await;
        assert_eq!(host.next_json().await["result"], 2);
    }
}

#[tokio::test]
async fn a_batch_of_the_hosts_goes_out_in_pieces_and_comes_back_as_one_line() {
    let mut server = Server::that(|ask| in_revision("2025-03-26", ask)).await;
    for label in ["POST tools/call", "POST tools/list", "POST notifications/x"] {
        server.expect(label, 1);
    }
    let mut host = Process::opened(&server.url(), &[]).await;
    let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    host.send(format!(
        "[{},7,{note},{}]",
        call(1),
        request("\"b\"", "tools/list")
    ))
    .await;
    let answers = host.next_json().await;
    let mut ids: Vec<_> = answers
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].to_string())
        .collect();
    ids.sort();
    assert_eq!(ids, ["\"b\"", "1", "null"]);
}

#[tokio::test]
async fn a_batch_of_the_remotes_comes_in_pieces() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => Reply::json(format!(
            r#"[{{"jsonrpc":"2.0","method":"notifications/y"}},{}]"#,
            result_of(ask, "1")
        )),
        "POST tools/list" => Reply::events([Step::event(format!(
            r#"[{{"jsonrpc":"2.0","method":"notifications/z"}},{}]"#,
            result_of(ask, "2")
        ))]),
        _ => in_revision("2025-03-26", ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    assert_eq!(host.next_json().await["method"], "notifications/y");
    assert_eq!(host.next_json().await["result"], 1);
    host.send(request(2, "tools/list")).await;
    assert_eq!(host.next_json().await["method"], "notifications/z");
    assert_eq!(host.next_json().await["result"], 2);
}

#[tokio::test]
async fn methods_nobody_here_knows_pass_in_both_directions() {
    const QUESTION: &str =
        r#"{"jsonrpc":"2.0","id":"q\/1","method":"acme/ask","params":{"n":1e400}}"#;
    const NOTICE: &str = r#"{"jsonrpc":"2.0","method":"notifications/acme","params":[1.0]}"#;
    let mut server = Server::that(|ask| match ask.label().as_str() {
        "POST acme/do" => Reply::events([
            Step::event(NOTICE),
            Step::event(QUESTION),
            Step::event(result_of(ask, "true")),
        ]),
        _ => ordinary(ask),
    })
    .await;
    server.expect("POST answer", 2);
    server.expect("POST notifications/acme", 1);
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(request(1, "acme/do")).await;
    assert_eq!(host.next().await, NOTICE);
    assert_eq!(host.next().await, QUESTION);
    assert_eq!(host.next_json().await["result"], true);
    for said in [
        r#"{"jsonrpc":"2.0","id":"q\/1","result":{"n":1.0}}"#,
        r#"{"jsonrpc":"2.0","id":"q\/1","error":{"code":-32601,"message":"no"}}"#,
        NOTICE,
    ] {
        host.send(said).await;
        let label = if said == NOTICE {
            "POST notifications/acme"
        } else {
            "POST answer"
        };
        let nth = if said.contains("error") { 2 } else { 1 };
        assert_eq!(server.asked(label, nth).await.body, said);
    }
}

#[tokio::test]
async fn an_error_of_the_remotes_passes_as_it_came() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => Reply::json(format!(
            r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32042,"message":"m","data":{{"n":1e400}}}}}}"#,
            ask.id()
        ))
        .with("X", "y"),
        // In a refusal too, and without an id (MCP 2025-11-25, basic/transports).
        "POST tools/list" => {
            let mut reply = Reply::json(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32602,"message":"bad"}}"#);
            reply.status = 400;
            reply
        }
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    assert_eq!(
        host.next().await,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"m","data":{"n":1e400}}}"#
    );
    host.send(request("\"x\"", "tools/list")).await;
    assert_eq!(
        host.next().await,
        r#"{"jsonrpc":"2.0","id":"x","error":{"code":-32602,"message":"bad"}}"#
    );
}

#[tokio::test]
async fn each_request_carries_the_headers_of_its_place_in_the_session() {
    let mut server = Server::that(|ask| match ask.verb.as_str() {
        // Anywhere but on the answer to `initialize` a session id means nothing
        // (MCP 2025-11-25, basic/transports, "Session Management").
        "POST" if ask.label() == "POST tools/list" => ordinary(ask).with("Mcp-Session-Id", "other"),
        _ => ordinary(ask),
    })
    .await;
    server.expect("POST initialize", 1);
    server.expect("GET", 1);
    server.expect("DELETE", 1);
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(request(1, "tools/list")).await;
    host.next().await;
    host.send(call(2)).await;
    host.next().await;
    assert!(host.closed().await.status.success());

    for ask in server.all() {
        let label = ask.label();
        assert_eq!(ask.path, "/mcp", "{label}");
        assert_eq!(ask.header("origin"), None, "{label}");
        assert!(
            ask.header("user-agent").unwrap().starts_with("mcpipe/"),
            "{label}"
        );
        assert_eq!(ask.headers.get_all("accept").iter().count(), 1, "{label}");
        let accept = ask.header("accept").unwrap();
        assert!(accept.contains("text/event-stream"), "{label}");
        if ask.verb == "POST" {
            assert!(accept.contains("application/json"), "{label}");
            assert_eq!(
                ask.header("content-type"),
                Some("application/json"),
                "{label}"
            );
        }
        let inside = (label != "POST initialize").then_some("session-1");
        assert_eq!(ask.header("mcp-session-id"), inside, "{label}");
        let version = (label != "POST initialize").then_some("2025-06-18");
        assert_eq!(ask.header("mcp-protocol-version"), version, "{label}");
        assert_eq!(ask.header("last-event-id"), None, "{label}");
    }
}

#[tokio::test]
async fn a_remote_without_sessions_is_sent_none_and_not_said_goodbye() {
    let mut server = Server::that(|ask| match ask.label().as_str() {
        "POST initialize" => Reply::result(ask, r#"{"protocolVersion":"2025-03-26"}"#),
        _ => ordinary(ask),
    })
    .await;
    server.expect("DELETE", 0);
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    host.next().await;
    host.closed().await;
    for ask in server.all() {
        assert_eq!(ask.header("mcp-session-id"), None);
    }
    let last = server.asked("POST tools/call", 1).await;
    assert_eq!(last.header("mcp-protocol-version"), Some("2025-03-26"));
}

#[tokio::test]
async fn the_users_headers_travel_but_never_instead_of_the_protocols() {
    let server = Server::that(ordinary).await;
    let mut arguments = Vec::new();
    for header in [
        "X-Mine: ${MINE}",
        "Accept: text/plain",
        "Content-Type: text/plain",
        "Mcp-Session-Id: forged",
        "MCP-Protocol-Version: 1999-01-01",
        "Last-Event-ID: 9",
        "Content-Length: 3",
        "Transfer-Encoding: chunked",
        "Connection: close",
    ] {
        arguments.extend(["--header", header]);
    }
    let url = server.url();
    arguments.push(&url);
    let mut host = Process::start_with(&arguments, &[("MINE", "yes")]);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    host.next().await;
    host.closed().await;
    assert_eq!(server.labels().len(), 5);
    for ask in server.all() {
        let label = ask.label();
        let inside = (label != "POST initialize").then_some("session-1");
        assert_eq!(ask.header("x-mine"), Some("yes"), "{label}");
        assert_eq!(ask.header("mcp-session-id"), inside, "{label}");
        assert_ne!(
            ask.header("mcp-protocol-version"),
            Some("1999-01-01"),
            "{label}"
        );
        assert_ne!(ask.header("accept"), Some("text/plain"), "{label}");
        assert_ne!(ask.header("content-type"), Some("text/plain"), "{label}");
        assert_eq!(ask.header("last-event-id"), None, "{label}");
        assert_eq!(ask.header("transfer-encoding"), None, "{label}");
    }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_origin_only_and_only_where_the_method_stays() {
    let elsewhere = Server::that(ordinary).await;
    let foreign = format!("{}/mcp", elsewhere.origin());
    let mut server = Server::that(move |ask| match (ask.path.as_str(), ask.label().as_str()) {
        ("/mcp", "POST tools/call") => Reply::status(307).with("Location", "/moved?x=1"),
        ("/moved?x=1", _) => Reply::status(308).with("Location", "again"),
        ("/mcp", "POST tools/list") => Reply::status(307).with("Location", &foreign),
        ("/mcp", "POST prompts/list") => Reply::status(302).with("Location", "/again"),
        ("/mcp", "POST resources/list") => Reply::status(307).with("Location", "/mcp"),
        _ => ordinary(ask),
    })
    .await;
    server.expect("POST tools/call", 3);
    let mut host =
        Process::opened(&server.url(), &["--header", "Authorization: Bearer s3cret"]).await;
    host.send(call(1)).await;
    assert_eq!(host.next_json().await["result"], json("{}"));
    let moved = server.asked("POST tools/call", 3).await;
    assert_eq!(
        (moved.path.as_str(), moved.header("authorization")),
        ("/again", Some("Bearer s3cret"))
    );
    for method in ["tools/list", "prompts/list", "resources/list"] {
        host.send(request(2, method)).await;
        let answer = host.next().await;
        assert!(answer.contains("\"error\""), "{method}: {answer}");
        assert!(!answer.contains("s3cret"), "{answer}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_refused_header_of_the_users_own_is_said_and_nothing_is_signed_in() {
    let server = Server::that(|ask| match ask.verb.as_str() {
        "POST" => Reply::status(401).with(
            "WWW-Authenticate",
            "Bearer error=\"invalid_token\", resource_metadata=\"http://127.0.0.1:9/x\"",
        ),
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::start(&[&server.url(), "--header", "Authorization: Bearer s3cret"]);
    host.send(INITIALIZE).await;
    let answer = host.next_json().await;
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("Authorization"), "{message}");
    assert_eq!(server.labels(), ["POST initialize"]);
    let left = host.closed().await;
    assert!(!left.stderr.contains("s3cret"), "{}", left.stderr);
}
