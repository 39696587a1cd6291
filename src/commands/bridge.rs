//! The bridge: wires the banks to the road and waits for a reason to leave.

use std::sync::Arc;

use crate::auth::Authorizer;
use crate::bridge::{self, Parts, Stop};
use crate::cli::BridgeArgs;
use crate::remote::https::Https;
use crate::report::{Failure, Kind};
use crate::settings::{self, Surroundings};
use crate::stdio::Host;

/// Runs until the host leaves, a signal comes, or stdout is closed.
///
/// # Errors
/// Wrong settings. What happens later is told to the host, not returned.
pub async fn run(args: BridgeArgs, around: &Surroundings) -> Result<(), Failure> {
    let target = settings::target(&args.target, around)?;
    if target.is_secret_typed {
        tracing::warn!(
            "a secret in the arguments is visible to everyone on this machine; use ${{NAME}} or --header-file"
        );
    }
    let host = Host::of_this_process(target.https.max_message);
    let remote =
        Https::new(target.https, target.tls).map_err(|error| Failure::new(Kind::Failed, error))?;
    let stop = Stop::default();
    let signals = signals(stop.clone());
    let parts = Parts {
        host,
        remote,
        authorizer: Arc::new(Authorizer::off()),
        settings: settings::speaking(&args.speaking),
        stop,
    };
    tokio::select! {
        ended = bridge::run(parts) => tracing::debug!(?ended, "left"),
        never = signals => match never {},
    }
    Ok(())
}

/// Passes signals on: the first asks to leave properly, the second at once (T-13).
#[cfg(unix)]
async fn signals(stop: Stop) -> std::convert::Infallible {
    use tokio::signal::unix::{SignalKind, signal};
    let streams = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = streams else {
        tracing::warn!("signals cannot be watched");
        return std::future::pending().await;
    };
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
        if stop.soon.is_cancelled() {
            stop.now.cancel();
        }
        stop.soon.cancel();
    }
}

/// Passes Ctrl-C and Ctrl-Break on, as on Unix.
#[cfg(not(unix))]
async fn signals(stop: Stop) -> std::convert::Infallible {
    loop {
        if tokio::signal::ctrl_c().await.is_err() {
            return std::future::pending().await;
        }
        if stop.soon.is_cancelled() {
            stop.now.cancel();
        }
        stop.soon.cancel();
    }
}
