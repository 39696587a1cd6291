//! `mcpipe raw`: one request of any method, its parameters and its result as they are.

use std::io::{self, Read as _};

use crate::cli::RawArgs;
use crate::client::NoUser;
use crate::commands::print;
use crate::commands::requests::session::with_client;
use crate::logging::Output;
use crate::report::Failure;
use crate::settings::Environment;

/// Sends the request, or the notification, and prints the result.
///
/// # Errors
/// Parameters that are no JSON object, and all that a session fails of.
pub(super) async fn run(args: RawArgs, env: &Environment, stderr: &Output) -> Result<(), Failure> {
    let params = match args.params.as_deref() {
        Some("-") => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map_err(|error| {
                Failure::usage(format!("cannot read the parameters from stdin: {error}"))
            })?;
            Some(text)
        }
        params => params.map(ToOwned::to_owned),
    };
    if let Some(params) = &params {
        check(params)?;
    }
    let (method, is_notification) = (args.method, args.notify);
    let answer = with_client(args.client, "{}", env, stderr, async |client| {
        client.begin(&mut NoUser).await?;
        if is_notification {
            client.notify(&method, params.as_deref()).await?;
            return Ok(None);
        }
        let result = client
            .request(&method, params.as_deref(), &mut NoUser)
            .await?;
        Ok(Some(result))
    })
    .await?;
    print(&answer.map_or_else(String::new, |answer| format!("{answer}\n")))
}

fn check(params: &str) -> Result<(), Failure> {
    let wrong = |what: String| {
        Failure::usage(format!("PARAMS is no JSON object: {what}"))
            .hint("write it as one word, such as '{\"uri\":\"file:///a\"}'")
    };
    match serde_json::from_str::<serde_json::Value>(params) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(wrong("it is another kind of value".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}
