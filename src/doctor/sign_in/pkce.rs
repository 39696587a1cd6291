//! PKCE at the authorization server, without which a client has to stop (MCP, basic/authorization).

use super::has_user;
use super::server::Server;
use super::shown_name;
use crate::auth::Settings;
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::typed::Typed;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    match context.known::<Server>() {
        Some(server) if has_user(context) && !server.0.is_assumed() => {
            vec![judged(&server.0, &context.sign_in, &context.typed)]
        }
        _ => Vec::new(),
    }
}

fn judged(server: &AuthorizationServer, settings: &Settings, typed: &Typed) -> Finding {
    let host = shown_name(&server.host());
    let listed = server.challenge_methods();
    if listed.is_some_and(|listed| listed.iter().any(|it| it == "S256")) {
        return Finding::ok(
            &codes::PKCE_S256,
            format!("{host} announces PKCE with S256"),
        );
    }
    if server.knows_pkce() {
        let sentence =
            format!("{host} does not announce PKCE with S256, and is known to support it");
        return Finding::ok(&codes::PKCE_BELIEVED, sentence);
    }
    if settings.assume_pkce {
        let sentence = format!("{host} does not announce PKCE with S256; --assume-pkce goes on");
        return Finding::ok(&codes::PKCE_BELIEVED, sentence);
    }
    let line = typed.line("login", &["--assume-pkce"]);
    match listed {
        None => Finding::fail(
            &codes::PKCE_UNSAID,
            format!("{host} does not say that it supports PKCE: code_challenge_methods_supported is missing"),
        )
        .remedy(format!("if it supports PKCE all the same: {line}")),
        Some(listed) => Finding::fail(
            &codes::PKCE_PLAIN_ONLY,
            format!("{host} announces PKCE without S256: {}", shown_name(&listed.join(" "))),
        )
        .remedy(format!("have S256 switched on there; if it takes S256 all the same: {line}")),
    }
}
