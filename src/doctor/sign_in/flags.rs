//! Flags of the user that say something else than the servers, or have no effect.

use super::client::brings_client;
use super::resource::Resource;
use super::server::Server;
use super::shown_name;
use crate::auth::Settings;
use crate::auth::oauth::discovery::{AuthorizationServer, ProtectedResource};
use crate::auth::oauth::known_providers::known_quirks;
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    match (context.known::<Resource>(), context.known::<Server>()) {
        (Some(known), Some(server)) => judged(&context.sign_in, &known.resource, &server.0),
        _ => Vec::new(),
    }
}

/// Judges the flags beside what the servers say.
fn judged(
    settings: &Settings,
    resource: &ProtectedResource,
    server: &AuthorizationServer,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(fixed) = &settings.authorization_server
        && !resource.servers().is_empty()
        && !resource.trusts(fixed)
        && !resource.trusts(server.issuer())
    {
        let named = shown_name(&resource.servers().join(", "));
        let sentence = format!("--authorization-server is used, and the server names {named}");
        findings.push(
            Finding::warn(&codes::FLAG_OVERRIDES, sentence)
                .remedy("nothing, if that is meant; otherwise leave --authorization-server out"),
        );
    }
    if let Some(parameter) = &settings.resource_parameter {
        let quirks = known_quirks(server.issuer());
        let sentence = match resource.name() {
            _ if settings.send_resource == Some(false) => None,
            _ if !quirks.takes_resource => Some(format!(
                "--resource is sent, and {} is known not to take it",
                quirks.name.unwrap_or("the authorization server")
            )),
            Some(name) if name != parameter => Some(format!(
                "--resource is sent, and the server's metadata name {}",
                shown_name(name)
            )),
            _ => None,
        };
        if let Some(sentence) = sentence {
            findings.push(
                Finding::warn(&codes::FLAG_OVERRIDES, sentence)
                    .remedy("nothing, if that is meant; otherwise leave --resource out"),
            );
        }
    }
    let unused = [
        (
            settings.resource_parameter.is_some() && settings.send_resource == Some(false),
            "--resource",
            "--disable-resource-parameter sends none",
        ),
        (
            brings_client(settings) && settings.registration_token.is_some(),
            "--dcr-token",
            "a client that you name is not registered",
        ),
        (
            brings_client(settings) && settings.client_metadata_url.is_some(),
            "--client-metadata-url",
            "--client-id names the client",
        ),
        (
            settings.expected_issuer.as_deref() == settings.authorization_server.as_deref()
                && settings.expected_issuer.is_some(),
            "--expect-issuer",
            "--authorization-server has the same name",
        ),
        (
            settings.assume_pkce
                && server
                    .challenge_methods()
                    .is_some_and(|it| it.iter().any(|it| it == "S256")),
            "--assume-pkce",
            "the authorization server announces PKCE",
        ),
    ];
    for (flag, why) in unused.into_iter().filter(|it| it.0).map(|it| (it.1, it.2)) {
        findings.push(
            Finding::warn(&codes::FLAG_UNUSED, format!("{flag} has no effect: {why}"))
                .remedy(format!("leave {flag} out")),
        );
    }
    findings
}
