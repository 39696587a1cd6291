//! Through the real binary: a result is read page by page to its last byte, by this process and by one that is started
//! later, and by none for another account.

use serde_json::{Value, json};

use crate::support::host::{INITIALIZE, INITIALIZED, Process, request};
use crate::support::remote::{Ask, Reply, Server, ordinary};

use super::{LIMIT, SCHEME, large, uri_in};

async fn server() -> Server {
    Server::that(|ask: &Ask| match ask.label().as_str() {
        "POST tools/call" => Reply::result(ask, &large()),
        _ => ordinary(ask),
    })
    .await
}

async fn opened(home: &std::path::Path, url: &str, arguments: &[&str]) -> Process {
    let arguments = [arguments, &[url]].concat();
    let mut host = Process::start_in(home, &arguments, &[]);
    host.send(INITIALIZE).await;
    let opening = host.next_json().await;
    assert!(
        opening["result"]["capabilities"]["resources"].is_object(),
        "{opening}"
    );
    host.send(INITIALIZED).await;
    host
}

async fn read(host: &mut Process, uri: &str) -> Value {
    let mut line: Value = serde_json::from_str(&request(9, "resources/read")).unwrap();
    line["params"] = json!({ "uri": uri });
    host.send(line.to_string()).await;
    host.next_json().await
}

async fn read_all(host: &mut Process, uri: &str) -> String {
    let (mut text, mut uri) = (String::new(), uri.to_owned());
    loop {
        let answer = read(host, &uri).await;
        let contents = &answer["result"]["contents"];
        text.push_str(
            contents[0]["text"]
                .as_str()
                .unwrap_or_else(|| panic!("{answer}")),
        );
        match contents[1]["uri"].as_str() {
            Some(next) => uri = next.to_owned(),
            None => return text,
        }
    }
}

#[tokio::test]
async fn the_rest_is_read_to_its_last_byte_and_by_a_later_process_too() {
    let home = tempfile::tempdir().unwrap();
    let server = server().await;
    let limit = LIMIT.to_string();
    let audit = home.path().join("audit.jsonl");
    let flags = ["--max-result", &*limit, "--audit", audit.to_str().unwrap()];
    let mut host = opened(home.path(), &server.url(), &flags).await;
    host.send(request(1, "tools/call")).await;
    let line = host.next().await;
    assert!(line.len() <= usize::try_from(LIMIT).unwrap() + 50);
    let answer: Value = serde_json::from_str(&line).unwrap();
    let content = answer["result"]["content"].as_array().unwrap();
    let note = content.last().unwrap()["text"].as_str().unwrap();
    let uri = uri_in(note, "result.json");
    assert!(
        uri.starts_with(SCHEME) && note.contains("max-result 4000, from --max-result"),
        "{note}"
    );
    assert_eq!(read_all(&mut host, &uri).await, large());
    host.closed().await;
    let mut later = opened(home.path(), &server.url(), &flags).await;
    assert_eq!(read_all(&mut later, &uri).await, large());
    later.closed().await;
    let others = [&flags[..], &["--account", "other"]].concat();
    let mut other = opened(home.path(), &server.url(), &others).await;
    let answer = read(&mut other, &uri).await;
    assert_eq!(answer["error"]["code"], -32002, "{answer}");
    other.closed().await;
    assert_eq!(server.count("POST resources/read"), 0);
    // What the bridge answers itself is audited too.
    let lines = std::fs::read_to_string(audit).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let reads: Vec<_> = lines
        .filter(|line| line["method"] == "resources/read")
        .collect();
    assert!(
        reads.iter().any(|line| line["outcome"] == "ok"),
        "{reads:?}"
    );
    assert!(
        reads.iter().all(|line| line["event"] == "result"),
        "{reads:?}"
    );
}

#[tokio::test]
async fn a_limit_without_room_for_a_note_is_refused_before_anything_is_sent() {
    let server = server().await;
    for value in ["100", "2047", "search=0", "x", "="] {
        let exit = Process::start(&["--max-result", value, &server.url()])
            .closed()
            .await;
        assert_eq!(exit.status.code(), Some(2), "{value}");
        assert!(exit.stderr.contains("--max-result"), "{}", exit.stderr);
    }
    assert!(server.labels().is_empty());
}
