//! The first questions to a server, in the order in which the bridge asks them: `server/discover`, `initialize`, and the
//! stream of the old transport.
//!
//! MCP 2026-07-28, server/discover; 2025-11-25, basic/lifecycle; 2024-11-05, basic/transports.

use serde_json::{Value, json};

use super::exchange::{Exchange, Failure, Identity, Prober, Question};
use crate::cli::{ProtocolArg, TransportArg};
use crate::doctor::context::Context;
use crate::secret::Secret;

pub(super) const MODERN: &str = "2026-07-28";
pub(super) const LEGACY: &str = "2025-11-25";

/// The way in which a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Streamable HTTP, 2026-07-28 and later.
    Modern,
    /// Streamable HTTP, with `initialize`.
    Legacy,
    /// HTTP+SSE, with `initialize`.
    Sse,
}

impl Spoken {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Modern => "the modern era (2026-07-28) over Streamable HTTP",
            Self::Legacy => "the legacy era (initialize) over Streamable HTTP",
            Self::Sse => "the legacy era over HTTP+SSE (2024-11-05)",
        }
    }

    pub(super) fn era(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Legacy | Self::Sse => "legacy",
        }
    }
}

/// The outcome of the first questions.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) identity: Identity,
    pub(super) spoken: Option<Spoken>,
    /// The answer that decided.
    pub(super) exchange: Exchange,
    /// The questions that were asked, each with its status.
    pub(super) asked: Vec<(&'static str, u16)>,
    /// The session that was given.
    pub(super) session: Option<Secret>,
    /// Revisions that the server names where it takes none of ours.
    pub(super) revision: Option<String>,
}

impl Greeting {
    pub(super) fn result(&self) -> Option<&Value> {
        self.exchange.result()
    }

    /// Says whether the server wants to know who asks.
    pub(super) fn wants_sign_in(&self) -> bool {
        self.spoken.is_none() && matches!(self.exchange.status, 401 | 403)
    }

    /// Returns a question of this conversation.
    pub(super) fn question(&self, id: u64, method: &str, mut params: Value) -> Question {
        let mut fields = vec![(
            "mcp-protocol-version",
            self.revision.clone().unwrap_or_else(|| LEGACY.to_owned()),
        )];
        if self.spoken == Some(Spoken::Modern) {
            fields.push(("mcp-method", method.to_owned()));
            if let Some(members) = params.as_object_mut() {
                members.insert("_meta".to_owned(), meta());
            }
        }
        if let Some(session) = &self.session {
            fields.push(("mcp-session-id", session.expose().to_owned()));
        }
        let mut body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        if id == 0 {
            body.as_object_mut().map(|body| body.remove("id"));
        }
        Question {
            body: Some(body),
            is_delete: false,
            fields,
        }
    }

    /// Returns the question that ends the session.
    pub(super) fn farewell(&self) -> Option<Question> {
        let session = self.session.as_ref()?;
        let revision = self.revision.clone().unwrap_or_else(|| LEGACY.to_owned());
        Some(Question {
            body: None,
            is_delete: true,
            fields: vec![
                ("mcp-protocol-version", revision),
                ("mcp-session-id", session.expose().to_owned()),
            ],
        })
    }
}

fn client_info() -> Value {
    json!({"name": "mcpipe", "version": env!("CARGO_PKG_VERSION")})
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": client_info(),
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn discover() -> Question {
    Question {
        body: Some(json!({
            "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta()},
        })),
        is_delete: false,
        fields: vec![
            ("mcp-protocol-version", MODERN.to_owned()),
            ("mcp-method", "server/discover".to_owned()),
        ],
    }
}

fn initialize() -> Question {
    Question {
        body: Some(json!({
            "jsonrpc": "2.0", "id": 2, "method": "initialize", "params": {
                "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client_info(),
            },
        })),
        ..Question::default()
    }
}

/// Asks the first questions.
///
/// # Errors
/// No answer to one of them.
pub(super) async fn greet(
    context: &Context,
    prober: &Prober,
    identity: Identity,
) -> Result<Greeting, Failure> {
    let options = &context.arguments.options;
    let mut greeting: Option<Greeting> = None;
    let mut asked = Vec::new();
    let is_sse_only = matches!(options.transport, TransportArg::SseOnly);
    if !is_sse_only && !matches!(options.protocol, ProtocolArg::Legacy) {
        let exchange = prober.ask(&discover(), &identity).await?;
        asked.push(("server/discover", exchange.status));
        let found = exchange
            .result()
            .is_some_and(|it| it.get("supportedVersions").is_some());
        let is_final = found || exchange.stop.is_some() || is_final(&exchange);
        greeting = Some(made(
            &identity,
            exchange,
            found.then_some(Spoken::Modern),
            &asked,
        ));
        if is_final || matches!(options.protocol, ProtocolArg::Modern) {
            return greeting.ok_or(Failure::Setup);
        }
    }
    if !is_sse_only {
        let exchange = prober.ask(&initialize(), &identity).await?;
        asked.push(("initialize", exchange.status));
        let found = exchange
            .result()
            .is_some_and(|it| it.get("protocolVersion").is_some());
        let may_be_old = matches!(exchange.status, 400 | 404 | 405 | 406 | 415);
        // What a server says that lists newer revisions only is better than its refusal of `initialize`.
        let names_modern = greeting
            .as_ref()
            .is_some_and(|it| names_revisions(&it.exchange));
        if !names_modern || found {
            greeting = Some(made(
                &identity,
                exchange,
                found.then_some(Spoken::Legacy),
                &asked,
            ));
        }
        if !may_be_old || matches!(options.transport, TransportArg::HttpOnly) {
            return greeting.ok_or(Failure::Setup);
        }
    }
    let stream = match prober.ask(&Question::default(), &identity).await {
        Ok(stream) => stream,
        Err(failure) => return greeting.ok_or(failure),
    };
    asked.push(("GET", stream.status));
    if stream.endpoint.is_some() || greeting.is_none() {
        let spoken = stream.endpoint.is_some().then_some(Spoken::Sse);
        greeting = Some(made(&identity, stream, spoken, &asked));
    }
    if let Some(greeting) = &mut greeting {
        greeting.asked = asked;
    }
    greeting.ok_or(Failure::Setup)
}

fn made(
    identity: &Identity,
    exchange: Exchange,
    spoken: Option<Spoken>,
    asked: &[(&'static str, u16)],
) -> Greeting {
    let session = exchange.headers.get("mcp-session-id");
    let session = session.and_then(|it| it.to_str().ok()).map(Secret::new);
    let revision = match spoken {
        Some(Spoken::Modern) => Some(MODERN.to_owned()),
        Some(_) => exchange
            .result()
            .and_then(|it| it.get("protocolVersion")?.as_str())
            .filter(|it| it.len() <= 20)
            .map(str::to_owned),
        None => None,
    };
    Greeting {
        identity: identity.clone(),
        session: session.filter(|_| spoken == Some(Spoken::Legacy)),
        spoken,
        exchange,
        asked: asked.to_vec(),
        revision,
    }
}

/// Says whether another question would meet the same answer.
fn is_final(exchange: &Exchange) -> bool {
    matches!(
        exchange.status,
        401 | 403 | 407 | 410 | 429 | 502..=504 | 511
    ) || exchange.is_page() && exchange.status != 404 && exchange.status != 405
}

/// Says whether the server takes none of our revisions and names others.
pub(super) fn names_revisions(exchange: &Exchange) -> bool {
    let data = exchange
        .message
        .as_ref()
        .and_then(|it| it.pointer("/error/data/supported"));
    data.is_some_and(Value::is_array)
}
