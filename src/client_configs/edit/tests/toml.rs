use super::random::{Choices, choices};
use super::*;

const T: Format = Format::Toml;

#[test]
fn a_table_stands_beside_the_tables_of_its_kind() {
    let small = entry(json!({"command": "m", "env": {"K": "v"}}));
    let table = "[mcp_servers.n]\ncommand = \"m\"\nenv = { K = \"v\" }\n";
    let cases = [
        Case {
            says: "an empty file",
            before: "",
            set: table,
            removed: "",
        },
        Case {
            says: "no servers yet",
            before: "model = \"o3\"\n\n[tui]\nx = 1 # one\n",
            set: "model = \"o3\"\n\n[tui]\nx = 1 # one\n\n[mcp_servers.n]\ncommand = \"m\"\nenv = { K = \"v\" }\n",
            removed: "model = \"o3\"\n\n[tui]\nx = 1 # one\n",
        },
        Case {
            says: "a server with a table of its own below, and other tables after it",
            before: "[mcp_servers.a]\ncommand = 'x'\n\n[mcp_servers.a.env]\nA = '1' # one\n\n# about the screen\n[tui]\nx = 1\n",
            set: "[mcp_servers.a]\ncommand = 'x'\n\n[mcp_servers.a.env]\nA = '1' # one\n\n[mcp_servers.n]\ncommand = \"m\"\nenv = { K = \"v\" }\n\n# about the screen\n[tui]\nx = 1\n",
            removed: "[mcp_servers.a]\ncommand = 'x'\n\n[mcp_servers.a.env]\nA = '1' # one\n\n# about the screen\n[tui]\nx = 1\n",
        },
        Case {
            says: "CRLF, a byte order mark, no last line end",
            before: "\u{feff}[mcp_servers.a]\r\ncommand = 'x'",
            set: "\u{feff}[mcp_servers.a]\r\ncommand = 'x'\r\n\r\n[mcp_servers.n]\r\ncommand = \"m\"\r\nenv = { K = \"v\" }",
            removed: "\u{feff}[mcp_servers.a]\r\ncommand = 'x'",
        },
        Case {
            says: "servers as inline tables",
            before: "[mcp_servers]\na = { command = \"x\" } # about a\n\n[tui]\n",
            set: "[mcp_servers]\na = { command = \"x\" } # about a\nn = { command = \"m\", env = { K = \"v\" } }\n\n[tui]\n",
            removed: "[mcp_servers]\na = { command = \"x\" } # about a\n\n[tui]\n",
        },
        Case {
            says: "all servers in one inline table",
            before: "mcp_servers = { a = { command = \"x\" } }\nz = 1\n",
            set: "mcp_servers = { a = { command = \"x\" }, n = { command = \"m\", env = { K = \"v\" } } }\nz = 1\n",
            removed: "mcp_servers = { a = { command = \"x\" } }\nz = 1\n",
        },
    ];
    hold(T, "mcp_servers n", &small, &cases);
}

#[test]
fn an_element_of_an_array_of_tables_is_found_by_its_name() {
    let small = entry(json!({"transport": "stdio", "command": "m"}));
    let table = "[[mcp_servers]]\nname = \"n\"\ntransport = \"stdio\"\ncommand = \"m\"\n";
    let other = "[[mcp_servers]]\nname = 'a'\nurl = 'u'\n";
    let cases = [
        Case {
            says: "the first",
            before: "theme = 'dark'\n",
            set: "theme = 'dark'\n\n[[mcp_servers]]\nname = \"n\"\ntransport = \"stdio\"\ncommand = \"m\"\n",
            removed: "theme = 'dark'\n",
        },
        Case {
            says: "after others",
            before: "[[mcp_servers]]\nname = 'a'\nurl = 'u'\n\n[tools]\nx = 1\n",
            set: "[[mcp_servers]]\nname = 'a'\nurl = 'u'\n\n[[mcp_servers]]\nname = \"n\"\ntransport = \"stdio\"\ncommand = \"m\"\n\n[tools]\nx = 1\n",
            removed: "[[mcp_servers]]\nname = 'a'\nurl = 'u'\n\n[tools]\nx = 1\n",
        },
        Case {
            says: "in place of an empty array",
            before: "mcp_servers = []\n",
            set: "mcp_servers = [{ name = \"n\", transport = \"stdio\", command = \"m\" }]\n",
            removed: "mcp_servers = []\n",
        },
    ];
    hold(T, "mcp_servers =n", &small, &cases);
    let both = format!("{table}\n{other}");
    let removed = remove(T, &both, &path("mcp_servers =n"));
    assert_eq!(removed, Ok(Some(other.to_owned())));
}

