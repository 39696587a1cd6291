//! Redirects: followed on the same host, never in the open, and named where they are not followed.

use http::HeaderMap;
use mcpipe::auth::net::http::Document;
use tokio::sync::mpsc;
use url::Url;

use super::sign_in_at;
use crate::support::host::{INITIALIZE, Process, call};
use crate::support::remote::{Ask, Reply, Server, Step, ordinary, result_of};
use crate::support::tls::{Front, fixture};

/// What a server at `/mcp` does that moved to `/moved`: everything is redirected there with this status.
fn moved(status: u16) -> impl FnMut(&Ask) -> Reply {
    move |ask| match ask.path.as_str() {
        "/mcp" => Reply::status(status).with("Location", "/moved?key=s3cret"),
        _ => ordinary(ask),
    }
}

#[tokio::test]
async fn a_post_is_sent_again_on_the_same_origin_where_its_method_is_kept() {
    for status in [307, 308] {
        let server = Server::that(moved(status)).await;
        let mut host = Process::opened(&server.url(), &[]).await;
        host.send(call(1)).await;
        assert!(host.next_json().await["result"].is_object(), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_names_the_address_to_configure() {
    let other = Server::that(ordinary).await;
    let there = format!("{}/mcp?key=s3cret#fragment", other.origin());
    for (status, to, shown) in [
        (301, "/moved?key=s3cret", "/moved"),
        (302, "/moved?key=s3cret", "/moved"),
        (303, "/moved?key=s3cret", "/moved"),
        (307, there.as_str(), other.url().as_str()),
        (308, there.as_str(), other.url().as_str()),
        (
            302,
            "https://login.example/start?code=s3cret",
            "https://login.example/start",
        ),
    ] {
        let to = to.to_owned();
        let server = Server::that(move |_| Reply::status(status).with("Location", &to)).await;
        let shown = match shown.starts_with('/') {
            true => format!("{}{shown}", server.origin()),
            false => shown.to_owned(),
        };
        let arguments = [
            "--transport",
            "http-only",
            "--header",
            "Authorization: s3cret",
        ];
        let mut host = Process::start(&[&arguments[..], &[&server.url()]].concat());
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        let error = answer["error"].to_string();
        assert!(error.contains(&shown), "{status} {shown}: {error}");
        assert!(!error.contains("s3cret"), "{error}");
        assert_eq!(answer["error"]["data"]["status"], status);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_stream_is_followed_on_the_same_origin_and_its_endpoint_is_relative_to_where_it_is() {
    for status in [301, 302, 303, 307, 308] {
        let mut stream: Option<mpsc::UnboundedSender<Step>> = None;
        let server = Server::that(move |ask| match (ask.verb.as_str(), ask.path.as_str()) {
            ("GET", "/mcp") => Reply::status(status).with("Location", "/v2/deep/sse"),
            ("GET", "/v2/deep/sse") => {
                let (reply, steps) = Reply::live();
                let named = "event: endpoint\ndata: messages?session=1\n\n";
                steps.send(Step::text(named)).unwrap();
                stream = Some(steps);
                reply
            }
            ("POST", "/v2/deep/messages?session=1") => {
                if ask.label() == "POST initialize" {
                    let answer =
                        result_of(ask, r#"{"protocolVersion":"2024-11-05","capabilities":{}}"#);
                    let event = Step::event(answer);
                    stream.as_ref().unwrap().send(event).unwrap();
                }
                Reply::accepted()
            }
            _ => Reply::status(404),
        })
        .await;
        let mut host = Process::start(&["--transport", "sse-only", &server.url()]);
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert!(answer["result"].is_object(), "{status}: {answer}");
    }
}

#[tokio::test]
async fn an_endpoint_without_the_prefix_of_the_gateway_is_found_below_it() {
    let mut stream: Option<mpsc::UnboundedSender<Step>> = None;
    let server = Server::that(move |ask| match (ask.verb.as_str(), ask.path.as_str()) {
        ("GET", "/gateway/sse") => {
            let (reply, steps) = Reply::live();
            let named = "event: endpoint\ndata: /messages?id=1\n\n";
            steps.send(Step::text(named)).unwrap();
            stream = Some(steps);
            reply
        }
        ("POST", "/gateway/messages?id=1") => {
            if ask.label() != "POST notifications/initialized" {
                let result = r#"{"protocolVersion":"2024-11-05","capabilities":{}}"#;
                let event = Step::event(result_of(ask, result));
                stream.as_ref().unwrap().send(event).unwrap();
            }
            Reply::accepted()
        }
        _ => Reply::status(404),
    })
    .await;
    let url = format!("{}/gateway/sse", server.origin());
    let mut host = Process::start(&["--transport", "sse-only", &url]);
    host.send(INITIALIZE).await;
    assert!(host.next_json().await["result"].is_object());
    host.send(call(1)).await;
    assert!(host.next_json().await["result"].is_object());
    // The place that is none was asked once.
    let paths = server.all().into_iter().map(|ask| ask.path);
    assert_eq!(paths.filter(|path| path == "/messages?id=1").count(), 1);
}

/// A server that sends everybody to its TLS front.
async fn behind_tls(status: u16) -> (Server, Server, Front) {
    let server = Server::that(ordinary).await;
    let front = Front::before(&server.origin()).await;
    let secure = front.origin.clone();
    let open = Server::that(move |ask| {
        Reply::status(status).with("Location", &format!("{secure}{}", ask.path))
    })
    .await;
    (server, open, front)
}

#[tokio::test]
async fn http_that_leads_to_https_of_the_same_host_is_followed_and_remembered() {
    for status in [301, 302, 307, 308] {
        let (server, open, _front) = behind_tls(status).await;
        let port = Url::parse(&open.origin()).unwrap().port().unwrap();
        let url = format!("http://localhost:{port}/mcp");
        let ca = fixture("ca.pem");
        let arguments = [
            "--ca",
            ca.to_str().unwrap(),
            "--header",
            "Authorization: s3cret",
        ];
        let mut host = Process::opened(&url, &arguments).await;
        host.send(call(1)).await;
        assert!(host.next_json().await["result"].is_object(), "{status}");
        server.asked("GET", 1).await;
        host.has_said("configure that address").await;
        assert!(host.closed().await.status.success());
        // Only the first request went in the open.
        assert_eq!(open.labels(), ["POST initialize"], "{status}");
        let asked = server.asked("POST tools/call", 1).await;
        assert_eq!(asked.header("authorization"), Some("s3cret"));
    }
}

#[tokio::test]
async fn nothing_leads_from_https_to_http_or_to_another_host() {
    // A server behind a TLS-ending proxy takes itself for http; what it names is visited as https.
    let port = std::sync::Arc::new(std::sync::Mutex::new(0));
    let own = std::sync::Arc::clone(&port);
    let server = Server::that(move |ask| match ask.path.as_str() {
        "/mcp" => {
            let host = format!("http://localhost:{}/moved", own.lock().unwrap());
            Reply::status(307).with("Location", &host)
        }
        _ => ordinary(ask),
    })
    .await;
    let front = Front::before(&server.origin()).await;
    *port.lock().unwrap() = Url::parse(&front.origin).unwrap().port().unwrap();
    let ca = fixture("ca.pem");
    let arguments = ["--ca", ca.to_str().unwrap()];
    let url = format!("{}/mcp", front.origin);
    let mut host = Process::opened(&url, &arguments).await;
    host.send(call(1)).await;
    assert!(host.next_json().await["result"].is_object());

    let open = Server::that(ordinary).await;
    let port = Url::parse(&open.origin()).unwrap().port().unwrap();
    for to in [
        format!("http://localhost:{port}/mcp"),
        format!("http://127.0.0.1:{port}/mcp"),
        format!("http://u:p@localhost:{port}/mcp"),
    ] {
        let server = Server::that(move |_| Reply::status(307).with("Location", &to)).await;
        let front = Front::before(&server.origin()).await;
        let url = format!("{}/mcp", front.origin);
        let mut host = Process::start(&["--ca", ca.to_str().unwrap(), &url]);
        host.send(INITIALIZE).await;
        let answer = host.next_json().await;
        assert!(answer["error"].is_object(), "{answer}");
    }
    assert_eq!(open.connections(), 0);
}

#[tokio::test]
async fn a_sign_in_follows_on_the_same_origin_and_a_secret_goes_nowhere_else() {
    let other = Server::that(|_| Reply::json("{}")).await;
    let there = format!("{}/token", other.origin());
    let server = Server::that(move |ask| match ask.path.as_str() {
        "/token" => Reply::status(307).with("Location", "/token/"),
        "/found" => Reply::status(302).with("Location", "/token/"),
        "/away" => Reply::status(308).with("Location", &there),
        "/token/" => Reply::json(format!(r#"{{"said":"{}"}}"#, ask.body)),
        _ => Reply::status(404),
    })
    .await;
    let http = sign_in_at(&server.origin());
    let at = |path: &str| Url::parse(&format!("{}{path}", server.origin())).unwrap();
    let post = async |path: &str| {
        let url = at(path);
        let answer = http.post(&url, HeaderMap::new(), b"s3cret".to_vec());
        answer.await.unwrap()
    };
    let answer = post("/token").await;
    assert_eq!(
        (answer.status, &**answer.body),
        (200, &b"{\"said\":\"s3cret\"}"[..])
    );
    assert_eq!(post("/found").await.status, 302);
    assert_eq!(post("/away").await.status, 308);
    let found = http.document(&at("/found")).await.unwrap();
    assert!(matches!(found, Document::Found(_)));
    assert_eq!(other.connections(), 0);
}
