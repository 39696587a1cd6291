//! The schemas of the server's tools, compiled, and the threads on which those are evaluated that may take long.
//!
//! Nothing stops a thread: there are [`MAX_THREADS`] of them at most, and a schema of which one still runs is not evaluated
//! again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time;

use crate::policy::arguments::{Schema, Unjudged};

/// The time that one evaluation may take.
pub(super) const TIME: Duration = Duration::from_secs(2);
/// The evaluations that may be under way on threads at once.
const MAX_THREADS: usize = 4;
/// The schemas that are kept. When there are more, all are compiled again.
const MAX_KEPT: usize = 4096;

/// The schemas of the server's tools, compiled.
#[derive(Debug)]
pub(super) struct Schemas {
    kept: Mutex<HashMap<Box<str>, Kept>>,
    threads: Arc<Semaphore>,
}

/// A tool's schema, of one definition of the tool.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) definition: Arc<str>,
    pub(super) schema: Result<Arc<Schema>, Unjudged>,
    pub(super) overrun: Overrun,
}

/// The evaluation of one schema that took longer than [`TIME`], as long as its thread lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Overrun(Arc<Mutex<Weak<()>>>);

impl Overrun {
    fn note(&self, thread: Weak<()>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = thread;
    }

    pub(super) fn goes_on(&self) -> bool {
        let thread = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        thread.strong_count() > 0
    }
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            threads: Arc::new(Semaphore::new(MAX_THREADS)),
        }
    }
}

impl Schemas {
    pub(super) fn kept(&self, tool: &str, definition: &Arc<str>) -> Option<Kept> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(tool)?;
        let is_same = Arc::ptr_eq(&found.definition, definition) || found.definition == *definition;
        is_same.then(|| found.clone())
    }

    pub(super) fn keep(&self, tool: &str, kept: Kept) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_KEPT {
            all.clear();
        }
        all.insert(tool.into(), kept);
    }

    /// Does something on a thread of its own. `None` where that takes longer than [`TIME`], or no thread is free for as
    /// long; where the work then still goes on, `overrun` says so.
    pub(super) async fn aside<T: Send + 'static>(
        &self,
        stack: usize,
        overrun: &Overrun,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let threads = Arc::clone(&self.threads);
        let turn = time::timeout(TIME, threads.acquire_owned())
            .await
            .ok()?
            .ok()?;
        let overrun = overrun.clone();
        let begun = move || {
            let (done, awaited) = mpsc::channel();
            let thread = Arc::new(());
            let lives = Arc::downgrade(&thread);
            let builder = thread::Builder::new()
                .name("schema".into())
                .stack_size(stack);
            let started = builder.spawn(move || {
                let _until_the_end = (turn, thread);
                let _ = done.send(work());
            });
            started.ok()?;
            let done = awaited.recv_timeout(TIME).ok();
            if done.is_none() {
                overrun.note(lives);
            }
            done
        };
        // The blocking thread ends in time, so that leaving does not wait for the other one.
        spawn_blocking(begun).await.ok()?
    }
}
