//! The place of large results, the facts that shorter ones depend on, and the work of keeping one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::task::spawn_blocking;

use crate::bridge::settings::Settings;
use crate::frame::{Frame, Id, Object};
use crate::policy::results::{Kept, LEAST, Shape, Shortened, WHOLE, Wanted, shortened};
use crate::result_store::ResultStore;

/// The place of large results, and the facts that a shorter result depends on.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) store: Arc<ResultStore>,
    pub(super) now: fn() -> SystemTime,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    /// The revision of a legacy host.
    pub(super) revision: Option<String>,
    /// True where the server has said that it has no resources.
    pub(super) lacks_resources: bool,
    /// The tools of calls that became tasks, by the task's id.
    pub(super) tasks: HashMap<String, Box<str>>,
}

impl Results {
    /// Begins with the results of earlier runs, without those that are too old.
    pub(super) fn new(settings: &Settings) -> Self {
        let (store, now) = (Arc::clone(&settings.results), settings.now);
        if !settings.policy.max_result.is_empty() {
            let store = Arc::clone(&store);
            drop(spawn_blocking(move || store.sweep(now())));
        }
        Self {
            store,
            now,
            known: Mutex::default(),
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A result that is to be kept and made shorter, for a thread that may be blocked.
pub(super) struct Job {
    pub(super) frame: Frame,
    pub(super) id: Option<Id>,
    pub(super) shape: Shape,
    pub(super) limit: usize,
    pub(super) rule: String,
    pub(super) has_links: bool,
    pub(super) may_have_schema: bool,
    pub(super) is_task: bool,
    pub(super) store: Arc<ResultStore>,
    pub(super) now: SystemTime,
}

impl Job {
    pub(super) fn done(self) -> Frame {
        let result = self.frame.member("result").unwrap_or_default();
        if !self.is_task {
            let Some(short) = self.kept(result, self.limit) else {
                return self.frame;
            };
            return self.frame.edit(|message| message.set("result", short));
        }
        // The answer to `tasks/get` has the call's result inside, beside the state of the task.
        let Some(mut outer) = Object::read(result) else {
            return self.frame;
        };
        let task = outer.object("task");
        let inner = task.as_ref().unwrap_or(&outer);
        let Some(inner) = inner.get("result").map(str::to_owned) else {
            return self.frame;
        };
        let around = result.len().saturating_sub(inner.len());
        let least = usize::try_from(LEAST).unwrap_or(usize::MAX);
        let Some(short) = self.kept(&inner, self.limit.saturating_sub(around).max(least)) else {
            return self.frame;
        };
        match task {
            Some(mut task) => {
                task.set("result", short);
                outer.set_object("task", task);
            }
            None => outer.set("result", short),
        }
        self.frame
            .edit(|message| message.set_object("result", outer))
    }

    /// Keeps a result, and returns the shorter one. Where it cannot be kept the host gets its beginning all the same, and
    /// is told: the call has been carried out, and an error would have it made again.
    fn kept(&self, result: &str, limit: usize) -> Option<String> {
        let failed = match self.store.place() {
            Ok((id, directory)) => {
                let shown = directory.to_string_lossy();
                let kept = Kept::At {
                    id: &id,
                    directory: &shown,
                };
                let Shortened {
                    result: short,
                    parts,
                } = self.shortened(result, limit, kept)?;
                let whole = std::iter::once((WHOLE, result.as_bytes()));
                let parts = parts.iter().map(|part| (part.name.as_str(), part.bytes()));
                let files: Vec<_> = whole.chain(parts).collect();
                match self.store.keep(&id, &files, self.now) {
                    Ok(()) => {
                        let bytes = result.len();
                        tracing::info!(bytes, directory = %shown, "a large result is kept");
                        return Some(short);
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        tracing::warn!("a large result is cut, and could not be kept: {failed}");
        let reason = failed.to_string();
        let short = self.shortened(result, limit, Kept::Nowhere(&reason))?;
        Some(short.result)
    }

    fn shortened(&self, result: &str, limit: usize, kept: Kept<'_>) -> Option<Shortened> {
        let wanted = Wanted {
            shape: self.shape,
            limit,
            rule: &self.rule,
            has_links: self.has_links,
            may_have_schema: self.may_have_schema,
            kept,
        };
        shortened(result, &wanted)
    }
}
