//! The user who has signed in: requested from the authorization server where the ID token does not tell, and compared
//! with the users of other accounts.
//!
//! The access token is for the MCP server, and it goes to the authorization server that has issued it and to no other
//! party, in the two ways in which that may be shown it:
//!
//! - introspection (RFC 7662), at the endpoint of its own metadata, which are believed for revocation as well;
//! - UserInfo (OpenID Connect Core section 5.3), only if the token is one for it: `openid` was granted, no `resource`
//!   confines the token to the MCP server (RFC 8707), and the endpoint is on the origin of the token endpoint or of the
//!   issuer. A token that is bound to a key is not shown.
//!
//! Nothing waits for it: the tokens are kept before, and a server that does not answer has said nothing.

use std::time::Duration;

use ::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use crate::auth::flow::accounts;
use crate::auth::grant::GrantType;
use crate::auth::net::http::{Http, host_of};
use crate::auth::notice::Notice;
use crate::auth::oauth::client_auth::{authenticated, with_client_id};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::id_token::User;
use crate::auth::oauth::metadata_urls::same_issuer;
use crate::auth::oauth::token_response::{read_object, stated_error};
use crate::auth::settings::Settings;
use crate::auth::store::credential_store::{CredentialStore, revision};
use crate::auth::store::record::TokenRecord;
use crate::store::Vault;

/// The longest time for the request.
const PATIENCE: Duration = Duration::from_secs(3);

/// Finds out who has signed in, as far as that is not known by the ID token, and keeps it with the entry.
pub(in crate::auth) async fn find_out_user(
    http: &Http,
    store: &CredentialStore,
    server: &AuthorizationServer,
    entry: &mut TokenRecord,
) {
    let known = entry.user.clone();
    if known.as_ref().is_some_and(|known| known.name.is_some()) {
        return;
    }
    let asking = ask_for_user(http, server, entry);
    let Ok(Some(found)) = tokio::time::timeout(PATIENCE, asking).await else {
        return;
    };
    // OpenID Connect Core section 5.3.2: another subject is another user's, and nothing of it counts.
    if known
        .as_ref()
        .is_some_and(|known| known.subject != found.subject)
    {
        tracing::debug!("what the authorization server tells of the user is about another one");
        return;
    }
    let user = match known {
        Some(known) => User {
            name: found.name,
            ..known
        },
        None => found,
    };
    entry.user = Some(user);
    save_user(store, entry).await;
}

async fn ask_for_user(
    http: &Http,
    server: &AuthorizationServer,
    entry: &TokenRecord,
) -> Option<User> {
    let mut found = None;
    if let Some(url) = server.userinfo_endpoint()
        && is_for_userinfo(server, entry, url)
    {
        found = userinfo(http, url, entry).await;
    }
    if let (None, Some(url)) = (&found, server.introspection_endpoint()) {
        found = introspected(http, url, entry).await;
    }
    found
}

async fn userinfo(http: &Http, url: &Url, entry: &TokenRecord) -> Option<User> {
    let mut headers = HeaderMap::new();
    let value = format!("Bearer {}", entry.access.expose());
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    // OpenID Connect Core section 5.3: the endpoint takes POST as well as GET.
    let answer = http.post(url, headers, Vec::new()).await.ok()?;
    let object = read_object(&answer).filter(|_| answer.status == 200)?;
    User::of_answer(&object, &entry.issuer).filter(|_| stated_error(&object).is_none())
}

async fn introspected(http: &Http, url: &Url, entry: &TokenRecord) -> Option<User> {
    let (headers, body) = introspection(entry);
    let (headers, body) = authenticated(&entry.client, headers, &body).ok()?;
    let answer = http.post(url, headers, body).await.ok()?;
    let object: Map<String, Value> = read_object(&answer).filter(|_| answer.status == 200)?;
    let is_active = object.get("active") == Some(&Value::Bool(true));
    User::of_answer(&object, &entry.issuer).filter(|_| is_active)
}

/// Adds the user to what is kept, unless other tokens are there by now.
async fn save_user(store: &CredentialStore, entry: &TokenRecord) {
    let Ok(_lock) = store.lock_within(PATIENCE).await else {
        return;
    };
    if let Ok(Some(mut stored)) = store.stored().await
        && stored.entry.access.same_as(entry.access.expose())
    {
        stored.entry.user.clone_from(&entry.user);
        store
            .save(&stored.name, &stored.entry, revision(stored.rev))
            .await;
    }
}

/// Tells the user that a sign-in is done, as whom, and if another account is the same user.
pub(in crate::auth) async fn announce_sign_in(
    settings: &Settings,
    vault: &Vault,
    entry: &TokenRecord,
) {
    tracing::info!(host = host_of(&entry.token_endpoint), "signed in");
    let announce = &settings.announce;
    announce.tell(&Notice::SignedIn {
        resource: &entry.resource,
        account: &entry.account,
        user: entry.user.as_ref(),
    });
    let Some(user) = &entry.user else { return };
    let all = accounts::status(vault).await.unwrap_or_default();
    let others = accounts::accounts_of(&all, user, &entry.account);
    if !others.is_empty() {
        let host = Url::parse(&entry.issuer);
        let host = host.map_or_else(|_| host_of(&entry.token_endpoint), |url| host_of(&url));
        announce.tell(&Notice::OnePerson {
            resource: &entry.resource,
            account: &entry.account,
            others: &others,
            host: &host,
        });
    }
}

/// Says whether a user is signed in at this issuer by another account.
pub(in crate::auth) async fn has_other_account(
    settings: &Settings,
    vault: &Vault,
    issuer: &str,
) -> bool {
    let all = accounts::status(vault).await.unwrap_or_default();
    all.iter().any(|other| {
        other.grant == GrantType::User
            && other.account != settings.account
            && same_issuer(&other.issuer, issuer)
    })
}

fn introspection(entry: &TokenRecord) -> (HeaderMap, Vec<u8>) {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", entry.access.expose());
    form.append_pair("token_type_hint", "access_token");
    with_client_id(&entry.client, form)
}

/// Says whether the access token is one that UserInfo may be asked with.
fn is_for_userinfo(server: &AuthorizationServer, entry: &TokenRecord, url: &Url) -> bool {
    let scope = entry
        .scope_granted
        .as_ref()
        .or(entry.scope_requested.as_ref());
    let is_openid = scope.is_some_and(|scope| scope.contains("openid"));
    let issuer = Url::parse(server.issuer()).ok();
    let is_at_home = url.origin() == server.token_endpoint().origin()
        || issuer.is_some_and(|issuer| issuer.origin() == url.origin());
    is_openid && entry.resource_sent.is_none() && !entry.is_bound() && is_at_home
}
