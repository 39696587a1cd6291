//! The rules about single texts of a definition.

use super::encoded;
use super::finding::{Finding, Server, Subject, about, excerpt, member, name};
use super::fold::{self, Script, Word, words};
use super::names::{self, is_distinctive, named};
use super::phrases;
use super::rules::{Code, Severity};
use super::secrets;
use crate::frame::{member_of, string};
use crate::policy::json_strings::{self, Found, Step};
use crate::policy::sanitize::{Unwanted, unwanted};

/// Tags, and other marks that set a text apart for a model.
const TAGS: [&str; 22] = [
    "<important",
    "<system",
    "<|im_start|>",
    "<|system",
    "[inst]",
    "<<sys>>",
    "<secret",
    "<hidden",
    "<instruction",
    "<admin",
    "<override",
    "[system]",
    "[system message]",
    "<assistant>",
    "<user>",
    "<!--",
    "<critical",
    "<prompt>",
    "<s>[",
    "### system",
    "### instruction",
    "</tool",
];

/// Files and addresses that hold credentials.
const CREDENTIALS: [&str; 26] = [
    "~/.ssh",
    ".ssh/",
    "id_rsa",
    "id_ed25519",
    ".aws/credentials",
    "/etc/passwd",
    "/etc/shadow",
    ".cursor/mcp.json",
    "claude_desktop_config.json",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".kube/config",
    ".docker/config.json",
    "authorized_keys",
    ".gnupg",
    "wallet.dat",
    "login.keychain",
    ".bash_history",
    ".zsh_history",
    ".config/gcloud",
    "169.254.169.254",
    "metadata.google.internal",
    "/proc/self/environ",
    ".mcp.json",
];

/// The longest description that is not remarked on, in characters.
const LONG: usize = 8000;

/// White space in a row that no layout needs: spaces, and line ends.
const SPACES: usize = 120;
const LINES: usize = 15;

/// The tools of the user's other servers.
pub(super) struct Foreign<'a> {
    own: &'a [String],
    /// The server, the name and the words of the description of each tool.
    tools: Vec<(&'a str, String, Vec<Word>)>,
}

impl<'a> Foreign<'a> {
    pub(super) fn new(own: &'a [String], others: &[Server<'a>]) -> Self {
        let mut tools = Vec::new();
        for other in others {
            for tool in &other.tools {
                let description = member_of(tool, "description").and_then(string);
                let words = words(&description.unwrap_or_default());
                tools.extend(name(tool).map(|name| (other.name, name, words)));
            }
        }
        Self { own, tools }
    }

    /// Finds a tool that passes for one of another server: its name, and most of its words.
    pub(super) fn same(&self, subject: &Subject, name: &str, tool: &str, found: &mut Vec<Finding>) {
        const ALIKE: usize = 60;
        let description = member_of(tool, "description").and_then(string);
        let own = words(&description.unwrap_or_default());
        let same = self.tools.iter().find(|(_, other, words)| {
            other == name && !own.is_empty() && names::likeness(&own, words) >= ALIKE
        });
        if let Some((server, ..)) = same {
            let seen = format!("{server} has a tool of this name that says much the same");
            found.push(about(Code::SameTool, subject, seen));
        }
    }

    /// Finds the name of another server's tool in a text.
    fn named(&self, text: &str) -> Option<(usize, usize, &'a str)> {
        self.tools.iter().find_map(|(server, name, _)| {
            let is_own = self.own.contains(name);
            let at = named(text, name).filter(|_| !is_own && is_distinctive(name))?;
            Some((at, at + name.len(), *server))
        })
    }
}

/// Finds a tool in the form in which hosts name those of all servers to a model: `mcp__github__create_issue`.
fn qualified(text: &str) -> Option<(usize, usize)> {
    text.match_indices("mcp__").find_map(|(at, before)| {
        let rest = text.get(at + before.len()..)?;
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (server, tool) = rest.get(..length)?.split_once("__")?;
        (!server.is_empty() && !tool.is_empty()).then_some((at, at + before.len() + length))
    })
}

/// One text, and the findings about it.
struct Text<'a> {
    subject: &'a Subject,
    path: &'a [Step<'a>],
    text: &'a str,
    found: &'a mut Vec<Finding>,
}

impl Text<'_> {
    fn add(&mut self, code: Code, severity: Severity, at: usize, seen: String) {
        self.found.push(Finding {
            code,
            severity,
            subject: self.subject.clone(),
            member: member(self.path),
            offset: at,
            seen,
        });
    }

    fn report(&mut self, code: Code, at: usize, seen: String) {
        self.add(code, code.rule().severity, at, seen);
    }
}

