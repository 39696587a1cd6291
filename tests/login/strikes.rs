//! When a refresh token is refused: what is thought of it, who is told, what is left at the server.

use std::sync::{Arc, Mutex};

use mcpipe::auth::Announce;
use mcpipe::auth::flow::accounts;
use mcpipe::auth::store::record::TokenState;

use super::World;

/// A token whose access half works while its refresh half is refused.
async fn refused(world: &World, times: usize) -> mcpipe::auth::Authorizer {
    let authorizer = world.authorizer();
    world.signed_in(&authorizer).await;
    world.later(3000);
    world.authority.configure(|options| {
        for _ in 0..times {
            options
                .token_answers
                .push_back((400, r#"{"error":"invalid_grant"}"#.to_owned()));
        }
    });
    authorizer
}

async fn state(world: &World) -> TokenState {
    accounts::status(&world.vault).await.unwrap()[0].state
}

/// The write of the vault that brought the record.
async fn revision(world: &World) -> u64 {
    accounts::status(&world.vault).await.unwrap()[0].revision
}

/// Takes the token, and waits until the renewal that this begins is over and stored: what the refusal costs is counted
/// from then.
async fn renewed_in_the_background(world: &World, authorizer: &mcpipe::auth::Authorizer) {
    let before = world.authority.grants("refresh_token").len();
    let written = revision(world).await;
    assert!(authorizer.current().await.unwrap().is_some());
    while world.authority.grants("refresh_token").len() == before {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    while revision(world).await == written {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn three_refusals_mark_the_token_revoke_it_and_are_told_once() {
    let world = World::new().await;
    drop(refused(&world, 9).await);
    let told = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&told);
    let mut settings = world.settings();
    settings.announce = Announce::new(move |notice| ear.lock().unwrap().push(notice.text()));
    let authorizer = world.authorizer_with(settings);

    for wanted in [
        TokenState::Suspect,
        TokenState::Suspect,
        TokenState::NeedsLogin,
    ] {
        assert!(told.lock().unwrap().is_empty());
        renewed_in_the_background(&world, &authorizer).await;
        while state(&world).await != wanted {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        world.later(61);
    }
    for _ in 0..5 {
        assert!(authorizer.current().await.unwrap().is_some(), "it works");
        world.later(61);
    }
    authorizer.settle(std::time::Duration::from_secs(5)).await;

    assert_eq!(world.authority.grants("refresh_token").len(), 3);
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(&format!("mcpipe login {}", world.resource())));
    let revoked = world.authority.at("/revoke");
    assert_eq!(revoked.len(), 1);
    let token = &world.authority.refresh_tokens()[0];
    assert_eq!(revoked[0].field("token"), Some(token.as_str()));
}

#[tokio::test]
async fn a_refusal_or_two_are_forgotten_with_the_next_success() {
    let world = World::new().await;
    let authorizer = refused(&world, 2).await;
    for _ in 0..2 {
        renewed_in_the_background(&world, &authorizer).await;
        while state(&world).await != TokenState::Suspect {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        world.later(61);
    }
    renewed_in_the_background(&world, &authorizer).await;
    while state(&world).await != TokenState::Ok {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert!(world.authority.at("/revoke").is_empty());
}
