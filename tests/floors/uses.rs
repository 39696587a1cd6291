//! Which file uses which, and which of them form a circle.
//!
//! A name that a file only passes on (`pub use`, or a `use` that a child reaches through `super::`) is followed to the
//! file that defines it. Passing on is no use, unless the file's own code has the name too. Methods are not followed.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// The segments of a path from the root of the crate.
type Path = Vec<String>;

/// Each file with the files it uses.
pub(super) type Graph = BTreeMap<String, BTreeSet<String>>;

struct File<'a> {
    source: &'a Source,
    module: Path,
    /// The items and submodules that the file defines.
    defined: BTreeSet<String>,
    /// The names that `use` brings in, with what they stand for.
    bound: BTreeMap<String, Path>,
    /// The modules of which a `use` takes everything.
    globs: Vec<Path>,
    /// The names that are passed on.
    passed_on: BTreeSet<String>,
    /// The production code without its `use` declarations.
    code: String,
}

impl<'a> File<'a> {
    fn new(source: &'a Source) -> Self {
        let code = &source.production;
        let mut file = Self {
            source,
            module: source.module(),
            defined: defined(code),
            bound: BTreeMap::new(),
            globs: Vec::new(),
            passed_on: BTreeSet::new(),
            code: String::new(),
        };
        let mut rest = code.as_str();
        while let Some(at) = find_word(rest, "use") {
            let Some(end) = rest[at..].find(';') else {
                break;
            };
            let (before, declaration) = (&rest[..at], &rest[at + "use".len()..at + end]);
            file.code.push_str(before);
            rest = &rest[at + end + 1..];
            let before = before.trim_end();
            let is_public = before.ends_with("pub")
                || before
                    .rsplit_once("pub(")
                    .is_some_and(|(_, scope)| scope.ends_with(')') && !scope.contains(['{', ';']));
            for (path, name) in expand(declaration) {
                file.note_use(path, name, is_public);
            }
        }
        file.code.push_str(rest);
        file
    }

    fn note_use(&mut self, mut path: Path, name: Option<String>, is_public: bool) {
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let Some(mut path) = self.absolute(&path, false) else {
            return;
        };
        if path.last().is_some_and(|last| last == "*") {
            path.pop();
            self.globs.push(path);
        } else if let Some(name) = name.or_else(|| path.last().cloned()) {
            if is_public {
                self.passed_on.insert(name.clone());
            }
            self.bound.insert(name, path);
        }
    }

    /// A path of this file from the root of the crate; nothing for one of another crate.
    fn absolute(&self, path: &[String], through_bound: bool) -> Option<Path> {
        let (first, rest) = path.split_first()?;
        let joined = |start: &[String], rest: &[String]| Some([start, rest].concat());
        match first.as_str() {
            "crate" | "mcpipe" => Some(rest.to_vec()),
            "self" => joined(&self.module, rest),
            "super" => {
                let above = path.iter().take_while(|part| *part == "super").count();
                let left = self.module.len().checked_sub(above)?;
                joined(&self.module[..left], &path[above..])
            }
            first if through_bound && self.bound.contains_key(first) => {
                joined(&self.bound[first], rest)
            }
            first if self.source.name != "main" && self.declares(first) => {
                joined(&self.module, path)
            }
            _ => None,
        }
    }

    fn declares(&self, name: &str) -> bool {
        let declaration = format!("mod {name};");
        self.source.production.contains(&declaration)
    }
}

