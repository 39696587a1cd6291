//! The era and the transport, and how they were decided: asked now, remembered, or set by a flag.

use serde_json::Value;

use super::greeting::Spoken;
use super::handshake::Greeted;
use crate::cli::{ProtocolArg, TransportArg};
use crate::doctor::codes::engine::SKIPPED;
use crate::doctor::codes::server as codes;
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let options = &context.arguments.options;
    let flags: Vec<_> = [
        match options.protocol {
            ProtocolArg::Auto => None,
            ProtocolArg::Legacy => Some("--protocol legacy"),
            ProtocolArg::Modern => Some("--protocol modern"),
        },
        match options.transport {
            TransportArg::HttpFirst => None,
            TransportArg::SseFirst => Some("--transport sse-first"),
            TransportArg::HttpOnly => Some("--transport http-only"),
            TransportArg::SseOnly => Some("--transport sse-only"),
        },
    ]
    .into_iter()
    .flatten()
    .collect();
    let facts = context.facts.clone();
    let remembered = tokio::task::spawn_blocking(move || facts.load("era")).await;
    let remembered = remembered.ok().flatten();
    let remembered = remembered
        .as_ref()
        .and_then(|it| it.get("era"))
        .and_then(Value::as_str);
    let how = match flags.is_empty() {
        true => "asked just now".to_owned(),
        false => format!("asked as {} has it", flags.join(" and ")),
    };
    let greeted = context.known::<Greeted>();
    let Some(spoken) = greeted.as_ref().and_then(|it| it.0.spoken) else {
        let why = match remembered {
            Some(era) => format!(
                "the era: the server does not tell it now; an earlier bridge has found the {era} one"
            ),
            None => "the era: the server does not tell it without more than was sent".to_owned(),
        };
        return vec![Finding::skipped(&SKIPPED, why)];
    };
    let code = match spoken {
        Spoken::Modern => &codes::ERA_MODERN,
        Spoken::Legacy => &codes::ERA_LEGACY,
        Spoken::Sse => &codes::TRANSPORT_SSE,
    };
    let mut findings = vec![
        Finding::ok(
            code,
            format!("the server speaks {} ({how})", spoken.words()),
        )
        .fact("remembered", remembered.unwrap_or("nothing"))
        .fact("flags", flags.join(" ")),
    ];
    if let Some(era) = remembered.filter(|era| *era != spoken.era() && flags.is_empty()) {
        findings.push(
            Finding::warn(
                &codes::ERA_REMEMBERED_OTHER,
                format!("an earlier bridge has found the {era} era, and the server speaks the {} one now", spoken.era()),
            )
            .remedy("start the host again: mcpipe notices the change with the next request, and remembers it"),
        );
    }
    findings
}
