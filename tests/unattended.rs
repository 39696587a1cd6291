//! Tokens without a person: with the client's own credentials, with what a platform says of a program, and with what an
//! enterprise's provider says of a person who has signed in there once.

pub(crate) mod binary; // the real binary
mod clumsy; // mistakes of users in settings
mod enterprise; // an enterprise's identity provider
mod keys; // clients with a key
mod leaks; // secrets in no file or log
mod scopes; // scopes asked and granted
mod workload; // workload identity

use futures_util::future::join_all;
use mcpipe::auth::flow::accounts::status;
use mcpipe::auth::grant::GrantConfig;
use mcpipe::auth::oauth::scope::Scopes;
use mcpipe::auth::{Authorizer, Cause, Settings};
use mcpipe::secret::Secret;
use mcpipe::store::{Unlock, Vault, VaultPaths};
use serde_json::json;

use crate::login::{World, asking_for, insufficient, kept_text, unauthorized};

pub(crate) const SECRET: &str = "client-secret-canary";

/// A world whose authority knows a robot by its secret.
async fn world() -> World {
    let world = World::new().await;
    world
        .authority
        .add_secret_client("robot", SECRET, "client_secret_basic");
    world
        .authority
        .configure(|options| options.gives_refresh = false);
    world
}

/// Settings without a user; a page that is shown is counted, and not visited.
fn robot(world: &World) -> Settings {
    let mut settings = world.watched();
    settings.grant = GrantConfig::ClientCredentials;
    settings.client_id = Some("robot".to_owned());
    settings.client_secret = Some(Secret::new(SECRET));
    settings
}

fn asked(world: &World) -> usize {
    world.authority.grants("client_credentials").len()
}

#[tokio::test]
async fn a_cron_job_gets_a_token_with_no_browser() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let world = world().await;
        world.authority.add_secret_client("robot", SECRET, method);
        world.authority.configure(|options| {
            options.metadata = json!({ "token_endpoint_auth_methods_supported": [method] });
        });
        let authorizer = world.authorizer_with(robot(&world));
        assert!(authorizer.current().await.unwrap().is_none());
        assert!(world.authority.seen().is_empty(), "it starts from a 401");

        let credential = authorizer.renew(None, &asking_for("a b")).await.unwrap();

        assert_eq!(world.shows(&credential), world.authority.access_tokens()[0]);
        let form = &world.authority.grants("client_credentials")[0];
        assert_eq!(form.field("scope"), Some("a b"));
        assert_eq!(form.field("resource"), Some(world.resource().as_str()));
        assert!(world.authority.at("/register").is_empty());
        assert!(world.authority.at("/authorize").is_empty());
        assert_eq!(world.windows(), 0);

        let next = world.authorizer_with(robot(&world));
        let kept = next.current().await.unwrap().unwrap();
        assert_eq!(world.shows(&kept), world.shows(&credential));
        assert_eq!(asked(&world), 1);
    }
}

#[tokio::test]
async fn a_persons_tokens_and_a_machines_are_not_each_others() {
    let world = world().await;
    let machine = world.authorizer_with(robot(&world));
    machine.renew(None, &unauthorized()).await.unwrap();
    let person = world.authorizer();
    assert!(person.current().await.unwrap().is_none());
    let theirs = world.signed_in(&person).await;
    let ours = world.authorizer_with(robot(&world)).current().await;
    assert_ne!(world.shows(&ours.unwrap().unwrap()), world.shows(&theirs));

    let kept = status(&world.vault).await.unwrap();
    let mut grants: Vec<_> = kept.iter().map(|kept| kept.grant.name()).collect();
    grants.sort_unstable();
    assert_eq!(grants, ["client credentials", "sign-in"]);
}