#[test]
fn an_entry_with_tables_below_it_is_changed_and_removed_as_a_whole() {
    let before = "# mine\nmodel = 1\n\n[mcp_servers.n]\ncommand = 'old' # why\nargs = [\n  '1', # one\n]\n\n[mcp_servers.n.env]\nA = '1'\n\n[mcp_servers.z]\ncommand = 'z'\n";
    let wanted = entry(json!({"command": "new", "args": ["1"], "env": {"A": "1", "B": "2"}}));
    let after = "# mine\nmodel = 1\n\n[mcp_servers.n]\ncommand = \"new\" # why\nargs = [\n  '1', # one\n]\n\n[mcp_servers.n.env]\nA = '1'\nB = \"2\"\n\n[mcp_servers.z]\ncommand = 'z'\n";
    let place = path("mcp_servers n");
    assert_eq!(set(T, before, &place, &wanted).as_deref(), Ok(after));
    let removed = "# mine\nmodel = 1\n\n[mcp_servers.z]\ncommand = 'z'\n";
    assert_eq!(remove(T, after, &place), Ok(Some(removed.to_owned())));
}

#[test]
fn a_comment_goes_with_a_removed_table_if_it_touches_that_table_alone() {
    let (top, a) = ("x = 1\n", "\n# about a\n[m.a]\ny = 1 # one\n# of a\n");
    let b = "\n# about b\n[m.b]\nz = 2\n# of b\n";
    let text = format!("{top}{a}{b}");
    assert_eq!(
        remove(T, &text, &path("m a")),
        Ok(Some(format!("{top}{b}")))
    );
    assert_eq!(
        remove(T, &text, &path("m b")),
        Ok(Some(format!("{top}{a}")))
    );
}

#[test]
fn a_name_with_a_dot_is_quoted_and_dotted_keys_are_understood() {
    let small = entry(json!({"url": "u"}));
    let dotted = "mcp_servers.a.url = 'x'\nmcp_servers.\"a.b\".url = 'y'\n";
    let after = set(T, dotted, &path("mcp_servers a.b"), &small).unwrap();
    assert_eq!(
        after,
        "mcp_servers.a.url = 'x'\nmcp_servers.\"a.b\".url = \"u\"\n"
    );
    let removed = remove(T, &after, &path("mcp_servers a.b"));
    assert_eq!(removed, Ok(Some("mcp_servers.a.url = 'x'\n".to_owned())));
    let fresh = set(T, "[tui]\n", &path("mcp_servers a.b"), &small).unwrap();
    assert_eq!(fresh, "[tui]\n\n[mcp_servers.\"a.b\"]\nurl = \"u\"\n");
}

#[test]
fn a_broken_text_is_told_by_its_place_and_not_quoted() {
    let error = set(
        T,
        "a = 1\ntoken = \"SECRET\n",
        &path("mcp_servers n"),
        &bridge(),
    )
    .unwrap_err();
    assert!(
        matches!(error, EditError::Broken { line: 2, .. }),
        "{error:?}"
    );
    assert!(!error.to_string().contains("SECRET"), "{error}");
    let null = set(T, "", &path("mcp_servers n"), &entry(json!({"a": null}))).unwrap_err();
    assert_eq!(null.to_string(), "line 1: TOML has no null");
}

#[test]
fn files_of_hosts_change_in_one_entry() {
    holds_file(T, "codex.toml", "mcp_servers mcpipe", &bridge());
    holds_file(T, "vibe.toml", "mcp_servers =mcpipe", &bridge());
}

