use super::random::{Choices, choices};
use super::*;

const J: Format = Format::Json;

#[test]
fn an_entry_takes_the_form_of_the_text_around_it() {
    let small = entry(json!({"command": "m"}));
    let cases = [
        Case {
            says: "two blanks",
            before: "{\n  \"mcpServers\": {\n    \"a\": {\n      \"command\": \"x\"\n    }\n  }\n}\n",
            set: "{\n  \"mcpServers\": {\n    \"a\": {\n      \"command\": \"x\"\n    },\n    \"n\": {\n      \"command\": \"m\"\n    }\n  }\n}\n",
            removed: "{\n  \"mcpServers\": {\n    \"a\": {\n      \"command\": \"x\"\n    }\n  }\n}\n",
        },
        Case {
            says: "tabs, CRLF, a byte order mark, no last line end",
            before: "\u{feff}{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {\r\n\t\t\t\"command\": \"x\"\r\n\t\t}\r\n\t}\r\n}",
            set: "\u{feff}{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {\r\n\t\t\t\"command\": \"x\"\r\n\t\t},\r\n\t\t\"n\": {\r\n\t\t\t\"command\": \"m\"\r\n\t\t}\r\n\t}\r\n}",
            removed: "\u{feff}{\r\n\t\"mcpServers\": {\r\n\t\t\"a\": {\r\n\t\t\t\"command\": \"x\"\r\n\t\t}\r\n\t}\r\n}",
        },
        Case {
            says: "one line",
            before: "{\"mcpServers\":{\"a\":{\"command\":\"x\"}},\"z\":1}",
            set: "{\"mcpServers\":{\"a\":{\"command\":\"x\"},\"n\":{\"command\":\"m\"}},\"z\":1}",
            removed: "{\"mcpServers\":{\"a\":{\"command\":\"x\"}},\"z\":1}",
        },
        Case {
            says: "comments and a trailing comma",
            before: "// top\n{\n  \"mcpServers\": {\n    // about a\n    \"a\": {}, // after a\n    /* last */\n  }, // end\n}\n// bottom\n",
            set: "// top\n{\n  \"mcpServers\": {\n    // about a\n    \"a\": {}, // after a\n    /* last */\n    \"n\": {\n      \"command\": \"m\"\n    },\n  }, // end\n}\n// bottom\n",
            removed: "// top\n{\n  \"mcpServers\": {\n    // about a\n    \"a\": {}, // after a\n    /* last */\n  }, // end\n}\n// bottom\n",
        },
        Case {
            says: "a comment after the last member, without a comma",
            before: "{\n  \"mcpServers\": {\n    \"a\": {} // after, a\n  }\n}\n",
            set: "{\n  \"mcpServers\": {\n    \"a\": {}, // after, a\n    \"n\": {\n      \"command\": \"m\"\n    }\n  }\n}\n",
            removed: "{\n  \"mcpServers\": {\n    \"a\": {} // after, a\n  }\n}\n",
        },
        Case {
            says: "an empty file",
            before: "",
            set: "{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"m\"\n    }\n  }\n}\n",
            removed: "{\n  \"mcpServers\": {}\n}\n",
        },
        Case {
            says: "an empty object",
            before: "{}",
            set: "{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"m\"\n    }\n  }\n}",
            removed: "{\n  \"mcpServers\": {}\n}",
        },
        Case {
            says: "no servers yet, in a text of four blanks",
            before: "{\n    \"theme\": \"dark\"\n}\n",
            set: "{\n    \"theme\": \"dark\",\n    \"mcpServers\": {\n        \"n\": {\n            \"command\": \"m\"\n        }\n    }\n}\n",
            removed: "{\n    \"theme\": \"dark\",\n    \"mcpServers\": {}\n}\n",
        },
        Case {
            says: "nothing but a comment",
            before: "// settings\n",
            set: "// settings\n{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"m\"\n    }\n  }\n}\n",
            removed: "// settings\n{\n  \"mcpServers\": {}\n}\n",
        },
        Case {
            says: "null in place of the servers",
            before: "{\n  \"mcpServers\": null\n}\n",
            set: "{\n  \"mcpServers\": {\n    \"n\": {\n      \"command\": \"m\"\n    }\n  }\n}\n",
            removed: "{\n  \"mcpServers\": {}\n}\n",
        },
        Case {
            says: "of two of one name the last counts, and both are removed",
            before: "{\n  \"mcpServers\": {\n    \"n\": 1,\n    \"b\": 2,\n    \"n\": 3\n  }\n}\n",
            set: "{\n  \"mcpServers\": {\n    \"n\": 1,\n    \"b\": 2,\n    \"n\": {\n      \"command\": \"m\"\n    }\n  }\n}\n",
            removed: "{\n  \"mcpServers\": {\n    \"b\": 2\n  }\n}\n",
        },
    ];
    hold(J, "mcpServers n", &small, &cases);
}

