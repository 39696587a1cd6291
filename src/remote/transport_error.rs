//! The reasons why a request brought no answer, and the error that the host gets for each. A refusal of the server's is
//! an answer ([`crate::era::HttpError`]).

use std::time::Duration;

use crate::auth::oauth::challenge::Challenge;
use crate::auth::user_key::{Source, UserKey};
use crate::auth::{Cause, Error as AuthError};
use crate::frame::{BridgeError, Stage};
use crate::remote::header_command;
use crate::remote::scheme::Speaks;
use crate::text::capitalised;

/// The reason why an exchange did not bring an answer.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection was made, so nothing was processed.
    #[error("cannot connect to {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// The innermost causes, without the address.
        why: String,
    },
    /// A server that is there refused the connection: nothing listens on that port, or not yet.
    #[error("cannot connect to {host}: {why}")]
    NotListening {
        /// Host and port.
        host: String,
        /// The innermost cause, without the address.
        why: String,
    },
    /// The server's certificate or its TLS is not to be trusted, so nothing was sent.
    #[error("cannot connect to {host}: {why}")]
    Untrusted {
        /// Host and port.
        host: String,
        /// The fault of the certificate.
        why: crate::tls::untrusted::Untrusted,
    },
    /// No connection was made because a proxy on the way failed.
    #[error("cannot connect to {host}: {failure}")]
    Proxy {
        /// Host and port of the server.
        host: String,
        /// The proxy, and its failure.
        failure: Box<crate::proxy::Failure>,
    },
    /// The connection broke, or went quiet for too long, after the request may have been read.
    #[error("the connection to {host} broke: {why}")]
    Cut {
        /// Host and port.
        host: String,
        /// The innermost causes, without the address.
        why: String,
    },
    /// No response began in good time; the request may have been read.
    #[error("no response from {host} within {} s (--headers-timeout): {}", patience.as_secs_f64(), stage.clause())]
    Silent {
        /// Host and port.
        host: String,
        /// The time for which it was waited for.
        patience: Duration,
        /// The stage that the request had reached.
        stage: Stage,
    },
    /// The server speaks TLS where the address says http, or the other way round; nothing was processed.
    #[error("the server at {host} speaks {speaks}, and its address says {}", speaks.other().scheme())]
    WrongScheme {
        /// Host and port.
        host: String,
        /// The protocol that the server speaks.
        speaks: Speaks,
    },
    /// A response that is not MCP: HTML, an unreadable body, a message that is none.
    #[error("the server at {host} answered with something that is not MCP: {why}")]
    NotMcp {
        /// Host and port.
        host: String,
        /// The fault of the body.
        why: String,
        /// The head of a page that came in the place of an answer, for the recording. At most 2 KiB, and never shown to the
        /// host.
        head: String,
    },
    /// The server broke the handshake off because of our TLS certificate, or for want of one; nothing was processed.
    #[error("the server at {host} {why}")]
    ClientCertRefused {
        /// Host and port.
        host: String,
        /// The server's words of the certificate.
        why: crate::tls::ClientCertRefused,
    },
    /// A secret that was to go with it is not to be had, so nothing was sent.
    #[error("a header's secret: {why}")]
    HeadersUnavailable {
        /// The obstacle.
        why: String,
        /// The thing to do about it.
        hint: Option<String>,
        /// True where it is the vault that the user has to unlock.
        is_locked: bool,
    },
    /// The program that gives headers gave none, so nothing was sent.
    #[error("the header command: {0}")]
    NoHeaders(header_command::Error),
    /// The `Authorization` of that program's is turned down, and so was the next one.
    #[error("the server refuses the Authorization header that --header-command prints (HTTP {})", .0.status)]
    HeaderRefused(Challenge),
    /// The server wants another nonce in each proof that our token is ours, however often; the token itself it has not
    /// judged.
    #[error(
        "the server at {host} takes no proof for the token (DPoP): each time it asks for another nonce"
    )]
    Unproven {
        /// Host and port.
        host: String,
    },
    /// A body or an event over `--max-message-size`.
    #[error("the server at {host} sent a message of more than {limit} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// The limit, in bytes.
        limit: usize,
    },
}

