//! TLS: the roots are the system's and the user's, and nothing is switched off.
#![cfg(unix)]

use serde_json::json;
use url::Url;

use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{Process, request};
use crate::support::remote::{Reply, Server, ordinary};
use crate::support::tls::{Front, fixture};
use crate::waiting::{noted, noting};

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_refused_before_anything_is_said() {
    let server = Server::that(ordinary).await;
    let front = Front::before(&server.origin()).await;
    let mut host = Process::start(&[&front.origin]);
    host.send(request(1, "tools/list")).await;
    let answer = host.next_json().await;
    assert_eq!(answer["error"]["data"]["kind"], "unreachable");
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("certificate"), "{message}");
    assert!(host.closed().await.status.success());
    assert_eq!(front.greeted(), 0);
    assert!(server.all().is_empty());
}

#[tokio::test]
async fn with_the_ca_given_a_sign_in_and_its_tokens_travel_over_tls_only() {
    let authority = Authority::start().await;
    let authority_front = Front::before(&authority.origin).await;
    let secure = authority_front.origin.clone();
    authority.turn(|knobs| {
        knobs.issuer = Some(secure.clone());
        knobs.metadata = json!({
            "authorization_endpoint": format!("{secure}/authorize"),
            "token_endpoint": format!("{secure}/token"),
            "registration_endpoint": format!("{secure}/register"),
            "revocation_endpoint": format!("{secure}/revoke"),
        });
    });
    let tokens = authority.clone();
    let metadata = format!("{secure}/.well-known/oauth-protected-resource/mcp");
    let server = Server::that(move |ask| {
        let bearer = ask
            .header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_some_and(|token| tokens.access_tokens().iter().any(|known| known == token)) {
            return ordinary(ask);
        }
        Reply::status(401).with(
            "WWW-Authenticate",
            &format!(r#"Bearer resource_metadata="{metadata}""#),
        )
    })
    .await;
    let front = Front::before(&server.origin()).await;
    let url = format!("{}/mcp", front.origin);
    authority.protect(
        "/.well-known/oauth-protected-resource/mcp",
        &url,
        &[&secure],
    );

    let folder = tempfile::tempdir().unwrap();
    let ca = fixture("ca.pem");
    let arguments = ["--wait-for-login", "--ca", ca.to_str().unwrap(), &url];
    let mut host = Process::start_with(&arguments, &[("BROWSER", &noting(folder.path()))]);
    host.send(request(1, "tools/list")).await;
    let page = noted(folder.path()).await;
    assert!(
        page.as_str().starts_with(&format!("{secure}/authorize?")),
        "{page}"
    );
    // The scripted browser speaks no TLS: it takes the back door to the same page.
    let page = Url::parse(&page.as_str().replace(&secure, &authority.origin)).unwrap();
    browser::follow(&page).await;
    assert_eq!(host.next_json().await["result"], json!({}));
    assert!(host.closed().await.status.success());
    assert!(front.greeted() > 0 && authority_front.greeted() > 0);
}

#[tokio::test]
async fn a_ca_file_without_a_certificate_is_wrong_usage() {
    let key = fixture("server.key");
    let left = Process::start(&["--ca", key.to_str().unwrap(), "https://localhost:1/"])
        .closed()
        .await;
    assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
    assert!(
        left.stderr.contains("--ca takes a PEM file"),
        "{}",
        left.stderr
    );
}
