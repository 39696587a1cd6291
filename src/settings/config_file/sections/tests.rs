use super::*;

fn keys() -> Vec<Key> {
    let key = |(name, kind, is_guard_rail): (&str, KeyKind, bool)| Key {
        name: name.to_owned(),
        kind,
        is_guard_rail,
        excludes: Vec::new(),
        default: None,
    };
    [
        ("grace", KeyKind::One, false),
        ("header", KeyKind::Many, false),
        ("keep-alive", KeyKind::Switch, false),
        ("call-timeout", KeyKind::Many, true),
        ("deny-tool", KeyKind::Many, true),
        ("allow-tool", KeyKind::Many, true),
        ("rate-limit", KeyKind::Many, true),
        ("max-concurrent", KeyKind::Many, true),
        ("max-result", KeyKind::Many, true),
    ]
    .map(key)
    .to_vec()
}

fn read_as(text: &str, is_managed: bool) -> Result<Vec<Section>, Error> {
    let keys = keys();
    let reading = Reading {
        path: Path::new("/home/mcpipe.toml"),
        text,
        keys: &keys,
        is_managed,
    };
    reading.sections()
}

/// The tables, each with its values as `line: key=value`.
fn shown_all(text: &str) -> Vec<(String, Vec<String>)> {
    let sections = read_as(text, false).unwrap();
    let entry = |entry: &Entry| {
        let value = match &entry.value {
            EntryValue::Switch(on) => on.to_string(),
            EntryValue::Text(text) => text.clone(),
        };
        format!("{}: {}={value}", entry.line, entry.key.name)
    };
    sections
        .iter()
        .map(|section| {
            let entries = section.entries.iter().map(entry).collect();
            (format!("{}: {}", section.line, section.name), entries)
        })
        .collect()
}

fn refusal(text: &str, is_managed: bool) -> (String, String) {
    match read_as(text, is_managed).unwrap_err() {
        error @ Error::Line { .. } => {
            let said = error.to_string();
            let Error::Line { hint, .. } = error else {
                unreachable!()
            };
            (said, hint)
        }
        error => (error.to_string(), String::new()),
    }
}

