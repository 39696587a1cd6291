//! The habits of a text, and values written in them.

use jsonc_parser::ast::Value as Node;
use jsonc_parser::common::Ranged as _;
use serde_json::{Map, Value};

use super::super::entry::ordered;
use super::super::lines::{begins_line, indentation, is_blank, newline, part};
use super::tree::container;

/// The longest list that is put on one line where the text has no lists to follow.
const LONGEST_LIST: usize = 100;

/// The habits of a text.
pub(super) struct Style<'t> {
    pub(super) newline: &'static str,
    /// The indentation of one level.
    pub(super) unit: &'t str,
    /// The colon and the blanks around it.
    colon: &'t str,
    /// The blanks inside of the braces of an object on one line.
    pub(super) padding: &'t str,
    /// The form of lists, if the text has any.
    has_lists_on_lines: Option<bool>,
    /// True if the whole text stands on one line.
    pub(super) is_one_line: bool,
}

impl<'t> Style<'t> {
    /// Returns the habits of a new text.
    pub(super) fn new(newline: &'static str) -> Self {
        Self {
            newline,
            unit: "  ",
            colon: ": ",
            padding: "",
            has_lists_on_lines: None,
            is_one_line: false,
        }
    }

    /// Reads the habits of a text: of these nodes, in this order, and then of all others.
    pub(super) fn of<'n>(
        text: &'t str,
        root: &'n Node<'n>,
        nearest: impl Iterator<Item = &'n Node<'n>>,
    ) -> Self {
        let mut nodes: Vec<_> = nearest.collect();
        all(root, &mut nodes);
        let at = nodes.first().map_or(0, |node| node.start());
        let is_one_line = !part(text, root.start()..root.end()).contains('\n')
            && container(root).is_some_and(|root| !root.children.is_empty());
        let default = Self::new(newline(text, at));
        let lists = nodes.iter().filter_map(|node| on_lines(text, node));
        let (on_lines, in_line): (Vec<_>, Vec<_>) = lists.partition(|on_lines| *on_lines);
        let lists = match on_lines.len() + in_line.len() {
            0 => None,
            _ => Some(on_lines.len() > in_line.len()),
        };
        let first = |read: &dyn Fn(&'t str, &Node<'_>) -> Option<&'t str>| {
            nodes.iter().find_map(|node| read(text, node))
        };
        Self {
            unit: first(&unit).unwrap_or(default.unit),
            colon: first(&colon).unwrap_or(default.colon),
            padding: first(&padding).unwrap_or(default.padding),
            has_lists_on_lines: lists,
            is_one_line,
            ..default
        }
    }

    /// Returns what follows a comma on one line.
    pub(super) fn blank_after_comma(&self) -> &'static str {
        if self.colon.ends_with(':') { "" } else { " " }
    }

    /// Returns a member: on lines with this indentation, or on one line.
    pub(super) fn member(&self, name: &str, value: &Value, indent: Option<&str>) -> String {
        let name = Value::from(name);
        format!("{name}{}{}", self.colon, self.written(value, indent))
    }

    /// Returns a value whose first line has this indentation, or one on one line.
    pub(super) fn written(&self, value: &Value, indent: Option<&str>) -> String {
        match (value, indent) {
            (Value::Object(members), _) if members.is_empty() => "{}".to_owned(),
            (Value::Object(members), Some(indent)) => self.object(members, indent),
            (Value::Object(members), None) => {
                let members = ordered(members).into_iter();
                let members = members.map(|(name, value)| self.member(name, value, None));
                format!("{{{0}{1}{0}}}", self.padding, self.listed(members))
            }
            (Value::Array(items), Some(indent)) => {
                let in_line = self.written(value, None);
                let has_objects = items.iter().any(Value::is_object);
                let on_lines = self
                    .has_lists_on_lines
                    .unwrap_or(in_line.len() > LONGEST_LIST);
                match !items.is_empty() && (has_objects || on_lines) {
                    true => self.list(items, indent),
                    false => in_line,
                }
            }
            (Value::Array(items), None) => {
                let items = items.iter().map(|item| self.written(item, None));
                format!("[{}]", self.listed(items))
            }
            _ => value.to_string(),
        }
    }

    fn listed(&self, parts: impl Iterator<Item = String>) -> String {
        let separator = format!(",{}", self.blank_after_comma());
        parts.collect::<Vec<_>>().join(&separator)
    }

    fn object(&self, members: &Map<String, Value>, indent: &str) -> String {
        let inner = format!("{indent}{}", self.unit);
        let members = ordered(members).into_iter();
        let members = members.map(|(name, value)| self.member(name, value, Some(&inner)));
        self.lines(('{', '}'), members, indent)
    }

    /// Returns a list with its elements on lines of their own.
    pub(super) fn list(&self, items: &[Value], indent: &str) -> String {
        let inner = format!("{indent}{}", self.unit);
        let items = items.iter().map(|item| self.written(item, Some(&inner)));
        self.lines(('[', ']'), items, indent)
    }

    fn lines(
        &self,
        (open, close): (char, char),
        parts: impl Iterator<Item = String>,
        indent: &str,
    ) -> String {
        let (end, unit) = (self.newline, self.unit);
        let parts: Vec<_> = parts.map(|it| format!("{end}{indent}{unit}{it}")).collect();
        format!("{open}{}{end}{indent}{close}", parts.join(","))
    }
}

/// Collects all nodes, outer ones first.
fn all<'n>(node: &'n Node<'n>, into: &mut Vec<&'n Node<'n>>) {
    into.push(node);
    match node {
        Node::Object(object) => object.properties.iter().for_each(|it| all(&it.value, into)),
        Node::Array(list) => list.elements.iter().for_each(|it| all(it, into)),
        _ => {}
    }
}

/// The indentation that the members of this object have beyond its own.
fn unit<'t>(text: &'t str, node: &Node<'_>) -> Option<&'t str> {
    let Node::Object(object) = node else {
        return None;
    };
    let first = object.properties.first()?.range.start;
    if !begins_line(text, first) {
        return None;
    }
    let own = indentation(text, node.start());
    let unit = indentation(text, first).strip_prefix(own)?;
    (!unit.is_empty()).then_some(unit)
}

fn colon<'t>(text: &'t str, node: &Node<'_>) -> Option<&'t str> {
    let Node::Object(object) = node else {
        return None;
    };
    let last = object.properties.last()?;
    let name = match &last.name {
        jsonc_parser::ast::ObjectPropName::String(name) => name.range.end,
        jsonc_parser::ast::ObjectPropName::Word(name) => name.range.end,
    };
    let colon = part(text, name..last.value.start());
    let is_plain = colon.chars().all(|c| matches!(c, ':' | ' '));
    is_plain.then_some(colon)
}

/// The blanks after the opening brace of an object on one line.
fn padding<'t>(text: &'t str, node: &Node<'_>) -> Option<&'t str> {
    let Node::Object(object) = node else {
        return None;
    };
    let found = container(node)?;
    let blanks = part(text, found.open + 1..object.properties.first()?.range.start);
    let is_one = !part(text, found.open..found.close).contains('\n');
    (is_one && is_blank(blanks)).then_some(blanks)
}

/// Says whether a list that is not empty has its elements on lines of their own.
fn on_lines(text: &str, node: &Node<'_>) -> Option<bool> {
    let Node::Array(list) = node else {
        return None;
    };
    (!list.elements.is_empty()).then(|| part(text, node.start()..node.end()).contains('\n'))
}
