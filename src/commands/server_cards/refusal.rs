//! The texts about a target that names no endpoint: what was seen, what was found, and what to do.

use std::fmt::Write as _;

use url::Url;

use crate::frame::BridgeError;
use crate::report::{Failure, Kind};
use crate::server_card::choice::{Endpoint, Incomplete};
use crate::server_card::lookup::Looked;
use crate::text::capitalised;

/// The most servers that a message lists.
const MAX_LISTED: usize = 10;

/// A target that names no endpoint.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Missing {
    /// The target as typed, without a query.
    pub(in crate::commands) typed: String,
    /// The address, or the origin of a bare domain.
    pub(in crate::commands) target: Url,
    /// The status with which the address was answered; `None` for a bare domain, of which nothing was asked.
    pub(in crate::commands) status: Option<u16>,
}

/// The reason why no endpoint is used, for a host or a person.
#[derive(Debug)]
pub(in crate::commands) struct Refusal {
    kind: Kind,
    pub(super) text: String,
    pub(super) hint: String,
}

impl Missing {
    /// Returns the beginning of a message.
    fn subject(&self) -> String {
        match self.status {
            Some(status) => format!(
                "no MCP server is at {}, which answered {status}; ",
                self.typed
            ),
            None => String::new(),
        }
    }

    /// Returns the document that the message is about.
    fn whose(&self, looked: &Looked) -> String {
        let document = match looked.is_own_card {
            true => "server card",
            false => "catalog",
        };
        match self.status {
            Some(_) => format!("its {document}"),
            None => format!("the {document} of {}", self.typed),
        }
    }

    /// Returns the sentence that this document names something.
    pub(super) fn names(&self, looked: &Looked, what: &str) -> String {
        format!("{}{} names {what}", self.subject(), self.whose(looked))
    }

    pub(super) fn several(&self, looked: &Looked) -> Refusal {
        let findings = &looked.findings;
        let endpoints = findings.endpoints.iter().map(named);
        let incomplete = findings.incomplete.iter().map(|it| wants(it, false));
        let listed: Vec<String> = endpoints.chain(incomplete).collect();
        let is_one = listed.len() < 2;
        let what = match is_one {
            true => "servers that could not all be looked at",
            false => "several servers",
        };
        let more = listed.len().saturating_sub(MAX_LISTED);
        let all = listed.into_iter().take(MAX_LISTED);
        let unread = findings.unread.iter().take(MAX_LISTED).cloned();
        let more = (more > 0).then(|| format!("{more} more"));
        let all: Vec<String> = all.chain(more).chain(unread).collect();
        let typed = &self.typed;
        Refusal {
            kind: Kind::Usage,
            text: format!("{}: {}", self.names(looked, what), all.join("; ")),
            hint: format!(
                "give the address of one of them in the place of {typed}, or choose in a terminal: `mcpipe login {typed}`"
            ),
        }
    }

    pub(super) fn foreign(&self, endpoint: &Endpoint, looked: &Looked) -> Refusal {
        let (typed, url) = (&self.typed, &endpoint.url);
        Refusal {
            kind: Kind::Usage,
            text: format!(
                "{}, which is on another site",
                self.names(looked, &named(endpoint))
            ),
            hint: format!(
                "if you mean that server, give its address in the place of {typed}: `mcpipe {url}`, and `mcpipe login {url}` to sign in"
            ),
        }
    }

    pub(super) fn with_headers(&self, endpoint: &Endpoint, looked: &Looked) -> Refusal {
        Refusal {
            text: format!(
                "{}, on another site, and the headers that are given are for {}",
                self.names(looked, &named(endpoint)),
                self.typed
            ),
            ..self.foreign(endpoint, looked)
        }
    }

    pub(super) fn incomplete(&self, looked: &Looked) -> Refusal {
        let all = looked.findings.incomplete.iter().take(MAX_LISTED);
        let all: Vec<String> = all.map(|it| wants(it, true)).collect();
        Refusal {
            kind: Kind::Usage,
            text: format!(
                "{}: {}",
                self.names(looked, "no address that can be used as it is"),
                all.join("; ")
            ),
            hint: format!(
                "give the address in the place of {}, with your values in it, and each header by --header 'NAME: VALUE'",
                self.typed
            ),
        }
    }

    pub(in crate::commands) fn nothing(&self, looked: &Looked) -> Refusal {
        let text = match self.status {
            Some(_) => format!("{}no server card leads on", self.subject()),
            None => format!("the domain {} names no MCP server", self.typed),
        };
        let absent = looked.absent.join("; ");
        Refusal {
            kind: match looked.may_pass {
                true => Kind::Network,
                false => Kind::Failed,
            },
            text: match absent.is_empty() {
                true => text,
                false => format!("{text}: {absent}"),
            },
            hint: "give the address of the MCP endpoint itself; it looks like https://mcp.example.com/mcp"
                .to_owned(),
        }
    }
}

impl Refusal {
    /// Returns the error for a host.
    pub(in crate::commands) fn for_host(&self, status: Option<u16>) -> BridgeError {
        let error = BridgeError::new("refused", format!("{}.", capitalised(&self.text)));
        BridgeError {
            status,
            retryable: self.kind == Kind::Network,
            ..error.hint(self.hint.clone())
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.kind, refusal.text).hint(refusal.hint)
    }
}

/// Returns a server as a message names it.
pub(super) fn named(endpoint: &Endpoint) -> String {
    match endpoint.name.as_str() {
        "" => endpoint.url.to_string(),
        name => format!("{} ({name})", endpoint.url),
    }
}

/// Returns a server as a message names it, with what it wants.
pub(super) fn wants(it: &Incomplete, is_whole: bool) -> String {
    let mut text = it.address.clone();
    if !it.name.is_empty() {
        let _ = write!(text, " ({})", it.name);
    }
    let variables = it.variables.iter().map(|name| format!("{{{name}}}"));
    let headers = it.headers.iter().map(|name| format!("the header {name}"));
    let all: Vec<String> = variables.chain(headers).collect();
    let more = all.len().saturating_sub(MAX_LISTED);
    let listed: Vec<String> = all.into_iter().take(MAX_LISTED).collect();
    let _ = write!(text, " wants {}", listed.join(", "));
    if is_whole && more > 0 {
        let _ = write!(text, " and {more} more");
    }
    text
}