/// Scans all texts of a definition, names of members included.
pub(super) fn scan(
    subject: &Subject,
    definition: &str,
    foreign: &Foreign<'_>,
    found: &mut Vec<Finding>,
) {
    json_strings::each(definition, |string| {
        let is_of_host = [Step::Member("_meta"), Step::Member("icons")];
        if string
            .path
            .first()
            .is_some_and(|step| is_of_host.contains(step))
        {
            return;
        }
        let (read, has_lone_surrogate) = json_strings::read(string.written);
        let mut text = Text {
            subject,
            path: string.path,
            text: &read,
            found,
        };
        if has_lone_surrogate {
            text.report(Code::HiddenText, 0, "half a surrogate pair".to_owned());
        }
        characters(&mut text);
        if string.is_name {
            return;
        }
        sentences(&mut text);
        encodings(&mut text);
        secret(&mut text, string);
        layout(&mut text, string);
        if let Some((at, end, server)) = foreign.named(&read) {
            let seen = format!("{}, a tool of {server}", excerpt(&read, at, end));
            text.report(Code::OtherTool, at, seen);
        } else if let Some((at, end)) = qualified(&read) {
            let seen = format!("{}, as hosts name a tool", excerpt(&read, at, end));
            text.report(Code::OtherTool, at, seen);
        }
    });
}

/// Characters that hide or disguise, once for each rule.
fn characters(text: &mut Text<'_>) {
    let all = text.text;
    let mut seen: Vec<Code> = Vec::new();
    for odd in unwanted(all, true) {
        let code = match odd.kind {
            Unwanted::Control | Unwanted::TerminalSequence => Code::Control,
            Unwanted::Direction => Code::Direction,
            Unwanted::Invisible => Code::Invisible,
            Unwanted::HiddenText | Unwanted::LoneSurrogate => Code::HiddenText,
        };
        if seen.contains(&code) {
            continue;
        }
        seen.push(code);
        let hidden = hidden_text(all);
        let what = match code == Code::HiddenText && !hidden.is_empty() {
            true => format!("hidden text: {}", excerpt(&hidden, 0, hidden.len())),
            false => format!("{odd} near {}", around(all, odd.at)),
        };
        text.report(code, odd.at, what);
    }
    let is_private = |c: char| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}');
    if let Some((at, c)) = all.char_indices().find(|(_, c)| is_private(*c)) {
        let seen = format!("U+{:04X} near {}", u32::from(c), around(all, at));
        text.report(Code::PrivateUse, at, seen);
    }
    if let Some((at, end)) = mixed(all) {
        text.report(Code::MixedScripts, at, excerpt(all, at, end));
    }
}

/// The text that tag characters spell, and that variation selectors can: one for each byte.
fn hidden_text(text: &str) -> String {
    let letters = text.chars().filter_map(|c| match u32::from(c) {
        number @ 0xe0020..=0xe007e => char::from_u32(number - 0xe0000),
        number @ 0xfe00..=0xfe0f => char::from_u32(number - 0xfe00),
        number @ 0xe0100..=0xe01ef => char::from_u32(number - 0xe0100 + 16),
        _ => None,
    });
    let text: String = letters.collect();
    match text
        .chars()
        .all(|c| c.is_ascii_graphic() || c.is_ascii_whitespace())
    {
        true => text,
        false => String::new(),
    }
}

/// The words around a place of which nothing is to be seen.
fn around(text: &str, at: usize) -> String {
    const NEAR: usize = 20;
    let start = text
        .get(..at)
        .and_then(|before| before.char_indices().rev().nth(NEAR));
    let end = text
        .get(at..)
        .and_then(|after| after.char_indices().nth(NEAR));
    excerpt(
        text,
        start.map_or(0, |(start, _)| start),
        end.map_or(text.len(), |(end, _)| at + end),
    )
}

/// A word of Latin letters and letters of another script that look like such. Formulas and units have one of them at an end.
fn mixed(text: &str) -> Option<(usize, usize)> {
    let mut start = 0;
    for part in text.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let word = part.trim_end_matches(|c: char| !c.is_alphanumeric());
        let scripts = word.chars().filter_map(fold::script);
        let has_latin = scripts.clone().any(|script| script == Script::Latin);
        let has_like = |c: char| {
            fold::script(c).is_some_and(|script| script != Script::Latin)
                && fold::folded(c).is_ascii()
        };
        if has_latin && word.chars().count() > 2 && word.chars().any(has_like) {
            return Some((start, start + word.len()));
        }
        start += part.len();
    }
    None
}

