use super::random::{Choices, choices};
use super::*;

const Y: Format = Format::Yaml;

fn goose() -> Map<String, Value> {
    entry(
        json!({"name": "n", "type": "stdio", "enabled": true, "cmd": "m", "args": ["https://a.example"], "envs": {}, "timeout": 300}),
    )
}

#[test]
fn a_member_of_a_map_stands_after_the_others() {
    let small = entry(json!({"cmd": "m", "args": ["-y"], "envs": {"A": "yes"}}));
    let cases = [
        Case {
            says: "an empty file",
            before: "",
            set: "extensions:\n  new:\n    cmd: m\n    args:\n      - \"-y\"\n    envs:\n      A: \"yes\"\n",
            removed: "extensions: {}\n",
        },
        Case {
            says: "nothing but a comment",
            before: "# mine\n",
            set: "# mine\nextensions:\n  new:\n    cmd: m\n    args:\n      - \"-y\"\n    envs:\n      A: \"yes\"\n",
            removed: "# mine\nextensions: {}\n",
        },
        Case {
            says: "others, comments, a list in the column of its name, and what follows",
            before: "GOOSE_MODE: auto # always\nextensions: # servers\n  a:\n    args:\n    - x # one\n    cmd: a\n    # of a\n\n# about z\nz: 1\n",
            set: "GOOSE_MODE: auto # always\nextensions: # servers\n  a:\n    args:\n    - x # one\n    cmd: a\n  new:\n    cmd: m\n    args:\n    - \"-y\"\n    envs:\n      A: \"yes\"\n    # of a\n\n# about z\nz: 1\n",
            removed: "GOOSE_MODE: auto # always\nextensions: # servers\n  a:\n    args:\n    - x # one\n    cmd: a\n    # of a\n\n# about z\nz: 1\n",
        },
        Case {
            says: "CRLF, a byte order mark, no last line end, four blanks",
            before: "\u{feff}extensions:\r\n    a:\r\n        cmd: a",
            set: "\u{feff}extensions:\r\n    a:\r\n        cmd: a\r\n    new:\r\n        cmd: m\r\n        args:\r\n            - \"-y\"\r\n        envs:\r\n            A: \"yes\"",
            removed: "\u{feff}extensions:\r\n    a:\r\n        cmd: a",
        },
        Case {
            says: "an empty map in braces",
            before: "---\nextensions: {}  # none\nz: 1\n",
            set: "---\nextensions:  # none\n  new:\n    cmd: m\n    args:\n      - \"-y\"\n    envs:\n      A: \"yes\"\nz: 1\n",
            removed: "---\nextensions: {}  # none\nz: 1\n",
        },
        Case {
            says: "nothing in place of the map",
            before: "extensions:\n\n# z\nz: 1\n",
            set: "extensions:\n  new:\n    cmd: m\n    args:\n      - \"-y\"\n    envs:\n      A: \"yes\"\n\n# z\nz: 1\n",
            removed: "extensions: {}\n\n# z\nz: 1\n",
        },
        Case {
            says: "texts over several lines that look like comments",
            before: "extensions:\n  a:\n    description: |\n      one\n      # two\n\n  # before b\n  b:\n    x: \"1\n      # 2\"\n...\n",
            set: "extensions:\n  a:\n    description: |\n      one\n      # two\n\n  # before b\n  b:\n    x: \"1\n      # 2\"\n  new:\n    cmd: m\n    args:\n      - \"-y\"\n    envs:\n      A: \"yes\"\n...\n",
            removed: "extensions:\n  a:\n    description: |\n      one\n      # two\n\n  # before b\n  b:\n    x: \"1\n      # 2\"\n...\n",
        },
    ];
    hold(Y, "extensions new", &small, &cases);
}

#[test]
fn an_element_of_a_list_is_found_by_its_name() {
    let small = entry(json!({"command": "m", "args": ["-y"]}));
    let cases = [
        Case {
            says: "after others",
            before: "mcpServers:\n  - name: a\n    command: x\n  # off\n  - name: \"b\"\n    env:\n      K: v\nrules: []\n",
            set: "mcpServers:\n  - name: a\n    command: x\n  # off\n  - name: \"b\"\n    env:\n      K: v\n  - name: \"n\"\n    command: m\n    args:\n      - \"-y\"\nrules: []\n",
            removed: "mcpServers:\n  - name: a\n    command: x\n  # off\n  - name: \"b\"\n    env:\n      K: v\nrules: []\n",
        },
        Case {
            says: "dashes in the column of the name",
            before: "mcpServers:\n- name: a\n  command: x\n",
            set: "mcpServers:\n- name: a\n  command: x\n- name: \"n\"\n  command: m\n  args:\n  - \"-y\"\n",
            removed: "mcpServers:\n- name: a\n  command: x\n",
        },
        Case {
            says: "an empty list",
            before: "mcpServers: []\n",
            set: "mcpServers:\n  - name: \"n\"\n    command: m\n    args:\n      - \"-y\"\n",
            removed: "mcpServers: []\n",
        },
        Case {
            says: "no list yet",
            before: "name: my\nmodels:\n  - name: x\n",
            set: "name: my\nmodels:\n  - name: x\nmcpServers:\n  - name: \"n\"\n    command: m\n    args:\n      - \"-y\"\n",
            removed: "name: my\nmodels:\n  - name: x\nmcpServers: []\n",
        },
    ];
    hold(Y, "mcpServers =n", &small, &cases);
}

