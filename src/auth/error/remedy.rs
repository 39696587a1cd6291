//! The command or flag that helps against each error of a sign-in, and the error that a host gets.

use super::{Cause, Error, ProviderError, UnattendedError};
use crate::auth::grant::{AssertionError, GrantType};
use crate::auth::net::http;
use crate::auth::oauth::token_endpoint;
use crate::frame::BridgeError;
use crate::text::{capitalised, without_query};

impl Error {
    /// Returns the hint that tells the user what to do.
    pub fn hint(&self) -> Option<String> {
        self.why.hint(&self.resource)
    }

    /// Returns the hint for a user who has just signed in, which does not advise to sign in again.
    pub fn hint_after_login(&self) -> Option<String> {
        self.why.way_out(&without_query(&self.resource))
    }

    /// Returns the error for a request that waited for the sign-in.
    pub fn to_bridge_error(&self) -> BridgeError {
        let kind = match &*self.why {
            Cause::Leaving => "leaving",
            why if why.is_locked() => "vault_locked",
            Cause::Vault(_) => "vault",
            why if why.is_passing() => "unreachable",
            _ => "sign_in_needed",
        };
        let mut error = BridgeError::new(kind, format!("{}.", capitalised(&self.to_string())));
        error.url = (!self.resource.is_empty()).then(|| without_query(&self.resource).into());
        error.hint = self.hint();
        error.retryable = self.is_passing()
            || self.why.is_locked()
            || matches!(
                *self.why,
                Cause::Rejected {
                    is_renewable: true,
                    ..
                }
            );
        error.status = self.why.key_refused();
        if let Some(http::Error::Unavailable { retry_after, .. }) = self.why.http_error() {
            error.retry_after = *retry_after;
        }
        error.is_after_a_sign_in = self.is_after_a_sign_in;
        error
    }
}

impl Cause {
    /// Returns the status with which the server has refused a key of the user's own.
    fn key_refused(&self) -> Option<u16> {
        match self {
            Self::HeaderRefused { status, .. } => Some(*status),
            // A guess names a key only after this status.
            Self::Guessed { key: Some(_), .. } => Some(401),
            Self::Abandoned(why) | Self::RefusedRecently(why) => why.key_refused(),
            _ => None,
        }
    }

    /// Returns the hint for the user: the known remedy, or a new sign-in.
    pub(crate) fn hint(&self, resource: &str) -> Option<String> {
        let resource = &without_query(resource);
        let login = || format!("run `mcpipe login {resource}`");
        match self {
            Self::Leaving | Self::Vault(_) | Self::OtherProcessFailed { hint: Some(_), .. } => {
                self.way_out(resource)
            }
            Self::Abandoned(why) | Self::RefusedRecently(why) => why.hint(resource),
            // The user's command opens a window again, after every cause of the last one.
            Self::TooManyWindows {
                last: Some(why), ..
            } => why.hint(resource).or_else(|| Some(login())),
            Self::TooLate { .. } => Some(login()),
            Self::OtherIssuer(undecided) => Some(undecided.hint(resource)),
            Self::Rejected { .. } => self
                .way_out(resource)
                .map(|check| format!("{check}; if nothing is wrong with them, {}", login())),
            Self::ScopeRefused { .. } => self
                .way_out(resource)
                .map(|more| format!("{more}; {} as a user who may do this", login())),
            Self::Tokens(token_endpoint::Error::Failed(http::Error::Unavailable { .. })) => {
                Some(format!("try again later; if it stays so, {}", login()))
            }
            why if why.is_passing() => self.way_out(resource),
            Self::Unattended(_) | Self::ClientKey(_) => self.way_out(resource),
            _ => self.way_out(resource).or_else(|| Some(login())),
        }
    }