fn sentences(text: &mut Text<'_>) {
    let all = text.text;
    let found = phrases::matches(&words(all));
    for phrase in found {
        let severity = match phrase.is_mention {
            true => Severity::Note,
            false => phrase.code.rule().severity,
        };
        text.add(
            phrase.code,
            severity,
            phrase.at,
            excerpt(all, phrase.at, phrase.end),
        );
    }
    // A letter of ASCII in small is as long as it was.
    let small = all.to_ascii_lowercase();
    if let Some((at, tag)) = TAGS
        .iter()
        .filter_map(|tag| Some((small.find(tag)?, tag)))
        .min()
    {
        text.report(Code::Tag, at, excerpt(all, at, at + tag.len() + 40));
    }
    let named = CREDENTIALS
        .iter()
        .filter_map(|file| Some((small.find(file)?, file.len())));
    let dot_env = [" .env", "`.env", "'.env", "/.env"]
        .iter()
        .filter_map(|sign| {
            let at = small.find(sign)?;
            let next = small.get(at + 5..).and_then(|rest| rest.chars().next());
            (!next.is_some_and(char::is_alphanumeric)).then_some((at + 1, 4))
        });
    if let Some((at, length)) = named.chain(dot_env).min() {
        text.report(Code::CredentialFile, at, excerpt(all, at, at + length));
    }
}

fn encodings(text: &mut Text<'_>) {
    let all = text.text;
    for run in encoded::runs(all) {
        let is_order = !phrases::matches(&words(&run.text)).is_empty();
        let severity = match is_order || encoded::is_command(&run.text) {
            true => Severity::Error,
            false => Severity::Note,
        };
        let seen = format!(
            "{} for {}",
            run.encoding,
            excerpt(&run.text, 0, run.text.len())
        );
        text.add(Code::Encoded, severity, run.at, seen);
    }
    if let Some(at) = encoded::data_url(all) {
        text.report(Code::DataUrl, at, excerpt(all, at, at + 60));
    }
}

/// Finds secrets anywhere by their looks, and in defaults and examples by the name of the property.
fn secret(text: &mut Text<'_>, string: &Found<'_>) {
    let mut at = secrets::token(text.text);
    let member = |step: &Step<'_>| match step {
        Step::Member(name) => Some(json_strings::read(&format!("\"{name}\"")).0.into_owned()),
        Step::Element(_) => None,
    };
    let names: Vec<String> = string.path.iter().filter_map(member).collect();
    let is_value = |name: &String| {
        ["default", "const", "examples", "example", "enum"].contains(&name.as_str())
    };
    if let Some(place) = names.iter().rposition(is_value) {
        // The property itself, and members of a default that is an object.
        let owners = names.get(place.saturating_sub(1)..).unwrap_or_default();
        if owners
            .iter()
            .any(|name| secrets::is_value_of_secret(name, text.text))
        {
            at = at.or(Some(0));
        }
    }
    if let Some(at) = at {
        // The secret is not repeated in reports.
        let shown: String = text
            .text
            .get(at..)
            .unwrap_or_default()
            .chars()
            .take(6)
            .collect();
        text.report(
            Code::Secret,
            at,
            format!("\"{}…\"", crate::policy::sanitize::visible(&shown)),
        );
    }
}

fn layout(text: &mut Text<'_>, string: &Found<'_>) {
    let all = text.text;
    let count = all.chars().count();
    if count > LONG && matches!(string.path.last(), Some(Step::Member("description")) | None) {
        text.report(Code::Long, 0, format!("{count} characters"));
    }
    let mut at = 0;
    for part in all.split_inclusive(|c: char| !c.is_whitespace()) {
        let blank = part.trim_end_matches(|c: char| !c.is_whitespace());
        let lines = blank.matches('\n').count();
        let is_inside = at > 0 && at + blank.len() < all.trim_end().len();
        if is_inside && (lines >= LINES || blank.chars().count() - lines >= SPACES) {
            let seen = format!(
                "{} white space characters before {}",
                blank.chars().count(),
                around(all, at + blank.len())
            );
            return text.report(Code::Padding, at, seen);
        }
        at += part.len();
    }
}
