//! One session of a command with its server: the bridge in this process, and the client at its host's end.

use crate::bridge::Stop;
use crate::cli::ClientArgs;
use crate::client::Client;
use crate::commands::connection::{self, Arguments, Connection};
use crate::commands::ended_by_signal;
use crate::commands::sign_in_display::SignInTexts;
use crate::logging::Output;
use crate::report::Failure;
use crate::settings::Environment;
use crate::stdio::Host;

/// Runs `work` with a client of the target's server, in the same vault, policy, audit and recording as a bridge. Where no user
/// is at a terminal, no browser is opened: a request that needs a sign-in fails. A signal cancels the request that is under
/// way, and ends the session. `capabilities` is a JSON object.
///
/// # Errors
/// Wrong settings, the failure of `work`, or the signal.
pub(super) async fn with_client<T>(
    mut args: ClientArgs,
    capabilities: &str,
    env: &Environment,
    stderr: &Output,
    work: impl AsyncFnOnce(&mut Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // The command waits for the sign-in, and for nothing else: there is no host that gives up.
    args.options.wait_for_login = true;
    let target = connection::target(&args.target, env)?;
    let arguments = Arguments {
        target: &args.target,
        options: &args.options,
        policy: &args.policy,
        env,
        stderr,
        announce: SignInTexts::of_a_command(&args.target.sign_in, env).announce_on(stderr),
        recorder: None,
        is_attended: env.is_terminal && env.is_typed_into,
    };
    let connection = Connection::new(target, arguments)?;
    let (host, ends) = Host::in_process();
    let mut client = Client::new(ends, connection.settings(), capabilities);
    let stop = Stop::default();
    // In a box: it is some 20 KB long.
    let running = Box::pin(connection.run(host, stop.clone()));
    let session = async {
        let worked = {
            let work = work(&mut client);
            tokio::select! {
                biased;
                signal = ended_by_signal() => Err(signal),
                worked = work => worked,
            }
        };
        if worked.as_ref().is_err_and(Failure::is_end) {
            client.cancel("The user has interrupted the command.").await;
            stop.soon.cancel();
        }
        client.end().await;
        worked
    };
    let (ran, worked) = tokio::join!(running, session);
    // A mistake that shows only in the opened vault is the reason for which the client was left alone.
    match ran {
        Err(mistake) => Err(mistake),
        Ok(_) => worked,
    }
}
