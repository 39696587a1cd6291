//! `mcpipe prompt`: a prompt with its arguments filled in.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::PromptArgs;
use crate::commands::print;
use crate::commands::requests::complete::pairs;
use crate::commands::requests::simple::result_of;
use crate::logging::Output;
use crate::report::{Failure, Kind};
use crate::settings::Environment;
use crate::text::printable;

/// The answer (MCP 2025-11-25, server/prompts).
#[derive(Deserialize)]
struct Prompt {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    role: String,
    content: Value,
}

/// Gets the prompt, and prints its messages, each under the name of its role.
///
/// # Errors
/// A word that is no argument, all that a session fails of, or an answer that is no prompt.
pub(super) async fn run(
    args: PromptArgs,
    env: &Environment,
    stderr: &Output,
) -> Result<(), Failure> {
    let arguments = pairs(&args.arguments)?;
    let params = json!({ "name": args.name, "arguments": arguments }).to_string();
    let request = |_| Ok(("prompts/get", params));
    let answer = result_of(args.client, "{}", env, stderr, request).await?;
    if args.json {
        return print(&format!("{}\n", answer.result));
    }
    let prompt: Prompt = serde_json::from_str(&answer.result).map_err(|error| {
        let what = format!("the server's answer is no prompt: {error}");
        Failure::new(Kind::Protocol, what).hint("--json prints the answer as it came")
    })?;
    let is_terminal = io::stdout().is_terminal();
    let mut text = String::new();
    for message in &prompt.messages {
        let _ = writeln!(
            text,
            "{}:\n{}\n",
            printable(&message.role, 40),
            shown(&message.content, is_terminal)
        );
    }
    print(&text)
}

/// Returns a message's content: text as it is, anything else as its kind. On a terminal control characters are escaped.
fn shown(content: &Value, is_terminal: bool) -> String {
    if let Some(parts) = content.as_array() {
        let parts = parts.iter().map(|part| shown(part, is_terminal));
        return parts.collect::<Vec<_>>().join("\n");
    }
    match content.get("text").and_then(Value::as_str) {
        Some(text) if is_terminal => {
            let lines = text.lines().map(|line| printable(line, usize::MAX));
            lines.collect::<Vec<_>>().join("\n")
        }
        Some(text) => text.to_owned(),
        None => {
            let kind = content.get("type").and_then(Value::as_str);
            format!(
                "[{}; --json prints it]",
                printable(kind.unwrap_or("no type"), 40)
            )
        }
    }
}
