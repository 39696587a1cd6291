//! The extensions that mcpipe knows rules of. All others pass as they came.

use super::rules::{Content, Method, Standing};
use crate::frame::member_of;

/// The extension for tasks (SEP-2663).
pub(crate) const TASKS: &str = "io.modelcontextprotocol/tasks";
/// The extension for events (SEP-3415).
const EVENTS: &str = "io.modelcontextprotocol/events";
/// The extension for skills (SEP-2640).
const SKILLS: &str = "io.modelcontextprotocol/skills";

/// The rules of one extension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension {
    /// Its name among the capabilities (`extensions`).
    pub(crate) id: &'static str,
    pub(crate) methods: &'static [Method],
    /// The lists whose changes its servers announce: the member of a listen's filter, and the list.
    pub(crate) lists: &'static [(&'static str, &'static str)],
}

/// A list whose changes a server announces, where it declares `listChanged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListChanges {
    /// The member of the filter of `subscriptions/listen` (MCP 2026-07-28, basic/patterns/subscriptions).
    pub(crate) filter: &'static str,
    /// The list, as in `notifications/…/list_changed`. Without an extension it is also the server's capability.
    pub(crate) list: &'static str,
    /// The extension whose settings declare `listChanged`.
    pub(crate) extension: Option<&'static str>,
}

impl ListChanges {
    /// Returns the settings that declare `listChanged`, as JSON text. `capability` reads one of the server's capabilities.
    pub(crate) fn settings<'a>(
        self,
        capability: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<&'a str> {
        match self.extension {
            None => capability(self.list),
            Some(extension) => member_of(capability("extensions")?, extension),
        }
    }
}

/// The lists of the specification itself.
const LISTS: [(&str, &str); 3] = [
    ("toolsListChanged", "tools"),
    ("promptsListChanged", "prompts"),
    ("resourcesListChanged", "resources"),
];

/// The rows.
static EXTENSIONS: [Extension; 3] = [
    Extension {
        id: TASKS,
        methods: &[
            Method::new("tasks/get")
                .harmless()
                .not_modern()
                .named_by("taskId"),
            Method::new("tasks/update").not_modern().named_by("taskId"),
            Method::new("tasks/cancel")
                .ending_work()
                .not_modern()
                .named_by("taskId"),
        ],
        lists: &[],
    },
    Extension {
        id: EVENTS,
        methods: &[
            Method::new("events/list").harmless(),
            // Its cursor makes a poll the same, asked twice.
            Method::new("events/poll").harmless(),
            Method::new("events/stream").standing(Standing {
                confirmed_by: "notifications/events/active",
                ended_by: Some("notifications/events/terminated"),
                cursor: Some("cursor"),
                moved_by: Some("notifications/events/heartbeat"),
                event_id: Some("eventId"),
            }),
            // Done again it resets the time that the subscription lasts, and nothing else.
            Method::new("events/subscribe")
                .harmless()
                .with_secret("delivery", "secret"),
            Method::new("events/unsubscribe").harmless(),
        ],
        lists: &[("eventsListChanged", "events")],
    },
    Extension {
        id: SKILLS,
        methods: &[
            Method::new("skills/list").cacheable(Content::PageOfSkills, &["skills", "resources"]),
            Method::new("skills/get").cacheable(Content::Skill, &["skills", "resources"]),
            // A live observation (SEP-2640, "Directory Reads and the Held Entry"): never repeated. The hints are not
            // asked for by the SEP, but by the schema of the TypeScript SDK.
            Method::new("resources/directory/read")
                .harmless()
                .with_cache_hints()
                .overtaking("skills"),
        ],
        lists: &[],
    },
];

#[cfg(test)]
thread_local! {
    /// Rows of a test.
    pub(super) static ADDED: std::cell::RefCell<&'static [Extension]> = const { std::cell::RefCell::new(&[]) };
}

fn all() -> impl Iterator<Item = &'static Extension> {
    #[cfg(test)]
    let added = ADDED.with_borrow(|added| *added);
    #[cfg(not(test))]
    let added: &[Extension] = &[];
    EXTENSIONS.iter().chain(added)
}

/// Returns the methods of all extensions.
pub(super) fn methods() -> impl Iterator<Item = &'static Method> {
    all().flat_map(|extension| extension.methods)
}

/// Returns the lists whose changes can be listened for.
pub(crate) fn list_changes() -> impl Iterator<Item = ListChanges> {
    let core = LISTS.iter().map(|list| (None, list));
    let others = all().flat_map(|row| row.lists.iter().map(|list| (Some(row.id), list)));
    core.chain(others)
        .map(|(extension, (filter, list))| ListChanges {
            filter,
            list,
            extension,
        })
}
