//! The catalogs and cards that earlier starts have read, and the endpoint that a person has chosen for the target: a fact
//! in the server's cache file.
//!
//! Nothing here is needed: a file that is deleted costs requests, and the question to the person.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::auth::net::http::conditional::Validity;
use crate::server_cache::ServerCache;

/// The name of the fact.
const FACT: &str = "server_card";
/// The version of the format. A fact of another version counts as none.
const VERSION: u32 = 1;
/// The longest document that is kept, in bytes.
const LONGEST_DOCUMENT: usize = 64 * 1024;
/// The most bytes of documents that are kept for one target.
const LONGEST_ALL: usize = 256 * 1024;

/// The fact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// The documents by their addresses.
    #[serde(default)]
    documents: BTreeMap<String, KeptDocument>,
    /// The endpoint that a person has chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chosen: Option<Url>,
}

/// A document, and the time for which it may be used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeptDocument {
    /// The entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The time at which the document was read or confirmed, in seconds since 1970.
    read_at: u64,
    /// The time from then for which the document may be used without a question, in seconds.
    fresh_for: u64,
    /// The document.
    pub content: Value,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            version: VERSION,
            documents: BTreeMap::new(),
            chosen: None,
        }
    }
}

impl Kept {
    /// Reads the fact. Blocks for one small read.
    pub fn load(cache: &ServerCache) -> Self {
        let kept = cache.load(FACT);
        let kept: Option<Self> = kept.and_then(|kept| serde_json::from_value(kept).ok());
        kept.filter(|kept| kept.version == VERSION)
            .unwrap_or_default()
    }

    /// Writes the fact, or forgets it where there is nothing to keep. Blocks as [`ServerCache::store`] does.
    pub fn store(&self, cache: &ServerCache) {
        let is_empty = self.documents.is_empty() && self.chosen.is_none();
        let value = match is_empty {
            true => Value::Null,
            false => serde_json::to_value(self).unwrap_or_default(),
        };
        cache.store(FACT, value);
    }

    /// Returns the endpoint that a person has chosen.
    pub fn chosen(&self) -> Option<&Url> {
        self.chosen.as_ref()
    }

    /// Notes that a person has chosen this endpoint.
    pub fn choose(&mut self, endpoint: &Url) {
        self.chosen = Some(endpoint.clone());
    }

    /// Returns the document of this address.
    pub fn document(&self, url: &Url) -> Option<&KeptDocument> {
        self.documents.get(url.as_str())
    }

    /// Keeps these documents in the place of all others, as far as there is room.
    pub fn replace(&mut self, documents: impl IntoIterator<Item = (Url, KeptDocument)>) {
        self.documents.clear();
        let mut room = LONGEST_ALL;
        for (url, document) in documents {
            let length = document.content.to_string().len();
            if length <= LONGEST_DOCUMENT.min(room) {
                room -= length;
                self.documents.insert(url.into(), document);
            }
        }
    }
}

impl KeptDocument {
    /// Makes one of a document that was read or confirmed now; `None` where it may not be kept.
    pub fn new(content: Value, validity: Validity, now: SystemTime) -> Option<Self> {
        (!validity.is_fleeting).then(|| Self {
            etag: validity.etag,
            read_at: seconds(now),
            fresh_for: validity.fresh.as_secs(),
            content,
        })
    }

    /// Says whether the document may be used without a question. A clock that was put back ends that.
    pub fn is_fresh(&self, now: SystemTime) -> bool {
        let age = seconds(now).checked_sub(self.read_at);
        age.is_some_and(|age| age < self.fresh_for)
    }
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn document(content: Value) -> KeptDocument {
        let validity = Validity {
            etag: Some("\"1\"".to_owned()),
            fresh: Duration::from_secs(60),
            is_fleeting: false,
        };
        KeptDocument::new(content, validity, at(1000)).unwrap()
    }

    #[test]
    fn what_is_kept_is_read_again_and_another_version_is_nothing() {
        let home = tempfile::tempdir().unwrap();
        let cache = ServerCache::about(Some(home.path()), "https://example.com/", "default");
        let url = Url::parse("https://example.com/.well-known/ai-catalog.json").unwrap();
        let mut kept = Kept::load(&cache);
        kept.replace([(url.clone(), document(json!({"entries": []})))]);
        kept.choose(&url);
        kept.store(&cache);
        let again = Kept::load(&cache);
        assert_eq!(again.chosen(), Some(&url));
        let found = again.document(&url).unwrap();
        assert_eq!(found.etag.as_deref(), Some("\"1\""));
        assert_eq!(found.content, json!({"entries": []}));

        let mut value = cache.load(FACT).unwrap();
        assert_eq!(value["version"], 1);
        value["version"] = json!(2);
        cache.store(FACT, value);
        assert!(Kept::load(&cache).document(&url).is_none());
        cache.store(FACT, json!("damaged"));
        assert!(Kept::load(&cache).chosen().is_none());
    }

    #[test]
    fn a_document_is_fresh_for_its_time_and_not_before_it_was_read() {
        let document = document(json!({}));
        for (now, is_fresh) in [(999, false), (1000, true), (1059, true), (1060, false)] {
            assert_eq!(document.is_fresh(at(now)), is_fresh, "{now}");
        }
        let fleeting = Validity {
            is_fleeting: true,
            ..Validity::default()
        };
        assert!(KeptDocument::new(json!({}), fleeting, at(0)).is_none());
    }

    #[test]
    fn long_documents_are_not_kept() {
        let url = |name: &str| Url::parse(&format!("https://example.com/{name}")).unwrap();
        let long = |length: usize| document(json!({"x": "x".repeat(length)}));
        let mut kept = Kept::default();
        kept.replace([
            (url("short"), long(10)),
            (url("long"), long(LONGEST_DOCUMENT)),
        ]);
        assert!(kept.document(&url("short")).is_some());
        assert!(kept.document(&url("long")).is_none());
        kept.replace((0..9).map(|nth| (url(&nth.to_string()), long(LONGEST_DOCUMENT - 100))));
        assert_eq!(kept.documents.len(), LONGEST_ALL / (LONGEST_DOCUMENT - 100));
    }
}