#[test]
fn a_changed_member_leaves_the_others_of_its_entry() {
    let before = "extensions:\n  new:\n    name: n   # mine\n    cmd: old # why\n    args: [ 'x' ]\n    gone: 1\n    envs: {}\n    type: stdio\n    enabled: true\n    timeout: 10\n  z:\n    cmd: z\n";
    let after = "extensions:\n  new:\n    name: n   # mine\n    cmd: m # why\n    args: [\"https://a.example\"]\n    envs: {}\n    type: stdio\n    enabled: true\n    timeout: 300\n  z:\n    cmd: z\n";
    assert_eq!(
        set(Y, before, &path("extensions new"), &goose()).as_deref(),
        Ok(after)
    );
    let middle = "extensions:\n  z:\n    cmd: z\n";
    assert_eq!(
        remove(Y, after, &path("extensions new")),
        Ok(Some(middle.to_owned()))
    );
    let list =
        "mcpServers:\n  - name: n\n    command: old\n    env:\n      A: \"1\"\n  - name: z\n";
    let after = "mcpServers:\n  - name: n\n    command: mcpipe\n    env:\n      A: \"1\"\n    args:\n      - \"https://a.example/mcp\"\n  - name: z\n";
    assert_eq!(
        set(Y, list, &path("mcpServers =n"), &bridge()).as_deref(),
        Ok(after)
    );
    assert_eq!(
        remove(Y, after, &path("mcpServers =n")),
        Ok(Some("mcpServers:\n  - name: z\n".to_owned()))
    );
}

#[test]
fn a_comment_goes_with_a_removed_entry_if_it_is_between_its_lines() {
    let text =
        "e:\n  # about a\n  a: # is a\n    # in a\n    x: 1 # one\n  # about b\n  b: 2 # two\n";
    let without_a = "e:\n  # about a\n  # about b\n  b: 2 # two\n";
    assert_eq!(
        remove(Y, text, &path("e a")),
        Ok(Some(without_a.to_owned()))
    );
}

#[test]
fn what_cannot_be_changed_for_sure_is_refused_with_its_line_and_not_quoted() {
    let cases = [
        (
            "a: &SECRET 1\nextensions:\n  b: 1\n",
            "line 1: an anchor (`&name`) is not kept for sure",
        ),
        ("a: 1\nextensions:\n  b: *SECRET\n", "unknown anchor"),
        (
            "extensions:\n  <<: {a: 1}\n",
            "line 2: a merge (`<<`) is not followed",
        ),
        (
            "extensions: {a: {cmd: SECRET}}\n",
            "line 1: a map or list in braces is not changed in place",
        ),
        (
            "a: 1\n---\nb: 1\n",
            "line 2: the file has several documents",
        ),
        (
            "extensions: !x\n  a: 1\n",
            "a tag (`!name`) is not understood",
        ),
        (
            "extensions:\n  a: 1\n  a: 2\n",
            "line 3: two members have one name",
        ),
        (
            "extensions:\n  a: |+\n    text\n\n",
            "line 2: a block of text that is empty, or has `+` or a number",
        ),
        ("extensions: [\n", "line 2, column 1: "),
        (
            "extensions: SECRET\n",
            "`extensions` is there, and is not a table of names and values",
        ),
    ];
    for (text, says) in cases {
        let error = set(Y, text, &path("extensions new"), &goose())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(says) && !error.contains("SECRET"),
            "{text}: {error}"
        );
    }
    let deep = "[".repeat(5000);
    assert!(
        read(Y, &deep).is_err()
            && read(Format::Json, &deep).is_err()
            && read(Format::Toml, &format!("a={deep}")).is_err()
    );
}

#[test]
fn files_of_hosts_change_in_one_entry() {
    holds_file(Y, "goose.yaml", "extensions mcpipe", &goose());
    holds_file(Y, "continue.yaml", "mcpServers =mcpipe", &bridge());
}