#[test]
fn an_equal_member_keeps_its_text_and_a_member_no_longer_wanted_goes() {
    let before = "{\n  \"servers\": {\n    \"n\": {\n      \"command\":   \"m\", // mine\n      \"old\": 1,\n      \"args\": [\n        \"1\"\n      ]\n    },\n    \"z\": 1\n  }\n}\n";
    let wanted = entry(json!({"command": "m", "args": ["2"], "env": {"K": "v"}}));
    let after = "{\n  \"servers\": {\n    \"n\": {\n      \"command\":   \"m\", // mine\n      \"args\": [\n        \"2\"\n      ],\n      \"env\": {\n        \"K\": \"v\"\n      }\n    },\n    \"z\": 1\n  }\n}\n";
    let set = set(J, before, &path("servers n"), &wanted);
    assert_eq!(set.as_deref(), Ok(after));
}

#[test]
fn a_comment_goes_with_a_removed_entry_if_it_is_on_its_lines() {
    let text = "{\n  \"s\": {\n    // about a\n    \"a\": 1, // of a\n    // about b\n    \"b\": 2 // of b\n  }\n}\n";
    let without_a = "{\n  \"s\": {\n    // about a\n    // about b\n    \"b\": 2 // of b\n  }\n}\n";
    let without_b = "{\n  \"s\": {\n    // about a\n    \"a\": 1 // of a\n    // about b\n  }\n}\n";
    assert_eq!(
        remove(J, text, &path("s a")),
        Ok(Some(without_a.to_owned()))
    );
    assert_eq!(
        remove(J, text, &path("s b")),
        Ok(Some(without_b.to_owned()))
    );
    let line = "{\"s\": {\"a\": 1, /* of b */ \"b\": {\"x\": [1]}, \"c\": 2}}";
    let without_b = "{\"s\": {\"a\": 1, /* of b */ \"c\": 2}}";
    assert_eq!(
        remove(J, line, &path("s b")),
        Ok(Some(without_b.to_owned()))
    );
}

#[test]
fn a_dot_in_a_name_is_no_path() {
    let before = "{\"amp.mcpServers\": {}, \"amp\": {\"mcpServers\": 1}}\n";
    let after = set(
        J,
        before,
        &path("amp.mcpServers a.b"),
        &entry(json!({"url": "u"})),
    );
    let after_text =
        "{\"amp.mcpServers\": {\"a.b\": {\"url\": \"u\"}}, \"amp\": {\"mcpServers\": 1}}\n";
    assert_eq!(after.as_deref(), Ok(after_text));
}

#[test]
fn a_value_in_the_way_is_an_error_and_names_its_path() {
    let entry = bridge();
    let error =
        |text: &str, words: &str| set(J, text, &path(words), &entry).map_err(|it| it.to_string());
    let way = "`mcpServers` is there, and is not a table of names and values";
    assert_eq!(
        error("{\"mcpServers\": []}", "mcpServers n"),
        Err(way.to_owned())
    );
    let list = "`mcpServers` is there, and is not a list";
    assert_eq!(
        error("{\"mcpServers\": {}}", "mcpServers =n"),
        Err(list.to_owned())
    );
    let broken = error("{\"a\": \"SECRET\"\n \"b\": 1}", "mcpServers n").unwrap_err();
    assert!(
        broken.starts_with("line 1, column ") && !broken.contains("SECRET"),
        "{broken}"
    );
}

