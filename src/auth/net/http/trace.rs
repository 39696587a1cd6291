//! Metadata documents of a sign-in, what stands in their place, and the trace of the places that were looked at.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use url::Url;

use super::error::Error;

/// The answer of a place where a metadata document might be.
#[derive(Clone, Debug)]
pub enum Document {
    /// A JSON object.
    Found(Value),
    /// A redirect to another origin, which is not followed.
    Redirect {
        /// The address that it leads to.
        to: Url,
    },
    /// Something else, or a refusal (4xx): the next place may be tried.
    Absent {
        /// The HTTP status.
        status: u16,
        /// The media type of what came instead, lower case; empty if none was given.
        media: String,
    },
}

/// A place that was looked at for a metadata document, and its answer.
#[derive(Clone, Debug)]
pub struct Visit {
    /// The address, before any redirect.
    pub place: Url,
    /// The answer, as the search has got it.
    pub answer: Result<Document, Error>,
}

/// The places that a client has looked at, in their order.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Vec<Visit>>>);

impl Trace {
    /// Returns the visits since the last call.
    pub fn take(&self) -> Vec<Visit> {
        mem::take(&mut *self.visits())
    }

    pub(super) fn note(&self, place: &Url, answer: &Result<Document, Error>) {
        self.visits().push(Visit {
            place: place.clone(),
            answer: answer.clone(),
        });
    }

    fn visits(&self) -> MutexGuard<'_, Vec<Visit>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
