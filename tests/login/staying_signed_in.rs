//! Staying signed in: expiry, restarts, other processes, lost registrations, as users of other bridges met them.

use mcpipe::auth::Browser;
use mcpipe::auth::flow::accounts::status;
use serde_json::{Value, json};

use super::protected_server::{Protected, fields, with};
use super::{PRM, World, kept_text, unauthorized};
use crate::support::authority::Authority;
use crate::support::host::{INITIALIZE, INITIALIZED, call};

/// Reported in punkpeye/mcp-remote#166.
#[tokio::test]
async fn after_ten_hours_one_refresh_and_no_window() {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.lifetime = Some(30));
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    world.later(36_000);
    for _ in 0..3 {
        let held = authorizer.current().await.unwrap().unwrap();
        assert_eq!(world.shows(&held), world.authority.access_tokens()[1]);
    }
    assert_eq!(world.authority.grants("refresh_token").len(), 1);
    assert_eq!(world.windows(), 1);
}

/// The real binary: what it sends first already carries the fresh token.
/// Reported in punkpeye/mcp-remote#273.
#[tokio::test]
async fn a_start_with_a_dead_token_meets_no_401() {
    let place = Protected::new().await;
    place.sign_in(&place.server.url(), "default", 7200).await;
    let ended = place.authority.access_tokens().pop().unwrap();

    let mut host = place.start(&[&place.server.url()]);
    host.send(INITIALIZE).await;
    assert!(host.next().await.contains("protocolVersion"));
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    assert!(host.next().await.contains("result"));
    assert!(host.closed().await.status.success());

    let fresh = place.authority.access_tokens().pop().unwrap();
    assert_ne!(fresh, ended);
    assert_eq!(place.authority.grants("refresh_token").len(), 1);
    for shown in place.shown() {
        assert_eq!(shown, Some(format!("Bearer {fresh}")));
    }
}

/// Reported in punkpeye/mcp-remote#273.
#[tokio::test]
async fn an_end_is_kept_as_a_time_not_as_a_duration() {
    let world = World::new().await;
    world.signed_in(&world.authorizer()).await;
    world.later(1000);
    let kept = status(&world.vault).await.unwrap();
    assert_eq!(kept[0].expires_at, Some(1_800_003_600));
}

/// Reported in damianvtran/local-operator#340.
#[tokio::test]
async fn a_401_tries_what_a_sibling_stored_before_anything_else() {
    let world = World::new().await;
    let (ours, theirs) = (world.authorizer(), world.authorizer());
    let old = world.signed_in(&ours).await;
    world.later(4000);
    let new = theirs.current().await.unwrap().unwrap();
    let asked = world.authority.seen().len();

    let adopted = ours.renew(Some(&old), &unauthorized()).await.unwrap();
    assert_eq!(world.shows(&adopted), world.shows(&new));
    assert_eq!(world.authority.seen().len(), asked, "nothing was asked");
    assert_eq!(world.windows(), 1);
}

/// Reported in modelcontextprotocol/rust-sdk#949.
#[tokio::test]
async fn an_answer_without_refresh_token_keeps_the_old_one() {
    let world = World::new().await;
    world.authority.configure(|options| options.rotates = false);
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    for _ in 0..3 {
        world.later(4000);
        authorizer.current().await.unwrap().unwrap();
    }
    let spent = fields(&world.authority.grants("refresh_token"), "refresh_token");
    assert_eq!(spent.len(), 3);
    assert!(spent.iter().all(|token| *token == spent[0]), "{spent:?}");
}

/// Reported in modelcontextprotocol/rust-sdk#963.
#[tokio::test]
async fn a_token_endpoint_that_is_down_changes_nothing_that_is_kept() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    let before = kept_text(&world).await;
    world.later(4000);
    for (status, body) in [
        (503, ""),
        (500, "{}"),
        (429, ""),
        (200, "<html>wifi</html>"),
    ] {
        let answer = (status, body.to_owned());
        world
            .authority
            .configure(|options| options.token_answers.push_back(answer));
        let error = authorizer.current().await.unwrap_err().to_bridge_error();
        assert!(error.retryable, "{status}");
        assert_eq!(kept_text(&world).await, before, "{status}");
        world.later(120);
    }
    authorizer.current().await.unwrap().unwrap();
    assert_eq!(world.windows(), 1);
}

