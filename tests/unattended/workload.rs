//! Workload identity (RFC 7523 section 2.1).

use mcpipe::auth::Settings;
use mcpipe::auth::grant::Assertions;
use mcpipe::auth::grant::GrantConfig;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::login::{World, unauthorized};
use crate::support::authority::grants::{JWT_BEARER, token};

fn settings(world: &World, file: &NamedTempFile) -> Settings {
    let mut settings = world.watched();
    settings.grant = GrantConfig::Workload(Assertions::File(file.path().to_owned()));
    settings
}

fn assertion(number: u32) -> String {
    token(&json!({ "sub": "workload-canary", "number": number }))
}

#[tokio::test]
async fn a_workload_shows_what_its_platform_gives_it_anew_each_time() {
    let world = World::new().await;
    let file = NamedTempFile::new().unwrap();
    for number in 0..2 {
        let given = assertion(number);
        world
            .authority
            .turn_grants(|grants| grants.assertions = vec![given.clone()]);
        std::fs::write(file.path(), format!("{given}\n")).unwrap();
        let authorizer = world.authorizer_with(settings(&world, &file));
        let held = authorizer.current().await.unwrap();
        if held.is_none() {
            authorizer.renew(None, &unauthorized()).await.unwrap();
        }
        let forms = world.authority.grants(JWT_BEARER);
        assert_eq!(forms.len(), number as usize + 1);
        let form = forms.last().unwrap();
        assert_eq!(form.field("assertion"), Some(given.as_str()));
        assert_eq!(form.field("client_id"), None);
        assert_eq!(form.field("resource"), Some(world.resource().as_str()));
        world.later(4000);
    }
    assert!(world.authority.at("/register").is_empty());
    assert_eq!(world.windows(), 0);
}

#[tokio::test]
async fn a_refused_assertion_is_not_sent_again() {
    let world = World::new().await;
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), assertion(1)).unwrap();
    for process in 0..3 {
        let authorizer = world.authorizer_with(settings(&world, &file));
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        assert!(
            error.to_string().contains("invalid_grant"),
            "{process}: {error}"
        );
        assert!(!format!("{error} {error:?}").contains(&assertion(1)));
    }
    assert_eq!(world.authority.at("/token").len(), 1);

    // The next one is another matter.
    world
        .authority
        .turn_grants(|grants| grants.assertions = vec![assertion(2)]);
    std::fs::write(file.path(), assertion(2)).unwrap();
    let authorizer = world.authorizer_with(settings(&world, &file));
    authorizer.renew(None, &unauthorized()).await.unwrap();
    assert_eq!(world.authority.at("/token").len(), 2);
}

#[tokio::test]
async fn an_assertion_that_only_met_a_server_that_was_down_is_shown_again() {
    let world = World::new().await;
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), assertion(1)).unwrap();
    world
        .authority
        .turn_grants(|grants| grants.assertions = vec![assertion(1)]);
    world
        .authority
        .configure(|options| options.token_answers.push_back((503, String::new())));
    let authorizer = world.authorizer_with(settings(&world, &file));
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_bridge_error().retryable, "{error}");
    authorizer.renew(None, &unauthorized()).await.unwrap();
}

/// What was wrong was the question, and that can be mended.
#[tokio::test]
async fn an_assertion_that_was_refused_for_something_else_is_shown_when_that_is_mended() {
    for code in ["invalid_scope", "invalid_target", "invalid_client"] {
        let world = World::new().await;
        let file = NamedTempFile::new().unwrap();
        std::fs::write(file.path(), assertion(1)).unwrap();
        world
            .authority
            .turn_grants(|grants| grants.assertions = vec![assertion(1)]);
        let refusal = json!({ "error": code }).to_string();
        world
            .authority
            .configure(|options| options.token_answers.push_back((400, refusal)));
        let authorizer = world.authorizer_with(settings(&world, &file));
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        assert!(error.to_string().contains(code), "{error}");
        let mut retry = settings(&world, &file);
        retry.scope = Some(mcpipe::auth::oauth::scope::Scopes::parse("another"));
        let authorizer = world.authorizer_with(retry);
        authorizer.renew(None, &unauthorized()).await.unwrap();
    }
}
