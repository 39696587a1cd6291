//! The facts about an authorization server that go from the sign-in before into the next record.

use crate::auth::oauth::observed_quirks::ObservedQuirks;
use crate::auth::oauth::scope::Scopes;
use crate::auth::store::record::TokenRecord;

/// The facts of the sign-in before that go into the record.
#[derive(Clone, Debug, Default)]
pub(in crate::auth) struct Past {
    pub(in crate::auth) learned: ObservedQuirks,
    pub(in crate::auth) wanted: Option<Scopes>,
    /// True if the tokens to come are bound to a key.
    pub(in crate::auth) binds: bool,
    /// True if the authorization server may have lost the client, however lately it has honoured it.
    is_doubted: bool,
}

impl Past {
    /// From the entry of before, if it is this issuer's, and what the server names now.
    pub(in crate::auth) fn new(
        before: Option<&TokenRecord>,
        named: Option<&Scopes>,
        binds: bool,
    ) -> Self {
        let before_wanted = before.and_then(|entry| entry.scope_wanted.as_ref());
        Self {
            binds,
            is_doubted: false,
            learned: before
                .map(|entry| entry.learned.clone())
                .unwrap_or_default(),
            wanted: match (before_wanted, named) {
                (Some(before), Some(named)) => Some(before.and(named)),
                (one, other) => one.or(other).cloned(),
            },
        }
    }
}

impl Past {
    /// The same, with a client that the authorization server may have lost.
    pub(in crate::auth) fn doubting(self, is_doubted: bool) -> Self {
        Self { is_doubted, ..self }
    }

    /// It does not want the `resource` parameter.
    pub(in crate::auth) fn refuses_resource(&mut self) {
        self.learned.refuses_resource = true;
    }

    /// Returns the deviations that refusals showed.
    pub(in crate::auth) fn learned(&self) -> &ObservedQuirks {
        &self.learned
    }

    /// Says whether the authorization server may have lost the client.
    pub(in crate::auth) fn is_doubted(&self) -> bool {
        self.is_doubted
    }

    /// Says whether the tokens to come are bound to a key.
    pub(in crate::auth) fn binds(&self) -> bool {
        self.binds
    }
}