#[test]
fn each_value_has_its_table_and_its_line() {
    let text = "\
[vault]
key_command = ['a']
[defaults]
grace = 5
keep_alive = false
deny-tool = [
  'a',
  'b', # the second
]
[tool.'delete_*']
deny = true
rate-limit = '5/m'
[server.'https://A.example/mcp']
grace = 0.5
header = 'X: 1'
[server.'https://A.example/mcp'.tool.x]
call-timeout = 3
[server]
'https://*.example' = { grace = '7' }
";
    let text_of_windows = text.replace('\n', "\r\n");
    for text in [text, &text_of_windows] {
        let wanted: Vec<(String, Vec<&str>)> = vec![
            ("1: [vault]".into(), vec![]),
            (
                "3: [defaults]".into(),
                vec![
                    "4: grace=5",
                    "5: keep-alive=false",
                    "7: deny-tool=a",
                    "8: deny-tool=b",
                ],
            ),
            (
                "10: [tool]".into(),
                vec!["11: deny-tool=delete_*", "12: rate-limit=delete_*=5/m"],
            ),
            (
                "13: [server.\"https://A.example/mcp\"]".into(),
                vec!["14: grace=0.5", "15: header=X: 1", "17: call-timeout=x=3"],
            ),
            (
                "19: [server.\"https://*.example\"]".into(),
                vec!["19: grace=7"],
            ),
        ];
        let found = shown_all(text);
        let found: Vec<(String, Vec<&str>)> = found
            .iter()
            .map(|(name, entries)| (name.clone(), entries.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(found, wanted);
    }
}

#[test]
fn a_mistake_names_its_line_and_what_to_write_and_shows_no_value() {
    for (text, said, hint) in [
        (
            "[defaults]\n\ndeny-tols = ['s3cret']",
            "3: [defaults] has no key deny-tols",
            "perhaps deny-tool is meant",
        ),
        (
            "[defaults]\ncolour = 's3cret'",
            "2: [defaults] has no key colour",
            "the keys are the flags of `mcpipe --help`, without the dashes before them",
        ),
        (
            "grace = 5",
            "1: grace stands outside of every table",
            "write it below [defaults]",
        ),
        (
            "[default]\ngrace = 5",
            "1: there is no table or key default",
            "perhaps [defaults] is meant",
        ),
        (
            "[defaults]\ngrace = ['s3cret']",
            "2: grace takes a string or a number",
            "write grace = \"…\"",
        ),
        (
            "[defaults]\nkeep-alive = 's3cret'",
            "2: keep-alive takes true or false",
            "write keep-alive = true",
        ),
        (
            "[defaults]\nheader = [\n'a',\n1979-05-27]",
            "4: header takes an array of strings",
            "write header = [\"…\"]",
        ),
        (
            "[defaults.header]\nX-Key = 's3cret'",
            "1: header takes an array of strings",
            "write header = [\"…\"]",
        ),
        (
            "[defaults]\nkeep-alive = true\nkeep_alive = true",
            "3: keep-alive stands twice in [defaults]",
            "leave one of them out",
        ),
        (
            "[server]\ngrace = 5",
            "2: [server.\"grace\"] names no server",
            "write it below [server.\"https://…\"], or below [defaults]",
        ),
        (
            "[server.'a.example']\ngrace = 5",
            "1: [server.\"a.example\"] names no server",
            "write https://HOST, https://HOST/PATH, or either with *",
        ),
        (
            "[server.'https://a.example/?key=s3cret']\ngrce = 5",
            "2: [server.\"https://a.example/?…\"] has no key grce",
            "perhaps grace is meant",
        ),
        (
            "[[server]]\ngrace = 5",
            "1: [server] is a table",
            "write its keys below it, each on a line",
        ),
        (
            "[tool.x]\ndeny = false",
            "2: deny takes true",
            "write deny = true, or leave it out: nothing undoes a denial",
        ),
        (
            "[server.'https://a.example'.tool.x]\ndney = true",
            "2: [server.\"https://a.example\".tool.\"x\"] has no key dney",
            "perhaps deny is meant",
        ),
        (
            "[tool.'']\ndeny = true",
            "1: [tool.\"\"] names no tool",
            "write a tool's name, or a pattern such as delete_*",
        ),
        (
            "[tool.x]\nmax-result = true",
            "2: max-result takes a string or a number",
            "write max-result = \"…\"",
        ),
    ] {
        let (found, found_hint) = refusal(text, false);
        assert_eq!(found, format!("/home/mcpipe.toml:{said}"), "{text}");
        assert_eq!(found_hint, hint, "{text}");
        assert!(!format!("{found}{found_hint}").contains("s3cret"));
    }
}

#[test]
fn what_is_no_toml_is_said_by_its_line_without_the_line_itself() {
    for text in [
        "[defaults]\nheader = ['s3cret",
        "[defaults]\nheader = \"s3cret\n",
        "[defaults]\nheader s3cret",
        "[defaults]\ngrace = 1\ngrace = s3cret",
    ] {
        let (found, _) = refusal(text, false);
        assert!(found.contains(" is not TOML: "), "{found}");
        assert!(found.starts_with("/home/mcpipe.toml:"), "{found}");
        assert!(!found.contains("s3cret"), "{found}");
    }
}

#[test]
fn an_administrators_file_holds_guard_rails_only() {
    let sections = read_as("[defaults]\ndeny-tool = ['x']\n[tool.y]\ndeny = true", true);
    assert_eq!(sections.unwrap().len(), 2);
    for (text, said, hint) in [
        (
            "[defaults]\nheader = ['s3cret']",
            "2: header is no guard rail, and this file takes no other keys",
            "an administrator's file only tightens; each user's own mcpipe.toml takes every key",
        ),
        (
            "[vault]\nkey_command = ['a']",
            "1: there is no table or key vault",
            "the tables are defaults, server, tool",
        ),
    ] {
        let (found, found_hint) = refusal(text, true);
        assert_eq!(found, format!("/home/mcpipe.toml:{said}"));
        assert_eq!(found_hint, hint);
    }
}

proptest::proptest! {
    /// A mistake in any text has a line of the text, and nothing panics.
    #[test]
    fn any_text_is_read_or_is_a_mistake_in_one_of_its_lines(
        lines in proptest::collection::vec("(\\[(server|tool|defaults|vault)(\\.'[a-z*:/.]{0,12}')?\\]|[a-z-]{0,10} ?= ?('[^'\n]{0,5}'|true|[0-9]{1,3}|\\[.{0,5}\\])|.{0,12})", 0..8),
        is_managed in proptest::bool::ANY,
    ) {
        let text = lines.join("\n");
        match read_as(&text, is_managed) {
            Ok(_) => {}
            Err(Error::Line { line, .. } | Error::Toml { line, .. }) => {
                proptest::prop_assert!((1..=lines.len().max(1)).contains(&line));
            }
            Err(error) => panic!("{error}"),
        }
    }
}
