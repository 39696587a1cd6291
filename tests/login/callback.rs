//! Who may end a sign-in, and who may not.

use mcpipe::auth::Browser;
use url::Url;

use super::{World, unauthorized};
use crate::support::browser;

/// Plays the person as far as the redirect, and hands it to `then`.
async fn at_the_redirect<T, F: Future<Output = T>>(
    world: &mut World,
    then: impl FnOnce(Url) -> F,
) -> (Result<mcpipe::auth::Credential, mcpipe::auth::Error>, T) {
    let authorizer = world.authorizer_with(world.watched());
    let challenge = unauthorized();
    let person = async {
        let url = world.shown.recv().await.unwrap();
        then(browser::sent_to(&url).await).await
    };
    tokio::join!(authorizer.renew(None, &challenge), person)
}

fn with_query(url: &Url, query: &str) -> Url {
    let mut url = url.clone();
    url.set_query(Some(query));
    url
}

#[tokio::test]
async fn forged_callbacks_are_turned_away_and_the_sign_in_goes_on() {
    let mut world = World::new().await;
    let (credential, pages) = at_the_redirect(&mut world, |back| async move {
        let host = format!("{}:{}", back.host_str().unwrap(), back.port().unwrap());
        let mut path = back.clone();
        path.set_path("/cb/guess");
        let forged = [
            (
                "no state",
                browser::visit(&with_query(&back, "code=x")).await,
            ),
            (
                "wrong state",
                browser::visit(&with_query(&back, "code=x&state=y")).await,
            ),
            (
                "an error of somebody's",
                browser::visit(&with_query(&back, "error=access_denied")).await,
            ),
            ("nothing", browser::visit(&with_query(&back, "")).await),
            ("wrong path", browser::visit(&path).await),
            (
                "a post without our state",
                browser::send(&with_query(&back, "code=x"), "POST", &[]).await,
            ),
            ("put", browser::send(&back, "PUT", &[]).await),
            ("head", browser::send(&back, "HEAD", &[]).await),
            (
                "wrong host",
                browser::send(&back, "GET", &[("Host", "evil.example")]).await,
            ),
            (
                "another name for here",
                browser::send(
                    &back,
                    "GET",
                    &[("Host", &host.replace("127.0.0.1", "localhost"))],
                )
                .await,
            ),
            (
                "from a page",
                browser::send(&back, "GET", &[("Origin", "https://evil.example")]).await,
            ),
        ];
        let real = browser::visit(&back).await;
        (forged, real)
    })
    .await;
    let (forged, real) = pages;
    for (name, page) in forged {
        assert!((400..500).contains(&page.status), "{name}: {}", page.status);
        assert!(
            !page.body.contains("evil") && !page.body.contains("access_denied"),
            "{name}"
        );
    }
    assert_eq!(real.status, 200);
    assert!(real.body.contains("You can close this window"));
    credential.unwrap();
    assert_eq!(world.authority.at("/token").len(), 1);
}

