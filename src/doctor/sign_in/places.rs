//! The places of metadata documents that were looked at, as text.

use serde_json::Value;

use crate::auth::net::http::{Document, Visit};
use crate::redirect::shown;

/// Returns each place with its answer.
pub(super) fn words(places: &[Visit]) -> String {
    let places: Vec<_> = places.iter().map(word).collect();
    places.join("; ")
}

fn word(visit: &Visit) -> String {
    let place = shown(&visit.place);
    match &visit.answer {
        Ok(Document::Found(_)) => format!("{place} a document"),
        Ok(Document::Redirect { to }) => format!("{place} leads to {}", shown(to)),
        Ok(Document::Absent { status, media }) if (200..300).contains(status) => {
            let media = if media.is_empty() {
                "no media type"
            } else {
                media
            };
            format!("{place} HTTP {status}, {media} without a JSON object")
        }
        Ok(Document::Absent { status, .. }) => format!("{place} HTTP {status}"),
        Err(error) => format!("{place}: {error}"),
    }
}

/// Returns the last document that was found, which decided, with its place.
pub(super) fn last_document(places: &[Visit]) -> Option<(String, &Value)> {
    places.iter().rev().find_map(|visit| match &visit.answer {
        Ok(Document::Found(document)) => Some((shown(&visit.place), document)),
        _ => None,
    })
}
