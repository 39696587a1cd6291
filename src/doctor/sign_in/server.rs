//! The authorization server: every place of its metadata, its name, its endpoints, and whether it is the one of the last
//! sign-in.

use url::Url;

use super::resource::Resource;
use super::stored::Known;
use super::{places, shown_name};
use crate::auth::flow::preview::{self, Looked};
use crate::auth::net::{guard, http};
use crate::auth::oauth::discovery::{AuthorizationServer, Error, ProtectedResource};
use crate::auth::oauth::known_providers::known_quirks;
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::typed::{Typed, quoted};

/// The authorization server that the sign-in would be at.
#[derive(Debug)]
pub(super) struct Server(pub(super) AuthorizationServer);

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let Some(known) = context.known::<Resource>() else {
        return Vec::new();
    };
    let resource = &known.resource;
    let is_fixed = context.sign_in.authorization_server.is_some();
    let is_wanted = known.challenge.status != 0 || resource.name().is_some() || is_fixed;
    // A fault of the first step is told there, and a guess after it is no evidence.
    if !is_wanted || resource.fault().is_some() && !is_fixed {
        return Vec::new();
    }
    let stored = context.known::<Known>();
    let held = stored.as_ref().and_then(|known| known.0.issuer());
    let looked = preview::server(&context.http, &context.sign_in, resource, held).await;
    let mut findings = judged(&looked, resource, &context.typed);
    if let Ok(server) = looked.found {
        let changed = stored.and_then(|it| it.0.changed(&context.sign_in, resource, &server));
        if let Some(changed) = changed {
            let line = context.typed.line("login", &[]);
            findings.push(
                Finding::fail(&codes::SERVER_CHANGED, changed.to_string())
                    .remedy(format!("if you want to sign in there: {line}")),
            );
        }
        context.learn(Server(server));
    }
    findings
}

/// Judges what the search has found.
pub(super) fn judged(
    looked: &Looked<AuthorizationServer>,
    resource: &ProtectedResource,
    typed: &Typed,
) -> Vec<Finding> {
    let tried = places::words(&looked.places);
    let findings = match &looked.found {
        Err(error) => vec![wrong(error, &tried, typed)],
        Ok(server) if server.is_assumed() => vec![assumed(server, &tried, typed)],
        Ok(server) => found(server, looked, resource, typed),
    };
    let findings = findings.into_iter();
    findings
        .map(|finding| finding.fact("places", &tried))
        .collect()
}

fn assumed(server: &AuthorizationServer, tried: &str, typed: &Typed) -> Finding {
    let issuer = shown_name(server.issuer());
    let sentence = format!(
        "nothing says where to sign in, and {issuer} has no metadata of an authorization server: {tried}"
    );
    Finding::fail(&codes::SERVER_ASSUMED, sentence).remedy(format!(
        "if the server takes a key, `mcpipe vault put NAME`, then {}; if it has an authorization server, --authorization-server URL",
        typed.line("doctor", &["--bearer", "NAME"])
    ))
}

fn found(
    server: &AuthorizationServer,
    looked: &Looked<AuthorizationServer>,
    resource: &ProtectedResource,
    typed: &Typed,
) -> Vec<Finding> {
    let issuer = shown_name(server.issuer());
    let document = places::last_document(&looked.places);
    let at = document.as_ref();
    let at = at.map_or_else(|| "the place named".to_owned(), |(at, _)| at.clone());
    let origin = |url: &Url| url.origin().ascii_serialization();
    let sentence = format!("the metadata at {at} are those of {issuer}");
    let mut finding = Finding::ok(&codes::SERVER_METADATA, sentence)
        .fact("token_endpoint", origin(server.token_endpoint()));
    if let Some(page) = server.authorization_endpoint() {
        finding = finding.fact("authorization_endpoint", origin(page));
    }
    if let Some(methods) = server.auth_methods() {
        finding = finding.fact("auth_methods", shown_name(&methods.join(" ")));
    }
    let mut findings = vec![finding];
    let bare = |name: &str| name.trim_end_matches('/').to_owned();
    if let [first, _, ..] = resource.servers()
        && bare(first) != bare(server.issuer())
    {
        let first = shown_name(first);
        let sentence =
            format!("the first authorization server named, {first}, is passed over for {issuer}");
        let line = typed.line("login", &["--authorization-server", &quoted(&first)]);
        findings.push(
            Finding::warn(&codes::SERVER_SECOND, sentence)
                .remedy(format!("nothing, if that is right; otherwise {line}")),
        );
    }
    for (member, endpoint) in [
        ("registration_endpoint", server.registration_endpoint()),
        ("revocation_endpoint", server.revocation_endpoint()),
        ("device_authorization_endpoint", server.device_endpoint()),
    ] {
        let written = document
            .as_ref()
            .and_then(|(_, it)| it.get(member)?.as_str());
        if let (Some(written), None) = (written, endpoint) {
            let written = shown_name(written);
            let sentence = format!("{member} is left out, because {written} may not be visited");
            findings.push(
                Finding::warn(&codes::SERVER_ENDPOINT_IGNORED, sentence)
                    .remedy("only its operator can mend that: an endpoint is an https address"),
            );
        }
    }
    findings.extend(provider(server));
    findings
}

