//! The parts that are kept, and the pages in which they are read.

use serde_json::{Value, json};

use super::base64_text::encoded;
use super::cut::Head;

/// A part of a result, under a name of its own among the files of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The name: letters, digits and a dot.
    pub name: String,
    /// The content.
    pub content: Content,
}

/// The content of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(String),
    /// Bytes that were encoded in the result.
    Bytes(Vec<u8>),
}

impl Part {
    pub(super) fn new(name: impl Into<String>, content: Content) -> Self {
        Self {
            name: name.into(),
            content,
        }
    }

    /// Returns the bytes of its file.
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Text(text) => text.as_bytes(),
            Content::Bytes(bytes) => bytes,
        }
    }
}

/// Media types and the ends of file names that stand for them. What is not here is `bin`.
const KINDS: [(&str, &str); 16] = [
    ("text/plain", "txt"),
    ("application/json", "json"),
    ("image/png", "png"),
    ("image/jpeg", "jpg"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("image/svg+xml", "svg"),
    ("image/avif", "avif"),
    ("audio/wav", "wav"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("audio/flac", "flac"),
    ("audio/mp4", "m4a"),
    ("audio/webm", "weba"),
    ("application/pdf", "pdf"),
    ("application/zip", "zip"),
];

/// Returns the end of the name of a file with bytes of this media type.
pub(super) fn extension(media: &str) -> &'static str {
    let media = media.split(';').next().unwrap_or_default().trim();
    let bytes = KINDS.iter().filter(|(_, end)| !is_text(end));
    let mut found = bytes.filter(|(known, _)| known.eq_ignore_ascii_case(media));
    found.next().map_or("bin", |(_, end)| end)
}

fn is_text(end: &str) -> bool {
    matches!(end, "txt" | "json")
}

fn media_type(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let mut found = KINDS.iter().filter(|(_, known)| *known == end);
    found
        .next()
        .map_or("application/octet-stream", |(media, _)| media)
}

/// The bytes of a page that its URIs, its names and its note may take.
const AROUND: usize = 700;

/// Returns how many bytes of a file are to be read for one page of at most `limit` bytes.
pub fn page_bytes(limit: usize) -> usize {
    limit.saturating_sub(AROUND).max(64)
}

/// Returns the contents of a `resources/read` of one page, as the text of a JSON array, from the bytes of a file at an
/// offset. The first content is the page and nothing else: the pages of a part, one behind the other, are its bytes. Where
/// there is a next page, a second content has its URI, and says so.
///
/// `base` is the URI without an offset. A text may only be asked for from where a character begins: a page from elsewhere
/// begins with the next character.
pub fn page(base: &str, bytes: &[u8], offset: u64, total: u64, limit: usize) -> String {
    let name = base.rsplit_once('/').map_or(base, |(_, name)| name);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let room = page_bytes(limit);
    let uri = match offset {
        0 => base.to_owned(),
        offset => format!("{base}?offset={offset}"),
    };
    let (kind, content, taken) = match is_text(end) {
        true => {
            let begins = bytes.iter().take_while(|byte| is_within(**byte)).count();
            let bytes = bytes.get(begins..).unwrap_or_default();
            let text = whole_characters(bytes);
            let head = Head::of(text, room);
            let taken = match head.text.is_empty() {
                // Bytes that are no text: the file is not as it was written.
                true => bytes.len(),
                false => head.text.len(),
            };
            ("text", head.text.to_owned(), begins + taken)
        }
        false => {
            // Whole groups, so that no page but the last has padding.
            let most = room / 4 * 3;
            let page = bytes.get(..most.min(bytes.len())).unwrap_or_default();
            ("blob", encoded(page), page.len())
        }
    };
    let content = json!({ "uri": uri, "mimeType": media_type(name), kind: content });
    let next = offset.saturating_add(u64::try_from(taken).unwrap_or(u64::MAX));
    if next >= total {
        return Value::from(vec![content]).to_string();
    }
    let next_uri = format!("{base}?offset={next}");
    let said = format!(
        "[mcpipe: bytes {offset} to {next} of {total}; the next page: resources/read {next_uri}]"
    );
    let next = json!({ "uri": next_uri, "mimeType": "text/plain", "text": said });
    Value::from(vec![content, next]).to_string()
}

/// Says whether a byte of UTF-8 is within a character, and not its first.
fn is_within(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// The text at the beginning of bytes.
fn whole_characters(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => bytes
            .get(..error.valid_up_to())
            .and_then(|valid| std::str::from_utf8(valid).ok())
            .unwrap_or_default(),
    }
}
