//! The client: named by the user, by a document, registered, or to be registered; and the way in which it proves itself.

use super::server::Server;
use super::shown_name;
use super::stored::Known;
use crate::auth::Settings;
use crate::auth::flow::preview::{self, Unread};
use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::registration::{self, Client, ClientSource, Method};
use crate::auth::store::record::{ClientRecord, TokenState};
use crate::clock::seconds;
use crate::doctor::codes::sign_in as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::typed::{Typed, quoted};

/// The client that the vault holds for the authorization server.
#[derive(Debug)]
pub(super) struct Registered(pub(super) ClientRecord);

/// The port in a redirect URI for a client that is registered by hand, where the user names none.
const PORT: u16 = 3334;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let Some(server) = context.known::<Server>() else {
        return Vec::new();
    };
    let (server, settings, typed) = (&server.0, &context.sign_in, &context.typed);
    match registration::known(server, settings) {
        Err(error) => {
            let finding = Finding::fail(&codes::CLIENT_UNUSABLE, error.to_string());
            vec![finding.remedy(typed.line("login", &["--client-id", "ID"]))]
        }
        Ok(Some(client)) => {
            let mut findings = named(&client, server, typed);
            let belongs = preview::client_belongs_there(settings, &context.vault, server).await;
            if let Err(Unread::Other(why)) = belongs {
                let issuer = quoted(&shown_name(server.issuer()));
                let line = typed.line("login", &["--authorization-server", &issuer]);
                findings.push(Finding::fail(&codes::CLIENT_ELSEWHERE, why).remedy(format!(
                    "if it really moved, with a client of that server: {line}"
                )));
            }
            findings
        }
        Ok(None) => registered(context, server).await,
    }
}

fn named(client: &Client, server: &AuthorizationServer, typed: &Typed) -> Vec<Finding> {
    let (id, host) = (shown_name(&client.id), shown_name(&server.host()));
    let how = client.method.name();
    let mut findings = vec![match client.source {
        ClientSource::Document => Finding::ok(
            &codes::CLIENT_DOCUMENT,
            format!("the client at {host} is the metadata document {id}"),
        ),
        _ => Finding::ok(
            &codes::CLIENT_GIVEN,
            format!("the client at {host} is {id}, which you name, and it proves itself by {how}"),
        ),
    }];
    let listed = server.auth_methods().unwrap_or_default();
    let lists = |name: &str| listed.iter().any(|it| it == name);
    if !listed.is_empty() && !lists(how) && client.source == ClientSource::Given {
        let sentence = format!(
            "{host} lists {} for clients, and not {how}",
            shown_name(&listed.join(", "))
        );
        let flag = match client.method {
            Method::None if !lists("client_secret_basic") && !lists("client_secret_post") => {
                ["--client-key", "FILE"]
            }
            _ => ["--client-secret-env", "VAR"],
        };
        let finding = Finding::warn(&codes::CLIENT_PROOF_UNLISTED, sentence);
        findings.push(finding.remedy(match client.method {
            Method::None => typed.line("login", &flag),
            _ => "nothing, if it works; otherwise leave the secret or the key out".to_owned(),
        }));
    }
    findings
}

async fn registered(context: &Context, server: &AuthorizationServer) -> Vec<Finding> {
    let (settings, typed) = (&context.sign_in, &context.typed);
    let host = shown_name(&server.host());
    let mut findings = Vec::new();
    if settings.client_metadata_url.is_some() {
        let sentence = format!(
            "{host} takes no client metadata documents, so that --client-metadata-url is passed over"
        );
        findings.push(
            Finding::warn(&codes::CLIENT_DOCUMENT_UNUSED, sentence)
                .remedy("leave it out, unless another server needs it"),
        );
    }
    // A vault that is locked is a finding of its own.
    let (vault, issuer) = (&context.vault, server.issuer());
    let found = preview::registration(settings, vault, issuer).await;
    let now = seconds((context.now)());
    match found.ok().flatten() {
        Some(record) if record.expires_at.is_some_and(|at| at <= now) => {
            let sentence = format!("the secret of the client registered at {host} has ended");
            let finding = Finding::warn(&codes::CLIENT_EXPIRED, sentence);
            findings.push(finding.remedy(typed.line("login", &[])));
        }
        Some(record) => {
            let id = shown_name(&record.client.id);
            let sentence = format!("mcpipe is registered at {host} as the client {id}");
            let uri = shown_name(&record.redirect_uri);
            findings
                .push(Finding::ok(&codes::CLIENT_REGISTERED, sentence).fact("redirect_uri", uri));
            context.learn(Registered(record));
        }
        None if server.is_assumed() => {}
        None if server.registration_endpoint().is_none() => {
            findings.push(none(context, server, &host));
        }
        None => {
            let sentence = format!("the first sign-in will register a client at {host}");
            findings.push(Finding::ok(&codes::CLIENT_TO_REGISTER, sentence));
        }
    }
    if let Ok(Some(left)) = preview::registration_pause(settings, vault, issuer).await {
        let sentence =
            format!("{host} takes no registrations for another {left} s, as it has said");
        findings.push(
            Finding::warn(&codes::CLIENT_WAIT, sentence)
                .remedy(format!("wait, then {}", typed.line("login", &[]))),
        );
    }
    findings
}

fn none(context: &Context, server: &AuthorizationServer, host: &str) -> Finding {
    let (settings, typed) = (&context.sign_in, &context.typed);
    let uri = preview::redirect_uri(settings, server, PORT);
    let port = settings.callback_port.unwrap_or(PORT).to_string();
    let mut words = vec!["--client-id", "ID"];
    if settings.redirect_uri.is_none() {
        words.extend(["--callback-port", &port]);
    }
    let line = typed.line("login", &words);
    let document = match server.takes_documents() {
        true => " (or --client-metadata-url URL, which it takes)",
        false => "",
    };
    let advice = known_quirks(server.issuer()).advice;
    let advice = advice.map_or_else(String::new, |advice| format!("; {advice}"));
    // Who is signed in has a client.
    let known = context.known::<Known>();
    let tokens = known.as_ref().and_then(|it| it.0.tokens.as_ref());
    let is_signed_in = tokens.is_some_and(|it| it.state != TokenState::NeedsLogin);
    let verdict = if is_signed_in {
        Verdict::Warn
    } else {
        Verdict::Fail
    };
    let sentence = format!("{host} registers no clients, and you name none");
    Finding::new(&codes::CLIENT_NONE, verdict, sentence)
        .remedy(format!(
            "register a client there with the redirect URI {uri}, then {line} (and --client-secret-env VAR if it got a secret){document}{advice}"
        ))
        .fact("redirect_uri", uri)
}

/// Says whether the settings make a registration of no use.
pub(super) fn brings_client(settings: &Settings) -> bool {
    settings.client_id.is_some()
}
