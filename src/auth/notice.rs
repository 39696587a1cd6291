//! News of a sign-in for the user, and its words for a terminal.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::issuer_change::Changed;
use crate::auth::oauth::id_token::Person;
use crate::text::{plain, without_query};

/// Something a person should hear of.
#[derive(Debug)]
pub enum Notice<'a> {
    /// A page is waiting.
    Visit {
        /// The start page of the sign-in, or where to type the code.
        url: &'a str,
        /// What to type there (RFC 8628).
        user_code: Option<&'a str>,
        /// For how long that is good.
        good_for: Option<Duration>,
        /// Whether a browser was started on it.
        opened: bool,
    },
    /// The authorization request itself, for a browser that cannot open the start page. Where it ends is pasted; nothing
    /// else that comes of it counts.
    Elsewhere {
        /// The authorization request.
        request: &'a str,
        /// Whether there is a start page at all ([`Self::Visit`] has this address otherwise).
        is_tied: bool,
    },
    /// The user signs in at another authorization server than the last time, and so accepts it.
    OtherIssuer {
        /// How it differs.
        changed: &'a Changed,
    },
    /// What was pasted is not the answer that is waited for.
    NotOurs,
    /// The server renews the sign-in no more; what is held works until it ends.
    SignedOut {
        /// Who had issued the tokens.
        issuer: &'a str,
        /// The MCP server.
        resource: &'a str,
    },
    /// The sign-in is done.
    SignedIn {
        /// The MCP server.
        resource: &'a str,
        /// Which identity there.
        account: &'a str,
        /// The user, if the authorization server has told.
        person: Option<&'a Person>,
    },
    /// The user who has signed in is the one of another account.
    OnePerson {
        /// The MCP server.
        resource: &'a str,
        /// Which identity there.
        account: &'a str,
        /// The accounts of the same user.
        others: &'a [String],
        /// Host of the authorization server.
        host: &'a str,
    },
    /// Another account is signed in at an authorization server that is not asked to let the user choose.
    NoChoice {
        /// Its host.
        host: &'a str,
        /// Whether it has refused to.
        is_refused: bool,
    },
}

impl Notice<'_> {
    /// The words for a terminal. Tools look for the first two lines as mcp-remote prints them.
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
                person,
            } => signed_in(resource, account, *person),
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

/// A page that waits for a person, here or in another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingSignIn {
    /// Where to go.
    pub url_to_show: String,
    /// The authorization server there.
    pub host: String,
    /// What to type there, where the page does not know it (RFC 8628).
    pub user_code: Option<String>,
}

/// The end of a sign-in, as people are told.
pub fn signed_in(resource: &str, account: &str, person: Option<&Person>) -> String {
    let whom = person.map_or_else(String::new, |person| format!(" as {}", person.words()));
    let account = match account {
        "default" => String::new(),
        account => format!(" (account {})", plain(account, 100)),
    };
    format!("Signed in to {}{whom}{account}.\n", without_query(resource))
}

/// Names of accounts, as people are told.
pub fn accounts(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| plain(name, 100)).collect();
    match names.as_slice() {
        [one] => format!("account {one}"),
        all => format!("accounts {}", all.join(", ")),
    }
}

const AUTHORIZE: &str = "Please authorize this client by visiting:";

/// A time that is left, as people say it. Less is said rather than more.
fn in_words(left: Duration) -> String {
    match left.as_secs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}

/// Where news for the person goes; the door decides.
#[derive(Clone)]
pub struct Announce(Arc<dyn Fn(&Notice<'_>) + Send + Sync>);

impl Announce {
    /// To this function. It must not block.
    pub fn new(tell: impl Fn(&Notice<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Nobody listens.
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
