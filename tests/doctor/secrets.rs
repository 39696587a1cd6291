//! Nothing of the user's goes to a place that is not verified.

use mcpipe::doctor::finding::Verdict::Fail;

use super::{found, report};
use crate::support::remote::{Reply, Server, ordinary};
use crate::support::tls::{Ca, Front};

const KEY: &str = "Authorization: Bearer s3cret-k3y";

#[tokio::test]
async fn a_server_that_is_not_trusted_is_asked_nothing() {
    let server = Server::that(ordinary).await;
    let ca = Ca::named("a stranger");
    let (chain, key) = ca.issues("localhost", |_| {});
    let front = Front::showing(&server.origin(), chain, key).await;
    let report = report(&[&format!("{}/mcp", front.origin), "--header", KEY]).await;
    assert!(report.failed() > 0);
    assert_eq!(server.labels(), Vec::<String>::new());
    assert!(!format!("{report:?}").contains("s3cret-k3y"));
}

#[tokio::test]
async fn another_origin_gets_no_header() {
    let other = Server::that(ordinary).await;
    let to = other.url();
    let server = Server::that(move |_| Reply::status(307).with("Location", &to)).await;
    let report = report(&[&server.url(), "--header", KEY]).await;
    found(&report, "REDIRECT_ELSEWHERE", Fail);
    assert_eq!(other.labels(), Vec::<String>::new());
}

#[tokio::test]
async fn the_first_request_has_no_header_of_the_user_s_and_nothing_is_registered() {
    let server = Server::that(ordinary).await;
    report(&[&server.url(), "--header", KEY]).await;
    let asks = server.all();
    assert_eq!(asks[0].header("authorization"), None);
    assert!(asks.iter().any(|ask| ask.header("authorization").is_some()));
    let written = ["POST /register", "POST /token"];
    for ask in &asks {
        assert!(!written.contains(&format!("{} {}", ask.verb, ask.path).as_str()));
    }
}
