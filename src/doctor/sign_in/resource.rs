//! The metadata of the server as a protected resource: every place, and the comparison of `resource`.

use url::Url;

use super::{places, shown_name};
use crate::auth::flow::preview::{self, Looked};
use crate::auth::net::{guard, http};
use crate::auth::oauth::challenge::Challenge;
use crate::auth::oauth::discovery::{Error, ProtectedResource};
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::server;
use crate::doctor::typed::Typed;

/// The resource that the sign-in would be for.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) resource: ProtectedResource,
    pub(super) challenge: Challenge,
    /// True where the metadata say that only bound tokens are taken.
    pub(super) requires_dpop: bool,
}

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    if context.target.brings_authorization {
        let why = "the steps of a sign-in: your Authorization header takes its place";
        return vec![Finding::skipped(&SKIPPED, why)];
    }
    let Some(challenge) = server::challenge(context) else {
        let why = "the steps of a sign-in: the server has not answered";
        return vec![Finding::skipped(&SKIPPED, why)];
    };
    let looked = preview::resource(&context.http, &context.sign_in, &challenge).await;
    let findings = judged(&looked, &challenge, context.url(), &context.typed);
    if let Ok(resource) = looked.found {
        let document = places::last_document(&looked.places);
        let required =
            document.and_then(|(_, it)| it.get("dpop_bound_access_tokens_required")?.as_bool());
        context.learn(Resource {
            resource,
            challenge,
            requires_dpop: required == Some(true),
        });
    }
    findings
}

/// Judges what the search has found. A server that asks for nothing needs no metadata.
pub(super) fn judged(
    looked: &Looked<ProtectedResource>,
    challenge: &Challenge,
    url: &Url,
    typed: &Typed,
) -> Vec<Finding> {
    let tried = places::words(&looked.places);
    let findings = match &looked.found {
        Err(error) => vec![wrong(error, typed)],
        Ok(resource) if resource.name().is_some() => found(resource, looked, challenge, url),
        Ok(resource) => match resource.fault() {
            _ if looked.places.is_empty() => Vec::new(),
            Some(fault) => vec![unreachable(fault, typed)],
            None => vec![absent(challenge, &tried, typed)],
        },
    };
    let findings = findings.into_iter();
    findings
        .map(|finding| finding.fact("places", &tried))
        .collect()
}

fn absent(challenge: &Challenge, tried: &str, typed: &Typed) -> Finding {
    let code = &codes::RESOURCE_METADATA_ABSENT;
    if challenge.status == 0 {
        let sentence = "the server asks for no sign-in, and has no metadata for one";
        return Finding::ok(code, sentence);
    }
    let sentence = format!("the server has no metadata as a protected resource: {tried}");
    Finding::warn(code, sentence).remedy(format!(
        "nothing, if an authorization server is found below; if the server takes a key, `mcpipe vault put NAME`, then {}",
        typed.line("doctor", &["--bearer", "NAME"])
    ))
}

fn found(
    resource: &ProtectedResource,
    looked: &Looked<ProtectedResource>,
    challenge: &Challenge,
    url: &Url,
) -> Vec<Finding> {
    let name = resource.name().unwrap_or_default();
    let shown = shown_name(name);
    let servers: Vec<_> = resource.servers().iter().map(|it| shown_name(it)).collect();
    let servers = match servers.is_empty() {
        true => "no authorization server, so that the server's own origin counts".to_owned(),
        false => format!("the authorization server {}", servers.join(", ")),
    };
    let at = places::last_document(&looked.places).map_or_else(String::new, |(at, _)| at);
    let sentence = format!("the metadata at {at} are for {shown}, and name {servers}");
    let mut findings = vec![Finding::ok(&codes::RESOURCE_METADATA, sentence)];
    if name.trim_end_matches('/') != url.as_str().trim_end_matches('/') {
        let sentence = format!("the metadata are for {shown}, and not for the whole address");
        findings.push(
            Finding::warn(&codes::RESOURCE_IS_SHORTER, sentence)
                .remedy("nothing for mcpipe; its operator can name the whole address (RFC 9728 section 3.3), as other clients want it"),
        );
    }
    let named = challenge.resource_metadata.as_deref();
    let named = named.and_then(|named| url.join(named.trim()).ok());
    if let Some(named) = named.filter(|named| named.origin() != url.origin()) {
        let sentence = format!(
            "the challenge leads to metadata on another origin, {}",
            named.origin().ascii_serialization()
        );
        let finding = Finding::warn(&codes::RESOURCE_METADATA_ELSEWHERE, sentence);
        findings.push(finding.remedy("nothing, if that host belongs to the server's operator"));
    }
    findings
}

fn wrong(error: &Error, typed: &Typed) -> Finding {
    match error {
        Error::OtherResource { found, .. } => {
            let is_address = Url::parse(found).is_ok_and(|url| url.has_host());
            let remedy = match is_address {
                true => format!(
                    "if that is the server that is meant: {}",
                    typed.line_to(found, "doctor", &[])
                ),
                false => "only its operator can mend that: `resource` has to be the server's address (RFC 9728 section 3.3)".to_owned(),
            };
            Finding::fail(&codes::RESOURCE_OTHER, error.to_string()).remedy(remedy)
        }
        Error::BadIssuer(_) => Finding::fail(&codes::RESOURCE_BAD_SERVER, error.to_string())
            .remedy(typed.line("login", &["--authorization-server", "URL"])),
        error => unreachable(error, typed),
    }
}

fn unreachable(error: &Error, typed: &Typed) -> Finding {
    let remedy = match error {
        Error::Http(http::Error::Refused {
            why: guard::Error::Inside,
            ..
        }) => format!(
            "if that is a private network of yours: {}",
            typed.line("doctor", &["--allow-private"])
        ),
        Error::Http(http::Error::Untrusted { why, .. }) => why.hint().to_owned(),
        _ => format!("try again later: {}", typed.line("doctor", &[])),
    };
    Finding::fail(&codes::RESOURCE_METADATA_UNREACHABLE, error.to_string()).remedy(remedy)
}
