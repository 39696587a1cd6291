//! The `prompt` of an authorization request: asks the user to choose an account there, or to consent.
//!
//! A browser that is signed in at the authorization server brings back the same user each time, unless the server is
//! told to ask. Servers differ in what they take (OpenID Connect Core section 3.1.2.1 has a list; Entra takes one
//! value; `oidc-provider` refuses what its operator has not configured, Heroku all but `login`), so there are several
//! to try.
//!
//! OpenID Connect Core sections 3.1.2.1, 3.1.2.6 and 11; `prompt_values_supported` of Initiating User Registration via
//! OpenID Connect 1.0, which servers have that speak OAuth only (atproto).

use std::collections::VecDeque;

use crate::auth::oauth::discovery::AuthorizationServer;
use crate::auth::oauth::known_providers::known_quirks;
use crate::auth::oauth::scope::{OFFLINE, Scopes};
use crate::auth::settings::{SelectAccount, Settings};

/// The values to try, the best first. An empty list means no `prompt` at all.
#[derive(Clone, Debug, Default)]
pub(in crate::auth) struct Prompts {
    wanted: VecDeque<String>,
    selects: bool,
}

impl Prompts {
    /// Returns the values for a request to this server. `is_second` says that another account is signed in there.
    pub(in crate::auth) fn new(
        server: &AuthorizationServer,
        settings: &Settings,
        scope: Option<&Scopes>,
        is_second: bool,
    ) -> Self {
        let quirks = known_quirks(server.issuer());
        // The user's own setting stands.
        if settings.authorizes_with("prompt") {
            return Self::default();
        }
        let is_openid = server.is_openid();
        // OpenID Connect Core section 11: offline access is granted with consent only.
        let lasting = scope.is_some_and(|scopes| scopes.contains(OFFLINE)) && is_openid;
        let known = quirks.authorize.iter().find(|(name, _)| *name == "prompt");
        let consent = match known {
            Some((_, value)) => Some(*value),
            None => lasting.then_some("consent"),
        };
        let consent = consent.filter(|value| server.takes_prompt(value));
        let understands = is_openid
            || quirks.selects_account
            || server.lists_prompts()
            || [scope, server.scopes()]
                .into_iter()
                .flatten()
                .any(|scopes| scopes.contains("openid"));
        let selects = match settings.select_account {
            SelectAccount::Auto => is_second && understands,
            SelectAccount::Always => true,
            SelectAccount::Never => false,
        };
        let choices = CHOICES
            .into_iter()
            .filter(|value| selects && server.takes_prompt(value));
        let choices: Vec<&str> = choices.collect();
        let mut wanted: Vec<String> = Vec::new();
        for choice in &choices {
            wanted.push(match consent.filter(|_| !quirks.takes_one_prompt) {
                Some(consent) => format!("{choice} {consent}"),
                None => (*choice).to_owned(),
            });
        }
        wanted.extend(choices.last().map(|choice| (*choice).to_owned()));
        wanted.extend(consent.map(str::to_owned));
        wanted.push(String::new());
        wanted.dedup();
        Self {
            selects: !choices.is_empty(),
            wanted: wanted.into(),
        }
    }

    /// Returns the value that is sent.
    pub(in crate::auth) fn value(&self) -> Option<&str> {
        let first = self.wanted.front().map(String::as_str);
        first.filter(|value| !value.is_empty())
    }

    /// Says whether the authorization server asks the user to choose an account.
    pub(in crate::auth) fn selects(&self) -> bool {
        self.selects && self.value().is_some_and(has_choice)
    }

    /// Takes the refusal of a request. Returns true if there is another value to try. A refusal that does not mention
    /// `prompt` counts as one of `prompt` once, and only where the user was to choose.
    pub(in crate::auth) fn refused(&mut self, code: &str, description: Option<&str>) -> bool {
        if self.value().is_none() {
            return false;
        }
        let words = description.unwrap_or_default().to_ascii_lowercase();
        let is_named = words.contains("prompt") && code != "access_denied"
            || matches!(
                code,
                "account_selection_required"
                    | "consent_required"
                    | "interaction_required"
                    | "login_required"
            );
        let may_be = matches!(
            code,
            "invalid_request" | "unsupported_parameter" | "unsupported_prompt"
        );
        if is_named {
            let refused = self.wanted.pop_front().unwrap_or_default();
            // A browser follows some twenty redirects in a row, and each value takes three or more of them.
            if CHOICES.contains(&refused.as_str()) && !self.selects() {
                self.wanted.retain(String::is_empty);
            }
            return true;
        }
        if may_be && self.selects() {
            self.wanted.retain(|value| !has_choice(value));
            return true;
        }
        false
    }
}

/// The values by which a user may become another user; with `login` by signing in anew.
const CHOICES: [&str; 2] = ["select_account", "login"];

fn has_choice(value: &str) -> bool {
    value.split(' ').any(|it| CHOICES.contains(&it))
}

#[cfg(test)]
mod tests;