#[tokio::test]
async fn pages_are_constant_and_kept_to_themselves() {
    let mut world = World::new().await;
    let (_, page) = at_the_redirect(&mut world, |back| async move {
        let code = back
            .query_pairs()
            .find(|(name, _)| name == "code")
            .unwrap()
            .1
            .into_owned();
        (browser::visit(&back).await, code)
    })
    .await;
    let (page, code) = page;
    for (name, wanted) in [
        ("content-security-policy", "default-src 'none'"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert!(page.header(name).unwrap().contains(wanted), "{name}");
    }
    assert!(page.header("access-control-allow-origin").is_none());
    assert!(!page.body.contains(&code) && !page.body.contains("http"));
}

#[tokio::test]
async fn an_answer_from_another_issuer_is_never_spent() {
    for (name, advertised, iss) in [
        ("missing though promised", true, None),
        ("wrong", true, Some("https://evil.example".to_owned())),
        (
            "unexpected and wrong",
            false,
            Some("https://evil.example".to_owned()),
        ),
        ("almost right", true, Some("SLASH".to_owned())),
    ] {
        let mut world = World::new().await;
        let slash = format!("{}/", world.authority.origin);
        world.authority.configure(|options| {
            options.iss = iss.map(|iss| iss.replace("SLASH", &slash));
            options.metadata =
                serde_json::json!({"authorization_response_iss_parameter_supported": advertised});
        });
        let (answer, page) =
            at_the_redirect(
                &mut world,
                |back| async move { browser::visit(&back).await },
            )
            .await;
        let error = answer.unwrap_err();
        assert!(
            error.to_string().contains("did not come from"),
            "{name}: {error}"
        );
        assert!(page.body.contains("did not work"), "{name}");
        assert!(world.authority.at("/token").is_empty(), "{name}");
    }
}

#[tokio::test]
async fn an_error_from_another_issuer_is_not_shown() {
    let mut world = World::new().await;
    world.authority.configure(|options| {
        options.iss = Some("https://evil.example".to_owned());
        options
            .authorize_errors
            .push_back("call_this_number".to_owned());
    });
    let (answer, page) = at_the_redirect(
        &mut world,
        |back| async move { browser::visit(&back).await },
    )
    .await;
    let error = answer.unwrap_err().to_string();
    assert!(
        !error.contains("call_this") && !page.body.contains("call_this"),
        "{error}"
    );
}

#[tokio::test]
async fn a_refusal_by_the_person_ends_the_attempt_and_says_so() {
    let mut world = World::new().await;
    world.authority.configure(|options| {
        options
            .authorize_errors
            .push_back("access_denied".to_owned());
    });
    let (answer, page) = at_the_redirect(
        &mut world,
        |back| async move { browser::visit(&back).await },
    )
    .await;
    let error = answer.unwrap_err().to_string();
    assert!(
        error.contains("access_denied") && error.contains("because of"),
        "{error}"
    );
    assert!(page.body.contains("did not work"));
}

#[tokio::test]
async fn the_page_waits_for_the_tokens_before_it_says_how_it_went() {
    let mut world = World::new().await;
    world.authority.configure(|options| {
        options
            .token_answers
            .push_back((400, r#"{"error":"invalid_grant"}"#.to_owned()));
    });
    let (answer, page) = at_the_redirect(
        &mut world,
        |back| async move { browser::visit(&back).await },
    )
    .await;
    answer.unwrap_err();
    assert!(page.body.contains("did not work"), "{}", page.body);
}

#[tokio::test]
async fn localhost_is_answered_in_both_families() {
    let mut world = World::new().await;
    let mut settings = world.watched();
    settings.callback_host = Some("localhost".to_owned());
    let authorizer = world.authorizer_with(settings);
    let challenge = unauthorized();
    let person = async {
        let url = world.shown.recv().await.unwrap();
        let back = browser::sent_to(&url).await;
        assert_eq!(back.host_str(), Some("localhost"));
        let host = format!("localhost:{}", back.port().unwrap());
        for address in ["127.0.0.1", "[::1]"] {
            let mut forged = with_query(&back, "code=x");
            forged.set_host(Some(address)).unwrap();
            let page = browser::send(&forged, "GET", &[("Host", &host)]).await;
            assert_eq!(page.status, 400, "{address}");
        }
        browser::visit(&back).await
    };
    let (answer, _) = tokio::join!(authorizer.renew(None, &challenge), person);
    answer.unwrap();
}

/// Reported in punkpeye/mcp-remote#253.
#[tokio::test]
async fn a_port_that_was_asked_for_and_is_taken_is_an_error() {
    let world = World::new().await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = world.attended();
    settings.callback_port = Some(taken.local_addr().unwrap().port());
    let authorizer = world.authorizer_with(settings);
    let error = authorizer
        .renew(None, &unauthorized())
        .await
        .unwrap_err()
        .to_bridge_error();
    assert!(error.hint.unwrap().contains("--callback-port"));
    assert!(world.authority.at("/register").is_empty());
}

/// What the opener is given is one word, and nothing of it is looked at by a shell.
#[cfg(unix)]
#[tokio::test]
async fn a_browser_command_gets_the_address_as_one_argument() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let (script, log) = (folder.path().join("browser"), folder.path().join("log"));
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$#\" \"$@\" > {0}.tmp\nmv {0}.tmp {0}\n",
        log.display()
    );
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut world = World::new().await;
    world.authority.configure(|options| {
        let endpoint = format!(
            "{}/authorize?x=$(touch%20pwned)&y=`id`;'",
            world.authority.origin
        );
        options.metadata = serde_json::json!({ "authorization_endpoint": endpoint });
    });
    let mut settings = world.watched();
    settings.browser = Browser::Command(vec![script.display().to_string()]);
    let authorizer = world.authorizer_with(settings);
    let challenge = unauthorized();
    let person = async {
        let url = world.shown.recv().await.unwrap();
        while !log.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let wanted = format!("1\n{url}\n");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), wanted);
        let start = browser::visit(&url).await;
        let request = Url::parse(start.header("location").unwrap()).unwrap();
        assert!(
            request.query().unwrap().starts_with("x="),
            "the endpoint's own query stays"
        );
        browser::follow(&request).await
    };
    let (answer, _) = tokio::join!(authorizer.renew(None, &challenge), person);
    answer.unwrap();
}
