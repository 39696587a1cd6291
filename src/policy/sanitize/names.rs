//! Names that a host is shown in another spelling than the server's.

use std::collections::HashMap;

use super::text::{Form, Tally, escaped_json};
use crate::policy::json_strings::read;
use crate::policy::lists::Kind;

/// The number of names that are kept. A server that lists more under ever new names is forgotten from the start.
const MAX_NAMES: usize = 100_000;

/// The kinds of things that a host asks for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Named {
    Tool,
    Prompt,
    Resource,
}

impl Named {
    pub(super) fn of(kind: Kind) -> Self {
        match kind {
            Kind::Tools => Self::Tool,
            Kind::Prompts => Self::Prompt,
            Kind::Resources | Kind::Templates | Kind::Directory | Kind::Skills => Self::Resource,
        }
    }

    fn form(self) -> Form {
        match self {
            Self::Tool | Self::Prompt => Form::Name,
            Self::Resource => Form::Address,
        }
    }

    /// Says whether a name could be that of another one after it is escaped.
    fn looks_escaped(self, name: &str) -> bool {
        match self {
            Self::Resource => name.contains('%'),
            Self::Tool | Self::Prompt => name.match_indices("_u").any(|(at, _)| {
                let rest = name.get(at + 2..).unwrap_or_default();
                let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
                digits >= 4 && rest.as_bytes().get(digits) == Some(&b'_')
            }),
        }
    }
}

/// The names of one conversation.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By the name that is shown: the server's, as JSON.
    originals: HashMap<(Named, String), Box<str>>,
    /// By the server's name: the one that is shown.
    shown: HashMap<(Named, String), String>,
    /// The number of names that would have been shown alike.
    alike: HashMap<(Named, String), usize>,
    /// By the server's name: the texts of its schema that are shown otherwise, each with the server's JSON.
    returned: HashMap<(Named, String), HashMap<String, Box<str>>>,
}

impl Names {
    pub(super) fn is_empty(&self) -> bool {
        self.originals.is_empty() && self.returned.is_empty()
    }

    pub(super) fn has_resources(&self) -> bool {
        self.originals
            .keys()
            .any(|(named, _)| *named == Named::Resource)
    }

    /// Returns the name to show for one that a server wrote; `None` where it is the same. Two names of a server are never
    /// shown alike.
    pub(super) fn shown(
        &mut self,
        named: Named,
        written: &str,
        tally: &mut Tally,
    ) -> Option<String> {
        let name = read(written).0;
        let escaped = escaped_json(written, named.form(), tally);
        if escaped.is_none() && !named.looks_escaped(&name) {
            return None;
        }
        let original = (named, name.clone().into_owned());
        if let Some(shown) = self.shown.get(&original) {
            return (*shown != name).then(|| shown.clone());
        }
        if self.originals.len() >= MAX_NAMES {
            *self = Self::default();
        }
        let wanted = escaped.unwrap_or_else(|| name.clone().into_owned());
        let mut shown = wanted.clone();
        while self.originals.contains_key(&(named, shown.clone())) {
            let alike = self.alike.entry((named, wanted.clone())).or_insert(1);
            *alike += 1;
            shown = format!("{wanted}_{alike}");
        }
        self.originals
            .insert((named, shown.clone()), written.into());
        self.shown.insert(original, shown.clone());
        (shown != name).then_some(shown)
    }

    /// Returns the JSON of the server for a name that is shown otherwise.
    pub(super) fn original(&self, named: Named, shown: &str) -> Option<&str> {
        let written = self.originals.get(&(named, shown.to_owned()))?;
        Some(written)
    }

    /// Notes a text of a schema that a host sends back.
    pub(super) fn returns(&mut self, named: Named, name: &str, shown: String, written: String) {
        if self.returned.len() >= MAX_NAMES {
            self.returned.clear();
        }
        let texts = self.returned.entry((named, name.to_owned())).or_default();
        if texts.len() < MAX_NAMES {
            texts.entry(shown).or_insert_with(|| written.into());
        }
    }

    /// Returns the texts of a tool's or prompt's schema that are shown otherwise.
    pub(super) fn returned(&self, named: Named, name: &str) -> Option<&HashMap<String, Box<str>>> {
        self.returned.get(&(named, name.to_owned()))
    }
}

/// Returns a text as a JSON string.
pub(super) fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
