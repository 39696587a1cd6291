//! Bodies that are compressed although every request asks for `identity`.

use async_compression::tokio::write::{
    BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder,
};
use http::HeaderMap;
use mcpipe::auth::net::http::Document;
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::{document_and_answer, sign_in_at};
use crate::support::authority::Authority;
use crate::support::host::{Process, call, request};
use crate::support::remote::{Body, Reply, Server, Step, ordinary, result_of};

/// The bytes that an encoder makes of pieces, each flushed; the end is with the last.
macro_rules! encoded {
    ($encoder:ident, $pieces:expr) => {{
        let mut made: Vec<Vec<u8>> = Vec::new();
        let mut encoder = $encoder::new(Vec::new());
        for piece in $pieces {
            encoder.write_all(piece.as_bytes()).await.unwrap();
            encoder.flush().await.unwrap();
            made.push(std::mem::take(encoder.get_mut()));
        }
        encoder.shutdown().await.unwrap();
        made.push(encoder.into_inner());
        made
    }};
}

async fn encoded(coding: &str, pieces: &[String]) -> Vec<Vec<u8>> {
    match coding {
        "gzip" | "x-gzip" | "GZIP" | "gzip, identity" => encoded!(GzipEncoder, pieces),
        "br" => encoded!(BrotliEncoder, pieces),
        "zstd" => encoded!(ZstdEncoder, pieces),
        "deflate" => encoded!(ZlibEncoder, pieces),
        "Deflate" => encoded!(DeflateEncoder, pieces),
        other => panic!("{other}"),
    }
}

const CODINGS: [&str; 8] = [
    "gzip",
    "x-gzip",
    "GZIP",
    "gzip, identity",
    "br",
    "zstd",
    "deflate",
    "Deflate", // without the zlib header, as some send it
];

#[tokio::test]
async fn every_request_asks_for_bodies_as_they_are() {
    let server = Server::that(ordinary).await;
    let mut host = Process::opened(&server.url(), &["--header", "Accept-Encoding: gzip"]).await;
    host.send(call(1)).await;
    host.next().await;
    server.asked("GET", 1).await;
    assert!(host.closed().await.status.success());
    server.asked("DELETE", 1).await;
    for ask in server.all() {
        let asked: Vec<_> = ask.headers.get_all("accept-encoding").iter().collect();
        assert_eq!(asked, ["identity"], "{}", ask.label());
    }

    let authority = Authority::start().await;
    let http = sign_in_at(&authority.origin);
    let place = Url::parse(&format!("{}/elsewhere", authority.origin)).unwrap();
    http.document(&place).await.unwrap();
    http.look(&place).await.unwrap();
    http.post(&place, HeaderMap::new(), Vec::new())
        .await
        .unwrap();
    for seen in authority.seen() {
        assert_eq!(seen.headers["accept-encoding"], "identity", "{seen:?}");
    }
    assert_eq!(authority.seen().len(), 3);
}

#[tokio::test]
async fn an_answer_that_is_compressed_all_the_same_is_read() {
    for coding in CODINGS {
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => {
                let text = result_of(ask, r#"{"content":["plain"]}"#);
                let body = at_once(encoded(coding, &[text]));
                let mut reply = Reply::json("").with("Content-Encoding", coding);
                reply.body = Body::Whole(body.concat());
                reply
            }
            "POST tools/list" => {
                let text = r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32000,"message":"no"}}"#;
                let body = at_once(encoded(coding, &[text.to_owned()]));
                let mut reply = Reply::status(400).with("Content-Type", "application/json");
                reply
                    .headers
                    .push(("Content-Encoding".into(), coding.into()));
                reply.body = Body::Whole(body.concat());
                reply
            }
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        let answer = host.next_json().await;
        assert_eq!(
            answer["result"]["content"][0], "plain",
            "{coding}: {answer}"
        );
        host.send(request(3, "tools/list")).await;
        let answer = host.next_json().await;
        assert_eq!(answer["error"]["code"], -32000, "{coding}: {answer}");
    }
}

/// Runs an encoder, which waits for nothing, where nothing may be waited for.
fn at_once<T>(ready: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(ready).unwrap()
}