    /// Returns the command or flag that helps here, where there is one besides a new sign-in.
    pub(super) fn way_out(&self, resource: &str) -> Option<String> {
        Some(match self {
            Self::HeaderRefused { given, .. } => given.hint(),
            Self::Vault(error) => return error.hint(),
            why if matches!(why.http_error(), Some(http::Error::ClientCertRefused { .. })) => {
                crate::tls::ClientCertRefused::HINT.to_owned()
            }
            why if let Some(http::Error::Untrusted { why, .. }) = why.http_error() => {
                why.hint().to_owned()
            }
            Self::Guessed { why, .. } if matches!(**why, Self::Unattended(_)) => {
                return why.way_out(resource);
            }
            Self::Guessed { key: Some(key), .. } => key.hint(),
            Self::Guessed { .. } => {
                "if it takes a key: `mcpipe vault put NAME` keeps one, and --bearer NAME or --header \
                 'X-Api-Key: ${vault:NAME}' sends it; if it has an authorization server, \
                 --authorization-server URL names it"
                    .to_owned()
            }
            Self::OtherProcessFailed { hint, .. } => return hint.clone(),
            why if why.is_passing() => return None,
            Self::Abandoned(why)
            | Self::RefusedRecently(why)
            | Self::TooManyWindows {
                last: Some(why), ..
            } => return why.way_out(resource),
            Self::Registration(error) => return error.hint(resource),
            Self::Discovery(error) => return error.hint(resource),
            Self::Tokens(token_endpoint::Error::NoKey(_)) => {
                "give the key again with --client-key".to_owned()
            }
            Self::ClientKey(error) => return error.hint(),
            Self::Unattended(error) => return error.hint(resource),
            Self::Rejected { .. } => {
                "check the audience and the scopes: --resource, --scope, --authorize-param"
                    .to_owned()
            }
            Self::ScopeRefused { .. } => {
                "--scope says what to ask for; another --account may be allowed more".to_owned()
            }
            Self::TooLate { .. } => "--auth-timeout SECONDS gives the user longer".to_owned(),
            Self::OpenedTwice { .. } => format!(
                "`mcpipe login {resource}` begins anew: open its address in one browser only (--no-browser lets you choose \
                 which); if you did not open it twice, another program on this machine did"
            ),
            Self::ForeignRecord => "use the newest mcpipe".to_owned(),
            Self::Listener { .. } => "--callback-port chooses another port".to_owned(),
            Self::NotBound { .. } | Self::Tokens(token_endpoint::Error::Unbound { .. }) => {
                "leave out --dpop require to take bearer tokens, or have DPoP switched on there"
                    .to_owned()
            }
            Self::Tokens(error) if error.is("invalid_dpop_proof") => {
                "check this machine's clock; --dpop off signs in without proofs".to_owned()
            }
            why => return why.refusal().and_then(way_out_of).map(str::to_owned),
        })
    }
}

impl UnattendedError {
    pub(in crate::auth) fn hint(&self, resource: &str) -> Option<String> {
        let Self::Refused { by, error } = self else {
            return match self {
                Self::Assertion(error) => Some(error.hint()),
                Self::Provider(error) => error.hint(resource),
                Self::Refused { .. } | Self::NoClient { .. } => Some(
                    "say so with --client-id, and --client-key or --client-secret-env".to_owned(),
                ),
            };
        };
        let hint = match (by, error) {
            (_, error) if error.is("invalid_scope") => {
                "--scope says what to ask for; '' asks for none"
            }
            (_, error) if error.is("invalid_target") => {
                "check --resource, or --disable-resource-parameter"
            }
            (GrantType::ClientCredentials, _) => {
                "this client has to be allowed the client credentials grant there, for this resource"
            }
            (GrantType::Workload, _) => {
                "the assertion must not have ended, and its issuer, subject and audience have to be what that server trusts"
            }
            (GrantType::Enterprise, _) => {
                "ask whoever runs the provider whether this server is set up there"
            }
            (GrantType::User, _) => return None,
        };
        Some(hint.to_owned())
    }
}

impl AssertionError {
    pub(in crate::auth) fn hint(&self) -> String {
        match self {
            Self::Unreadable { .. } => "check the path and its permissions",
            Self::Program(_) | Self::Slow(_) => "check --assertion-command by running it yourself",
            Self::NotAToken(_) | Self::Empty(_) => {
                "it has to be the token and nothing else: three parts with dots between them"
            }
            Self::Spent { .. } => {
                "wait for the platform to give another; `mcpipe login` shows this one again"
            }
        }
        .to_owned()
    }
}

impl ProviderError {
    pub(in crate::auth) fn hint(&self, resource: &str) -> Option<String> {
        let hint = match self {
            Self::IdToken(AssertionError::NotAToken(_) | AssertionError::Empty(_)) => {
                "--idp-id-token takes a file with an ID token and nothing else"
            }
            Self::IdToken(error) => return Some(error.hint()),
            Self::SignIn { why, .. } => return why.cause().hint(resource),
            Self::NotForUs { .. } => "the ID token has to be of --idp-issuer, for --idp-client-id",
            Self::Refused(error) if self.is_about_user() || error.is("invalid_request") => {
                "the ID token may have ended: get another"
            }
            Self::Refused(error) if error.is_about_client() => {
                "check --idp-client-id and its secret (--idp-client-secret-env, --idp-client-secret-file)"
            }
            Self::Refused(_) | Self::NotAGrant { .. } | Self::Discovery(_) => {
                "ask whoever runs the provider whether it vouches for this server (ID-JAG)"
            }
        };
        Some(hint.to_owned())
    }
}

/// Returns the remedy against a refusal in these words (RFC 6749 section 4.1.2.1 and 5.2, RFC 8707 section 2).
fn way_out_of((code, description): (&str, Option<&str>)) -> Option<&'static str> {
    let names_resource = || {
        let words = description.unwrap_or_default().to_ascii_lowercase();
        words.contains("resource") || words.contains("audience")
    };
    match code {
        "invalid_scope" => Some("--scope says what to ask for; '' asks for none"),
        "invalid_target" => Some(RESOURCE),
        "invalid_request" if names_resource() => Some(RESOURCE),
        "invalid_client" | "unauthorized_client" => Some(
            "--client-id names a client that is registered there (and --client-secret-env VAR its secret)",
        ),
        _ => None,
    }
}

const RESOURCE: &str = "--disable-resource-parameter signs in without naming the server; --resource URI names it otherwise";
