//! Results that are larger than the user wants the host to get at once: what the host gets in their place, and what is kept
//! for it to read.
//!
//! A result is kept whole, as its JSON text. Beside that each part that was cut or left out is kept by itself: texts as
//! text, images and audio as their bytes. The host gets the beginning of the texts, all of what is small, links to what is
//! not, and last a note that says how large the result is and how the rest is read. Structured content and images are never
//! cut: they are there whole or not at all. The answer is never larger than the limit.

mod base64_text;
mod cut;
mod part;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::frame::{Object, string};
use cut::{Head, Room};
pub use part::{Content, Part, page, page_bytes};

/// The least limit, in bytes: a note of what is left out and how it is read has room in it.
pub const LEAST: u64 = 2048;
/// The name under which a whole result is kept.
pub const WHOLE: &str = "result.json";
/// The beginning of the URIs under which the bridge serves results itself.
pub const SCHEME: &str = "mcpipe://results/";

/// The kinds of results that have a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Of `tools/call`, and of its task.
    Call,
    /// Of `prompts/get`.
    Prompt,
    /// Of `resources/read`.
    Resource,
}

impl Shape {
    /// Returns the shape of the results of a method.
    pub fn of(method: &str) -> Option<Self> {
        Some(match method {
            "tools/call" | "tasks/result" | "tasks/get" => Self::Call,
            "prompts/get" => Self::Prompt,
            "resources/read" => Self::Resource,
            _ => return None,
        })
    }
}

/// The facts on which a shorter result depends.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The kind of result.
    pub shape: Shape,
    /// The bytes that the shorter result may have; at least [`LEAST`].
    pub limit: usize,
    /// The rule that says so, and its place, for the note.
    pub rule: &'a str,
    /// True where the host's revision has `resource_link` (MCP 2025-06-18 and later, server/tools).
    pub has_links: bool,
    /// False where the tool is known to have no `outputSchema`.
    pub may_have_schema: bool,
    /// The place where all of it is kept.
    pub kept: Kept<'a>,
}

/// The place of a result.
#[derive(Clone, Copy, Debug)]
pub enum Kept<'a> {
    /// It is kept.
    At {
        /// The unguessable name of the result in URIs.
        id: &'a str,
        /// The directory of its files.
        directory: &'a str,
    },
    /// It could not be kept, for this reason: the rest is lost.
    Nowhere(&'a str),
}

/// A shorter result, and what is to be kept beside the whole one.
#[derive(Debug)]
pub struct Shortened {
    /// The JSON text of the result for the host.
    pub result: String,
    /// The parts that it names.
    pub parts: Vec<Part>,
}

/// Returns a result that is no larger than the limit; `None` for one that is no object, or that asks the host for something
/// (`input_required`), which must arrive as it is.
pub fn shortened(result: &str, wanted: &Wanted<'_>) -> Option<Shortened> {
    let mut object = Object::read(result)?;
    let kind = object.get("resultType").and_then(string);
    if kind.is_some_and(|kind| kind != "complete") {
        return None;
    }
    let mut writer = Shortener::new(result.len(), *wanted);
    writer.others(&mut object);
    match wanted.shape {
        Shape::Call => writer.call(&mut object),
        Shape::Prompt => writer.prompt(&mut object),
        Shape::Resource => writer.resource(&mut object),
    }
    Some(Shortened {
        result: object.text(),
        parts: writer.parts,
    })
}

struct Shortener<'a> {
    wanted: Wanted<'a>,
    /// The bytes of the whole result.
    size: usize,
    room: Room,
    parts: Vec<Part>,
    /// The names of members, and the numbers of elements, that are left out.
    left_out: Vec<String>,
    others_left_out: usize,
}

/// The things that the note names one by one.
const MAX_NAMED: usize = 5;

