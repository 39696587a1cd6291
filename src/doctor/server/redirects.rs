//! The redirects on the way of a request, and where they lead.

use super::exchange::{Exchange, Stop};
use super::greeting::Greeting;
use crate::doctor::codes::server as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::redirect::shown;

/// Judges the last redirect.
pub(super) fn redirects(context: &Context, greeting: &Greeting) -> Vec<Finding> {
    let exchange = &greeting.exchange;
    let Some(last) = exchange.hops.last() else {
        return Vec::new();
    };
    // An https server that takes itself for http names a http address, which is visited as https.
    let last_to = match exchange.stop {
        None => &exchange.at,
        Some(_) => &last.to,
    };
    let to = shown(last_to);
    let status = last.status;
    let line = || context.typed.line_to(last_to.as_str(), "doctor", &[]);
    let is_page = greeting.spoken.is_none() && matches!(exchange.status, 200..400 | 404 | 405);
    let finding = match exchange.stop {
        None | Some(Stop::LosesPost) if is_page && looks_like_sign_in(&to) => {
            let slash = format!("{}/", context.target.typed.trim_end_matches('/'));
            Finding::fail(
                &codes::REDIRECT_TO_SIGN_IN,
                format!("the server sends on to a page for browsers, {to}, and asks for no token (HTTP {status})"),
            )
            .remedy(format!(
                "try the address with a slash at its end: {}",
                context.typed.line_to(&slash, "doctor", &[])
            ))
        }
        None => Finding::warn(
            &codes::REDIRECT_FOLLOWED,
            format!("the server sends each request on to {to} (HTTP {status})"),
        )
        .remedy(format!("use that address: {}", context.typed.line_to(last_to.as_str(), "", &[]))),
        Some(Stop::Loop) => Finding::fail(
            &codes::REDIRECT_LOOP,
            format!("the server sends the request on and on, at last to {to}"),
        )
        .remedy("ask the operator; where a proxy ends TLS, the server has to know that its address is https"),
        Some(Stop::LosesPost) => Finding::fail(
            &codes::REDIRECT_LOSES_POST,
            format!("the server sends on to {to} with HTTP {status}, which makes a GET of a POST"),
        )
        .remedy(format!("use that address: {}", line())),
        Some(Stop::Elsewhere) if is_downgrade(exchange) => Finding::fail(
            &codes::REDIRECT_TO_HTTP,
            format!("the server sends on from https to {to}, which is not followed"),
        )
        .remedy("ask the operator: where a proxy ends TLS, the server has to know that its address is https"),
        Some(Stop::Elsewhere) if looks_like_sign_in(&to) => Finding::fail(
            &codes::REDIRECT_TO_SIGN_IN,
            format!("the server sends on to a page for browsers, {to}, and asks for no token (HTTP {status})"),
        )
        .remedy("a gateway (Cloudflare Access, an SSO proxy) stands before it: ask its operator for an exception, or give its header with --header"),
        Some(Stop::Elsewhere) => Finding::fail(
            &codes::REDIRECT_ELSEWHERE,
            format!("the server sends on to another origin, {to}, which is not followed (HTTP {status})"),
        )
        .remedy(format!("if you trust that place: {}", line())),
    };
    vec![finding.fact("to", to).fact("status", status)]
}

fn is_downgrade(exchange: &Exchange) -> bool {
    let to = exchange.hops.last().map(|hop| &hop.to);
    to.is_some_and(|to| exchange.at.scheme() == "https" && to.scheme() == "http")
}

fn looks_like_sign_in(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    [
        "login",
        "signin",
        "sign-in",
        "sso",
        "saml",
        "cdn-cgi/access",
        "auth",
    ]
    .iter()
    .any(|word| address.contains(word))
}
