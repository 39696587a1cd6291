//! A change of the authorization server, as mcpipe tells the user.

use crate::auth::grant::GrantType;

/// A difference between what the server says now and what was used last. All texts are cleaned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Changed {
    /// Another issuer in the place of the last.
    #[error("the server now names another sign-in service, {now}; until now it was {was}")]
    Named {
        /// The issuer used last.
        was: String,
        /// The issuer found now.
        now: String,
    },
    /// The last issuer and another, of which only the other can be used.
    #[error("the server names the sign-in service {now} beside {was}, which cannot be used now")]
    Beside {
        /// The issuer used last.
        was: String,
        /// The issuer found now.
        now: String,
    },
    /// No issuer, while another was found at the server's own address.
    #[error("the server no longer names its sign-in service {was}; {now} would take its place")]
    Unnamed {
        /// The issuer used last.
        was: String,
        /// The issuer found now.
        now: String,
    },
    /// The same issuer with an endpoint at another origin.
    #[error("the sign-in service {issuer} now has its {endpoint} at {now}; until now it was {was}")]
    Endpoint {
        /// The issuer.
        issuer: String,
        /// The endpoint's name.
        endpoint: &'static str,
        /// The endpoint's origin when it was used last.
        was: String,
        /// The endpoint's origin now.
        now: String,
    },
    /// The same issuer with an endpoint that it did not have at all.
    #[error(
        "the sign-in service {issuer} now has its {endpoint} at {now}, where it had no endpoint until now"
    )]
    Joined {
        /// The issuer.
        issuer: String,
        /// The endpoint's name.
        endpoint: &'static str,
        /// The endpoint's origin now.
        now: String,
    },
}

/// A change that the user has to accept.
#[derive(Debug, thiserror::Error)]
#[error("{changed}")]
pub struct Undecided {
    pub(in crate::auth) changed: Changed,
    pub(in crate::auth) account: String,
    /// The way to get tokens: mcpipe can ask only a user to sign in.
    pub(in crate::auth) grant: GrantType,
}

impl Undecided {
    /// Returns the command or the flag by which the user accepts the change.
    pub(in crate::auth) fn hint(&self, resource: &str) -> String {
        if self.grant != GrantType::User {
            return "if it really moved, name the new one with --authorization-server; nothing was sent there"
                .to_owned();
        }
        let account = match self.account.as_str() {
            "default" => String::new(),
            account => format!(" --account {account}"),
        };
        format!("if you want to sign in there, run `mcpipe login {resource}{account}`")
    }
}
