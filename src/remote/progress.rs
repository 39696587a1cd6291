//! The stage of one request, for the words of a time limit that ends it, and the note that no such limit is for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::frame::Stage;

/// The stage that a request has reached; the tasks that carry it on set it.
#[derive(Debug)]
pub struct Progress {
    stage: AtomicU8,
    is_standing: Arc<AtomicBool>,
}

impl Progress {
    /// Begins at this stage.
    pub fn at(stage: Stage) -> Self {
        Self {
            stage: AtomicU8::new(number(stage)),
            is_standing: Arc::default(),
        }
    }

    /// Notes that the request has reached a stage, be it for the second time.
    pub fn set(&self, stage: Stage) {
        self.stage.store(number(stage), Ordering::Relaxed);
    }

    /// Notes that the request stands: its response may be silent for as long as the server likes.
    pub fn set_standing(&self) {
        self.is_standing.store(true, Ordering::Relaxed);
    }

    /// Says whether the request stands.
    pub fn is_standing(&self) -> bool {
        self.is_standing.load(Ordering::Relaxed)
    }

    /// Returns the note that the request stands, for a body that outlives this record.
    pub(super) fn standing(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_standing)
    }

    /// Returns the stage.
    pub fn stage(&self) -> Stage {
        let number = self.stage.load(Ordering::Relaxed);
        // Each number is one of these; the last says least of what was not done.
        let mut stages = Stage::ALL.into_iter();
        stages
            .find(|stage| self::number(*stage) == number)
            .unwrap_or(Stage::Stream)
    }
}

/// Notes the stage where a record is kept.
pub(super) fn note(progress: Option<&Progress>, stage: Stage) {
    if let Some(progress) = progress {
        progress.set(stage);
    }
}

fn number(stage: Stage) -> u8 {
    let at = Stage::ALL.iter().position(|it| *it == stage);
    at.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_is_kept() {
        let progress = Progress::at(Stage::Turn);
        for stage in Stage::ALL {
            progress.set(stage);
            assert_eq!(progress.stage(), stage);
        }
    }
}