impl TransportError {
    /// Says whether the request certainly never reached the remote.
    pub fn is_before_sending(&self) -> bool {
        self.is_unconnected()
            || matches!(self, Self::Silent { stage, .. } if !stage.may_have_run())
            || matches!(
                self,
                Self::ClientCertRefused { .. }
                    | Self::WrongScheme { .. }
                    | Self::HeadersUnavailable { .. }
                    | Self::NoHeaders(_)
            )
    }

    /// Says whether no connection was made.
    pub fn is_unconnected(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NotListening { .. }
                | Self::Untrusted { .. }
                | Self::Proxy { .. }
        )
    }

    /// The error that answers a request it befell.
    pub fn to_bridge_error(&self) -> BridgeError {
        match self {
            Self::Unreachable { .. } => BridgeError::new("unreachable", format!("{self}."))
                .retryable()
                .hint("Check the address and the network."),
            // Another attempt meets the same certificate.
            Self::Untrusted { why, .. } => {
                BridgeError::new("unreachable", format!("{self}.")).hint(why.hint())
            }
            Self::NotListening { .. } => BridgeError::new("unreachable", format!("{self}."))
                .retryable()
                .hint("Check the address, and that the server runs."),
            Self::Proxy { failure, .. } => BridgeError::new("unreachable", format!("{self}."))
                .retryable()
                .hint(failure.hint()),
            Self::WrongScheme { speaks, .. } => {
                BridgeError::new("unreachable", format!("{self}.")).hint(match speaks {
                    Speaks::Tls => "Begin the address with https://.",
                    Speaks::Plain => {
                        "Begin the address with http://, if it is meant to be unencrypted: on this machine, or with --allow-http."
                    }
                })
            }
            Self::Cut { .. } => {
                BridgeError::new("cut", format!("{self}; the answer is lost.")).retryable()
            }
            Self::Silent { stage, .. } => BridgeError {
                stage: Some(*stage),
                ..BridgeError::new("timed_out", format!("{}.", capitalised(&self.to_string()))).retryable()
            },
            Self::NotMcp { .. } => BridgeError::new("bad_answer", format!("{self}."))
                .hint("Check the address: it has to be the MCP endpoint itself, https://mcp.example.com/mcp for instance."),
            Self::ClientCertRefused { .. } => {
                BridgeError::new("client_certificate", format!("{self}.")).hint(crate::tls::ClientCertRefused::HINT)
            }
            Self::HeadersUnavailable {
                hint, is_locked, ..
            } => {
                let kind = if *is_locked { "vault_locked" } else { "vault" };
                let mut error =
                    BridgeError::new(kind, format!("{}.", capitalised(&self.to_string())));
                error.hint.clone_from(hint);
                error.retryable = *is_locked;
                error
            }
            // The request is not sent again by itself: the program may have asked the user.
            Self::NoHeaders(_) => BridgeError::new(
                "header_command",
                format!("{}.", capitalised(&self.to_string())),
            )
            .hint("Run the command of --header-command yourself, with MCPIPE_URL set."),
            Self::HeaderRefused(challenge) => {
                let given = UserKey {
                    header: "Authorization".to_owned(),
                    from: Source::Command,
                };
                let refused = Cause::header_refused(challenge, &given);
                let error = AuthError::new(&"".into(), refused).to_bridge_error();
                error.hint(
                    "check what the program of --header-command prints for Authorization; without one in it, mcpipe signs in with OAuth",
                )
            }
            Self::Unproven { .. } => BridgeError::new("refused", format!("{self}."))
                .retryable()
                .hint("Try again; --dpop off signs in without proofs."),
            Self::TooLarge { .. } => BridgeError::new("too_large", format!("{self}."))
                .hint("--max-message-size raises the limit."),
        }
    }
}
