//! The settings of the bridge that is to use a sign-in.

use crate::auth::{self, Announce};
use crate::cli::{LogArgs, NetworkArgs, SignInArgs, TargetArgs, VaultArgs};
use crate::commands::import::error::Error;
use crate::commands::import::sources::Candidate;
use crate::settings::{self, Environment, Target};

/// Returns the settings of a bridge started with the same words, so that the bridge finds the entry.
pub(super) fn settings_of(
    candidate: &Candidate,
    env: &Environment,
) -> Result<(Target, auth::Settings), Error> {
    let args = &candidate.target;
    // A header may need a variable that only the client's own environment has; signing in does not need the header.
    let target = settings::target(args, env)
        .or_else(|_| settings::target(&without_headers(args), env))
        .map_err(Error::Settings)?;
    let nowhere = Announce::nowhere();
    let settings = settings::sign_in(&target, &args.network, &args.sign_in, env, nowhere)
        .map_err(Error::Settings)?;
    Ok((target, settings))
}

fn without_headers(args: &TargetArgs) -> TargetArgs {
    TargetArgs {
        url: args.url.clone(),
        network: NetworkArgs {
            headers: Vec::new(),
            header_files: Vec::new(),
            header_command: None,
            ..args.network.clone()
        },
        sign_in: SignInArgs::default(),
        vault: VaultArgs::default(),
        log: LogArgs::default(),
    }
}
