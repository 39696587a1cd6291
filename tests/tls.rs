//! TLS: the roots are the system's and the user's, and nothing is switched off.
#![cfg(unix)]

mod untrusted; // certificates and versions of TLS that are refused, by both clients

use serde_json::{Value, json};
use url::Url;

use crate::early_initialize::{noted, noting};
use crate::support::authority::Authority;
use crate::support::browser;
use crate::support::host::{Process, request};
use crate::support::remote::{Reply, Server, ordinary};
use crate::support::tls::{Front, fixture};

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
    assert_eq!(host.closed().await.status.code(), Some(4));
    assert_eq!(front.greeted(), 0);
    assert!(server.all().is_empty());
}

/// A protected server and its authorization server, each behind a front of its own.
struct Protected {
    authority: Authority,
    _server: Server,
    authority_front: Front,
    front: Front,
    url: String,
}

impl Protected {
    /// `mutual` tells whether both fronts want a client certificate.
    async fn start(mutual: bool) -> Self {
        let fronted = async |origin: String| match mutual {
            true => Front::for_the_known(&origin).await,
            false => Front::before(&origin).await,
        };
        let authority = Authority::start().await;
        let authority_front = fronted(authority.origin.clone()).await;
        let secure = authority_front.origin.clone();
        authority.configure(|options| {
            options.issuer = Some(secure.clone());
            options.metadata = json!({
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
            if bearer.is_some_and(|token| tokens.access_tokens().iter().any(|known| known == token))
            {
                return ordinary(ask);
            }
            Reply::status(401).with(
                "WWW-Authenticate",
                &format!(r#"Bearer resource_metadata="{metadata}""#),
            )
        })
        .await;
        let front = fronted(server.origin()).await;
        let url = format!("{}/mcp", front.origin);
        authority.protect(
            "/.well-known/oauth-protected-resource/mcp",
            &url,
            &[&secure],
        );
        Self {
            authority,
            _server: server,
            authority_front,
            front,
            url,
        }
    }

    /// Signs in with these flags besides, and calls.
    async fn works_with(&self, flags: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let ca = fixture("ca.pem");
        let mut arguments = vec!["--wait-for-login", "--ca", ca.to_str().unwrap(), &self.url];
        arguments.extend(flags);
        let mut host = Process::start_with(&arguments, &[("BROWSER", &noting(folder.path()))]);
        host.send(request(1, "tools/list")).await;
        let start = browser::visit(&noted(folder.path()).await).await;
        let page = start.header("location").unwrap();
        let secure = &self.authority_front.origin;
        assert!(page.starts_with(&format!("{secure}/authorize?")), "{page}");
        // The scripted browser speaks no TLS: it takes the back door to the same page.
        let page = Url::parse(&page.replace(secure, &self.authority.origin)).unwrap();
        browser::follow(&page).await;
        assert_eq!(host.next_json().await["result"], json!({}));
        assert!(host.closed().await.status.success());
        assert!(self.front.greeted() > 0 && self.authority_front.greeted() > 0);
    }
}

#[tokio::test]
async fn with_the_ca_given_a_sign_in_and_its_tokens_travel_over_tls_only() {
    Protected::start(false).await.works_with(&[]).await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_server_and_to_its_authorization_server() {
    let (certificate, key) = (fixture("client.pem"), fixture("client.key"));
    let flags = [
        "--client-cert",
        certificate.to_str().unwrap(),
        "--client-cert-key",
        key.to_str().unwrap(),
    ];
    Protected::start(true).await.works_with(&flags).await;
}

/// What a request is answered with by a server that wants a certificate of the test's client CA.
async fn turned_away(flags: &[&str]) -> Value {
    let server = Server::that(ordinary).await;
    let front = Front::for_the_known(&server.origin()).await;
    let ca = fixture("ca.pem");
    let url = format!("{}/mcp", front.origin);
    let mut arguments = vec!["--ca", ca.to_str().unwrap(), &url];
    arguments.extend(flags);
    let mut host = Process::start(&arguments);
    host.send(request(1, "tools/list")).await;
    let mut answer = host.next_json().await;
    assert_eq!(host.closed().await.status.code(), Some(4));
    assert_eq!(front.greeted(), 0);
    assert!(server.all().is_empty());
    answer["error"].take()
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_and_gets_none_or_a_stranger_s_is_an_error_that_names_the_flags()
 {
    let stranger = fixture("stranger.pem");
    for (flags, said) in [
        (vec![], "wants a TLS client certificate"),
        (
            vec!["--client-cert", stranger.to_str().unwrap()],
            "does not take our TLS client certificate",
        ),
    ] {
        let error = turned_away(&flags).await;
        assert_eq!(error["data"]["kind"], "client_certificate", "{error}");
        assert_eq!(error["data"]["retryable"], false, "{error}");
        assert!(error["message"].as_str().unwrap().contains(said), "{error}");
        let hint = error["data"]["hint"].as_str().unwrap();
        assert!(hint.contains("--client-cert FILE"), "{hint}");
        assert!(hint.contains("--client-cert-key FILE"), "{hint}");
    }
}

#[tokio::test]
async fn a_certificate_the_authorization_server_does_not_take_is_said_by_its_name() {
    let server = Server::that(|_| Reply::status(401)).await;
    let authority = Front::for_the_known(&server.origin()).await;
    let issuer = &authority.origin;
    let ca = fixture("ca.pem");
    let left = Process::start(&[
        "login",
        "--no-browser",
        "--ca",
        ca.to_str().unwrap(),
        "--authorization-server",
        issuer,
        &server.url(),
    ])
    .closed()
    .await;
    assert!(!left.status.success());
    let host = issuer.strip_prefix("https://").unwrap();
    let said = format!("{host} wants a TLS client certificate");
    assert!(left.stderr.contains(&said), "{}", left.stderr);
    assert!(
        left.stderr.contains("--client-cert FILE"),
        "{}",
        left.stderr
    );
}

#[tokio::test]
async fn a_certificate_and_a_key_that_do_not_belong_together_are_wrong_usage() {
    let certificate = fixture("client.pem").to_str().unwrap().to_owned();
    let wrong = |key: &str| {
        let key = fixture(key).to_str().unwrap().to_owned();
        let certificate = certificate.clone();
        async move {
            let arguments = [
                "--client-cert",
                &certificate,
                "--client-cert-key",
                &key,
                "https://localhost:1/",
            ];
            let left = Process::start(&arguments).closed().await;
            assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
            assert!(left.stderr.contains(&key), "{}", left.stderr);
            left.stderr
        }
    };
    let other = wrong("server.key").await;
    assert!(other.contains(&certificate), "{other}");
    let encrypted = wrong("client-encrypted.key").await;
    assert!(encrypted.contains("is encrypted"), "{encrypted}");
    // A key without a certificate.
    let key = fixture("client.key");
    let alone = Process::start(&[
        "--client-cert-key",
        key.to_str().unwrap(),
        "https://a.example",
    ])
    .closed()
    .await;
    assert_eq!(alone.status.code(), Some(2), "{}", alone.stderr);
}

#[tokio::test]
async fn a_private_key_that_others_can_read_is_said() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("client.key");
    std::fs::copy(fixture("client.key"), &key).unwrap();
    let certificate = fixture("client.pem");
    for (mode, is_said) in [(0o640, true), (0o604, true), (0o600, false)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        let left = Process::start(&[
            "--client-cert",
            certificate.to_str().unwrap(),
            "--client-cert-key",
            key.to_str().unwrap(),
            "https://localhost:1/",
        ])
        .closed()
        .await;
        assert_eq!(
            left.stderr.contains("others can read this private key"),
            is_said,
            "{mode:o}: {}",
            left.stderr
        );
    }
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
