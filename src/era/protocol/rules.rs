//! The columns of the table of methods.

/// The notification with which a server confirms `subscriptions/listen` (MCP 2026-07-28, basic/patterns/subscriptions).
pub(crate) const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// The rules of one method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Method {
    pub(super) name: &'static str,
    /// Doing it twice is doing it once.
    pub(super) is_harmless: bool,
    /// The rules by which its result may be repeated (MCP 2026-07-28, server/utilities/caching).
    pub(super) cacheable: Option<Cacheable>,
    /// Its complete result has `ttlMs` and `cacheScope`, and strict hosts reject one without them.
    pub(super) has_cache_hints: bool,
    /// The list of which its result may show more than results that were kept before it do.
    pub(super) overtakes: Option<&'static str>,
    /// Its result may be `input_required` (MCP 2026-07-28, basic/patterns/mrtr).
    pub(super) may_ask_for_input: bool,
    /// The modern era does not have it (MCP 2026-07-28, changelog).
    pub(super) is_not_modern: bool,
    /// The parameter that `Mcp-Name` repeats (MCP 2026-07-28, basic/transports/streamable-http).
    pub(super) name_param: Option<&'static str>,
    pub(super) standing: Option<Standing>,
    /// Its answer comes when work is done that another request has begun: it has no time limit, and takes no turn among
    /// the requests that the server gets at once.
    pub(super) waits_for_work: bool,
    /// It ends the work of others, which must not keep it from being sent: it takes no turn either.
    pub(super) ends_work: bool,
    /// The parameter that holds a secret, within another one.
    pub(super) secret_param: Option<(&'static str, &'static str)>,
}

/// The rules by which the result of a method is kept and repeated, for as long as its `ttlMs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cacheable {
    /// The method.
    pub(crate) name: &'static str,
    pub(crate) content: Content,
    /// The lists whose change makes the result old, as in `notifications/…/list_changed`. The result of a list is a
    /// page of the first.
    pub(crate) lists: &'static [&'static str],
}

/// The contents of a result that may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The server's description of itself.
    Description,
    /// A page of a list.
    Page,
    /// The content of the resource that the parameter `uri` names.
    Resource,
    /// A page of a list of skills, with the digests of their files (SEP-2640).
    PageOfSkills,
    /// One skill, with the digests of its files (SEP-2640).
    Skill,
}

impl Content {
    /// Says whether it is a page of a list.
    pub(crate) fn is_page(self) -> bool {
        matches!(self, Self::Page | Self::PageOfSkills)
    }

    /// Says whether digests of files are in it.
    pub(crate) fn has_digests(self) -> bool {
        matches!(self, Self::PageOfSkills | Self::Skill)
    }
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
    /// The notification that says nothing but the cursor.
    pub(crate) moved_by: Option<&'static str>,
    /// The parameter by which a notification that comes a second time is known.
    pub(crate) event_id: Option<&'static str>,
}

impl Method {
    /// Makes the row of a method without rules.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            is_harmless: false,
            cacheable: None,
            has_cache_hints: false,
            overtakes: None,
            may_ask_for_input: false,
            is_not_modern: false,
            name_param: None,
            standing: None,
            waits_for_work: false,
            ends_work: false,
            secret_param: None,
        }
    }

    pub(crate) const fn harmless(mut self) -> Self {
        self.is_harmless = true;
        self
    }

    pub(super) const fn cacheable(
        mut self,
        content: Content,
        lists: &'static [&'static str],
    ) -> Self {
        self.cacheable = Some(Cacheable {
            name: self.name,
            content,
            lists,
        });
        self.with_cache_hints().harmless()
    }

    pub(super) const fn with_cache_hints(mut self) -> Self {
        self.has_cache_hints = true;
        self
    }

    pub(super) const fn overtaking(mut self, list: &'static str) -> Self {
        self.overtakes = Some(list);
        self
    }

    pub(super) const fn asking_for_input(mut self) -> Self {
        self.may_ask_for_input = true;
        self
    }

    pub(super) const fn waiting_for_work(mut self) -> Self {
        self.waits_for_work = true;
        self
    }

    pub(super) const fn ending_work(mut self) -> Self {
        self.ends_work = true;
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

    pub(super) const fn with_secret(mut self, outer: &'static str, name: &'static str) -> Self {
        self.secret_param = Some((outer, name));
        self
    }

    pub(crate) const fn standing(mut self, standing: Standing) -> Self {
        self.standing = Some(standing);
        self
    }
}