impl<'a> Shortener<'a> {
    fn new(size: usize, wanted: Wanted<'a>) -> Self {
        let mut writer = Self {
            wanted,
            size,
            room: Room::new(wanted.limit),
            parts: Vec::new(),
            left_out: Vec::new(),
            others_left_out: 0,
        };
        // The note, with the longest list of what it names, and the names of the members around it.
        let note = Head::whole(&writer.note()).len() + MAX_NAMED * 40 + 250;
        writer.room.take(note);
        writer
    }

    fn uri(&self, name: &str) -> Option<String> {
        match self.wanted.kept {
            Kept::At { id, .. } => Some(format!("{SCHEME}{id}/{name}")),
            Kept::Nowhere(_) => None,
        }
    }

    /// The URI and the file of a part, as one names them to a reader.
    fn ways(&self, name: &str, offset: usize) -> String {
        match self.wanted.kept {
            Kept::At { id, directory } => {
                let at = match offset {
                    0 => String::new(),
                    offset => format!("?offset={offset}"),
                };
                let separator = std::path::MAIN_SEPARATOR;
                format!(
                    "resources/read {SCHEME}{id}/{name}{at} or the file {directory}{separator}{name}"
                )
            }
            Kept::Nowhere(_) => "it could not be kept, and is lost".into(),
        }
    }

    fn leave_out(&mut self, name: &str) {
        match self.left_out.len() < MAX_NAMED {
            true => self.left_out.push(name.chars().take(32).collect()),
            false => self.others_left_out += 1,
        }
    }

    /// The last words: how large the result is, what is missing, how the rest is read.
    fn note(&self) -> String {
        let Self { size, wanted, .. } = self;
        let mut note = format!(
            "[mcpipe: this result has {size} bytes, and {} are allowed at once ({}).",
            wanted.limit, wanted.rule
        );
        if !self.left_out.is_empty() {
            note.push_str(" Left out: ");
            note.push_str(&self.left_out.join(", "));
            if self.others_left_out > 0 {
                note.push_str(&format!(" and {} more", self.others_left_out));
            }
            note.push('.');
        }
        match wanted.kept {
            Kept::At { .. } => note.push_str(&format!(
                " All of it, as JSON: {}. A page of a resource ends with the URI of the next one.]",
                self.ways(WHOLE, 0)
            )),
            Kept::Nowhere(reason) => note.push_str(&format!(
                " The rest could not be kept ({reason}) and is lost. Whatever was asked for was done: ask for less rather than for the same again.]"
            )),
        }
        note
    }

