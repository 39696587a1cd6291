//! The commands of one request whose answer needs no questions: its parameters are made, and its result is printed.

use crate::cli::ClientArgs;
use crate::client::NoUser;
use crate::commands::requests::session::with_client;
use crate::logging::Output;
use crate::report::Failure;
use crate::settings::Environment;

/// Sends one request and returns the result, as the JSON text that the server gave. `request` gets whether the conversation
/// is one of the modern era, and returns method and parameters.
///
/// # Errors
/// The failure of `request`, and all that a session fails of.
pub(super) async fn result_of(
    args: ClientArgs,
    capabilities: &str,
    env: &Environment,
    stderr: &Output,
    request: impl FnOnce(bool) -> Result<(&'static str, String), Failure>,
) -> Result<Answer, Failure> {
    with_client(args, capabilities, env, stderr, async |client| {
        client.begin(&mut NoUser).await?;
        let is_modern = client.is_modern();
        let (method, params) = request(is_modern)?;
        let result = client.request(method, Some(&params), &mut NoUser).await?;
        Ok(Answer { result, is_modern })
    })
    .await
}

/// The result of a request.
#[derive(Debug)]
pub(super) struct Answer {
    /// The JSON text that the server gave.
    pub(super) result: String,
    /// True where the conversation was one of the modern era.
    pub(super) is_modern: bool,
}