fn blanks(choices: &mut Choices) -> &'static str {
    choices.of(&[
        "",
        "\n",
        "# a comment, [x] = \"\n",
        "\n\n# c\n\n",
        "  # in\n",
    ])
}

/// A value on one line, or an array on several.
fn inline(choices: &mut Choices, value: &Value) -> String {
    match value {
        Value::Array(items) if !items.is_empty() => {
            let between = choices.of(&["", " ", "\n  "]);
            let items: Vec<_> = items.iter().map(|it| inline(choices, it)).collect();
            format!("[{between}{}{between}]", items.join(&format!(",{between}")))
        }
        Value::Object(members) if !members.is_empty() => {
            let members: Vec<_> = members
                .iter()
                .map(|(name, value)| {
                    format!(
                        "{} = {}",
                        Value::from(name.as_str()),
                        inline(choices, value)
                    )
                })
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn table(choices: &mut Choices, header: &str, value: &Value) -> String {
    let mut text = format!(
        "{}[{header}]{}\n",
        blanks(choices),
        choices.of(&["", " # h"])
    );
    let mut below = String::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let name = Value::from(name.as_str());
        match value.is_object() && choices.next(2) == 1 {
            true => below += &table(choices, &format!("{header}.{name}"), value),
            false => {
                text += &format!(
                    "{name}{}= {}{}\n",
                    choices.of(&["", " ", "  "]),
                    inline(choices, value),
                    choices.of(&["", " # v"])
                );
            }
        }
        text += blanks(choices);
    }
    text + &below
}

fn object(choices: &mut Choices) -> Value {
    let value = choices.value(3);
    if value.is_object() {
        value
    } else {
        json!({"a": value})
    }
}

proptest! {
    #[test]
    fn a_set_entry_is_there_and_a_removed_one_leaves_all_else(mut choices in choices()) {
        let mut text = format!("{}top = 1\n", blanks(&mut choices));
        let mut headers = vec!["one", "mcp_servers.a", "mcp_servers.\"b.c\"", "two.three"];
        headers.truncate(choices.next(5));
        for header in headers {
            let value = object(&mut choices);
            text += &table(&mut choices, header, &value);
        }
        if choices.next(3) == 1 {
            text = text.replace('\n', "\r\n");
        }
        if choices.next(3) == 1 {
            text = text.trim_end().to_owned();
        }
        let before = read(T, &text).unwrap();
        let place = path("mcp_servers new");
        let wanted = choices.value(3);
        let wanted = entry(wanted);
        let after = set(T, &text, &place, &wanted).unwrap();
        prop_assert_eq!(&set(T, &after, &place, &wanted).unwrap(), &after);
        let mut expected = before.clone();
        expected["mcp_servers"]["new"] = Value::Object(wanted);
        prop_assert_eq!(read(T, &after).unwrap(), expected);
        let removed = remove(T, &after, &place).unwrap().unwrap();
        prop_assert_eq!(read(T, &removed).unwrap(), before);
        prop_assert_eq!(&removed, &text, "{:?}", after);
    }

    #[test]
    fn a_changed_entry_leaves_each_byte_around_it(mut choices in choices()) {
        let (old, new) = (object(&mut choices), entry(choices.value(3)));
        let other = object(&mut choices);
        let front = format!("{}x = 1\n{}# one\n\n", blanks(&mut choices), table(&mut choices, "mcp_servers.a", &other));
        let back = format!("\n# two\n[mcp_servers.z]\nb = 2\n{}", table(&mut choices, "z", &other));
        let mut own = table(&mut choices, "mcp_servers.n", &old);
        own = own.trim_end().to_owned() + "\n";
        let text = format!("{front}{own}{back}");
        let after = set(T, &text, &path("mcp_servers n"), &new).unwrap();
        prop_assert!(after.starts_with(front.trim_end()) && after.ends_with(back.trim_start()), "{}\n-----\n{}", text, after);
        prop_assert_eq!(&read(T, &after).unwrap()["mcp_servers"]["n"], &Value::Object(new));
    }
}
