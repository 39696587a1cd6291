//! An AI Catalog: the list of what a site offers, of which the cards of MCP servers and further catalogs are read.
//!
//! Public catalogs have entries of their own making beside good ones; an entry that cannot be read is passed over.
//!
//! <https://github.com/Agent-Card/ai-catalog>, which named an entry's `type` `mediaType` before version 0.9; SEP-2127.

use serde_json::Value;
use url::Url;

use crate::server_card::card;
use crate::text::printable;

/// The media type of a catalog.
pub const MEDIA_TYPE: &str = "application/ai-catalog+json";

/// The most entries of one catalog that are read.
const MAX_ENTRIES: usize = 4096;
/// The longest name that is kept, in characters.
const LONGEST_NAME: usize = 80;

/// An entry for a server card or a catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// True where the entry is for a catalog.
    pub is_catalog: bool,
    /// The display name, or the identifier; empty if there is neither.
    pub name: String,
    /// The place of the document.
    pub place: Place,
}

/// The place of a document that a catalog names.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// An address.
    At(Url),
    /// The catalog itself.
    Inline(Value),
}

/// Reads the entries for server cards and catalogs. `base` is the address of the catalog. A document without a list of
/// entries is no catalog.
pub fn read(document: &Value, base: &Url) -> Option<Vec<Entry>> {
    let entries = document.get("entries")?.as_array()?;
    let entries = entries.iter().take(MAX_ENTRIES);
    Some(entries.filter_map(|it| entry(it, base)).collect())
}

fn entry(entry: &Value, base: &Url) -> Option<Entry> {
    let text = |name| entry.get(name).and_then(Value::as_str);
    let label = text("type").or(text("mediaType"))?;
    let label = label.split(';').next().unwrap_or_default().trim();
    let is_catalog = label.eq_ignore_ascii_case(MEDIA_TYPE);
    if !is_catalog && !label.eq_ignore_ascii_case(card::MEDIA_TYPE) {
        return None;
    }
    let inline = entry.get("data").filter(|data| data.is_object());
    let place = match inline {
        // Exactly one of both is allowed. Where a catalog has both, the one that costs no request is read.
        Some(inline) => Place::Inline(inline.clone()),
        None => {
            let mut url = base.join(text("url")?.trim()).ok()?;
            url.set_fragment(None);
            Place::At(url)
        }
    };
    let name = text("displayName").or(text("identifier"));
    Some(Entry {
        is_catalog,
        name: printable(name.unwrap_or_default().trim(), LONGEST_NAME),
        place,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_at(document: &Value) -> Option<Vec<Entry>> {
        let base = Url::parse("https://example.com/.well-known/ai-catalog.json").unwrap();
        read(document, &base)
    }

    #[test]
    fn good_entries_are_read_beside_others() {
        let card = json!({"name": "a/b", "remotes": []});
        let entries = read_at(&json!({"specVersion": "1.0", "entries": [
            {"identifier": "urn:air:example.com:mcp:a", "type": "application/mcp-server-card+json", "url": "https://example.com/a#x"},
            null,
            7,
            {"identifier": "no type", "url": "https://example.com/x"},
            {"identifier": "an agent", "type": "application/a2a-agent-card+json", "url": "https://example.com/agent"},
            {"identifier": "no place", "type": "application/mcp-server-card+json"},
            {"identifier": "no address", "type": "application/mcp-server-card+json", "url": 7},
            {"identifier": "no address", "type": "application/mcp-server-card+json", "url": "https://"},
            {"identifier": "no card", "type": "application/mcp-server-card+json", "data": "text"},
            {"identifier": "before 0.9", "mediaType": "Application/MCP-Server-Card+json; charset=utf-8", "url": "/b"},
            {"type": "application/mcp-server-card+json", "url": "https://example.com/c", "data": card},
            {"displayName": "More", "type": "application/ai-catalog+json", "url": "more.json"},
        ]}));
        let entry = |name: &str, is_catalog, place| Entry {
            is_catalog,
            name: name.to_owned(),
            place,
        };
        let at = |url: &str| Place::At(Url::parse(url).unwrap());
        let wanted = vec![
            entry(
                "urn:air:example.com:mcp:a",
                false,
                at("https://example.com/a"),
            ),
            entry("before 0.9", false, at("https://example.com/b")),
            entry("", false, Place::Inline(card)),
            entry(
                "More",
                true,
                at("https://example.com/.well-known/more.json"),
            ),
        ];
        assert_eq!(entries, Some(wanted));
    }

    #[test]
    fn a_document_without_a_list_is_no_catalog() {
        for none in [
            json!({}),
            json!({"entries": {}}),
            json!({"entries": null}),
            json!([]),
            json!("entries"),
        ] {
            assert_eq!(read_at(&none), None, "{none}");
        }
        assert_eq!(read_at(&json!({"entries": []})), Some(Vec::new()));
    }
}
