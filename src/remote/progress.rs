//! The stage of one request, for the words of a time limit that ends it.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::frame::Stage;

/// The stage that a request has reached; the tasks that carry it on set it.
#[derive(Debug)]
pub struct Progress(AtomicU8);

impl Progress {
    /// Begins at this stage.
    pub fn at(stage: Stage) -> Self {
        Self(AtomicU8::new(number(stage)))
    }

    /// Notes that the request has reached a stage, be it for the second time.
    pub fn set(&self, stage: Stage) {
        self.0.store(number(stage), Ordering::Relaxed);
    }

    /// Returns the stage.
    pub fn stage(&self) -> Stage {
        let number = self.0.load(Ordering::Relaxed);
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
