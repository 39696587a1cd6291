//! The scopes that a sign-in would ask for, and where they come from.

use super::resource::Resource;
use super::server::Server;
use super::shown_name;
use super::stored::Known;
use crate::auth::flow::preview;
use crate::auth::oauth::scope::Scopes;
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let (Some(known), Some(server)) = (context.known::<Resource>(), context.known::<Server>())
    else {
        return Vec::new();
    };
    let (resource, server, settings) = (&known.resource, &server.0, &context.sign_in);
    let stored = context.known::<Known>();
    let before = stored.as_ref().and_then(|it| it.0.tokens.as_ref());
    let scope = preview::scope(settings, &known.challenge, resource, server, before);
    let from = match () {
        () if settings.scope.is_some() => "--scope",
        () if known.challenge.scope.is_some() => "the challenge",
        () if resource.scopes().is_some_and(|it| !it.is_empty()) => "the server's metadata",
        () => "the last sign-in",
    };
    let sentence = match &scope {
        Some(scope) => format!(
            "a sign-in asks for the scopes {}, from {from}",
            shown_name(&scope.to_string())
        ),
        None => "a sign-in asks for no scope, and the authorization server chooses".to_owned(),
    };
    let listed = |scopes: Option<&Scopes>| {
        scopes.map_or_else(|| "(not said)".to_owned(), |it| shown_name(&it.to_string()))
    };
    let mut findings = vec![
        Finding::ok(&codes::SCOPES_ASKED, sentence)
            .fact("resource_scopes", listed(resource.scopes()))
            .fact("server_scopes", listed(server.scopes())),
    ];
    if let (Some(pinned), Some(one), Some(other)) =
        (&settings.scope, resource.scopes(), server.scopes())
    {
        let all = one.and(other);
        let unlisted: Scopes = pinned.iter().filter(|it| !all.contains(it)).collect();
        if !all.is_empty() && !unlisted.is_empty() {
            let sentence = format!(
                "neither the server nor its authorization server lists {}",
                shown_name(&unlisted.to_string())
            );
            findings.push(
                Finding::warn(&codes::SCOPES_UNLISTED, sentence)
                    .remedy("check --scope; what is listed stands in the facts of --json"),
            );
        }
    }
    findings
}