/// The server lost its clients: noticed on the sign-in page, before a person meets it there.
/// Reported in punkpeye/mcp-remote#36, supabase/mcp#355.
#[tokio::test]
async fn a_registration_that_is_lost_is_made_anew_behind_one_window() {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.gives_refresh = false);
    let authorizer = world.authorizer();
    let first = world.signed_in(&authorizer).await;
    world.authority.forget_clients();
    world.later(4000);

    let second = authorizer
        .renew(Some(&first), &unauthorized())
        .await
        .unwrap();
    assert!(second.generation() > first.generation());
    assert_eq!(world.authority.at("/register").len(), 2);
    assert_eq!(
        world.windows(),
        2,
        "one for each sign-in, none for the dead client"
    );
    let clients = fields(&world.authority.at("/authorize"), "client_id");
    assert_ne!(clients.first(), clients.last());
}

/// Reported in punkpeye/mcp-remote#36, supabase/mcp#355.
#[tokio::test]
async fn a_registration_just_honoured_is_not_asked_after() {
    // Where another test takes its port between two sign-ins there is a new registration, which proves nothing here.
    for _ in 0..5 {
        let world = World::new().await;
        let authorizer = world.authorizer();
        authorizer.login(&unauthorized()).await.unwrap();
        world.later(60);
        authorizer.login(&unauthorized()).await.unwrap();
        let soon = world.authority.at("/authorize").len();
        world.later(4000);
        authorizer.login(&unauthorized()).await.unwrap();
        if world.authority.at("/register").len() > 1 {
            continue;
        }
        let asked = world.authority.at("/authorize");
        assert_eq!(
            (soon, asked.len()),
            (2, 4),
            "the look beforehand, and the person"
        );
        assert_ne!(asked[2].field("state"), asked[3].field("state"));
        return;
    }
    panic!("the port was taken five times");
}

/// Reported in punkpeye/mcp-remote#36, supabase/mcp#355.
#[tokio::test]
async fn a_client_of_the_users_own_that_is_unknown_is_said_and_not_tried_again() {
    for code in ["invalid_client", "unauthorized_client"] {
        let world = World::new().await;
        let id = "given";
        let authorizer = with(&world, |settings| {
            settings.client_id = Some(id.to_owned());
            settings.callback_port = None;
        });
        let refusal = format!(r#"{{"error":"{code}","error_description":"never heard of it"}}"#);
        world
            .authority
            .configure(|options| options.token_answers.push_back((401, refusal)));
        world.authority.welcome_anywhere(id);
        let error = authorizer.renew(None, &unauthorized()).await.unwrap_err();
        assert!(error.to_string().contains("never heard of it"), "{error}");
        assert!(error.hint().unwrap().contains("--client-id"), "{error}");
        assert_eq!(world.windows(), 1);
        assert_eq!(world.authority.at("/token").len(), 1);
        assert!(world.authority.at("/register").is_empty());
    }
}

/// After a while the same client is turned down when refreshing: a window would lead to the same.
/// Reported in punkpeye/mcp-remote#36, supabase/mcp#355.
#[tokio::test]
async fn a_client_of_the_users_own_that_was_removed_opens_no_window() {
    let world = World::new().await;
    world.authority.welcome_anywhere("given");
    let authorizer = with(&world, |settings| {
        settings.client_id = Some("given".to_owned());
    });
    let credential = world.signed_in(&authorizer).await;
    world.authority.forget_clients();
    world.later(4000);
    let error = authorizer
        .renew(Some(&credential), &unauthorized())
        .await
        .unwrap_err();
    assert!(error.hint().unwrap().contains("--client-id"), "{error}");
    assert_eq!(world.windows(), 1);
}

/// Reported in punkpeye/mcp-remote#91.
#[tokio::test]
async fn a_server_that_rejects_every_token_sees_two_of_them() {
    let world = World::new().await;
    let authorizer = world.authorizer();
    let mut credential = world.signed_in(&authorizer).await;
    for _ in 0..100 {
        match authorizer.renew(Some(&credential), &unauthorized()).await {
            Ok(another) => credential = another,
            Err(error) => assert!(error.hint().unwrap().contains("audience"), "{error}"),
        }
    }
    assert!(world.authority.at("/token").len() <= 2);
    assert_eq!(world.windows(), 1);
}

/// Reported in punkpeye/mcp-remote#91.
#[tokio::test]
async fn a_token_of_thirty_seconds_is_renewed_once_in_its_life() {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.lifetime = Some(30));
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    for _ in 0..60 {
        world.later(1);
        authorizer.current().await.unwrap().unwrap();
    }
    let renewed = world.authority.grants("refresh_token").len();
    assert!((2..=4).contains(&renewed), "{renewed}");
}

