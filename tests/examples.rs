//! Every example in the README is run, word for word, with this machine's addresses in the place of `example.com`.
//!
//! A fenced `sh` block is taken apart into commands, and each is run by a shell in a home of its own, with stand-ins for
//! the server, its authorization server, an enterprise's provider, the browser, and the programs that are not ours. A new
//! example is run like the others, if its program is known here; one that cannot be run has a reason in [`NOT_RUN`].
//! A `json` block is a host's configuration: what it starts is started, and answers `initialize`.
#![cfg(unix)]

mod sandbox; // the home, the servers, and a command run in them
mod sentences; // length of sentences, and the names in them

use serde_json::Value;

use sandbox::Sandbox;

/// Commands that are not run, each with its reason.
const NOT_RUN: [(&str, &str); 8] = [
    (
        "cargo run --example demo",
        "a build takes minutes; the demonstration has its own checks",
    ),
    ("cargo test", "it is this"),
    (
        "cargo bench",
        "a release build takes minutes, and a machine that is at rest",
    ),
    (
        "cargo install",
        "a release build takes minutes; `.ci/run` builds the package",
    ),
    (
        "mcpipe pins https://mcp.example.com/mcp approve",
        "no bridge has pinned anything here; tests/pins_of_tools.rs approves what one has",
    ),
    (
        "mcpipe pins https://mcp.example.com/mcp scan",
        "no bridge has pinned anything here; tests/texts.rs scans what one has",
    ),
    (
        "mcpipe audit verify",
        "no bridge has written an audit here; tests/audit.rs verifies what some have",
    ),
    (
        "mcpipe audit show",
        "no bridge has written an audit here; tests/audit.rs shows what some have",
    ),
];

/// Blocks of other languages that hold nothing that could be run as it stands.
const NOT_STARTED: [(&str, &str); 2] = [
    (
        "key_command",
        "the program in it is the reader's own; tests/vault plays it with programs that there are",
    ),
    (
        "[defaults]",
        "a configuration file; tests/config_file plays each of its keys",
    ),
];

/// The first word of what can be run: ours, and what the sandbox has a stand-in for or every system has.
const KNOWN: [&str; 6] = ["mcpipe", "printf", "curl", "claude", "TOKEN=", "my-tool"];

/// One fenced block.
#[derive(Debug)]
struct Block {
    language: String,
    text: String,
    /// The line of the README it begins in.
    line: usize,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(language), None) => {
                open = Some(Block {
                    language: language.trim().to_owned(),
                    text: String::new(),
                    line: at + 1,
                });
            }
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block that is not closed: {open:?}");
    blocks
}

/// The commands of a block: lines, those that go on joined.
fn commands(block: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        match commands.last_mut().filter(|_| goes_on) {
            Some(command) => {
                command.push('\n');
                command.push_str(line);
            }
            None if line.trim().is_empty() || line.starts_with('#') => continue,
            None => commands.push(line.to_owned()),
        }
        goes_on = line.trim_end().ends_with('\\');
    }
    commands
}

fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn every_command_in_the_readme_runs() {
    let blocks = blocks(&readme());
    let shell: Vec<_> = blocks.iter().filter(|it| it.language == "sh").collect();
    assert!(shell.len() >= 10, "{} blocks are found", shell.len());
    let (mut ran, mut not_run) = (0, Vec::new());
    for block in shell {
        let sandbox = Sandbox::new().await;
        for command in commands(&block.text) {
            if let Some((example, _)) = NOT_RUN.iter().find(|(it, _)| command.starts_with(it)) {
                not_run.push(*example);
                continue;
            }
            assert!(
                KNOWN.iter().any(|word| command.starts_with(word)),
                "README line {}: nothing here knows how to run this. Give the program a stand-in in \
                 tests/examples/sandbox.rs and a place in KNOWN, or a reason in NOT_RUN:\n{command}",
                block.line
            );
            sandbox.plays(block.line, &command).await;
            ran += 1;
        }
        sandbox.leave().await;
    }
    assert!(ran >= 15, "{ran} commands ran");
    for (example, reason) in NOT_RUN {
        assert!(
            not_run.contains(&example),
            "no such example any more: {example} ({reason})"
        );
    }
}

#[tokio::test]
async fn every_configuration_in_the_readme_starts_a_server() {
    let mut started = 0;
    for block in blocks(&readme()) {
        match block.language.as_str() {
            "sh" => {}
            "json" => {
                let configuration = serde_json::from_str(&block.text);
                let configuration: Value = configuration
                    .unwrap_or_else(|error| panic!("README line {}: {error}", block.line));
                let mut servers = Vec::new();
                find_servers(&configuration, &mut servers);
                assert!(
                    !servers.is_empty(),
                    "README line {}: no command",
                    block.line
                );
                for command in servers {
                    let sandbox = Sandbox::new().await;
                    sandbox.plays(block.line, &command).await;
                    sandbox.leave().await;
                    started += 1;
                }
            }
            other => assert!(
                NOT_STARTED.iter().any(|(it, _)| block.text.contains(it)),
                "README line {}: nothing here knows what to do with a block of {other:?}; say so in NOT_STARTED",
                block.line
            ),
        }
    }
    assert!(started >= 4, "{started} configurations started a server");
}

/// The commands that a host would start, with their arguments quoted for a shell.
fn find_servers(value: &Value, servers: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let (Some(Value::String(command)), Some(Value::Array(arguments))) =
                (members.get("command"), members.get("args"))
            {
                let words = arguments.iter().filter_map(Value::as_str);
                let words: String = words.map(|word| format!(" '{word}'")).collect();
                servers.push(format!("{command}{words}"));
            }
            members
                .values()
                .for_each(|member| find_servers(member, servers));
        }
        Value::Array(members) => members
            .iter()
            .for_each(|member| find_servers(member, servers)),
        _ => {}
    }
}

#[test]
fn blocks_are_taken_apart_into_commands() {
    let text = "a\n```sh\n# of it\nmcpipe login X   # now\nprintf a \\\n  b \\\n  | mcpipe X\n```\nb\n```json\n{}\n```\n";
    let blocks = blocks(text);
    assert_eq!(blocks.len(), 2);
    assert_eq!((blocks[0].line, blocks[1].language.as_str()), (2, "json"));
    assert_eq!(
        commands(&blocks[0].text),
        [
            "mcpipe login X   # now",
            "printf a \\\n  b \\\n  | mcpipe X"
        ]
    );
}
