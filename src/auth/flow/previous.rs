//! The facts about an authorization server that go from the previous sign-in into the next record.

use crate::auth::oauth::observed_quirks::ObservedQuirks;
use crate::auth::oauth::scope::Scopes;
use crate::auth::store::record::TokenRecord;

/// The facts of the previous sign-in that go into the next record.
#[derive(Clone, Debug, Default)]
pub(in crate::auth) struct Previous {
    /// The deviations that refusals showed.
    pub(in crate::auth) learned: ObservedQuirks,
    /// All scopes that the server has ever named.
    pub(in crate::auth) scope_wanted: Option<Scopes>,
    /// True if the authorization server may have lost the client, however lately it has honoured it.
    pub(in crate::auth) is_client_doubted: bool,
}

impl Previous {
    /// Returns the facts of the previous record, if it is this issuer's, with the scopes that the server names now.
    pub(in crate::auth) fn new(before: Option<&TokenRecord>, named: Option<&Scopes>) -> Self {
        let before_wanted = before.and_then(|entry| entry.scope_wanted.as_ref());
        Self {
            is_client_doubted: false,
            learned: before
                .map(|entry| entry.learned.clone())
                .unwrap_or_default(),
            scope_wanted: match (before_wanted, named) {
                (Some(before), Some(named)) => Some(before.and(named)),
                (one, other) => one.or(other).cloned(),
            },
        }
    }
}