/// The names behind the keywords that define items.
fn defined(code: &str) -> BTreeSet<String> {
    const KEYWORDS: [&str; 9] = [
        "struct", "enum", "fn", "const", "static", "type", "trait", "mod", "union",
    ];
    let words: Vec<_> = words(code).collect();
    words
        .windows(2)
        .filter(|pair| KEYWORDS.contains(&pair[0]))
        .map(|pair| pair[1].to_owned())
        .collect()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

fn find_word(code: &str, word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut matches = code.match_indices(word).map(|(at, _)| at);
    matches
        .find(|at| !code[..*at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part))
}

/// `a::{b, c::d as e}` to `a::b` and `a::c::d` named `e`.
pub(super) fn expand(declaration: &str) -> Vec<(Path, Option<String>)> {
    let segments = |text: &str| -> Path {
        let parts = text.split("::").map(str::trim);
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let Some((start, rest)) = declaration.split_once('{') else {
        let (path, name) = match declaration.split_once(" as ") {
            Some((path, name)) => (path, Some(name.trim().to_owned())),
            None => (declaration, None),
        };
        return vec![(segments(path), name)];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut member, mut found) = (0, String::new(), Vec::new());
    for c in inner.chars().chain([',']) {
        match c {
            ',' if depth == 0 => {
                let member = std::mem::take(&mut member);
                if !member.trim().is_empty() {
                    for (path, name) in expand(&member) {
                        found.push(([segments(start), path].concat(), name));
                    }
                }
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        member.push(c);
    }
    found
}

/// The paths of several segments in code.
fn paths(code: &str) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':');
    for text in code.split(|c: char| !is_part(c)) {
        // `a:b` of a field is two words, and `::<` ends a path.
        let parts: Vec<_> = text.trim_matches(':').split("::").collect();
        let Some(first) = parts.first().and_then(|first| first.rsplit(':').next()) else {
            continue;
        };
        if parts.len() > 1 && !first.is_empty() {
            let rest = parts[1..].iter().map(|part| (*part).to_owned());
            found.insert([first.to_owned()].into_iter().chain(rest).collect());
        }
    }
    found
}

struct Crate<'a> {
    files: Vec<File<'a>>,
    modules: BTreeMap<Path, usize>,
}

impl<'a> Crate<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let production = sources.iter().filter(|source| {
            // A file of tests has no production code.
            !source.production.trim().is_empty()
        });
        let files: Vec<_> = production.map(File::new).collect();
        let modules = files.iter().enumerate();
        let modules = modules
            .filter(|(_, file)| file.source.name != "main")
            .map(|(at, file)| (file.module.clone(), at))
            .collect();
        Self { files, modules }
    }

    /// The file that defines what a path names, and the part of the path inside it.
    fn definition<'p>(&self, path: &'p [String], depth: usize) -> Option<(usize, Path)> {
        let (at, length) = (0..=path.len())
            .rev()
            .find_map(|length| Some((*self.modules.get(&path[..length])?, length)))?;
        let (file, rest): (_, &'p [String]) = (&self.files[at], &path[length..]);
        if let Some(name) = rest.first()
            && depth < 12
            && !file.defined.contains(name)
        {
            if let Some(bound) = file.bound.get(name) {
                return self.definition(&[bound, &rest[1..]].concat(), depth + 1);
            }
            for glob in &file.globs {
                if let Some((other, inside)) = self.definition(glob, depth + 1)
                    && inside.is_empty()
                    && other != at
                    && (self.files[other].defined.contains(name)
                        || self.files[other].bound.contains_key(name))
                {
                    return self.definition(&[glob, rest].concat(), depth + 1);
                }
            }
        }
        Some((at, rest.to_vec()))
    }

    fn used_by(&self, file: &File<'_>) -> BTreeSet<String> {
        let own_words: BTreeSet<_> = words(&file.code).collect();
        let bound = file.bound.iter().filter(|(name, _)| {
            !file.passed_on.contains(*name) || own_words.contains(name.as_str())
        });
        let bound = bound.map(|(_, path)| path.clone());
        let written = paths(&file.code).into_iter();
        let written = written.filter_map(|path| file.absolute(&path, true));
        let mut used = BTreeSet::new();
        for path in bound.chain(written) {
            // What is used of a module that is only named shows in the paths that begin with the name.
            if let Some((at, inside)) = self.definition(&path, 0)
                && !inside.is_empty()
            {
                used.insert(self.files[at].source.name.clone());
            }
        }
        for glob in &file.globs {
            if let Some((at, _)) = self.definition(glob, 0) {
                used.insert(self.files[at].source.name.clone());
            }
        }
        used.remove(&file.source.name);
        used
    }
}

