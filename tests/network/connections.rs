//! Connections that are kept: which are used again, which are not, and what is sent once more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time;
use tokio_util::task::TaskTracker;

use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};
use crate::support::remote::{Ask, Body, Reply, Server, Step, ordinary, result_of};

/// Longer than the bridge lets pass before it looks after idle connections.
const LATER: Duration = Duration::from_millis(1500);

/// The answer to a call, and what happens on its connection afterwards.
fn and_then(ask: &Ask, steps: impl IntoIterator<Item = Step>) -> Reply {
    let answer = result_of(ask, "{}").into_bytes();
    let length = answer.len();
    let mut reply = Reply::status(200).with("Content-Type", "application/json");
    let steps = [Step::Bytes(answer)].into_iter().chain(steps);
    reply.body = Body::Announced(length, steps.collect());
    reply
}

/// A host with a session at a server that answers its first call so, and all others as usual.
async fn at_a_server_that(reply: fn(&Ask) -> Reply) -> (Server, Process) {
    let calls = AtomicUsize::new(0);
    let server = Server::that(move |ask| match ask.label().as_str() {
        "POST tools/call" if calls.fetch_add(1, Ordering::SeqCst) == 0 => reply(ask),
        _ => ordinary(ask),
    });
    let server = server.await;
    let host = Process::opened(&server.url(), &[]).await;
    server.asked("GET", 1).await;
    server.asked("POST notifications/initialized", 1).await;
    (server, host)
}

async fn is_answered(host: &mut Process, id: u64) {
    host.send(call(id)).await;
    assert_eq!(host.next_json().await["result"], json!({}), "{id}");
}

#[tokio::test]
async fn calls_use_the_connections_that_are_there() {
    let server = Server::that(ordinary).await;
    let mut host = Process::opened(&server.url(), &[]).await;
    server.asked("GET", 1).await;
    for id in 1..4 {
        for more in 0..64 {
            host.send(call(id * 100 + more)).await;
        }
        for _ in 0..64 {
            host.next().await;
        }
    }
    let made = server.connections();
    for id in 1000..1100 {
        is_answered(&mut host, id).await;
    }
    assert!(made <= 64 + 2, "{made} connections for 64 calls at once");
    assert_eq!(server.connections(), made);
    assert_eq!(server.count("POST tools/call"), 3 * 64 + 100);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_passed_over_and_no_call_is_sent_twice() {
    let replies: [fn(&Ask) -> Reply; 6] = [
        // Right after the answer.
        |ask| and_then(ask, [Step::Cut]),
        // Some time later, as servers end connections that are idle.
        |ask| and_then(ask, [Step::Pause(Duration::from_millis(300)), Step::Cut]),
        // With a word about it (RFC 9110 section 15.5.9): no answer to the next call.
        |ask| {
            let word =
                "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            and_then(
                ask,
                [
                    Step::Pause(Duration::from_millis(300)),
                    Step::text(word),
                    Step::Cut,
                ],
            )
        },
        // As it said it would.
        |ask| and_then(ask, [Step::Cut]).with("Connection", "close"),
        // As it said it would, and is late.
        |ask| and_then(ask, [Step::forever()]).with("Connection", "close"),
        // More comes than the answer: whatever it is, it answers no call that is still to come.
        |ask| {
            and_then(
                ask,
                [
                    Step::text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
                    Step::forever(),
                ],
            )
        },
    ];
    for reply in replies {
        let (server, mut host) = at_a_server_that(reply).await;
        is_answered(&mut host, 1).await;
        time::sleep(LATER / 3).await;
        is_answered(&mut host, 2).await;
        time::sleep(LATER).await;
        is_answered(&mut host, 3).await;
        assert_eq!(server.count("POST tools/call"), 3);
        assert!(host.closed().await.status.success());
    }
}

#[tokio::test]
async fn a_call_that_may_have_been_read_is_not_sent_again() {
    let (server, mut host) = at_a_server_that(|_| Reply::cut()).await;
    host.send(call(1)).await;
    let answer = host.next_json().await;
    assert_eq!(answer["error"]["data"]["kind"], "cut", "{answer}");
    is_answered(&mut host, 2).await;
    assert_eq!(server.count("POST tools/call"), 2);
}

#[tokio::test]
async fn informational_responses_are_no_answers() {
    let (server, mut host) = at_a_server_that(|ask| {
        let hints = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
        Reply::result(ask, "{}")
            .after(Step::text("HTTP/1.1 100 Continue\r\n\r\n"))
            .after(Step::text(hints))
            .after(Step::Pause(Duration::from_millis(100)))
            .after(Step::text(hints.repeat(3)))
    })
    .await;
    let made = server.connections();
    is_answered(&mut host, 1).await;
    is_answered(&mut host, 2).await;
    assert_eq!(server.connections(), made);
}

