//! What a person is told, and that it is true.

use std::fmt::Write as _;

use crate::support::authority::Authority;
use crate::support::host::{Exit, INITIALIZE, Process};
use crate::support::remote::{Ask, Reply, Server};

/// Nothing opens, and nothing waits for long.
const QUICK: [&str; 3] = ["--no-browser", "--auth-timeout", "1"];

/// A 401 without metadata anywhere, as servers that take an API key send it.
fn keyed(ask: &Ask) -> Reply {
    match ask.path.as_str() {
        "/mcp" => Reply::status(401),
        _ => Reply::status(404),
    }
}

/// What `mcpipe login` says.
async fn login(url: &str, arguments: &[&str]) -> Exit {
    let mut all = vec!["login", url];
    all.extend(QUICK.iter().chain(arguments));
    Process::start(&all).closed().await
}

/// The error that a host gets for its first request.
async fn error_of(url: &str, arguments: &[&str]) -> serde_json::Value {
    let mut all = vec!["--wait-for-login", url];
    all.extend(QUICK.iter().chain(arguments));
    let mut host = Process::start(&all);
    host.send(INITIALIZE).await;
    let mut error = host.next_json().await;
    error["error"].take()
}

/// Protected by this authorization server, whose metadata is `document`.
async fn protected(document: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::that(move |ask| {
        let origin = format!("http://{}", ask.header("host").unwrap());
        if ask
            .path
            .starts_with("/.well-known/oauth-protected-resource")
        {
            return Reply::json(format!(
                r#"{{"resource":"{origin}/mcp","authorization_servers":["{origin}"]}}"#
            ));
        }
        match ask.path.as_str() {
            "/.well-known/oauth-authorization-server" => Reply::json(document(&origin)),
            "/mcp" => Reply::status(401),
            _ => Reply::status(404),
        }
    })
    .await
}

#[tokio::test]
async fn a_server_that_speaks_of_no_sign_in_is_said_to_want_a_credential() {
    let sentence = "the server asks for a credential and does not say how to get one";
    for challenge in ["", "Bearer", "Basic realm=\"x\"", "ApiKey", "nonsense ,,"] {
        let server = Server::that(move |ask| match challenge {
            "" => keyed(ask),
            challenge => keyed(ask).with("WWW-Authenticate", challenge),
        })
        .await;
        let left = login(&server.url(), &[]).await;
        assert_eq!(left.status.code(), Some(3), "{challenge}: {}", left.stderr);
        for words in [
            sentence,
            "was a guess",
            "mcpipe vault put",
            "--bearer",
            "--header",
        ] {
            assert!(left.stderr.contains(words), "{challenge}: {}", left.stderr);
        }
        let error = error_of(&server.url(), &[]).await;
        let said = error["message"].as_str().unwrap().to_lowercase();
        assert!(
            said.contains(sentence) && said.contains("was a guess"),
            "{error}"
        );
        let hint = error["data"]["hint"].as_str().unwrap();
        assert!(hint.contains("mcpipe vault put"), "{error}");
    }
}

#[tokio::test]
async fn what_rests_on_a_guess_says_so() {
    // One that has a registration endpoint and a page where 2025-03-26 has them, and one with an endpoint for tokens.
    let rows: [(&str, &[&str]); 3] = [
        ("/register", &[]),
        ("/authorize", &["--client-id", "a"]),
        (
            "/token",
            &[
                "--client-credentials",
                "--client-id",
                "a",
                "--client-secret-env",
                "HOME",
            ],
        ),
    ];
    for (place, arguments) in rows {
        let server = Server::that(move |ask| match ask.path.as_str() {
            "/mcp" => Reply::status(401),
            "/register" if place == "/register" => Reply::status(403),
            path if path.starts_with("/authorize") && place == "/authorize" => Reply::status(200),
            "/token" => Reply::status(400),
            _ => Reply::status(404),
        })
        .await;
        let mut all = vec!["login", "http://127.0.0.1:1"];
        let url = server.url();
        all[1] = &url;
        all.extend(QUICK.iter().chain(arguments));
        let left = Process::start_with(&all, &[("HOME", "/secret")])
            .closed()
            .await;
        assert!(
            left.stderr.contains("was a guess"),
            "{place}: {}",
            left.stderr
        );
    }
}

