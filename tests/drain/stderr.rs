//! Stderr that is left unread, closed or flooded stops no message and no end.

use std::time::Duration;

use crate::support::host::{INITIALIZE, INITIALIZED, Process, call, request};
use crate::support::remote::{Reply, Server, Step, ordinary};

/// What an end within two seconds may measure on a busy machine.
const IN_TIME: Duration = Duration::from_secs(6);

/// How many lines are more than a pipe and the queue in front of it hold: 64 KiB and 256 KiB, at 100 bytes and more.
const FLOOD: usize = 6000;

/// Opened, with so much to say on stderr that an unread pipe is long full.
async fn flooded(server: &Server) -> Process {
    let mut host = Process::start_unheard(&[&server.url(), "--debug"]);
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    for id in 0..FLOOD {
        host.send(request(id, "ping")).await;
        host.next().await;
    }
    host
}

/// The errors of lines that are no messages, and nothing else.
async fn refused(host: &mut Process, line: &str) {
    host.send(line).await;
    let error = host.next_json().await;
    assert!(error["error"]["code"].is_i64(), "{line}: {error}");
}

#[tokio::test]
async fn a_stderr_that_is_never_read_stops_neither_messages_nor_the_end() {
    let server = Server::that(ordinary).await;
    let mut host = flooded(&server).await;
    host.send(call(9999)).await;
    assert_eq!(host.next_json().await["id"], 9999);
    // Its stderr is read only once it is gone.
    let left = host.closed().await;
    assert!(left.status.success());
    assert!(left.took < IN_TIME, "{:?}", left.took);
}

#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_a_bridge_whose_stderr_is_never_read() {
    let server = Server::that(ordinary).await;
    let host = flooded(&server).await;
    host.signal(rustix::process::Signal::TERM);
    let left = host.exit().await;
    assert!(left.status.success());
    assert!(left.took < IN_TIME, "{:?}", left.took);
}

#[tokio::test]
async fn a_stderr_that_is_read_again_says_how_many_lines_it_lacks() {
    let server = Server::that(ordinary).await;
    let host = flooded(&server).await;
    host.hear();
    host.has_said("lines of the log were dropped here").await;
    let left = host.closed().await;
    let said = left.stderr.lines();
    let counts: u64 = said
        .filter_map(|line| line.split_once("WARN ")?.1.split_once(" lines of the log"))
        .map(|(count, _)| count.parse::<u64>().unwrap())
        .sum();
    assert!(counts > 100, "{counts}");
}

#[tokio::test]
async fn a_stderr_that_the_host_closes_stops_nothing() {
    let server = Server::that(ordinary).await;
    let mut host = Process::start_unheard(&[&server.url(), "--debug"]);
    host.shut_stderr();
    host.send(INITIALIZE).await;
    host.next().await;
    host.send(INITIALIZED).await;
    for id in 0..50 {
        host.send(call(id)).await;
        host.next().await;
    }
    let left = host.closed().await;
    assert!(left.status.success());
    assert!(left.took < IN_TIME, "{:?}", left.took);
}

#[tokio::test]
async fn what_a_peer_can_repeat_at_will_is_said_once_a_minute() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let mut steps: Vec<_> = (0..300)
                .map(|n| Step::event(format!("not json {n}")))
                .collect();
            steps.push(Step::event(crate::support::remote::result_of(ask, "{}")));
            Reply::events(steps)
        }
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    for id in 0..3 {
        host.send(call(id)).await;
        host.next().await;
    }
    for n in 0..100 {
        refused(&mut host, &format!("not json {n}")).await;
        refused(&mut host, r#"{"jsonrpc":"2.0"}"#).await;
    }
    let left = host.closed().await;
    for kind in ["not a message", "a line that is not a message"] {
        let times = left.stderr.lines().filter(|line| {
            line.contains(kind) && (kind.len() > 20) == line.contains("a line that")
        });
        assert_eq!(times.count(), 1, "{kind}: {}", left.stderr);
    }
}

#[tokio::test]
async fn an_error_right_before_the_end_still_comes() {
    // The bridge refuses at once; nothing is lost between its last word and its end.
    for _ in 0..20 {
        let host = Process::start(&["https://127.0.0.1:1/", "--header", "X: ${UNSET}"]);
        let left = host.closed().await;
        assert!(left.stderr.starts_with("error: "), "{}", left.stderr);
        assert!(left.stderr.contains("hint: "), "{}", left.stderr);
    }
}
