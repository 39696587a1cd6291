//! The columns of the table of methods.

/// The rules of one method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    pub(super) name: &'static str,
    /// Doing it twice is doing it once.
    pub(super) is_harmless: bool,
    /// Its result may be repeated for as long as its `ttlMs` (MCP 2026-07-28, server/utilities/caching).
    pub(super) is_cacheable: bool,
    /// Its result may be `input_required` (MCP 2026-07-28, basic/patterns/mrtr).
    pub(super) may_ask_for_input: bool,
    /// The modern era does not have it (MCP 2026-07-28, changelog).
    pub(super) is_not_modern: bool,
    /// The parameter that `Mcp-Name` repeats (MCP 2026-07-28, basic/transports/streamable-http).
    pub(super) name_param: Option<&'static str>,
    pub(super) standing: Option<Standing>,
}

/// The rules of a standing request: its answer is its end, and what it is for are the notifications before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The notification with which the server confirms it.
    pub(crate) confirmed_by: &'static str,
    /// The notification with which the server ends it, beside the result.
    pub(crate) ended_by: Option<&'static str>,
    /// The parameter of the request, and of its notifications, from which another one can go on without a loss.
    pub(crate) cursor: Option<&'static str>,
}

impl Method {
    /// Makes the row of a method without rules.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            is_harmless: false,
            is_cacheable: false,
            may_ask_for_input: false,
            is_not_modern: false,
            name_param: None,
            standing: None,
        }
    }

    pub(crate) const fn harmless(mut self) -> Self {
        self.is_harmless = true;
        self
    }

    pub(super) const fn cacheable(mut self) -> Self {
        self.is_cacheable = true;
        self.harmless()
    }

    pub(super) const fn asking_for_input(mut self) -> Self {
        self.may_ask_for_input = true;
        self
    }

    pub(super) const fn not_modern(mut self) -> Self {
        self.is_not_modern = true;
        self
    }

    pub(super) const fn named_by(mut self, param: &'static str) -> Self {
        self.name_param = Some(param);
        self
    }

    pub(crate) const fn standing(mut self, standing: Standing) -> Self {
        self.standing = Some(standing);
        self
    }
}