    /// Takes room for the members that no rule names, small ones first of all; large ones are left out.
    fn others(&mut self, object: &mut Object) {
        let known: &[&str] = match self.wanted.shape {
            Shape::Call => &["content", "structuredContent", "isError", "resultType"],
            Shape::Prompt => &["messages", "resultType"],
            Shape::Resource => &["contents", "resultType"],
        };
        let most = self.room.left() / 4;
        let names: Vec<String> = object.iter().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            if known.contains(&name.as_str()) {
                continue;
            }
            let length = object.get(&name).map_or(0, str::len) + name.len() + 4;
            if length > most || !self.room.takes(length) {
                object.remove(&name);
                self.leave_out(&name);
            }
        }
    }

    fn call(&mut self, object: &mut Object) {
        if let Some(structured) = object.get("structuredContent") {
            // A text beside it mostly says the same.
            let length = structured.len() + 24;
            if length > self.room.left() / 4 * 3 || !self.room.takes(length) {
                let content = Content::Text(structured.to_owned());
                self.parts.push(Part::new("structured.json", content));
                object.remove("structuredContent");
                let ways = self.ways("structured.json", 0);
                self.left_out.insert(0, "structuredContent".into());
                if self.wanted.may_have_schema {
                    // A client that knows the tool's outputSchema takes a result without it for broken, and shows nothing of
                    // it, unless it is an error (MCP 2025-06-18, server/tools, "Output Schema").
                    object.set("isError", "true");
                    let said = format!(
                        "[mcpipe: the structured content is too large to be passed on: {ways}. The call is marked as an error for this reason only.]"
                    );
                    let block = text_block(&said);
                    if self.room.takes(block.len() + 1) {
                        return self.content(object, vec![block]);
                    }
                }
            }
        }
        self.content(object, Vec::new());
    }

    fn content(&mut self, object: &mut Object, mut blocks: Vec<String>) {
        let content = object.get("content").unwrap_or("[]").to_owned();
        for (at, block) in elements(&content).iter().enumerate() {
            match self.block(block, at) {
                Some(block) => blocks.push(block),
                None => self.leave_out(&format!("content {at}")),
            }
        }
        blocks.push(text_block(&self.note()));
        object.set("content", format!("[{}]", blocks.join(",")));
    }

    /// Returns a content block, shorter where it does not fit; `None` where there is no room for anything of it.
    fn block(&mut self, raw: &str, at: usize) -> Option<String> {
        if self.room.takes(raw.len() + 1) {
            return Some(raw.to_owned());
        }
        let mut block = Object::read(raw)?;
        let kind = block.get("type").and_then(string)?;
        match kind.as_str() {
            "text" => {
                let text = string(block.get("text")?)?;
                block.set("text", "\"\"");
                let around = block.text().len();
                let said = self.head(text, &format!("{at}.txt"), around)?;
                block.set("text", said);
                Some(block.text())
            }
            "image" | "audio" => {
                let data = string(block.get("data")?)?;
                let media = block.get("mimeType").and_then(string).unwrap_or_default();
                self.link(&kind, &data, &media, at)
            }
            "resource" => {
                let resource = block.object("resource")?;
                let media = resource
                    .get("mimeType")
                    .and_then(string)
                    .unwrap_or_default();
                if let Some(data) = resource.get("blob").and_then(string) {
                    return self.link("resource", &data, &media, at);
                }
                // Under its own URI it would be taken for the whole resource.
                let text = string(resource.get("text")?)?;
                let around = text_block("").len();
                let said = self.head(text, &format!("{at}.txt"), around)?;
                Some(format!(r#"{{"type":"text","text":{said}}}"#))
            }
            _ => None,
        }
    }

    /// Returns the beginning of a text with the way to its rest, as a JSON string, and keeps the text.
    fn head(&mut self, text: String, name: &str, around: usize) -> Option<String> {
        let length = text.len();
        let note = |shown: usize| {
            format!(
                "\n[mcpipe: cut after {shown} of {length} bytes; the rest: {}]",
                self.ways(name, shown)
            )
        };
        // The longest note is the one with the largest number.
        let reserved = Head::whole(&note(length)).len() + around + 1;
        let room = self.room.left().checked_sub(reserved)?;
        let head = Head::of(&text, room);
        let said = Head::whole(&format!("{}{}", head.text, note(head.text.len())));
        let taken = said.len() + around + 1;
        self.room.take(taken);
        self.parts.push(Part::new(name, Content::Text(text)));
        Some(said)
    }

    /// Returns a link to bytes, and keeps them. Bytes that are not encoded as they should be are in the whole result only.
    fn link(&mut self, kind: &str, data: &str, media: &str, at: usize) -> Option<String> {
        let bytes = base64_text::decoded(data)?;
        let size = bytes.len();
        let name = format!("{at}.{}", part::extension(media));
        let media: String = media.chars().take(100).collect();
        let said = format!(
            "{kind} of {size} bytes{}, too large to be passed on: {}",
            match media.as_str() {
                "" => String::new(),
                media => format!(" ({media})"),
            },
            self.ways(&name, 0)
        );
        let block = match self.uri(&name).filter(|_| self.wanted.has_links) {
            Some(uri) => {
                let mut link = Object::default();
                link.set("type", "\"resource_link\"");
                let media = Some(media).filter(|media| !media.is_empty());
                let texts = [
                    ("uri", Some(uri)),
                    ("name", Some(name.clone())),
                    ("description", Some(said)),
                    ("mimeType", media),
                ];
                for (member, text) in texts {
                    if let Some(text) = text {
                        link.set(member, Value::from(text).to_string());
                    }
                }
                link.set("size", size.to_string());
                link.text()
            }
            None => text_block(&format!("[mcpipe: {said}]")),
        };
        self.room.takes(block.len() + 1).then(|| {
            self.parts.push(Part::new(name, Content::Bytes(bytes)));
            block
        })
    }

    fn prompt(&mut self, object: &mut Object) {
        let messages = object.get("messages").unwrap_or("[]").to_owned();
        let mut kept = Vec::new();
        for (at, raw) in elements(&messages).iter().enumerate() {
            let message = match self.room.takes(raw.len() + 1) {
                true => Some((*raw).to_owned()),
                false => self.message(raw, at),
            };
            match message {
                Some(message) => kept.push(message),
                None => self.leave_out(&format!("message {at}")),
            }
        }
        let note = text_block(&self.note());
        kept.push(format!(r#"{{"role":"user","content":{note}}}"#));
        object.set("messages", format!("[{}]", kept.join(",")));
    }

    fn message(&mut self, raw: &str, at: usize) -> Option<String> {
        let mut message = Object::read(raw)?;
        let content = message.get("content")?.to_owned();
        message.set("content", "0");
        let around = message.text().len();
        if !self.room.takes(around) {
            return None;
        }
        let block = self.block(&content, at)?;
        message.set("content", block);
        Some(message.text())
    }

    fn resource(&mut self, object: &mut Object) {
        let contents = object.get("contents").unwrap_or("[]").to_owned();
        let mut kept = Vec::new();
        let mut uri = None;
        for (at, raw) in elements(&contents).iter().enumerate() {
            let content = match self.room.takes(raw.len() + 1) {
                true => Some((*raw).to_owned()),
                false => self.resource_content(raw, at),
            };
            let of = Object::read(raw).and_then(|it| it.get("uri").and_then(string));
            uri = uri.or(of);
            match content {
                Some(content) => kept.push(content),
                None => self.leave_out(&format!("content {at}")),
            }
        }
        let uri = self.uri(WHOLE).or(uri).unwrap_or_default();
        let note = json!({ "uri": uri, "mimeType": "text/plain", "text": self.note() });
        kept.push(note.to_string());
        object.set("contents", format!("[{}]", kept.join(",")));
    }

    fn resource_content(&mut self, raw: &str, at: usize) -> Option<String> {
        let mut content = Object::read(raw)?;
        if let Some(text) = content.get("text").and_then(string) {
            content.set("text", "\"\"");
            let around = content.text().len();
            let said = self.head(text, &format!("{at}.txt"), around)?;
            content.set("text", said);
            return Some(content.text());
        }
        let data = content.get("blob").and_then(string)?;
        let bytes = base64_text::decoded(&data)?;
        let media = content.get("mimeType").and_then(string).unwrap_or_default();
        let name = format!("{at}.{}", part::extension(&media));
        content.remove("blob");
        content.set("mimeType", "\"text/plain\"");
        let said = format!(
            "[mcpipe: a blob of {} bytes, too large to be passed on: {}]",
            bytes.len(),
            self.ways(&name, 0)
        );
        content.set("text", Value::from(said).to_string());
        let content = content.text();
        self.room.takes(content.len() + 1).then(|| {
            self.parts.push(Part::new(name, Content::Bytes(bytes)));
            content
        })
    }
}

fn text_block(text: &str) -> String {
    json!({ "type": "text", "text": text }).to_string()
}

/// The texts of the elements of an array; none of anything else.
fn elements(array: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).unwrap_or_default();
    elements.into_iter().map(RawValue::get).collect()
}

#[cfg(test)]
mod tests;
