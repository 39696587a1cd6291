//! Content types, byte order marks, and letters that are none.

use mcpipe::auth::net::http::Document;
use url::Url;

use super::{document_and_answer, sign_in_at};
use crate::support::host::{Process, call};
use crate::support::remote::{Body, Reply, Server, Step, ordinary, result_of};

#[tokio::test]
async fn what_begins_like_json_is_json_whatever_its_label() {
    for labels in [
        &[][..],
        &["application/json-rpc"],
        &["application/vnd.mcp+json; charset=utf-8"],
        &["application/octet-stream"],
        &["text/json"],
        &["json"],
        &["application/json, application/json"],
        &["application/json", "application/json"],
        &["text/plain", "application/json"],
        &["text/event-stream"], // and no event stream
    ] {
        for mark in ["", "\u{feff}", "\r\n \u{feff}"] {
            let server = Server::that(move |ask| match ask.label().as_str() {
                "POST tools/call" => {
                    let body = format!("{mark}{}", result_of(ask, r#"{"is":"read"}"#));
                    let labelled = |reply: Reply, label: &&str| reply.with("Content-Type", label);
                    labels.iter().fold(Reply::status(200), labelled).body(body)
                }
                _ => ordinary(ask),
            })
            .await;
            let mut host = Process::opened(&server.url(), &[]).await;
            host.send(call(1)).await;
            let answer = host.next_json().await;
            assert_eq!(
                answer["result"]["is"], "read",
                "{labels:?} {mark:?}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn an_event_stream_without_its_label_is_read() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let mut reply = Reply::status(200);
            let data = format!("\u{feff}{}", result_of(ask, r#"{"is":"read"}"#));
            reply.body = Body::Chunked(vec![
                Step::text("event: mess"),
                Step::text(format!("age\ndata: {data}\n\n")),
            ]);
            reply
        }
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    let answer = host.next_json().await;
    assert_eq!(answer["result"]["is"], "read", "{answer}");
}

#[tokio::test]
async fn a_page_and_plain_text_are_refused_by_name() {
    for (label, body, said) in [
        ("text/html; charset=utf-8", "<html>", "text/html"),
        (
            "text/html",
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            "text/html",
        ),
        ("text/plain", "OK", "text/plain"),
        (
            "application/octet-stream",
            "OK, then",
            "application/octet-stream",
        ),
        ("", "OK, then", "without a content type"),
    ] {
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" if label.is_empty() => Reply::status(200).body(body),
            "POST tools/call" => Reply::status(200).with("Content-Type", label).body(body),
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        let message = host.next_json().await["error"]["message"].to_string();
        assert!(message.contains(said), "{message}");
    }
}

#[tokio::test]
async fn what_is_said_beside_the_messages_disturbs_nothing() {
    // Postman acknowledges notifications with plain text; Next.js is told to say `none` so that streams stay as they are;
    // a gateway leads the optional stream to its page.
    let server = Server::that(|ask| match (ask.label().as_str(), ask.path.as_str()) {
        ("POST notifications/initialized", _) => Reply::status(200)
            .with("Content-Type", "text/plain; charset=utf-8")
            .body("Accepted"),
        ("POST tools/call", _) => {
            Reply::events([Step::event(result_of(ask, "{}"))]).with("Content-Encoding", "none")
        }
        ("GET", "/mcp") => Reply::status(302).with("Location", "/login?next=/mcp"),
        ("GET", _) => Reply::status(200)
            .with("Content-Type", "text/html")
            .body("<html>"),
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    server.asked("GET", 2).await;
    host.send(call(1)).await;
    assert!(host.next_json().await["result"].is_object());
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(host.closed().await.status.success());
    assert_eq!(server.count("GET"), 2, "{:?}", server.labels());
}

#[tokio::test]
async fn an_error_with_letters_that_are_not_utf_8_is_still_that_error() {
    let description =
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32001,\"message\":\"Stra\xdfe\"}}";
    for status in [200, 400] {
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => {
                let mut reply = Reply::status(status).with("Content-Type", "application/json");
                reply.body = Body::Whole(description.to_vec());
                reply
            }
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        let answer = host.next_json().await;
        assert_eq!(answer["error"]["code"], -32001, "{answer}");
        assert!(
            answer["error"]["message"]
                .as_str()
                .unwrap()
                .starts_with("Stra")
        );
    }
}

#[tokio::test]
async fn a_sign_in_reads_json_behind_marks_pages_and_odd_letters() {
    let bodies: [&[u8]; 3] = [
        b"\xef\xbb\xbf{\"error\":\"invalid_grant\",\"error_description\":\"no\"}",
        b" {\"error\":\"invalid_grant\",\"error_description\":\"Stra\xdfe\"}",
        b"\xef\xbb\xbf\n{\"error\":\"invalid_grant\",\"error_description\":\"\xff\"}",
    ];
    for label in [
        "text/html",
        "application/json",
        "text/plain",
        "text/html; charset=latin1",
    ] {
        for body in bodies {
            let server = Server::that(move |_| {
                let mut reply = Reply::status(200).with("Content-Type", label);
                reply.body = Body::Whole(body.to_vec());
                reply
            })
            .await;
            let (found, answer) = document_and_answer(&server).await;
            let is_found = matches!(&found, Document::Found(it) if it["error"] == "invalid_grant");
            assert!(is_found, "{label} {body:?}: {found:?}");
            let read: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(read["error"], "invalid_grant");
        }
    }
    // A page is still a page.
    let server = Server::that(|_| {
        let page = format!("<html>{}", " ".repeat(1 << 20));
        Reply::status(200)
            .with("Content-Type", "text/html")
            .body(page)
    })
    .await;
    let place = Url::parse(&server.url()).unwrap();
    let found = sign_in_at(&server.origin()).document(&place).await.unwrap();
    assert!(matches!(found, Document::Absent { .. }), "{found:?}");
}

#[tokio::test]
async fn files_and_programs_may_begin_with_a_byte_order_mark() {
    let server = Server::that(ordinary).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("headers");
    std::fs::write(&file, "\u{feff}X-From-File: 1\r\nX-Second: 2\r\n").unwrap();
    let printed = folder.path().join("printed");
    std::fs::write(&printed, "\u{feff}{\"X-Printed\": \"3\"}").unwrap();
    let command = format!("/bin/cat {}", printed.display());
    let info = folder.path().join("info");
    std::fs::write(&info, "\u{feff}{\"client_id\": \"x\"}").unwrap();
    let info = format!("@{}", info.display());
    let metadata = folder.path().join("metadata");
    std::fs::write(&metadata, "\u{feff}{\"scope\": \"x\"}").unwrap();
    let metadata = format!("@{}", metadata.display());
    let ca = folder.path().join("ca.pem");
    let pem = std::fs::read_to_string(crate::support::tls::fixture("ca.pem")).unwrap();
    std::fs::write(&ca, format!("\u{feff}{pem}")).unwrap();
    let arguments = [
        "--header-file",
        file.to_str().unwrap(),
        "--header-command",
        &command,
        "--static-oauth-client-info",
        &info,
        "--static-oauth-client-metadata",
        &metadata,
        "--ca",
        ca.to_str().unwrap(),
    ];
    let _host = Process::opened(&server.url(), &arguments).await;
    let asked = server.asked("POST initialize", 1).await;
    assert_eq!(asked.header("x-from-file"), Some("1"));
    assert_eq!(asked.header("x-second"), Some("2"));
    assert_eq!(asked.header("x-printed"), Some("3"));

    // And so may the first line of a host.
    let mut host = Process::start(&[&server.url()]);
    host.send(format!("\u{feff}{}", crate::support::host::INITIALIZE))
        .await;
    assert!(host.next_json().await["result"].is_object());
}