pub(super) fn graph(sources: &[Source]) -> Graph {
    let whole = Crate::new(sources);
    let files = whole.files.iter();
    files
        .map(|file| (file.source.name.clone(), whole.used_by(file)))
        .collect()
}

/// The groups of nodes that reach each other: strongly connected components of more than one node (Tarjan).
pub(super) fn circles(graph: &Graph) -> Vec<Vec<String>> {
    struct Walk<'a> {
        graph: &'a Graph,
        index: BTreeMap<&'a str, usize>,
        low: BTreeMap<&'a str, usize>,
        stack: Vec<&'a str>,
        found: Vec<Vec<String>>,
    }
    impl<'a> Walk<'a> {
        fn visit(&mut self, node: &'a str) {
            let index = self.index.len();
            self.index.insert(node, index);
            self.low.insert(node, index);
            self.stack.push(node);
            for next in self.graph.get(node).into_iter().flatten() {
                let next = next.as_str();
                if !self.index.contains_key(next) {
                    self.visit(next);
                    let low = self.low[node].min(self.low[next]);
                    self.low.insert(node, low);
                } else if self.stack.contains(&next) {
                    let low = self.low[node].min(self.index[next]);
                    self.low.insert(node, low);
                }
            }
            if self.low[node] == index {
                let at = self.stack.iter().position(|it| *it == node).unwrap();
                let group = self.stack.split_off(at);
                if group.len() > 1 {
                    let mut group: Vec<_> = group.into_iter().map(str::to_owned).collect();
                    group.sort();
                    self.found.push(group);
                }
            }
        }
    }
    let mut walk = Walk {
        graph,
        index: BTreeMap::new(),
        low: BTreeMap::new(),
        stack: Vec::new(),
        found: Vec::new(),
    };
    for node in graph.keys() {
        if !walk.index.contains_key(node.as_str()) {
            walk.visit(node);
        }
    }
    walk.found
}

#[test]
fn uses_are_followed_to_the_file_that_defines_the_name() {
    let sources = [
        Source::new("lib", "pub mod a;\npub mod b;\npub mod e;\n"),
        Source::new(
            "a/mod",
            "mod c;\nmod d;\npub use c::C;\npub(crate) use d::D;\nstruct A(D);\n",
        ),
        Source::new(
            "a/c",
            "use super::D;\npub struct C;\nfn f(d: D) { super::d::g() }\n",
        ),
        Source::new(
            "a/d",
            "use super::A;\npub struct D;\npub fn g() { crate::b::h::<A>() }\n",
        ),
        Source::new(
            "b",
            "use crate::a::{self, C};\nuse std::fmt;\npub fn h() { C; a::i() }\n",
        ),
        Source::new(
            "e",
            "pub use crate::b::*;\n#[cfg(test)]\nuse crate::a::A;\n",
        ),
        Source::new("main", "fn main() { mcpipe::e::h(); }\n"),
    ];
    let graph = graph(&sources);
    let used = |file: &str| {
        let used: Vec<_> = graph[file].iter().map(String::as_str).collect();
        used.join(" ")
    };
    assert_eq!(used("a/mod"), "a/d", "C is only passed on");
    assert_eq!(used("a/c"), "a/d", "`super::D` is not the parent's");
    assert_eq!(used("a/d"), "a/mod b");
    assert_eq!(used("b"), "a/c a/mod");
    assert_eq!(used("e"), "b", "what tests use does not count");
    assert_eq!(used("main"), "b");
    assert_eq!(circles(&graph), [["a/c", "a/d", "a/mod", "b"]]);
}
