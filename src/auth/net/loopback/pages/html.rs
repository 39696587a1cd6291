//! The layout of a page, and the only way for text into it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The sign beside the heading. The heading says the same in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth::net::loopback) enum Tone {
    /// The sign-in is done.
    Done,
    /// The sign-in goes on, here or elsewhere.
    Wait,
    /// The sign-in has ended without tokens.
    Stop,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Wait => "wait",
            Self::Stop => "stop",
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Done => r#"<path d="M7 12.5l3.5 3.5L17 9"/>"#,
            Self::Wait => r#"<path d="M12 11v6M12 7.2v.1"/>"#,
            Self::Stop => r#"<path d="M8.5 8.5l7 7M15.5 8.5l-7 7"/>"#,
        }
    }
}

/// A page in the making. Each part escapes the text that it is given.
#[derive(Clone, Debug)]
pub(in crate::auth::net::loopback) struct Page {
    tone: Tone,
    heading: String,
    content: String,
}

impl Page {
    pub(super) fn new(tone: Tone, heading: impl Into<String>) -> Self {
        Self {
            tone,
            heading: heading.into(),
            content: String::new(),
        }
    }

    /// Adds a paragraph. Text between two backticks is what can be typed.
    pub(super) fn says(self, text: &str) -> Self {
        self.with(&format!("<p>{}</p>\n", marked(text)))
    }

    /// Adds a paragraph of lesser weight.
    pub(super) fn notes(self, text: &str) -> Self {
        self.with(&format!("<p><small>{}</small></p>\n", marked(text)))
    }

    /// Adds a heading for the paragraphs below.
    pub(super) fn then(self, heading: &str) -> Self {
        self.with(&format!("<h2>{}</h2>\n", escaped(heading)))
    }

    /// Adds a command to be typed.
    pub(super) fn command(self, command: &str) -> Self {
        self.with(&format!("<pre><code>{}</code></pre>\n", escaped(command)))
    }

    /// Adds names with their values, and nothing where there are none.
    pub(super) fn facts(self, facts: &[(&str, String)]) -> Self {
        if facts.is_empty() {
            return self;
        }
        let rows = facts.iter().map(|(name, value)| {
            let (name, value) = (escaped(name), escaped(value));
            format!("<div>\n<dt>{name}</dt>\n<dd>{value}</dd>\n</div>\n")
        });
        let rows: String = rows.collect();
        self.with(&format!("<dl>\n{rows}</dl>\n"))
    }

    /// Adds the words of another party.
    pub(super) fn quotes(self, speaker: &str, words: &str) -> Self {
        let (speaker, words) = (escaped(speaker), escaped(words));
        self.with(&format!(
            "<figure>\n<figcaption>{speaker}</figcaption>\n<blockquote>{words}</blockquote>\n</figure>\n"
        ))
    }

    fn with(mut self, html: &str) -> Self {
        self.content.push_str(html);
        self
    }

    /// Returns the whole document.
    pub(super) fn into_html(self) -> String {
        let heading = escaped(&self.heading);
        filled(LAYOUT, |name| match name {
            "style" => STYLE,
            "tone" => self.tone.class(),
            "sign" => self.tone.sign(),
            "title" | "heading" => &heading,
            "content" => &self.content,
            _ => "",
        })
    }
}

const LAYOUT: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");

/// The policy of all pages (CSP 3): the style of the layout is allowed by its hash, and nothing else is.
pub(super) static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
});

/// Returns the layout with a value in the place of each `{{name}}`. Values are not looked through for further names.
fn filled<'a>(layout: &'a str, value: impl Fn(&str) -> &'a str) -> String {
    let mut page = String::with_capacity(layout.len() + STYLE.len());
    let mut rest = layout;
    while let Some((before, named)) = rest.split_once("{{") {
        let Some((name, after)) = named.split_once("}}") else {
            break;
        };
        page.push_str(before);
        page.push_str(value(name));
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Returns a text as HTML that shows it, in an element or in an attribute.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// Returns a text as HTML, with the text between two backticks as code.
fn marked(text: &str) -> String {
    let parts: Vec<String> = text.split('`').map(escaped).collect();
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let parts = parts.iter().enumerate();
    parts
        .map(|(nth, part)| match nth % 2 {
            0 => part.clone(),
            _ => format!("<code>{part}</code>"),
        })
        .collect()
}
