//! What counts as a window, and what holds the next one back.

use std::time::Duration;

use mcpipe::auth::Settings;
use mcpipe::auth::oauth::scope::Scopes;
use serde_json::json;

use crate::coordination::{Machine, answer};
use crate::login::{World, asking_for, unauthorized};
use crate::support::browser;
use crate::support::host::{INITIALIZE, request};

const MODERN_META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"h","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;

#[tokio::test]
async fn what_fails_before_a_window_is_shown_counts_as_none() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    for (name, words) in [
        ("registration refused", "HTTP 403"),
        ("registration down", "HTTP 500"),
        ("no PKCE", "PKCE"),
        ("port taken", "cannot listen"),
    ] {
        let world = World::new().await;
        let mut settings = world.attended();
        match name {
            "registration refused" | "registration down" => world.authority.configure(|options| {
                let status = if name.ends_with("down") { 500 } else { 403 };
                let refusal = (status, r#"{"error":"access_denied"}"#.to_owned());
                options.register_answers.extend(vec![refusal; 5]);
            }),
            "no PKCE" => world.authority.configure(|options| {
                options.metadata = json!({ "code_challenge_methods_supported": null });
            }),
            _ => settings.callback_port = Some(port),
        }
        for _ in 0..5 {
            let authorizer = world.authorizer_with(settings.clone());
            let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
            assert!(error.to_string().contains(words), "{name}: {error}");
        }
        assert_eq!(world.windows(), 0, "{name}");
        world
            .authority
            .configure(|options| options.metadata = json!({}));
        settings.callback_port = None;
        world.signed_in(&world.authorizer_with(settings)).await;
    }
}