/// The flag or command that helps, for each thing an authorization server does.
#[tokio::test]
async fn a_hint_names_what_helps_here_and_never_the_command_just_run() {
    let metadata = |more: &str, origin: &str| {
        format!(
            r#"{{"issuer":"{origin}","authorization_endpoint":"{origin}/authorize","token_endpoint":"{origin}/token"{more}}}"#
        )
    };
    let pkce = r#","code_challenge_methods_supported":["S256"]"#;
    type Document = Box<dyn Fn(&str) -> String + Send + Sync>;
    let rows: Vec<(Document, &[&str], &str)> = vec![
        (
            Box::new(move |origin| metadata("", origin)),
            &["--client-id", "a"],
            "--assume-pkce",
        ),
        (
            Box::new(move |origin| metadata(pkce, origin)),
            &[],
            "--client-id ID",
        ),
        (
            Box::new(|_| "[]".to_owned()),
            &[],
            "--authorization-server URL",
        ),
        (
            Box::new(|origin| format!(r#"{{"issuer":"{origin}"}}"#)),
            &[],
            "--authorization-server URL",
        ),
        (
            Box::new(move |origin| metadata(pkce, origin)),
            &["--client-id", "a"],
            "--auth-timeout SECONDS",
        ),
        (
            Box::new(move |origin| metadata(pkce, origin)),
            &["--client-id", "a", "--dpop", "require"],
            "leave out --dpop require",
        ),
    ];
    for (document, arguments, hint) in rows {
        let server = protected(document).await;
        let left = login(&server.url(), arguments).await;
        let said = left.stderr.lines().find(|line| line.starts_with("hint: "));
        let said = said.unwrap_or_else(|| panic!("{hint}: {}", left.stderr));
        assert!(said.contains(hint), "{hint}: {}", left.stderr);
        let again = format!("run `mcpipe login {}`", server.url());
        assert!(!left.stderr.contains(&again), "{hint}: {}", left.stderr);
        // A host's user is sent there where nothing else helps, and to what helps where it does.
        let error = error_of(&server.url(), arguments).await;
        let said = error["data"]["hint"].as_str().unwrap_or_default();
        let hint = match hint {
            "--auth-timeout SECONDS" => "run `mcpipe login",
            hint => hint,
        };
        assert!(said.contains(hint), "{hint}: {error}");
    }
}

#[tokio::test]
async fn a_busy_port_names_its_flag() {
    let authority = Authority::start().await;
    let server = crate::support::protected::protected_by(&authority).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let left = login(&server.url(), &["--callback-port", &port]).await;
    assert!(
        left.stderr
            .contains("hint: --callback-port chooses another port"),
        "{}",
        left.stderr
    );
}

#[tokio::test]
async fn a_document_that_names_nothing_is_said_to_name_nothing() {
    let server = Server::that(|ask| match ask.path.as_str() {
        "/mcp" => Reply::status(401),
        path if path.starts_with("/.well-known/oauth-protected") => Reply::json("{}"),
        _ => Reply::status(404),
    })
    .await;
    let left = login(&server.url(), &[]).await;
    assert!(left.stderr.contains("names no resource"), "{}", left.stderr);
    assert!(!left.stderr.contains("is for ,"), "{}", left.stderr);
}

#[tokio::test]
async fn a_403_with_a_challenge_for_tokens_says_to_sign_in() {
    for (field, is_login) in [
        ("Bearer", true),
        ("bearer error=\"access_denied\"", true),
        ("Bearer realm=\"x\", error=\"invalid_token\"", true),
        ("Basic realm=\"x\"", false),
    ] {
        let server =
            Server::that(move |_| Reply::status(403).with("WWW-Authenticate", field)).await;
        let url = format!("{}?key=s3cret", server.url());
        let error = error_of(&url, &[]).await;
        let hint = error["data"]["hint"].as_str().unwrap_or_default();
        assert_eq!(
            hint.contains("`mcpipe login`"),
            is_login,
            "{field}: {error}"
        );
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn no_sentence_begins_with_an_address() {
    let mut said = String::new();
    for reply in [
        (|_: &Ask| Reply::status(500)) as fn(&Ask) -> Reply,
        |_| {
            Reply::status(200)
                .with("Content-Type", "text/html")
                .body("<p>")
        },
        |_| Reply::json("no JSON"),
        |_| Reply::status(404),
        keyed,
    ] {
        let server = Server::that(reply).await;
        let left = login(&server.url(), &["--client-id", "a"]).await;
        let _ = writeln!(said, "{}", left.stderr);
        let error = error_of(&server.url(), &[]).await;
        let _ = writeln!(said, "error: {}", error["message"].as_str().unwrap());
    }
    for line in said.lines() {
        let sentence = line.trim_start_matches("error: ").trim_start();
        // The line of the announcement that tools look for.
        if sentence.contains("/authorize?") {
            continue;
        }
        let is_address = ["127.", "http", "localhost"]
            .iter()
            .any(|start| sentence.starts_with(start));
        assert!(!is_address, "{line}\n{said}");
    }
}
