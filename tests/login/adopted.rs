//! Sign-ins that another program made: taken over where they belong, and nowhere else.

use mcpipe::auth::flow::adopt::{Adopted, Error, Foreign, ForeignClient, ForeignTokens, adopt};
use mcpipe::auth::store::record::{ClientRecord, TokenRecord};
use mcpipe::store::EntryKind;

use super::*;

impl World {
    async fn adopt(&self, foreign: Foreign) -> Result<Adopted, Error> {
        let settings = self.settings();
        let guard = Guard::new(&settings.url, false, false);
        let http = Http::new(tls(), guard);
        adopt(
            foreign,
            Some(&unauthorized()),
            &settings,
            &self.vault,
            &http,
        )
        .await
    }

    /// The user signed in with another program, and this vault has no record of it.
    async fn signed_in_elsewhere(&mut self) -> Foreign {
        self.signed_in(&self.authorizer()).await;
        let mut foreign = Foreign::default();
        for (name, kind) in self.vault.list().await.unwrap() {
            let content = self.vault.read(&name).await.unwrap().unwrap().content;
            match kind {
                EntryKind::Oauth => {
                    let entry = TokenRecord::read(&content).unwrap();
                    foreign.issuer = Some(entry.issuer);
                    foreign.tokens = Some(ForeignTokens {
                        access: entry.access,
                        refresh: entry.refresh,
                        issued: entry.obtained_at,
                        lifetime: Some(Duration::from_secs(3600)),
                        granted: None,
                        requested: None,
                    });
                }
                _ => {
                    let kept = ClientRecord::read(&content).unwrap();
                    foreign.client = Some(ForeignClient {
                        id: kept.client.id,
                        secret: kept.client.secret,
                        expires_at: None,
                        method: None,
                        redirect_uri: Some(kept.redirect_uri),
                    });
                }
            }
        }
        self.vault = Arc::new(Vault::in_memory());
        foreign
    }

    fn renewals(&self) -> usize {
        self.authority.grants("refresh_token").len()
    }

    /// What a start without a person gets.
    async fn silent_start(&self) -> Option<String> {
        let authorizer = self.authorizer_with(self.settings());
        let credential = authorizer.current().await.unwrap();
        credential.map(|credential| self.shows(&credential))
    }
}

#[tokio::test]
async fn the_next_start_is_silent_and_renews_as_the_same_client() {
    let mut world = World::new().await;
    let foreign = world.signed_in_elsewhere().await;
    let token = foreign.tokens.as_ref().unwrap().access.expose().to_owned();
    let adopted = world.adopt(foreign).await.unwrap();
    assert!(matches!(
        adopted,
        Adopted::Tokens {
            renewed: false,
            is_renewable: true,
            ..
        }
    ));
    assert_eq!(
        world.renewals(),
        0,
        "what is known to belong there needs no proof"
    );
    assert_eq!(world.silent_start().await.unwrap(), token);
    world.later(4000);
    assert_ne!(world.silent_start().await.unwrap(), token);
    let [renewal] = world.authority.grants("refresh_token").try_into().unwrap();
    assert_eq!(renewal.field("resource"), Some(world.resource().as_str()));
    assert_eq!(world.windows(), 1, "only the one before");
    assert_eq!(world.authority.at("/register").len(), 1);
}

#[tokio::test]
async fn tokens_of_another_issuer_go_nowhere() {
    let mut world = World::new().await;
    let mut foreign = world.signed_in_elsewhere().await;
    foreign.issuer = Some("https://elsewhere.example".to_owned());
    let before = world.authority.at("/token").len();
    let refused = world.adopt(foreign).await;
    assert!(
        matches!(refused, Err(Error::OtherIssuer { .. })),
        "{refused:?}"
    );
    assert_eq!(world.authority.at("/token").len(), before);
    assert!(world.vault.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_unknown_issuer_is_proven_by_one_renewal() {
    let mut world = World::new().await;
    let mut foreign = world.signed_in_elsewhere().await;
    foreign.issuer = None;
    let adopted = world.adopt(foreign).await.unwrap();
    assert!(matches!(adopted, Adopted::Tokens { renewed: true, .. }));
    assert_eq!(world.renewals(), 1);
    assert_eq!(
        world.silent_start().await,
        world.authority.access_tokens().pop()
    );
    assert_eq!(world.renewals(), 1);
}

#[tokio::test]
async fn a_renewal_that_is_refused_leaves_nothing_behind() {
    let mut world = World::new().await;
    let mut foreign = world.signed_in_elsewhere().await;
    foreign.issuer = None;
    world.authority.revoke_all();
    let refused = world.adopt(foreign).await;
    assert!(
        matches!(refused, Err(Error::Unproven { .. })),
        "{refused:?}"
    );
    assert!(world.vault.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_the_vault_has_is_not_replaced() {
    let mut world = World::new().await;
    let foreign = world.signed_in_elsewhere().await;
    let ours = world.signed_in(&world.authorizer()).await;
    let before = kept_text(&world).await;
    assert!(matches!(
        world.adopt(foreign).await,
        Ok(Adopted::AlreadySignedIn)
    ));
    assert_eq!(kept_text(&world).await, before);
    assert_eq!(world.silent_start().await, Some(world.shows(&ours)));
}

#[tokio::test]
async fn a_client_alone_spares_the_registration() {
    let mut world = World::new().await;
    let mut foreign = world.signed_in_elsewhere().await;
    foreign.tokens = None;
    let redirect_uri = foreign.client.as_ref().unwrap().redirect_uri.clone();
    let adopted = world.adopt(foreign).await.unwrap();
    assert!(matches!(adopted, Adopted::Client { .. }));
    world.signed_in(&world.authorizer()).await;
    assert_eq!(world.authority.at("/register").len(), 1);
    let pages = world.authority.at("/authorize");
    let asked = pages
        .last()
        .unwrap()
        .field("redirect_uri")
        .map(str::to_owned);
    assert_eq!(asked, redirect_uri);
}

#[tokio::test]
async fn what_is_of_no_use_any_more_is_not_taken() {
    let mut world = World::new().await;
    let mut foreign = world.signed_in_elsewhere().await;
    let client = foreign.client.as_mut().unwrap();
    client.secret = Some(mcpipe::secret::Secret::new("s3cret"));
    client.expires_at = Some(1_700_000_000);
    let refused = world.adopt(foreign).await;
    assert!(matches!(refused, Err(Error::ClientExpired)), "{refused:?}");

    let mut foreign = world.signed_in_elsewhere().await;
    foreign.client = None; // a refresh token is good for its client only
    world.later(4000);
    let refused = world.adopt(foreign).await;
    assert!(matches!(refused, Err(Error::Ended)), "{refused:?}");
    assert!(matches!(
        world.adopt(Foreign::default()).await,
        Err(Error::Nothing)
    ));
    assert!(world.vault.list().await.unwrap().is_empty());
}