#[tokio::test]
async fn a_server_that_is_started_anew_is_called_on_new_connections() {
    let server = Server::that(ordinary).await;
    let mut host = Process::opened(&server.url(), &[]).await;
    server.asked("GET", 1).await;
    for id in 1..9 {
        host.send(call(id)).await;
    }
    for _ in 1..9 {
        host.next().await;
    }
    let address = server.origin().replace("http://", "");
    server.close().await;
    let server = Server::that_listens_at(&address, ordinary).await;
    time::sleep(LATER).await;
    for id in 11..19 {
        host.send(call(id)).await;
    }
    for _ in 11..19 {
        let answer = host.next_json().await;
        assert_eq!(answer["result"], json!({}), "{answer}");
    }
    assert_eq!(server.count("POST tools/call"), 8);
}

#[tokio::test]
async fn a_connection_is_not_used_up_to_the_end_that_the_server_has_announced() {
    let server = Server::that(|ask| ordinary(ask).with("Keep-Alive", "timeout=2")).await;
    let mut host = Process::opened(&server.url(), &[]).await;
    server.asked("GET", 1).await;
    is_answered(&mut host, 1).await;
    let made = server.connections();
    is_answered(&mut host, 2).await;
    assert_eq!(server.connections(), made);
    time::sleep(LATER).await;
    is_answered(&mut host, 3).await;
    assert_eq!(server.connections(), made + 1);
}

/// A server on a bare socket, for what [`Server`] does not do.
struct Bare(TcpListener);

impl Bare {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.0.local_addr().unwrap())
    }

    async fn accepted(&self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }
}

/// Reads the head of a request, and says how long its body is.
async fn head(socket: &mut TcpStream) -> usize {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head
        .lines()
        .find_map(|it| it.strip_prefix("content-length: "));
    length.map_or(0, |length| length.parse().unwrap())
}

async fn answer(socket: &mut TcpStream, text: &str) {
    let length = text.len();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let whole = format!("{head}Content-Length: {length}\r\n\r\n{text}");
    socket.write_all(whole.as_bytes()).await.unwrap();
}

const OPENED: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"bare","version":"1"}}}"#;

/// Plays the start of a session on one connection.
async fn opened(host: &mut Process, socket: &mut TcpStream) {
    let length = head(socket).await;
    socket.read_exact(&mut vec![0; length]).await.unwrap();
    answer(socket, OPENED).await;
    host.next().await;
}

#[tokio::test]
async fn a_connection_that_the_server_has_closed_is_closed_here_too() {
    let bare = Bare::new().await;
    let mut host = Process::start(&[&bare.url()]);
    host.send(INITIALIZE).await;
    let mut socket = bare.accepted().await;
    opened(&mut host, &mut socket).await;
    socket.shutdown().await.unwrap();
    let closed = time::timeout(Duration::from_secs(30), socket.read_u8());
    assert!(closed.await.expect("an end in good time").is_err());
}

/// Serves one connection: what is long is answered before it is read, and its length is told when it has been read.
async fn answer_early(mut socket: TcpStream, read: mpsc::UnboundedSender<usize>) {
    let accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    let none = b"HTTP/1.1 405 None\r\nContent-Length: 0\r\n\r\n";
    loop {
        let length = head(&mut socket).await;
        let is_long = length > 1024 * 1024;
        if is_long {
            socket.write_all(accepted).await.unwrap();
            time::sleep(Duration::from_millis(300)).await;
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.unwrap();
        if is_long {
            read.send(length).unwrap();
        } else if body.is_empty() {
            socket.write_all(none).await.unwrap();
        } else if String::from_utf8(body).unwrap().contains("\"initialize\"") {
            answer(&mut socket, OPENED).await;
        } else {
            socket.write_all(accepted).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_message_that_is_answered_before_it_is_read_still_arrives_whole() {
    let bare = Bare::new().await;
    let (read, mut has_read) = mpsc::unbounded_channel();
    let mut host = Process::start(&[&bare.url()]);
    let serving = TaskTracker::new().spawn(async move {
        loop {
            let socket = bare.accepted().await;
            TaskTracker::new().spawn(answer_early(socket, read.clone()));
        }
    });
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    // More than the socket buffers of both sides take.
    let text = "x".repeat(16 * 1024 * 1024);
    host.send(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/x","params":{{"text":"{text}"}}}}"#
    ))
    .await;
    let length = time::timeout(Duration::from_secs(30), has_read.recv()).await;
    assert!(length.expect("all of it in good time").unwrap() > text.len());
    serving.abort();
}
