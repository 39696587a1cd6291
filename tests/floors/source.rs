//! The files of `src`, taken apart: code without comments, literals and tests, and the comments.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) struct Comment {
    /// Counted from 1.
    pub(super) line: usize,
    /// With the slashes.
    pub(super) text: String,
}

pub(super) struct Source {
    /// `era/legacy/mod` for `src/era/legacy/mod.rs`.
    pub(super) name: String,
    /// Without comments and without the content of literals.
    pub(super) code: String,
    /// [`Self::code`] without the items under `#[cfg(test)]`; empty in a file of tests.
    pub(super) production: String,
    pub(super) comments: Vec<Comment>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let (code, comments) = without_comments(text);
        let production = without_tests(&code);
        Self {
            name: name.to_owned(),
            code,
            production,
            comments,
        }
    }

    /// The module's path: `era/legacy` for `era/legacy/mod`, empty for `lib` and `main`.
    pub(super) fn module(&self) -> Vec<String> {
        let path = match self.name.as_str() {
            "lib" | "main" => "",
            name => name.strip_suffix("/mod").unwrap_or(name),
        };
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }

    /// The first line and the text of each doc comment.
    pub(super) fn doc_comments(&self) -> Vec<(usize, String)> {
        let mut found: Vec<(usize, String)> = Vec::new();
        let mut last = (0, "");
        for comment in &self.comments {
            let text = &comment.text;
            let kind = match text {
                text if text.starts_with("////") => continue,
                text if text.starts_with("///") => "///",
                text if text.starts_with("//!") => "//!",
                _ => continue,
            };
            let text = text[kind.len()..].trim();
            match found.last_mut() {
                Some((_, whole)) if last == (comment.line - 1, kind) => {
                    whole.push(' ');
                    whole.push_str(text);
                }
                _ => found.push((comment.line, text.to_owned())),
            }
            last = (comment.line, kind);
        }
        found
    }
}

/// All files of `src`.
pub(super) fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().with_extension("");
                let name = name.to_str().unwrap().replace('\\', "/");
                found.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    mark_tests(&mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Empties the production code of files that are modules under `#[cfg(test)]`, and of the files below them.
fn mark_tests(sources: &mut [Source]) {
    let mut tests = BTreeSet::new();
    for source in sources.iter() {
        let folder = source.module().join("/");
        for (at, _) in source.code.match_indices("#[cfg(test)]") {
            if let Some(name) = declared(&source.code[at + "#[cfg(test)]".len()..]) {
                let name = if folder.is_empty() {
                    name
                } else {
                    format!("{folder}/{name}")
                };
                tests.insert(name);
            }
        }
    }
    for source in sources {
        // `tests/…` and `x_tests` are named so everywhere, whatever declares them.
        let covers = |test: &String| {
            source.name == *test
                || source
                    .name
                    .strip_prefix(test)
                    .is_some_and(|rest| rest.starts_with('/'))
        };
        if tests.iter().any(covers) || source.name.ends_with("_tests") {
            source.production.clear();
        }
    }
}

/// The name in `mod name;`, when that follows, behind attributes.
fn declared(code: &str) -> Option<String> {
    let mut code = code.trim_start();
    while code.starts_with("#[") {
        code = code.split_once(']')?.1.trim_start();
    }
    let code = code.strip_prefix("pub ").unwrap_or(code);
    let name = code.strip_prefix("mod ")?.split_once(';')?.0.trim();
    name.chars()
        .all(|c| c.is_alphanumeric() || c == '_')
        .then(|| name.to_owned())
}

/// The text with a space for each character of comments and literals, and the comments.
fn without_comments(text: &str) -> (String, Vec<Comment>) {
    let chars: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::with_capacity(text.len()), Vec::new());
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let end = match piece(&chars, at) {
            Piece::Code => at + 1,
            Piece::Comment(end) => {
                let text = chars[at..end].iter().collect();
                comments.push(Comment { line, text });
                end
            }
            Piece::Literal(end) => end,
        };
        let is_code = end == at + 1;
        for c in &chars[at..end] {
            line += usize::from(*c == '\n');
            code.push(if is_code || *c == '\n' { *c } else { ' ' });
        }
        at = end;
    }
    (code, comments)
}

enum Piece {
    Code,
    Comment(usize),
    Literal(usize),
}

/// The piece that begins at a character; its end, unless it is code.
fn piece(chars: &[char], at: usize) -> Piece {
    let is = |offset: usize, c: char| chars.get(at + offset) == Some(&c);
    let is_in_word = at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
    let find = |from: usize, wanted: &[char]| {
        let found = chars[from.min(chars.len())..]
            .windows(wanted.len())
            .position(|window| window == wanted);
        found.map_or(chars.len(), |position| from + position)
    };
    match chars[at] {
        '/' if is(1, '/') => Piece::Comment(find(at, &['\n'])),
        '/' if is(1, '*') => Piece::Comment((find(at + 2, &['*', '/']) + 2).min(chars.len())),
        'r' if !is_in_word || chars[at - 1] == 'b' => {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if chars.get(at + 1 + hashes) != Some(&'"') {
                return Piece::Code;
            }
            let close: Vec<char> = std::iter::once('"')
                .chain(std::iter::repeat_n('#', hashes))
                .collect();
            Piece::Literal(find(at + 2 + hashes, &close) + close.len())
        }
        '"' => Piece::Literal(closing(chars, at, '"')),
        // A lifetime has no second quote.
        '\'' if is(1, '\\') || is(2, '\'') => Piece::Literal(closing(chars, at, '\'')),
        _ => Piece::Code,
    }
}

/// Behind the quote that closes the one at `at`.
fn closing(chars: &[char], at: usize, quote: char) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// The code with a space for each character of an item under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut left = String::with_capacity(code.len());
    let mut rest = code;
    while let Some((before, item)) = rest.split_once(ATTRIBUTE) {
        left.push_str(before);
        let end = item_end(item);
        let blank = item[..end].chars().map(|c| if c == '\n' { c } else { ' ' });
        left.extend(blank);
        rest = &item[end..];
    }
    left.push_str(rest);
    left
}

/// Behind the item that a text begins with: a `;`, or the brace that closes it.
fn item_end(code: &str) -> usize {
    let is_use = code.trim_start().starts_with("use ");
    let (mut braces, mut others) = (0, 0);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => others += 1,
            ')' | ']' => others -= 1,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && others == 0 && !is_use {
                    return at + 1;
                }
            }
            ';' | ',' if braces == 0 && others == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn a_file_is_taken_apart() {
    let text = "//! First\n//! second.\nuse a::B; // not `C`\nlet s = \"crate::d // no\";\n\
        let c = '\"'; fn f<'a>(x: &'a str) {}\n#[cfg(test)]\nuse e::{F, G};\nlet r = r#\"h\"i\"#;\n\
        #[cfg(test)]\nmod tests {\n    use j::K;\n}\n/// Third.\nstruct L;\n";
    let source = Source::new("m/mod", text);
    let words = |code: &str| {
        let words = code.split(|c: char| !c.is_alphanumeric());
        words
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let production = "use a B let s let c fn f a x a str let struct L";
    assert_eq!(
        words(&source.production),
        production.replace("let struct", "let r struct")
    );
    assert!(words(&source.code).contains("mod tests use j K"));
    let docs = source.doc_comments();
    assert_eq!(
        docs,
        [(1, "First second.".to_owned()), (13, "Third.".to_owned())]
    );
    assert_eq!(source.module(), ["m"]);
}