/// Reported in microsoft/vscode#293533.
#[tokio::test]
async fn a_token_goes_to_no_other_resource_and_no_other_account() {
    let world = World::new().await;
    let ours = world.authorizer();
    let first = world.shows(&world.signed_in(&ours).await);

    // Another server, with the same authority.
    let other = Authority::start().await;
    other.remove("/.well-known/oauth-authorization-server");
    let resource = format!("{}/mcp", other.origin);
    other.protect(PRM, &resource, &[&world.authority.origin]);
    let mut settings = world.attended();
    settings.resource = resource.clone();
    settings.url = url::Url::parse(&resource).unwrap();
    let theirs = world.authorizer_with(settings);
    assert!(theirs.current().await.unwrap().is_none());
    world
        .authority
        .configure(|options| options.resource = Some(resource.clone()));
    let second = theirs.renew(None, &unauthorized()).await.unwrap();

    // And another account at the first.
    world
        .authority
        .configure(|options| options.resource = Some(world.resource()));
    let home = with(&world, |settings| settings.account = "home".to_owned());
    assert!(home.current().await.unwrap().is_none());
    let third = world.shows(&world.signed_in(&home).await);
    assert_ne!(first, third);

    // Each is renewed with its own refresh token, for its own resource.
    world.later(4000);
    world.authority.configure(|options| options.resource = None);
    ours.current().await.unwrap().unwrap();
    theirs.current().await.unwrap().unwrap();
    home.current().await.unwrap().unwrap();
    let refreshes = world.authority.grants("refresh_token");
    let resources: Vec<_> = fields(&refreshes, "resource")
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(resources, [world.resource(), resource, world.resource()]);
    let mut spent = fields(&refreshes, "refresh_token");
    spent.sort();
    spent.dedup();
    assert_eq!(spent.len(), 3);

    // A credential refuses to go anywhere but home.
    let mut headers = http::HeaderMap::new();
    let url = url::Url::parse(&world.resource()).unwrap();
    second.apply(
        &mut headers,
        "POST",
        &url,
        std::time::SystemTime::UNIX_EPOCH,
    );
    assert!(headers.is_empty());
}

/// The same through the commands: one account is signed out, the other stays.
/// Reported in microsoft/vscode#293533.
#[tokio::test]
async fn status_and_logout_keep_accounts_apart() {
    let place = Protected::new().await;
    let url = place.server.url();
    place.sign_in(&url, "work", 10).await;
    place.sign_in(&url, "home", 10).await;

    let out = place.run(&["logout", &url, "--account", "work"]).await;
    assert!(out.status.success(), "{}", out.stderr);
    assert_eq!(place.authority.at("/revoke").len(), 2);
    let status = place.run(&["status", "--json"]).await;
    let status: Value = serde_json::from_str(&status.lines.join("\n")).unwrap();
    let accounts: Vec<_> = status["entries"].as_array().unwrap().iter().collect();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0]["account"], "home");

    // Whatever the server says, it is forgotten.
    place.authority.refuse_revocations(503);
    let out = place.run(&["logout", "--all"]).await;
    assert!(out.status.success(), "{}", out.stderr);
    let said = out.lines.join("\n");
    assert!(
        said.contains("forgotten") && said.contains("could not be revoked"),
        "{said}"
    );
    let status = place.run(&["status", "--json"]).await;
    let status: Value = serde_json::from_str(&status.lines.join("\n")).unwrap();
    assert_eq!(status["entries"], json!([]));
}

/// Reported in openai/codex#8835.
#[tokio::test]
async fn a_browser_that_cannot_be_started_ends_nothing() {
    for command in ["/nowhere/at/all", "false"] {
        let world = World::new().await;
        let authorizer = with(&world, |settings| {
            settings.browser = Browser::Command(vec![command.to_owned()]);
        });
        world.signed_in(&authorizer).await;
    }
}
