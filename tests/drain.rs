//! The real binary ends on end of file, on signals, and when the host does not read: in time, each request answered once.
//!
//! These measure wall-clock time because the promise is one about time: "within two seconds" and the like. The bounds
//! have slack for a busy machine.

mod listening; // subscriptions to modern servers
#[cfg(unix)]
mod pipes; // broken pipes during a sign-in; exit codes
#[cfg(unix)]
mod reported; // reports of users of other servers and bridges
mod stderr; // stderr unread, closed or full: the bridge goes on

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::host::{Exit, INITIALIZE, INITIALIZED, Process, call, cancelled, request};
use crate::support::remote::{Body, Reply, Server, Step, ordinary, result_of};

/// What a promise of two seconds may measure on a busy machine; and one of one second.
const TWO_SECONDS: Duration = Duration::from_millis(5000);
const ONE_SECOND: Duration = Duration::from_millis(4000);

/// An ordinary server whose tool calls are never answered.
fn silent_calls(ask: &crate::support::remote::Ask) -> Reply {
    match ask.label().as_str() {
        "POST tools/call" => Reply::accepted().after(Step::forever()),
        _ => ordinary(ask),
    }
}

/// How often each id was answered.
fn answered(left: &Exit) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for answer in left.answers() {
        *times.entry(answer["id"].to_string()).or_default() += 1;
    }
    times
}

fn once(ids: &[&str]) -> BTreeMap<String, usize> {
    ids.iter().map(|id| ((*id).to_owned(), 1)).collect()
}

