//! The handshake, with the best identity that there is: the configured headers, the stored sign-in, or none.

use std::sync::Arc;

use super::exchange::Identity;
use super::greeting::{Greeting, Spoken, greet};
use super::request::{First, judged, unanswered};
use crate::address_class::{Class, class_of};
use crate::auth::flow::preview;
use crate::auth::store::record::TokenState;
use crate::clock::seconds;
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::server as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::{Finding, Verdict};
use crate::text::printable;

/// The conversation that later checks go on with.
#[derive(Debug)]
pub(super) struct Greeted(pub(super) Greeting);

/// The identities of the user's that may be shown to the server.
#[derive(Debug, Default)]
pub(super) struct Identities {
    pub(super) headers: Option<Identity>,
    pub(super) token: Option<Identity>,
    /// Reasons why others are not used.
    pub(super) without: Vec<String>,
}

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let Some(first) = context.known::<First>() else {
        return vec![Finding::skipped(
            &SKIPPED,
            "the handshake: the server has not answered",
        )];
    };
    if first.greeting.exchange.stop.is_some() {
        return vec![Finding::skipped(
            &SKIPPED,
            "the handshake: the server sends requests elsewhere",
        )];
    }
    let identities = identities(context).await;
    let best = identities
        .token
        .clone()
        .or_else(|| identities.headers.clone());
    let wants = first.greeting.wants_sign_in();
    let mut findings = Vec::new();
    let greeting = match best.filter(|_| wants || identities.headers.is_some()) {
        Some(identity) => match greet(context, &first.prober, identity).await {
            Ok(greeting) => greeting,
            Err(failure) => return vec![unanswered(context, &failure).await],
        },
        None if first.greeting.spoken.is_none() => {
            let without = identities.without.first().cloned();
            let why = match wants {
                true => without.unwrap_or_else(|| {
                    format!(
                        "no sign-in is stored; `{}` signs in",
                        context.typed.line("login", &[])
                    )
                }),
                false => "the request above has failed".to_owned(),
            };
            return vec![Finding::skipped(&SKIPPED, format!("the handshake: {why}"))];
        }
        None => again(&first.greeting),
    };
    match greeting.spoken {
        Some(_) => findings.push(done(&greeting)),
        // Found with the user's identity, and not seen above.
        None => findings.extend(
            judged(context, &greeting)
                .into_iter()
                .filter(|it| it.verdict != Verdict::Ok),
        ),
    }
    context.learn(identities);
    context.learn(Greeted(greeting));
    findings
}

/// Returns the first conversation, to go on with.
fn again(greeting: &Greeting) -> Greeting {
    Greeting {
        identity: greeting.identity.clone(),
        spoken: greeting.spoken,
        exchange: greeting.exchange.clone(),
        asked: greeting.asked.clone(),
        session: greeting.session.clone(),
        revision: greeting.revision.clone(),
    }
}

fn done(greeting: &Greeting) -> Finding {
    let result = greeting.result();
    let info = result.and_then(|it| it.get("serverInfo"));
    let info = info.or_else(|| result?.pointer("/_meta/io.modelcontextprotocol~1serverInfo"));
    let part = |name: &str| {
        let text = info.and_then(|it| it.get(name)?.as_str());
        printable(text.unwrap_or_default(), 80)
    };
    let (name, version) = (part("name"), part("version"));
    let who = match name.is_empty() {
        true => "the server".to_owned(),
        false => format!("{name} {version}").trim().to_owned(),
    };
    let revision = greeting.revision.clone().unwrap_or_default();
    let offers = result.and_then(|it| it.get("capabilities")?.as_object());
    let offers = offers.map(|it| it.keys().map(|key| printable(key, 40)).collect::<Vec<_>>());
    let how = match greeting.spoken {
        Some(Spoken::Modern) => "server/discover",
        _ => "initialize",
    };
    let sentence = match greeting.spoken {
        Some(Spoken::Sse) => {
            "the server's stream names an address for messages, as HTTP+SSE has it".to_owned()
        }
        _ => format!("{who} answers {how} {}", greeting.identity.words()),
    };
    Finding::ok(&codes::HANDSHAKE_DONE, sentence)
        .fact("revision", revision)
        .fact("offers", offers.unwrap_or_default().join(" "))
        .fact("identity", greeting.identity.words())
}

/// Returns the identities that may be shown to the server: TLS was verified, or it is this machine.
async fn identities(context: &Context) -> Identities {
    let mut found = Identities::default();
    let is_here = class_of(context.url()) == Some(Class::Loopback);
    let is_open = context.url().scheme() == "http" && !is_here;
    let https = &context.target.https;
    let has_headers = !https.headers.is_empty();
    if is_open {
        found
            .without
            .push("no secret is sent over plain http".to_owned());
        return found;
    }
    if has_headers {
        found.headers = Some(Identity::Headers(https.headers.clone()));
    }
    if https.command.is_some() {
        found
            .without
            .push("the program of --header-command is not run".to_owned());
    }
    if !context.target.templates.is_empty() {
        found
            .without
            .push("headers with secrets of the vault are not sent".to_owned());
    }
    if context.target.brings_authorization {
        return found;
    }
    match preview::stored(&context.sign_in, &Arc::clone(&context.vault)).await {
        Ok(stored) => match stored.tokens {
            Some(tokens) if tokens.is_bound() => found
                .without
                .push("the stored token is bound to a key (DPoP), and is not sent".to_owned()),
            Some(tokens) if tokens.has_expired(seconds((context.now)())) => found.without.push(
                "the stored token has expired; the next start of a host renews it".to_owned(),
            ),
            Some(tokens) if tokens.state == TokenState::NeedsLogin => found
                .without
                .push("the stored sign-in has ended".to_owned()),
            Some(tokens) => {
                found.token = Some(Identity::Token(tokens.access, https.headers.clone()));
            }
            None => {}
        },
        Err(error) => found
            .without
            .push(format!("the stored sign-in cannot be read: {error}")),
    }
    found
}
