//! A server that wants a token.

use crate::support::authority::Authority;
use crate::support::remote::{Reply, Server, ordinary};

/// A server that takes the tokens of this authorization server, and no request without one.
pub(crate) async fn protected_by(authority: &Authority) -> Server {
    let issuer = authority.clone();
    let server = Server::that(move |ask| {
        if let Some(document) = issuer.metadata_of(ask) {
            return document;
        }
        let shown = ask.header("authorization").unwrap_or_default();
        let mut good = issuer.access_tokens().into_iter();
        if good.any(|token| shown == format!("Bearer {token}")) {
            return ordinary(ask);
        }
        let metadata = format!(
            "Bearer resource_metadata=\"http://{}/.well-known/oauth-protected-resource/mcp\"",
            ask.header("host").unwrap()
        );
        Reply::status(401).with("WWW-Authenticate", &metadata)
    })
    .await;
    let resource = server.url();
    authority.configure(|options| options.resource = Some(resource));
    server
}