fn kind(answer: &Value) -> &str {
    answer["error"]["data"]["kind"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn end_of_input_with_nothing_owed_ends_the_session_and_leaves() {
    let mut server = Server::that(|ask| match ask.verb.as_str() {
        "GET" => Reply::events([Step::forever()]),
        _ => ordinary(ask),
    })
    .await;
    server.expect("DELETE", 1);
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    host.next().await;
    server.asked("GET", 1).await;
    let left = host.closed().await;
    assert!(left.status.success());
    assert!(left.took < TWO_SECONDS, "{:?}", left.took);
    assert_eq!(left.lines, [""; 0]);
}

#[tokio::test]
async fn end_of_input_without_a_word_before_it_leaves_without_a_word() {
    let server = Server::that(ordinary).await;
    let left = Process::start(&[&server.url()]).closed().await;
    assert!(left.status.success());
    assert!(left.took < TWO_SECONDS, "{:?}", left.took);
    assert_eq!(server.connections(), 0);
    assert_eq!(left.stderr, "");
}

#[tokio::test]
async fn a_shell_pipe_gets_every_answer_before_the_end() {
    let mut server = Server::that(|ask| match ask.label().as_str() {
        // Longer than the wait for answers to no request.
        "POST tools/call" => Reply::result(ask, "{}").after(Step::Pause(Duration::from_secs(2))),
        _ => ordinary(ask),
    })
    .await;
    server.expect("DELETE", 1);
    let mut host = Process::start(&[&server.url()]);
    let lines = [
        INITIALIZE,
        INITIALIZED,
        &call(1),
        &request("\"2\"", "tools/list"),
    ]
    .join("\n");
    host.send(lines).await;
    let left = host.closed().await;
    assert!(left.status.success());
    assert_eq!(answered(&left), once(&["\"2\"", "0", "1"]));
    assert!(
        left.answers()
            .iter()
            .all(|answer| answer.get("result").is_some())
    );
}

#[tokio::test]
async fn a_remote_that_never_answers_costs_the_grace_and_no_more() {
    let mut server = Server::that(silent_calls).await;
    server.expect("DELETE", 1);
    let mut host = Process::opened(&server.url(), &["--grace", "1.5"]).await;
    host.send(call(1)).await;
    host.send(call(2)).await;
    server.asked("POST tools/call", 2).await;
    host.send(cancelled(2)).await;
    server.asked("POST notifications/cancelled", 1).await;
    let left = host.closed().await;
    assert_eq!(left.status.code(), Some(1));
    assert!(left.took > Duration::from_millis(1400), "{:?}", left.took);
    assert!(
        left.took < Duration::from_millis(1500) + ONE_SECOND,
        "{:?}",
        left.took
    );
    assert_eq!(answered(&left), once(&["1"]));
    assert_eq!(kind(&left.answers()[0]), "leaving");
}

#[tokio::test]
async fn a_slow_reader_still_gets_its_answer_whole() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => Reply::result(ask, &format!("\"{}\"", "x".repeat(8 << 20))),
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    server.asked("POST tools/call", 1).await;
    host.close();
    // The pipe is full long before; the reader comes back when the answer has been waiting for a while.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let left = host.exit().await;
    assert_eq!(answered(&left), once(&["1"]));
    assert!(left.status.success());
}

#[tokio::test]
async fn a_reader_that_never_comes_costs_the_grace_and_no_more() {
    let server = Server::that(|ask| match ask.label().as_str() {
        "POST tools/call" => {
            let note = format!(
                r#"{{"jsonrpc":"2.0","method":"n","params":["{}"]}}"#,
                "x".repeat(100_000)
            );
            let mut steps: Vec<_> = (0..300).map(|_| Step::event(&note)).collect();
            steps.push(Step::event(result_of(ask, "{}")));
            Reply::events(steps)
        }
        _ => ordinary(ask),
    })
    .await;
    let mut host = Process::opened(&server.url(), &["--grace", "1"]).await;
    host.send(call(1)).await;
    server.asked("POST tools/call", 1).await;
    host.close();
    let (_, took) = host.left_unread().await;
    assert!(took < Duration::from_secs(1) + TWO_SECONDS, "{took:?}");
}

#[cfg(unix)]
mod signals {
    use super::*;
    use rustix::process::Signal;

    #[tokio::test]
    async fn a_signal_ends_it_within_a_second_with_debts_paid_and_the_session_ended() {
        for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
            let mut server = Server::that(silent_calls).await;
            server.expect("DELETE", 1);
            let mut host = Process::opened(&server.url(), &[]).await;
            host.send(call(1)).await;
            server.asked("POST tools/call", 1).await;
            host.signal(signal);
            let left = host.exit().await;
            assert!(left.status.success(), "{signal:?}");
            assert!(left.took < ONE_SECOND, "{signal:?} {:?}", left.took);
            assert_eq!(answered(&left), once(&["1"]), "{signal:?}");
            assert_eq!(kind(&left.answers()[0]), "leaving");
        }
    }

    #[tokio::test]
    async fn a_signal_ends_the_wait_that_end_of_input_began() {
        let mut server = Server::that(silent_calls).await;
        server.expect("DELETE", 1);
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        server.asked("POST tools/call", 1).await;
        host.close();
        tokio::time::sleep(Duration::from_millis(700)).await;
        host.signal(Signal::TERM);
        let left = host.exit().await;
        assert!(left.took < ONE_SECOND, "{:?}", left.took);
        assert_eq!(answered(&left), once(&["1"]));
    }

    #[tokio::test]
    async fn a_second_signal_waits_for_nothing() {
        let server = Server::that(|ask| match ask.verb.as_str() {
            "DELETE" => Reply::accepted().after(Step::forever()),
            _ => silent_calls(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        server.asked("POST tools/call", 1).await;
        host.signal(Signal::TERM);
        tokio::time::sleep(Duration::from_millis(50)).await;
        host.signal(Signal::TERM);
        let left = host.exit().await;
        assert!(left.took < ONE_SECOND, "{:?}", left.took);
        assert_eq!(answered(&left), once(&["1"]));
    }

    #[tokio::test]
    async fn a_signal_ends_it_though_nobody_reads_what_it_says() {
        let server = Server::that(|ask| match ask.label().as_str() {
            "POST tools/call" => {
                let note = format!(
                    r#"{{"jsonrpc":"2.0","method":"n","params":["{}"]}}"#,
                    "x".repeat(100_000)
                );
                Reply::events((0..300).map(|_| Step::event(&note)).collect::<Vec<_>>())
            }
            _ => ordinary(ask),
        })
        .await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        server.asked("POST tools/call", 1).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        host.signal(Signal::TERM);
        let (_, took) = host.left_unread().await;
        assert!(took < ONE_SECOND, "{took:?}");
    }
}

#[tokio::test]
async fn a_host_that_closed_our_stdout_is_gone() {
    let mut server = Server::that(|ask| match ask.verb.as_str() {
        "GET" => {
            let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
            let tick = || [Step::Pause(Duration::from_millis(50)), Step::event(note)];
            Reply::events((0..1000).flat_map(|_| tick()).collect::<Vec<_>>())
        }
        _ => silent_calls(ask),
    })
    .await;
    server.expect("DELETE", 1);
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    host.next().await;
    host.stop_reading();
    let left = host.exit().await;
    assert!(left.status.success());
    assert!(left.took < TWO_SECONDS, "{:?}", left.took);
}

/// Sends an opening, two calls and a notification down a pipe, and says how it went.
async fn piped(url: &str, arguments: &[&str]) -> Exit {
    let mut arguments = arguments.to_vec();
    arguments.push(url);
    let mut host = Process::start(&arguments);
    let note = r#"{"jsonrpc":"2.0","method":"notifications/x"}"#;
    let lines = [INITIALIZE, INITIALIZED, &call(1), note, &call("\"2\"")].join("\n");
    host.send(lines).await;
    host.closed().await
}

#[tokio::test]
async fn a_remote_that_is_not_there_is_said_to_every_request() {
    let server = Server::that(ordinary).await;
    server.close().await;
    let left = piped(&server.url(), &[]).await;
    assert_eq!(left.status.code(), Some(4));
    assert!(left.took < TWO_SECONDS, "{:?}", left.took);
    assert_eq!(answered(&left), once(&["\"2\"", "0", "1"]));
    for answer in left.answers() {
        assert_eq!(kind(&answer), "unreachable");
        assert_eq!(answer["error"]["data"]["retryable"], true);
    }
}

#[tokio::test]
async fn a_remote_that_vanishes_in_the_middle_is_said_to_every_request() {
    let server = Server::that(silent_calls).await;
    let mut host = Process::opened(&server.url(), &[]).await;
    host.send(call(1)).await;
    server.asked("POST tools/call", 1).await;
    server.close().await;
    let first = host.next_json().await;
    assert_eq!((kind(&first), first["id"].as_u64()), ("cut", Some(1)));
    host.send(call(2)).await;
    let left = host.closed().await;
    assert!(left.took < TWO_SECONDS, "{:?}", left.took);
    assert_eq!(answered(&left), once(&["2"]));
}

#[tokio::test]
async fn whatever_a_remote_answers_each_request_gets_one_answer() {
    type Odd = (&'static str, fn() -> Reply);
    let odd: [Odd; 14] = [
        ("html", || {
            Reply::status(200)
                .with("Content-Type", "text/html")
                .body("<html>log in</html>")
        }),
        ("html said to be json", || Reply::json("<html>")),
        ("json that is no message", || Reply::json("{\"ok\":true}")),
        ("an answer under another id", || {
            Reply::json(r#"{"jsonrpc":"2.0","id":99,"result":{}}"#)
        }),
        ("nothing", || Reply::status(200)),
        ("no content", || Reply::status(204)),
        ("accepted", Reply::accepted),
        ("500", || {
            Reply::status(500)
                .with("Content-Type", "text/html")
                .body("<h1>oops</h1>")
        }),
        ("403", || Reply::status(403)),
        ("301", || Reply::status(301).with("Location", "/x")),
        ("no stream", || Reply::events([])),
        ("a stream of nonsense", || {
            Reply::events([Step::event("{"), Step::event("[1,{}]")])
        }),
        ("a connection that breaks", Reply::cut),
        ("less than announced", || {
            let mut reply = Reply::json("");
            reply.body = Body::Announced(100, vec![Step::text(r#"{"jsonrpc":"2.0","id":1,"#)]);
            reply
        }),
    ];
    for (name, reply) in odd {
        let server = Server::that(move |_| reply()).await;
        let left = piped(&server.url(), &["--transport", "http-only"]).await;
        let is_answered = name == "an answer under another id";
        assert_eq!(left.status.success(), is_answered, "{name}");
        assert_eq!(answered(&left), once(&["\"2\"", "0", "1"]), "{name}");
        assert!(
            left.answers()
                .iter()
                // What comes to a POST answers it, whatever its id.
                .all(|answer| answer.get("error").is_some()
                    != (name == "an answer under another id")),
            "{name}"
        );
        assert!(
            left.took < Duration::from_secs(10),
            "{name}: {:?}",
            left.took
        );
        assert!(
            !left.lines.concat().contains("oops"),
            "{name}: a body travelled"
        );
        // Once more with the fallback to HTTP+SSE, which tries twice as much.
        let left = piped(&server.url(), &[]).await;
        assert_eq!(answered(&left), once(&["\"2\"", "0", "1"]), "{name}");
    }
}