#[tokio::test]
async fn an_event_of_a_compressed_stream_is_handed_on_when_it_has_come() {
    for coding in ["gzip", "br", "zstd", "deflate"] {
        let (reply, steps) = Reply::live();
        let mut reply = Some(reply.with("Content-Encoding", coding));
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => reply.take().unwrap(),
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        let event = |data: &str| format!("data: {data}\n\n");
        let first = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"1"}}"#;
        let last = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
        let mut pieces = encoded(coding, &[event(first), event(last)])
            .await
            .into_iter();
        steps.send(Step::Bytes(pieces.next().unwrap())).unwrap();
        assert_eq!(host.next().await, first, "{coding}");
        pieces.for_each(|piece| steps.send(Step::Bytes(piece)).unwrap());
        assert_eq!(host.next().await, last, "{coding}");
    }
}

#[tokio::test]
async fn a_small_body_that_becomes_a_large_one_is_stopped_at_the_limit() {
    for (kind, begins) in [
        ("application/json", r#"{"jsonrpc":"2.0","id":1,"result":""#),
        ("text/event-stream", "data: "),
    ] {
        for coding in ["gzip", "br", "zstd", "deflate"] {
            let pieces = [format!("{begins}{}", " ".repeat(20 << 20))];
            let bomb = encoded(coding, &pieces).await.concat();
            assert!(bomb.len() < 1 << 19, "{coding}: {}", bomb.len());
            let server = Server::that(move |ask| match ask.label().as_str() {
                "POST tools/call" => {
                    let mut reply = Reply::status(200)
                        .with("Content-Type", kind)
                        .with("Content-Encoding", coding);
                    reply.body = Body::Whole(bomb.clone());
                    reply
                }
                _ => ordinary(ask),
            })
            .await;
            let limit = ["--max-message-size", "1048576"];
            let mut host = Process::opened(&server.url(), &limit).await;
            host.send(call(1)).await;
            let answer = host.next_json().await;
            let kind_of_error = &answer["error"]["data"]["kind"];
            assert_eq!(kind_of_error, "too_large", "{kind} {coding}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_coding_that_cannot_be_undone_is_named() {
    for (coding, body, said) in [
        ("compress", &b"\x1f\x9d"[..], "compress"),
        ("dcb", b"\xff\x44\x43\x42", "dcb"),
        (
            "gzip",
            b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03garbage",
            "gzip",
        ),
    ] {
        let server = Server::that(move |ask| match ask.label().as_str() {
            "POST tools/call" => {
                let mut reply = Reply::json("").with("Content-Encoding", coding);
                reply.body = Body::Whole(body.to_vec());
                reply
            }
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        let message = host.next_json().await["error"]["message"].to_string();
        let is_told = message.contains("Content-Encoding") && message.contains(said);
        assert!(is_told, "{message}");
    }
}

#[tokio::test]
async fn documents_and_answers_of_a_sign_in_are_decoded_too() {
    for coding in CODINGS {
        let server = Server::that(move |_| {
            let text = r#"{"issuer":"https://a.example"}"#;
            let mut reply = Reply::json("").with("Content-Encoding", coding);
            reply.body = Body::Whole(at_once(encoded(coding, &[text.to_owned()])).concat());
            reply
        })
        .await;
        let (found, answer) = document_and_answer(&server).await;
        let is_found = matches!(&found, Document::Found(it) if it["issuer"] == "https://a.example");
        assert!(is_found, "{coding}: {found:?}");
        assert!(answer.starts_with(b"{\"issuer\""), "{coding}");
    }
    let bomb = encoded("gzip", &[" ".repeat(20 << 20)]).await.concat();
    let server = Server::that(move |_| {
        let mut reply = Reply::json("").with("Content-Encoding", "gzip");
        reply.body = Body::Whole(bomb.clone());
        reply
    })
    .await;
    let place = Url::parse(&server.url()).unwrap();
    let refused = sign_in_at(&server.origin()).document(&place).await;
    assert!(refused.unwrap_err().to_string().contains("more than"));
}
