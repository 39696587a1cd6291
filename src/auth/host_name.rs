//! The name that the MCP host gives itself (`clientInfo`), for a user who wonders which program asks for a sign-in.

use std::sync::{Arc, OnceLock};

use crate::text::plain;

/// The name of the MCP host, once the first of its requests was looked at. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct HostName(Arc<OnceLock<Option<String>>>);

impl HostName {
    /// Notes the name in the host's first request, or that there is none. Later names change nothing.
    pub fn note(&self, name: Option<&str>) {
        let name = name.map(|name| plain(name, MAX_HOST_NAME));
        let _ = self.0.set(name.filter(|name| !name.is_empty()));
    }

    /// Returns the name.
    pub fn known(&self) -> Option<&str> {
        self.0.get()?.as_deref()
    }

    /// Says whether a request of the host was looked at.
    pub fn is_noted(&self) -> bool {
        self.0.get().is_some()
    }
}

/// The longest name, in characters.
const MAX_HOST_NAME: usize = 60;