#[test]
fn files_of_hosts_change_in_one_entry() {
    holds_file(
        J,
        "claude_desktop_config.json",
        "mcpServers mcpipe",
        &bridge(),
    );
    holds_file(J, "zed.json", "context_servers mcpipe", &bridge());
    holds_file(
        J,
        "vscode.json",
        "servers mcpipe",
        &entry(json!({"type": "http", "url": "https://a.example/mcp"})),
    );
}

/// Blanks and comments between two tokens.
fn blank(choices: &mut Choices) -> &'static str {
    choices.of(&[
        "",
        " ",
        "\n",
        "\n  ",
        "\n\t",
        "\n\n    ",
        "\r\n  ",
        " // c, {\n",
        "/* } , \"x\" */",
        " /* a\n b */ ",
        "  ",
    ])
}

fn written(choices: &mut Choices, value: &Value) -> String {
    let (open, close, parts): (_, _, Vec<String>) = match value {
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| member(choices, name, value));
            ('{', '}', members.collect())
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| written(choices, item));
            ('[', ']', items.collect())
        }
        other => return other.to_string(),
    };
    let mut text = format!("{open}{}", blank(choices));
    for (index, part) in parts.iter().enumerate() {
        text += part;
        text += blank(choices);
        if index + 1 < parts.len() || choices.next(4) == 1 {
            text += ",";
            text += blank(choices);
        }
    }
    text.push(close);
    text
}

fn member(choices: &mut Choices, name: &str, value: &Value) -> String {
    let name = Value::from(name);
    format!(
        "{name}{}:{}{}",
        blank(choices),
        blank(choices),
        written(choices, value)
    )
}

/// A document with these servers.
fn document(choices: &mut Choices, servers: &Value) -> String {
    let mut members = entry(choices.value(2));
    members.insert("mcpServers".to_owned(), servers.clone());
    let document = written(choices, &Value::Object(members));
    format!("{}{document}{}", blank(choices), blank(choices))
}

proptest! {
    #[test]
    fn a_set_entry_is_there_and_a_removed_one_leaves_all_else(mut choices in choices()) {
        let servers = choices.value(3);
        let servers = if servers.is_object() { servers } else { json!({"a": servers}) };
        let text = document(&mut choices, &servers);
        let before = read(J, &text).unwrap();
        let place = path("mcpServers new");
        let wanted = entry(choices.value(3));
        let after = set(J, &text, &place, &wanted).unwrap();
        prop_assert_eq!(&set(J, &after, &place, &wanted).unwrap(), &after);
        let mut expected = before.clone();
        expected["mcpServers"]["new"] = Value::Object(wanted);
        prop_assert_eq!(read(J, &after).unwrap(), expected);
        let removed = remove(J, &after, &place).unwrap().unwrap();
        prop_assert_eq!(read(J, &removed).unwrap(), before);
        if servers != json!({}) {
            prop_assert_eq!(removed, text);
        }
    }

    #[test]
    fn a_changed_entry_leaves_each_byte_around_it(mut choices in choices()) {
        let (old, new) = (choices.value(3), entry(choices.value(3)));
        let old = written(&mut choices, &old);
        let servers = document(&mut choices, &json!({"a": 1, "n": "HERE", "z": {"b": 2}}));
        let (front, back) = servers.split_once("\"HERE\"").unwrap();
        let text = format!("{front}{old}{back}");
        let after = set(J, &text, &path("mcpServers n"), &new).unwrap();
        prop_assert!(after.starts_with(front) && after.ends_with(back), "{text:?}\n{after:?}");
        prop_assert_eq!(&read(J, &after).unwrap()["mcpServers"]["n"], &Value::Object(new));
    }
}