/// A value in lines, each with its line end, the first after a name or a dash.
fn block(choices: &mut Choices, value: &Value, column: usize) -> String {
    let tail = |choices: &mut Choices| {
        choices.of(&["\n", " # c: d\n", "\n\n", "\n# - c\n", "\n      # deep\n"])
    };
    match value {
        Value::Object(members) if !members.is_empty() && choices.next(5) != 1 => {
            let column = column + choices.of(&[2, 1, 4]);
            let mut text = tail(choices).to_owned();
            for (name, value) in members {
                text += &format!("{}{}:", " ".repeat(column), Value::from(name.as_str()));
                text += &block(choices, value, column);
            }
            text
        }
        Value::Array(items) if !items.is_empty() && choices.next(3) != 1 => {
            let column = column + choices.of(&[2, 0, 4]);
            let mut text = tail(choices).to_owned();
            for item in items {
                text += &format!("{}- {item}{}", " ".repeat(column), tail(choices));
            }
            text
        }
        Value::String(it) if it == "- a" || it == "github" => match choices.next(5) {
            1 => format!(" |\n{0}  {it}\n\n{0}  # {it}\n", " ".repeat(column)),
            2 => format!(" >-\n{0}   {it}\n{0}   b\n\n", " ".repeat(column)),
            3 => format!(
                " \"{it} \\\"\n{0}  # {it}\"{1}",
                " ".repeat(column),
                tail(choices)
            ),
            4 => format!(
                " '{it}''\n\n{0}  # b'{1}",
                " ".repeat(column),
                tail(choices)
            ),
            _ => format!(" {value}{}", tail(choices)),
        },
        Value::String(it) if it == "a.b" || it == "a" => format!(" {it}{}", tail(choices)),
        other => format!(" {other}{}", tail(choices)),
    }
}

fn members(choices: &mut Choices) -> Value {
    let value = choices.value(3);
    if value.is_object() {
        value
    } else {
        json!({"a": value})
    }
}

fn with_ends(choices: &mut Choices, mut text: String) -> String {
    if choices.next(3) == 1 {
        text = text.replace('\n', "\r\n");
    }
    if choices.next(3) == 1 {
        text = text.trim_end().to_owned();
    }
    text
}

proptest! {
    #[test]
    fn a_set_entry_is_there_and_a_removed_one_leaves_all_else(mut choices in choices()) {
        let others = members(&mut choices);
        let mut text = choices.of(&["", "# c\n", "---\n", "\n"]).to_owned();
        text += "one:";
        text += &block(&mut choices, &members(&mut Choices::default()), 0);
        let servers = choices.next(3);
        if servers > 0 {
            text += "extensions:";
            text += "\n  a:";
            text += &block(&mut choices, &others, 2);
            if servers > 1 {
                text += "  \"b\":";
                text += &block(&mut choices, &others, 2);
            }
        }
        text += choices.of(&["", "two: 1\n", "two:\n  - 1\n", "...\n"]);
        let text = with_ends(&mut choices, text);
        let before = read(Y, &text).unwrap();
        let place = path("extensions new");
        let wanted = entry(choices.value(3));
        let after = set(Y, &text, &place, &wanted).unwrap();
        prop_assert_eq!(&set(Y, &after, &place, &wanted).unwrap(), &after);
        let mut expected = before.clone();
        expected["extensions"]["new"] = Value::Object(wanted);
        prop_assert_eq!(read(Y, &after).unwrap(), expected);
        let removed = remove(Y, &after, &place).unwrap().unwrap();
        if servers > 0 {
            prop_assert_eq!(&removed, &text, "{:?}", after);
        } else {
            prop_assert_eq!(removed.contains("extensions: {}"), true);
        }
    }

    #[test]
    fn a_changed_entry_leaves_each_byte_around_it(mut choices in choices()) {
        let (old, new) = (members(&mut choices), entry(choices.value(3)));
        let other = members(&mut choices);
        let front = format!("x: 1\nextensions:\n  a:{}  # one\n", block(&mut choices, &other, 2));
        let back = format!("  z:{}", block(&mut choices, &other, 2));
        let own = format!("  new:{}", block(&mut choices, &old, 2));
        let text = format!("{front}{own}{back}");
        let after = set(Y, &text, &path("extensions new"), &new).unwrap();
        prop_assert!(after.starts_with(&front) && after.ends_with(&back), "{}\n-----\n{}", text, after);
        prop_assert_eq!(&read(Y, &after).unwrap()["extensions"]["new"], &Value::Object(new));
    }
}
