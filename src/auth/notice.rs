//! News of a sign-in for the user, with the words for a terminal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::issuer_change::Changed;
use crate::auth::oauth::id_token::User;
use crate::text::{plain, without_query};

/// An event that the user should hear of.
#[derive(Debug)]
pub enum Notice<'a> {
    /// A page that waits for the user.
    Visit {
        /// The address of the sign-in's start page, or of the page where the user types the code.
        url: &'a str,
        /// The code to type there (RFC 8628).
        user_code: Option<&'a str>,
        /// The time for which the code is good.
        good_for: Option<Duration>,
        /// True if mcpipe has started a browser on the page.
        opened: bool,
    },
    /// The authorization request itself, for a browser that cannot open the start page. The user pastes the address
    /// where the browser ends; no other answer to this request counts.
    Elsewhere {
        /// The authorization request.
        request: &'a str,
        /// True if there is a start page at all ([`Self::Visit`] has this address otherwise).
        is_tied: bool,
    },
    /// A sign-in at another authorization server than the last time, which the user so accepts.
    OtherIssuer {
        /// The difference from the last authorization server.
        changed: &'a Changed,
    },
    /// A pasted text that is not the answer mcpipe waits for.
    NotOurs,
    /// A sign-in that the authorization server no longer renews; the held token works until it ends.
    SignedOut {
        /// The issuer of the tokens.
        issuer: &'a str,
        /// The MCP server.
        resource: &'a str,
    },
    /// A finished sign-in.
    SignedIn {
        /// The MCP server.
        resource: &'a str,
        /// The account at that server.
        account: &'a str,
        /// The user, if the authorization server has named one.
        user: Option<&'a User>,
    },
    /// A sign-in by a user who is known under another account already.
    OnePerson {
        /// The MCP server.
        resource: &'a str,
        /// The account at that server.
        account: &'a str,
        /// The accounts of the same user.
        others: &'a [String],
        /// The host of the authorization server.
        host: &'a str,
    },
    /// Another account that is signed in at an authorization server that mcpipe does not ask to let the user choose.
    NoChoice {
        /// The host of the authorization server.
        host: &'a str,
        /// True if the authorization server has refused the choice.
        is_refused: bool,
    },
}

impl Notice<'_> {
    /// Returns the words for a terminal. Tools look for the first two lines as mcp-remote prints them.
    pub fn text(&self) -> String {
        match self {
            Self::Visit {
                url,
                user_code,
                good_for,
                ..
            } => {
                let mut text = format!("{AUTHORIZE}\n{url}\n");
                if let Some(code) = user_code {
                    text += &format!("and enter the code {code}\n");
                }
                if let Some(good_for) = good_for.filter(|_| user_code.is_some()) {
                    text += &format!("The code is good for {}.\n", in_words(good_for));
                }
                text
            }
            Self::Elsewhere { request, is_tied } => match is_tied {
                true => format!(
                    "Or visit this address in any browser, and paste the address it ends at (that page does not load):\n{request}\n"
                ),
                false => {
                    "If the browser cannot come back here, paste the address it ends at:\n".to_owned()
                }
            },
            Self::OtherIssuer { changed } => format!(
                "Note: {changed}. You are signing in there now, and mcpipe keeps to it from then on.\n"
            ),
            Self::NotOurs => {
                "That is not where this sign-in ends: paste the whole address the browser shows at the end.\n"
                    .to_owned()
            }
            Self::SignedOut { issuer, resource } => format!(
                "The sign-in for {resource} is not renewed any more by {issuer}: run `mcpipe login {resource}`\n"
            ),
            Self::SignedIn {
                resource,
                account,
                user,
            } => signed_in(resource, account, *user),
            Self::OnePerson {
                resource,
                account,
                others,
                host,
            } => format!(
                "Note: account {account} is the same person as {}. For another, sign out at {host} in your browser, then run `mcpipe login {} --account {account}`.\n",
                accounts(others),
                without_query(resource)
            ),
            Self::NoChoice { host, is_refused } => {
                let (why, then) = match is_refused {
                    true => ("does not let you choose an account when asked to", ""),
                    false => (
                        "is not known to let you choose an account",
                        ", or try --select-account",
                    ),
                };
                format!(
                    "Another account is signed in at {host}, which {why}: if it takes you for the same person, sign out there first{then}.\n"
                )
            }
        }
    }
}

/// A page that waits for the user, in this process or in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingSignIn {
    /// The address of the page.
    pub url_to_show: String,
    /// The host of the authorization server.
    pub host: String,
    /// The code to type there, where the page does not fill it in (RFC 8628).
    pub user_code: Option<String>,
}

/// Returns the message about a finished sign-in.
pub fn signed_in(resource: &str, account: &str, user: Option<&User>) -> String {
    let whom = user.map_or_else(String::new, |user| format!(" as {}", user.words()));
    let account = match account {
        "default" => String::new(),
        account => format!(" (account {})", plain(account, 100)),
    };
    format!("Signed in to {}{whom}{account}.\n", without_query(resource))
}

/// Returns the names of accounts for a message.
pub fn accounts(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| plain(name, 100)).collect();
    match names.as_slice() {
        [one] => format!("account {one}"),
        all => format!("accounts {}", all.join(", ")),
    }
}

const AUTHORIZE: &str = "Please authorize this client by visiting:";

/// Returns the time that is left in words, rounded down.
fn in_words(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}

/// The destination of news for the user, chosen by the command.
#[derive(Clone)]
pub struct Announce(Arc<dyn Fn(&Notice<'_>) + Send + Sync>);

impl Announce {
    /// Returns a destination that calls this function, which must not block.
    pub fn new(tell: impl Fn(&Notice<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Returns a destination that drops all news.
    pub fn nowhere() -> Self {
        Self::new(|_| {})
    }

    pub(super) fn tell(&self, notice: &Notice<'_>) {
        (self.0)(notice);
    }
}

impl fmt::Debug for Announce {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Announce")
    }
}