#[tokio::test]
async fn many_processes_ask_for_one_machine_token() {
    let world = world().await;
    let home = tempfile::tempdir().unwrap();
    let place = || VaultPaths::new(Some(home.path())).unwrap();
    let processes: Vec<Authorizer> = (0..6)
        .map(|_| {
            let vault = Vault::on_disk(place(), Unlock::default());
            world.authorizer_over(robot(&world), vault.into())
        })
        .collect();
    let challenge = unauthorized();
    let held = join_all(processes.iter().map(|one| one.renew(None, &challenge))).await;
    for credential in held {
        assert_eq!(
            world.shows(&credential.unwrap()),
            world.authority.access_tokens()[0]
        );
    }
    // The next token too.
    world.later(4000);
    let held = join_all(processes.iter().map(Authorizer::current)).await;
    for credential in held {
        let credential = credential.unwrap().unwrap();
        assert_eq!(world.shows(&credential), world.authority.access_tokens()[1]);
    }
    assert_eq!(asked(&world), 2);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_without_a_refresh_token() {
    let world = world().await;
    // Some give one all the same; it is not kept.
    world
        .authority
        .configure(|options| options.gives_refresh = true);
    let authorizer = world.authorizer_with(robot(&world));
    let first = authorizer.renew(None, &unauthorized()).await.unwrap();
    world.later(2000);
    authorizer.current().await.unwrap().unwrap();
    assert_eq!(asked(&world), 1);

    world.later(900);
    let documents = world.mcp.seen().len();
    let meanwhile = authorizer.current().await.unwrap().unwrap();
    assert_eq!(meanwhile.generation(), first.generation());
    world.authority.was_asked("/token", 2).await;
    authorizer.settle(std::time::Duration::from_secs(60)).await;
    let next = authorizer.current().await.unwrap().unwrap();
    assert_eq!(world.shows(&next), world.authority.access_tokens()[1]);
    assert_eq!(world.mcp.seen().len(), documents, "whom to ask is known");
    assert!(world.authority.grants("refresh_token").is_empty());
    let kept = kept_text(&world).await;
    assert!(!format!("{kept:?}").contains("refresh-canary"));
}

#[tokio::test]
async fn a_token_that_is_turned_down_is_replaced_once() {
    let world = world().await;
    let authorizer = world.authorizer_with(robot(&world));
    let first = authorizer.renew(None, &unauthorized()).await.unwrap();
    world.later(60);
    let second = authorizer.renew(Some(&first), &unauthorized()).await;
    let second = second.unwrap();
    assert_eq!(asked(&world), 2);
    for _ in 0..3 {
        let error = authorizer.renew(Some(&second), &unauthorized()).await;
        let error = error.unwrap_err();
        assert!(matches!(error.cause(), Cause::Rejected { .. }), "{error}");
    }
    assert_eq!(asked(&world), 2);
    assert_eq!(world.windows(), 0);
}

#[tokio::test]
async fn more_scope_is_asked_for_once() {
    let world = world().await;
    let authorizer = world.authorizer_with(robot(&world));
    let first = authorizer.renew(None, &asking_for("a")).await.unwrap();
    let second = authorizer.renew(Some(&first), &insufficient("b")).await;
    let second = second.unwrap();
    let forms = world.authority.grants("client_credentials");
    assert_eq!(forms[1].field("scope"), Some("a b"));
    let error = authorizer.renew(Some(&second), &insufficient("b")).await;
    let error = error.unwrap_err();
    assert!(
        matches!(error.cause(), Cause::ScopeRefused { .. }),
        "{error}"
    );
    assert_eq!(asked(&world), 2);
}

#[tokio::test]
async fn what_is_refused_says_what_to_do_and_no_page_is_shown() {
    for (code, wanted) in [
        ("invalid_client", "--client-key"),
        ("unauthorized_client", "--client-id"),
        ("invalid_scope", "--scope"),
        ("access_denied", "client credentials grant"),
    ] {
        let world = world().await;
        let mut settings = robot(&world);
        settings.scope = Some(Scopes::parse("a"));
        let refusal = json!({ "error": code, "error_description": format!("no {SECRET}") });
        world.authority.configure(|options| {
            let answer = (400, refusal.to_string());
            options.token_answers.extend([answer.clone(), answer]);
        });
        let authorizer = world.authorizer_with(settings);
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        let bridge_error = error.to_bridge_error();
        let hint = bridge_error.hint.clone().unwrap();
        assert!(hint.contains(wanted), "{code}: {error}: {hint}");
        assert!(!format!("{error} {error:?} {bridge_error:?}").contains(SECRET));
        assert_eq!((world.windows(), bridge_error.retryable), (0, false));
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_asked_again_later_and_what_works_is_used() {
    let world = world().await;
    let authorizer = world.authorizer_with(robot(&world));
    authorizer.renew(None, &unauthorized()).await.unwrap();
    let kept = kept_text(&world).await;
    world.later(4000);
    world
        .authority
        .configure(|options| options.token_answers.push_back((503, String::new())));
    let error = authorizer.current().await.unwrap_err();
    assert!(error.to_bridge_error().retryable, "{error}");
    assert_eq!(kept_text(&world).await, kept);
    authorizer.current().await.unwrap().unwrap();
}

/// A request to a slow server that takes longer than the bridge waits.
#[tokio::test(start_paused = true)]
async fn who_waits_for_another_process_too_long_may_try_again() {
    let world = world().await;
    let lock = format!("credential oauth default {}", world.resource());
    let hour = std::time::Duration::from_secs(3600);
    let _theirs = world.vault.lock(&lock, hour).await.unwrap();
    let authorizer = world.authorizer_with(robot(&world));
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    let bridge_error = error.to_bridge_error();
    assert!(bridge_error.retryable, "{error}");
    assert_eq!(asked(&world), 0);
}

/// A host that asks again and again gets the same answer, and the authority is left in peace.
#[tokio::test]
async fn a_client_that_is_refused_is_not_asked_for_with_every_call() {
    for code in ["invalid_client", "access_denied", "unauthorized_client"] {
        let world = world().await;
        let refusal = json!({ "error": code }).to_string();
        world.authority.configure(|options| {
            let answers = (0..100).map(|_| (400, refusal.clone()));
            options.token_answers.extend(answers);
        });
        let mut settings = robot(&world);
        settings.authorization_server = Some(world.authority.origin.clone());
        let authorizer = world.authorizer_with(settings);
        authorizer.renew(None, &unauthorized()).await.unwrap_err();
        let first = asked(&world);
        for _ in 0..20 {
            let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
            assert!(error.to_string().contains(code), "{error}");
            assert!(error.hint().is_some());
        }
        assert_eq!(asked(&world), first, "{code}");
        // The user's own word is another matter, and so is time.
        authorizer.login(&unauthorized()).await.unwrap_err();
        assert!(asked(&world) > first, "{code}");
        world
            .authority
            .configure(|options| options.token_answers.clear());
        world.later(31);
        authorizer.renew(None, &unauthorized()).await.unwrap();
    }
}

#[tokio::test]
async fn a_token_endpoint_of_the_users_is_asked_and_nothing_is_looked_up() {
    let world = world().await;
    world
        .authority
        .remove("/.well-known/oauth-authorization-server");
    let mut settings = robot(&world);
    let endpoint = format!("{}/token", world.authority.origin);
    settings.token_endpoint = Some(endpoint.parse().unwrap());
    let authorizer = world.authorizer_with(settings);
    authorizer.renew(None, &unauthorized()).await.unwrap();
    let paths: Vec<_> = world
        .authority
        .seen()
        .into_iter()
        .map(|it| it.path)
        .collect();
    assert_eq!(paths, ["/token"]);
    let form = &world.authority.grants("client_credentials")[0];
    assert_eq!(form.field("resource"), Some(world.resource().as_str()));
}

#[tokio::test]
async fn a_token_endpoint_is_held_to_the_rules_of_any_other() {
    let world = world().await;
    let mut settings = robot(&world);
    settings.token_endpoint = Some("http://as.example.com/token".parse().unwrap());
    let authorizer = world.authorizer_with(settings);
    let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
    assert!(error.to_string().contains("not https"), "{error}");
}

#[tokio::test]
async fn a_secret_does_not_follow_a_server_that_names_another_issuer() {
    let world = world().await;
    let authorizer = world.authorizer_with(robot(&world));
    let first = authorizer.renew(None, &unauthorized()).await.unwrap();
    world.later(60);
    let other = crate::support::authority::Authority::start().await;
    world
        .mcp
        .protect(crate::login::PRM, &world.resource(), &[&other.origin]);
    let error = authorizer.renew(Some(&first), &unauthorized()).await;
    assert!(error.unwrap_err().to_string().contains("belongs to"));
    assert!(other.at("/token").is_empty());
}
