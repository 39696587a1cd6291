//! A revision and an extension that no specification has, for tests.

use super::extension::{self, Extension};
use super::revision::{self, Revision};
use super::rules::{Method, Standing};

pub(crate) const REVISION: &str = "2099-01-01";
/// The extension. Its servers announce changes of the list `x` (the filter is `xListChanged`), looking (`x/look`) is
/// harmless, and `x/watch` stands.
pub(crate) const EXTENSION: &str = "com.example/x";
pub(crate) const WATCHING: Standing = Standing {
    confirmed_by: "notifications/x/begun",
    ended_by: Some("notifications/x/over"),
    cursor: Some("position"),
    moved_by: None,
    event_id: None,
};

/// Runs a test with these rows in the tables of its thread.
pub(crate) fn with_made_up<T>(test: impl FnOnce() -> T) -> T {
    const REVISIONS: &[Revision] = &[Revision {
        name: REVISION,
        is_legacy: false,
    }];
    const EXTENSIONS: &[Extension] = &[Extension {
        id: EXTENSION,
        methods: &[
            Method::new("x/look").harmless(),
            Method::new("x/watch").standing(WATCHING),
        ],
        lists: &[("xListChanged", "x")],
    }];
    revision::ADDED.with_borrow_mut(|added| *added = REVISIONS);
    extension::ADDED.with_borrow_mut(|added| *added = EXTENSIONS);
    let done = test();
    revision::ADDED.with_borrow_mut(|added| *added = &[]);
    extension::ADDED.with_borrow_mut(|added| *added = &[]);
    done
}