fn provider(server: &AuthorizationServer) -> Option<Finding> {
    let quirks = known_quirks(server.issuer());
    let differences = match quirks.words() {
        words if words.is_empty() => String::new(),
        words => format!(": {}", words.join("; ")),
    };
    let name = quirks.name?;
    let sentence = format!("the authorization server is {name}{differences}");
    let finding = Finding::ok(&codes::PROVIDER_KNOWN, sentence);
    Some(match quirks.advice {
        Some(advice) => finding.remedy(advice),
        None => finding,
    })
}

fn wrong(error: &Error, tried: &str, typed: &Typed) -> Finding {
    let fail = |code, remedy: String| Finding::fail(code, error.to_string()).remedy(remedy);
    let other = || {
        let line = typed.line("login", &["--authorization-server", "URL"]);
        format!("name the right one: {line}")
    };
    match error {
        Error::OtherIssuer { found, agrees, .. } => {
            let flag = match agrees {
                true => "--authorization-server",
                false => "--expect-issuer",
            };
            let remedy = match Url::parse(found).is_ok_and(|url| url.has_host()) {
                true => format!(
                    "if that is who is to sign you in: {}",
                    typed.line("login", &[flag, &quoted(found)])
                ),
                false => "only its operator can mend that: `issuer` has to be what it is looked up by (RFC 8414 section 3.3)".to_owned(),
            };
            fail(&codes::SERVER_OTHER_ISSUER, remedy)
        }
        Error::Unexpected { found, .. } => {
            let line = typed.line("login", &["--expect-issuer", &quoted(found)]);
            let remedy = format!("if that is the right one: {line}");
            fail(&codes::SERVER_UNEXPECTED_ISSUER, remedy)
        }
        Error::NoMetadata { .. } => {
            Finding::fail(&codes::SERVER_NO_METADATA, format!("{error}: {tried}")).remedy(other())
        }
        Error::BadEndpoint { .. }
        | Error::BadIssuer(_)
        | Error::NoPkce(_)
        | Error::OtherResource { .. } => fail(&codes::SERVER_BAD_METADATA, other()),
        Error::Http(error) => unreached(error, typed),
    }
}

fn unreached(error: &http::Error, typed: &Typed) -> Finding {
    let fail = |code, remedy: String| Finding::fail(code, error.to_string()).remedy(remedy);
    match error {
        http::Error::Refused {
            why: guard::Error::Inside,
            ..
        } => {
            let line = typed.line("login", &["--allow-private"]);
            let remedy = format!("if that is a private network of yours: {line}");
            fail(&codes::SERVER_PRIVATE, remedy)
        }
        http::Error::Refused { .. } => fail(
            &codes::SERVER_NOT_HTTPS,
            "only its operator can mend that: the metadata have to name https addresses".to_owned(),
        ),
        http::Error::Untrusted { why, .. } => fail(&codes::SERVER_UNTRUSTED, why.hint().to_owned()),
        _ => {
            let remedy = format!("try again later: {}", typed.line("doctor", &[]));
            fail(&codes::SERVER_UNREACHABLE, remedy)
        }
    }
}
