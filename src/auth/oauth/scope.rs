//! The choice of the scopes to ask for.
//!
//! The authorization server gives a scope its meaning; this file interprets none. Order is kept, because the user sees
//! it on the consent page.
//!
//! RFC 6749 section 3.3; MCP 2026-07-28, basic/authorization, "Scope Selection" and "Step-Up".

use std::fmt;

/// A set of scopes, in the order they were first named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Reads a space-separated list. Words that RFC 6749 does not allow are left out.
    pub fn parse(text: &str) -> Self {
        text.split_ascii_whitespace().collect()
    }

    /// Says whether the set has no scope.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether this scope is in the set.
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|held| held == scope)
    }

    /// Says whether all of `other` are in the set.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| self.contains(scope))
    }

    /// Returns these scopes, and those of `other` that are new.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// Returns the scopes one after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl<'a> FromIterator<&'a str> for Scopes {
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        let mut scopes = Self::default();
        for word in words {
            let allowed = |c: char| matches!(c, '\x21' | '\x23'..='\x5b' | '\x5d'..='\x7e');
            let fits = !word.is_empty() && word.len() <= MAX_SCOPE && word.chars().all(allowed);
            if fits && scopes.0.len() < MOST && !scopes.contains(word) {
                scopes.0.push(word.to_owned());
            }
        }
        scopes
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join(" "))
    }
}

const MAX_SCOPE: usize = 256;
const MOST: usize = 512;

/// The sources of the choice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes<'a> {
    /// True where the server wants more than a good credential allows (403 `insufficient_scope`).
    pub step_up: bool,
    /// The scopes that the user fixed.
    pub pinned: Option<&'a Scopes>,
    /// The scopes that the challenge asked for.
    pub challenge: Option<&'a Scopes>,
    /// `scopes_supported` of the resource; an empty list means none.
    pub resource: Option<&'a Scopes>,
    /// The scopes that were asked for last time, of the same issuer.
    pub before: Option<&'a Scopes>,
    /// `scopes_supported` of the authorization server.
    pub server: Option<&'a Scopes>,
}

/// Chooses the scopes to ask for; `None` leaves the parameter out. The user's scopes come first, else the challenge's,
/// else all that the resource lists, else none: the client never invents a scope. Scopes that were asked for before are
/// kept, so that stepping up never steps down. `offline_access` is added only where the server says it knows it
/// (SEP-2207), and not to an empty list, where it would replace the server's default.
pub fn choose(wishes: &Wishes<'_>) -> Option<Scopes> {
    if let (Some(pinned), false) = (wishes.pinned, wishes.step_up) {
        return Some(pinned.clone()).filter(|scopes| !scopes.is_empty());
    }
    let asked = [wishes.pinned, wishes.challenge, wishes.resource];
    let asked = asked.into_iter().flatten().find(|some| !some.is_empty());
    let more = wishes.challenge.filter(|_| wishes.step_up);
    let chosen = [wishes.before, asked, more]
        .into_iter()
        .flatten()
        .fold(Scopes::default(), |all, some| all.and(some));
    if chosen.is_empty() {
        return None;
    }
    let lasting = wishes.server.is_some_and(|server| server.contains(OFFLINE));
    if lasting && wishes.pinned.is_none() {
        return Some(chosen.and(&Scopes::parse(OFFLINE)));
    }
    Some(chosen)
}

/// The scope by which a client asks an OpenID Connect server for a refresh token.
pub const OFFLINE: &str = "offline_access";

#[cfg(test)]
mod tests;