#[tokio::test]
async fn a_brake_says_that_it_is_one_and_how_the_last_window_ended() {
    for (status, body, words) in [
        (500, "", "HTTP 500"),
        (400, r#"{"error":"invalid_grant"}"#, "invalid_grant"),
        (
            200,
            r#"{"token_type":"mac","access_token":"a"}"#,
            "token_type",
        ),
    ] {
        let world = World::new().await;
        world.authority.configure(|options| {
            let answers = vec![(status, body.to_owned()); 9];
            options.token_answers.extend(answers);
        });
        for _ in 0..3 {
            let error = world.authorizer().renew(None, &unauthorized()).await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        let bridge_error = world.authorizer().renew(None, &unauthorized()).await;
        let bridge_error = bridge_error.unwrap_err().to_bridge_error();
        assert_eq!(world.windows(), 3);
        let message = &bridge_error.message;
        assert!(message.contains("3 sign-in windows"), "{message}");
        assert!(message.contains(words), "{message}");
        assert!(!message.contains("rejects the token"), "{message}");
        assert!(bridge_error.hint.unwrap().contains("mcpipe login http"));

        // The user's own word, and ten minutes, let it go.
        world
            .authority
            .configure(|options| options.token_answers.clear());
        world.later(601);
        world.signed_in(&world.authorizer()).await;
    }
}

#[tokio::test]
async fn settings_that_the_user_has_changed_are_a_new_attempt() {
    type Change = fn(&mut Settings);
    let changes: [(&str, Change); 5] = [
        ("a client id", |it| it.client_id = Some("given".to_owned())),
        ("a scope", |it| it.scope = Some(Scopes::parse("more"))),
        ("a callback", |it| {
            it.callback_host = Some("localhost".to_owned());
        }),
        ("a parameter", |it| {
            it.authorize_params = vec![("prompt".to_owned(), "login".to_owned())];
        }),
        ("no resource", |it| it.send_resource = Some(false)),
    ];
    for (name, change) in changes {
        let world = World::new().await;
        world.authority.welcome_anywhere("given");
        world.authority.configure(|options| {
            options.resource = None;
            options
                .authorize_errors
                .push_back("access_denied".to_owned());
        });
        world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .unwrap_err();
        let held_back = world.authorizer().renew(None, &unauthorized()).await;
        let held_back = held_back.unwrap_err().to_string();
        assert!(held_back.contains("no new window"), "{held_back}");
        assert_eq!(world.windows(), 1, "{name}");

        let mut settings = world.attended();
        change(&mut settings);
        world.signed_in(&world.authorizer_with(settings)).await;
        assert_eq!(world.windows(), 2, "{name}");
    }
}

#[tokio::test]
async fn a_request_causes_one_window_at_most_whatever_the_token_endpoint_answers() {
    for (status, body) in [
        (500, ""),
        (503, "{}"),
        (429, r#"{"error":"slow_down"}"#),
        (401, r#"{"error":"invalid_client"}"#),
        (400, r#"{"error":"invalid_grant"}"#),
        (
            400,
            r#"{"error":"invalid_target","error_description":"resource"}"#,
        ),
        (400, r#"{"error":"invalid_scope"}"#),
        (200, "<html>log in to the wifi</html>"),
        (200, r#"{"access_token":""}"#),
    ] {
        let machine = Machine::new().await;
        machine.authority.configure(|options| {
            options
                .token_answers
                .extend(vec![(status, body.to_owned()); 20]);
        });
        let mut host = machine.start_with(&["--auth-timeout", "5"]);
        host.send(INITIALIZE).await;
        let page = machine.page(1).await;
        browser::follow(&page).await;
        let answer = answer(&mut host, 0).await;
        assert!(answer["error"].is_object(), "{status} {body}: {answer}");
        // Whatever else were to come would come at once.
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(machine.shown().len(), 1, "{status} {body}: {answer}");
    }
}

/// A handshake that has failed is made again for the host's next request, with the question before it: one of them asks.
#[tokio::test]
async fn a_request_after_a_handshake_that_failed_causes_one_window_at_most() {
    let modern = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{MODERN_META}}}}}"#
    );
    for (status, body) in [
        (500, ""),
        (502, "<html>"),
        (400, "<html>no</html>"),
        (200, "<html>log in to the wifi</html>"),
        (200, r#"{"access_token":""}"#),
    ] {
        for (first, next) in [
            (INITIALIZE, request(1, "tools/list")),
            (INITIALIZE, INITIALIZE.replace("\"id\":0", "\"id\":1")),
            (&*modern.replace("\"id\":1", "\"id\":0"), modern.clone()),
        ] {
            let machine = Machine::new().await;
            machine.authority.configure(|options| {
                let answer = (status, body.to_owned());
                options.token_answers.extend(vec![answer; 20]);
            });
            let mut host = machine.start_with(&["--auth-timeout", "5"]);
            for (said, windows) in [(first, 1), (&next, 2)] {
                host.send(said).await;
                let page = machine.page(windows).await;
                browser::follow(&page).await;
                let id = i64::try_from(windows).unwrap() - 1;
                let answer = answer(&mut host, id).await;
                let hint = answer["error"]["data"]["hint"].as_str();
                let is_told = hint.is_some_and(|hint| hint.contains("`mcpipe login "));
                assert!(is_told, "{status} {body}: {answer}");
                tokio::time::sleep(Duration::from_millis(300)).await;
                let shown = machine.shown().len();
                assert_eq!(shown, windows, "{status} {body} {said}: {answer}");
            }
        }
    }
}

/// What the refusal teaches is put right all the same: in the window that is open.
#[tokio::test]
async fn a_refusal_that_can_be_put_right_is_put_right_in_the_same_window() {
    let invalid_target = r#"{"error":"invalid_target","error_description":"unknown resource"}"#;
    let invalid_grant = r#"{"error":"invalid_grant"}"#;
    for (bodies, pages) in [
        (vec![r#"{"error":"invalid_client"}"#], 2),
        // A code that is refused for `resource` is spent once more without it; where it is spent already there is another.
        (vec![invalid_target], 1),
        (vec![invalid_target, invalid_grant], 2),
    ] {
        let body = bodies.join(" ");
        let machine = Machine::new().await;
        machine.authority.configure(|options| {
            options.resource = None;
            for body in bodies {
                options.token_answers.push_back((400, body.to_owned()));
            }
        });
        let mut host = machine.start();
        host.send(INITIALIZE).await;
        let page = browser::follow(&machine.page(1).await).await;
        assert!(
            page.body.contains("You are signed in"),
            "{body}: {}",
            page.body
        );
        assert!(answer(&mut host, 0).await["result"].is_object(), "{body}");
        assert_eq!(machine.shown().len(), 1, "{body}");
        assert_eq!(machine.authority.at("/authorize").len(), pages, "{body}");
    }
}

/// A page that answers every request with the same error does not send the browser in a circle.
#[tokio::test]
async fn a_sign_in_page_that_refuses_for_ever_is_asked_once_more_in_the_same_window() {
    for code in ["invalid_scope", "invalid_client", "invalid_target"] {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.authorize_errors.extend(vec![code.to_owned(); 20]);
        });
        let authorizer = world.authorizer();
        let error = authorizer.renew(None, &asking_for("strange")).await;
        let error = error.unwrap_err().to_string();
        assert!(error.contains(code), "{error}");
        assert_eq!(world.windows(), 1, "{code}");
        let asked = world.authority.at("/authorize").len();
        assert!((1..=2).contains(&asked), "{code}: {asked}");
    }
}

#[tokio::test]
async fn a_registration_that_fails_is_not_repeated_for_the_same_request() {
    for (status, body) in [
        (500, "{}"),
        (503, ""),
        (429, "{}"),
        (403, r#"{"error":"access_denied"}"#),
    ] {
        for protocol in ["legacy", "auto"] {
            let machine = Machine::new().await;
            machine.authority.configure(|options| {
                options
                    .register_answers
                    .extend(vec![(status, body.to_owned()); 20]);
            });
            let mut host = machine.start_with(&["--protocol", protocol]);
            host.send(INITIALIZE).await;
            let answer = answer(&mut host, 0).await;
            assert!(answer["error"].is_object(), "{answer}");
            let asked = machine.authority.at("/register").len();
            assert_eq!(asked, 1, "{status} {protocol}: {answer}");
            assert!(machine.shown().is_empty());
        }
    }
}
