//! The challenge, and the header of the user's that takes the place of signing in.

use super::shown_name;
use crate::auth::oauth::challenge::Challenge;
use crate::auth::user_key::{Source, UserKey};
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::server;
use crate::doctor::typed::Typed;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let mut findings: Vec<_> = own(context).into_iter().collect();
    if let Some(challenge) = server::challenge(context) {
        findings.extend(judged(&challenge, &context.typed));
    }
    findings
}

fn own(context: &Context) -> Option<Finding> {
    if !context.target.brings_authorization {
        return None;
    }
    let mut given = context.target.given.iter();
    let given = given.find(|it| it.is_authorization());
    let from = given.map_or("mcpipe.toml or the arguments".to_owned(), source);
    let sentence = format!("the Authorization header from {from} takes the place of signing in");
    Some(Finding::ok(&codes::OWN_AUTHORIZATION, sentence))
}

/// Returns the source of a key, without a word of the key.
fn source(key: &UserKey) -> String {
    match &key.from {
        Source::Vault(_) => "the vault".to_owned(),
        Source::File(path) => format!("the file {path}"),
        Source::Variable(name) => format!("the variable {name}"),
        Source::Arguments => "the arguments".to_owned(),
        Source::Command => "--header-command".to_owned(),
        Source::Program(program) => format!("the program {program}"),
    }
}

/// Judges a challenge. One whose status is 0 is none.
pub(super) fn judged(challenge: &Challenge, typed: &Typed) -> Vec<Finding> {
    let Challenge {
        status, schemes, ..
    } = challenge;
    // That there is no scheme at all is a finding of the request.
    if *status == 0 || schemes.is_empty() {
        return Vec::new();
    }
    let named: Vec<_> = schemes.iter().map(|it| shown_name(it)).collect();
    let named = named.join(", ");
    let is_oauth =
        |it: &String| it.eq_ignore_ascii_case("bearer") || it.eq_ignore_ascii_case("dpop");
    if !schemes.iter().any(is_oauth) {
        let sentence = format!(
            "the server asks with HTTP {status} for {named}, and no sign-in with OAuth brings that"
        );
        let header = ["--header", "'Authorization: Basic ${vault:NAME}'"];
        let finding = Finding::warn(&codes::CHALLENGE_OTHER_SCHEME, sentence);
        let line = typed.line("doctor", &header);
        let remedy = format!("`mcpipe vault put NAME` keeps what it wants; then {line}");
        return vec![finding.remedy(remedy).fact("schemes", named)];
    }
    let mut first = match &challenge.resource_metadata {
        Some(place) => {
            let place = shown_name(place);
            let sentence =
                format!("the challenge ({named}) says that the metadata are at {place}");
            Finding::ok(&codes::CHALLENGE_NAMES_METADATA, sentence)
        }
        None => {
            let sentence = format!(
                "the challenge ({named}) does not say where the metadata are, so the well-known places are tried"
            );
            Finding::warn(&codes::CHALLENGE_WITHOUT_METADATA, sentence)
                .remedy("nothing, if they are found below; its operator can add resource_metadata (RFC 9728 section 5.1)")
        }
    }
    .fact("schemes", named);
    for (name, value) in [
        ("error", &challenge.error),
        ("error_description", &challenge.description),
        ("scope", &challenge.scope),
    ] {
        if let Some(value) = value {
            first = first.fact(name, shown_name(value));
        }
    }
    let mut findings = vec![first];
    if challenge.wants_more_scope() {
        let scope = challenge.scope.as_deref().map_or_else(
            || "more scopes, and does not say which".to_owned(),
            |scope| format!("the scopes {}", shown_name(scope)),
        );
        let sentence =
            format!("the server answers HTTP {status} insufficient_scope: it wants {scope}");
        let finding = Finding::warn(&codes::CHALLENGE_WANTS_SCOPE, sentence);
        findings.push(finding.remedy(typed.line("login", &[])));
    }
    findings
}
