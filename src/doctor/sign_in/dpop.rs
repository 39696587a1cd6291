//! Tokens that are bound to a key: wanted, offered, switched off.

use super::resource::Resource;
use super::server::Server;
use super::shown_name;
use super::stored::Known;
use crate::auth::Dpop;
use crate::auth::flow::preview;
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let (Some(known), Some(server)) = (context.known::<Resource>(), context.known::<Server>())
    else {
        return Vec::new();
    };
    let (resource, server, settings) = (&known.resource, &server.0, &context.sign_in);
    let challenge = &known.challenge;
    let host = shown_name(&server.host());
    let mut schemes = challenge.schemes.iter();
    let is_only_dpop = challenge.takes_dpop && !schemes.any(|it| it.eq_ignore_ascii_case("bearer"));
    let is_required = is_only_dpop || known.requires_dpop;
    if is_required && settings.dpop == Dpop::Off {
        let sentence =
            "the server takes only tokens that are bound to a key, and --dpop off forbids them";
        let finding = Finding::fail(&codes::DPOP_SWITCHED_OFF, sentence);
        return vec![finding.remedy(context.typed.line("login", &["--dpop", "auto"]))];
    }
    if is_required && !server.offers_dpop() {
        let sentence = format!(
            "the server takes only tokens that are bound to a key, and {host} does not offer DPoP with ES256"
        );
        let finding = Finding::fail(&codes::DPOP_NOT_OFFERED, sentence);
        return vec![finding.remedy("only the operator can mend that: DPoP has to be switched on at the authorization server")];
    }
    let stored = context.known::<Known>();
    let before = stored.as_ref().and_then(|it| it.0.tokens.as_ref());
    match preview::binds_tokens(settings, challenge, resource, server, before) {
        Err(why) => {
            let finding = Finding::fail(&codes::DPOP_NOT_OFFERED, why.to_string());
            vec![finding.remedy(context.typed.line("login", &["--dpop", "auto"]))]
        }
        Ok(true) => vec![Finding::ok(
            &codes::DPOP_USED,
            "tokens will be bound to a key (DPoP)",
        )],
        Ok(false) => {
            let why = match (
                server.offers_dpop(),
                resource.takes_dpop() || challenge.takes_dpop,
            ) {
                _ if settings.dpop == Dpop::Off => "--dpop off says so",
                (true, false) => "the authorization server offers it, and the server does not",
                (false, true) => {
                    "the server takes it, and the authorization server does not offer it"
                }
                _ => "neither server offers it",
            };
            let sentence = format!("tokens will not be bound to a key (DPoP): {why}");
            vec![Finding::ok(&codes::DPOP_UNUSED, sentence)]
        }
    }
}
