//! `mcpipe complete`: the values that a server proposes for an argument of a prompt or a resource template.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cli::CompleteArgs;
use crate::commands::print;
use crate::commands::requests::simple::result_of;
use crate::logging::Output;
use crate::report::{Failure, Kind};
use crate::settings::Environment;
use crate::text::printable;

/// The answer (MCP 2025-11-25, server/utilities/completion).
#[derive(Deserialize)]
struct Completed {
    completion: Completion,
}

#[derive(Deserialize)]
struct Completion {
    values: Vec<String>,
}

/// The longest value that is shown, in characters.
const LONGEST: usize = 500;

/// Asks for the values, and prints one a line.
///
/// # Errors
/// A word that is no argument, all that a session fails of, or an answer that is none.
pub(super) async fn run(
    args: CompleteArgs,
    env: &Environment,
    stderr: &Output,
) -> Result<(), Failure> {
    let params = params(&args)?.to_string();
    let request = |_| Ok(("completion/complete", params));
    let answer = result_of(args.client, "{}", env, stderr, request).await?;
    if args.json {
        return print(&format!("{}\n", answer.result));
    }
    let completed: Completed = serde_json::from_str(&answer.result).map_err(|error| {
        let what = format!("the server's answer is no completion: {error}");
        Failure::new(Kind::Protocol, what).hint("--json prints the answer as it came")
    })?;
    let values = completed.completion.values.iter();
    print(
        &values
            .map(|value| printable(value, LONGEST) + "\n")
            .collect::<String>(),
    )
}

/// Returns the parameters of the request.
///
/// # Errors
/// A word of the known arguments is not `name=value`.
fn params(args: &CompleteArgs) -> Result<Value, Failure> {
    let reference = match args.reference.strip_prefix("prompt:") {
        Some(name) => json!({ "type": "ref/prompt", "name": name }),
        None => json!({ "type": "ref/resource", "uri": args.reference }),
    };
    let mut params = json!({
        "ref": reference,
        "argument": { "name": args.argument, "value": args.prefix },
    });
    let known = pairs(&args.known)?;
    if !known.is_empty() {
        let context = json!({ "arguments": known });
        if let Some(members) = params.as_object_mut() {
            members.insert("context".to_owned(), context);
        }
    }
    Ok(params)
}

/// Reads words of the form `name=value`.
///
/// # Errors
/// A word that is none.
pub(super) fn pairs(words: &[String]) -> Result<Map<String, Value>, Failure> {
    let pair = |word: &String| match word.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Value::from(value))),
        _ => Err(Failure::usage("an argument is not of the form name=value")
            .hint("write it as one word, such as language=en")),
    };
    words.iter().map(pair).collect()
}
