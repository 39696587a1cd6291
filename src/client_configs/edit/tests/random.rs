//! Random choices, and documents made by them.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Numbers to choose by; 0 when used up.
#[derive(Debug, Default)]
pub(super) struct Choices {
    numbers: Vec<u8>,
    at: usize,
}

impl Choices {
    pub(super) fn next(&mut self, below: usize) -> usize {
        self.at += 1;
        self.numbers
            .get(self.at - 1)
            .map_or(0, |it| usize::from(*it) % below)
    }

    pub(super) fn of<T: Clone>(&mut self, options: &[T]) -> T {
        let at = self.next(options.len());
        options[at].clone()
    }

    pub(super) fn text(&mut self) -> &'static str {
        self.of(&[
            "a",
            "github",
            "a.b",
            "",
            "é",
            "x\"y",
            "// no",
            "#no",
            "- a",
            "yes",
            "1",
            "a: b",
            "\u{1f600}",
            "l\nm",
            "{",
        ])
    }

    pub(super) fn value(&mut self, depth: usize) -> Value {
        match self.next(if depth == 0 { 4 } else { 7 }) {
            0 => json!(1),
            1 => json!(true),
            2 | 3 => json!(self.text()),
            4 => json!([self.text(), 2.5]),
            5 => json!({}),
            _ => {
                let count = self.next(4);
                let members = (0..count).map(|_| (self.text().to_owned(), self.value(depth - 1)));
                Value::Object(members.collect())
            }
        }
    }
}

pub(super) fn choices() -> impl Strategy<Value = Choices> {
    vec(any::<u8>(), 0..160).prop_map(|numbers| Choices { numbers, at: 0 })
}

/// Texts of pieces that mean something to one format or another.
pub(super) fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "\"a\"",
        "\"b\"",
        ":",
        ",",
        "\n",
        "\r\n",
        " ",
        "  ",
        "\t",
        "//",
        "/*",
        "*/",
        "#",
        "[[",
        "]]",
        "a",
        "b",
        "=",
        "'",
        "\"",
        "1",
        "null",
        "true",
        "- ",
        "|\n",
        ">-\n",
        "&x ",
        "*x",
        "<<: ",
        "---\n",
        "...\n",
        "a:",
        "b: ",
        "name: a",
        "\u{feff}",
        "é",
        "\u{1f600}",
        "mcpServers",
        "\"mcpServers\"",
        ".",
        "\\",
        "!!str ",
        "? ",
        "%YAML 1.2\n",
        "a:\n",
        "  a:\n",
        "  b: 1\n",
        "- name: a\n",
        "[a]\n",
        "[[a]]\n",
        "a = 1\n",
        "a.b = {}\n",
        "{}",
        "\u{85}",
        "\u{2028}",
    ];
    let piece = prop_oneof![
        12 => proptest::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}
