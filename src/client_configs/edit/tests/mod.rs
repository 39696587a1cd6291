mod json;
mod random;
mod toml;
mod yaml;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// A text before, after an entry is set, and after the same entry is removed from that.
struct Case {
    says: &'static str,
    before: &'static str,
    set: &'static str,
    removed: &'static str,
}

/// The path of dotted words; `=name` is an element of a list by its `name`.
fn path(words: &str) -> Vec<Step> {
    words
        .split(' ')
        .map(|word| match word.strip_prefix('=') {
            Some(name) => Step::Item {
                key: "name".to_owned(),
                value: name.to_owned(),
            },
            None => Step::Member(word.to_owned()),
        })
        .collect()
}

fn entry(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn bridge() -> Map<String, Value> {
    entry(json!({"command": "mcpipe", "args": ["https://a.example/mcp"], "env": {"A": "1"}}))
}

fn hold(format: Format, words: &str, entry: &Map<String, Value>, cases: &[Case]) {
    for case in cases {
        let says = case.says;
        let set = set(format, case.before, &path(words), entry);
        assert_eq!(set.as_deref(), Ok(case.set), "set: {says}");
        let again = super::set(format, case.set, &path(words), entry);
        assert_eq!(again.as_deref(), Ok(case.set), "set again: {says}");
        let removed = remove(format, case.set, &path(words));
        let removed = removed.as_ref().map(Option::as_deref);
        assert_eq!(removed, Ok(Some(case.removed)), "remove: {says}");
        let none = remove(format, case.removed, &path(words));
        assert_eq!(none, Ok(None), "remove again: {says}");
    }
}

/// Sets an entry in a file of `fixtures/client_configs` and compares with the file beside it; removing gives the first.
fn holds_file(format: Format, name: &str, words: &str, entry: &Map<String, Value>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/client_configs");
    let before = fs::read_to_string(folder.join(name)).unwrap();
    let (stem, ending) = name.rsplit_once('.').unwrap();
    let expected = fs::read_to_string(folder.join(format!("{stem}.set.{ending}"))).unwrap();
    let after = set(format, &before, &path(words), entry).unwrap();
    assert_eq!(after, expected, "{name}");
    let removed = remove(format, &after, &path(words)).unwrap().unwrap();
    assert_eq!(removed, before, "{name}");
}

proptest! {
    #[test]
    fn random_texts_never_panic(text in random::soup(), words in "(a|b|mcpServers)( (a|=a|b))?") {
        for format in [Format::Json, Format::Toml, Format::Yaml] {
            if let Ok(before) = read(format, &text)
                && let Ok(after) = set(format, &text, &path(&words), &bridge())
            {
                let places = path::resolve(&before, &path(&words)).unwrap();
                let after = read(format, &after).unwrap();
                prop_assert_eq!(path::at(&after, &places).and_then(|it| it.get("command")), Some(&json!("mcpipe")));
            }
            let _ = remove(format, &text, &path(&words));
        }
    }
}
