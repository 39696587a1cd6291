//! Processes that stand still: a laptop that sleeps, a frozen container, SIGSTOP.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use tokio::time::sleep;

use crate::coordination::{Machine, answer, eventually, session};
use crate::support::browser;
use crate::support::host::{INITIALIZE, Process};

/// Longer than any other request waits for its answer.
const PAUSE: Duration = Duration::from_secs(40);

/// When the answer leaves the server.
#[derive(Clone, Copy, Debug)]
enum Leaves {
    WhileItStands,
    Later,
}

/// Stops the process with its token request at the server, and lets it run again.
async fn pause(machine: &Machine, process: &Process, leaves: Leaves) {
    machine.authority.waits_at_the_gate(1).await;
    process.signal(Signal::STOP);
    match leaves {
        Leaves::WhileItStands => {
            sleep(Duration::from_secs(1)).await;
            machine.authority.open_gate();
            sleep(PAUSE).await;
            process.signal(Signal::CONT);
        }
        Leaves::Later => {
            sleep(PAUSE).await;
            process.signal(Signal::CONT);
            sleep(Duration::from_secs(3)).await;
            machine.authority.open_gate();
        }
    }
}

async fn refreshes(leaves: Leaves) {
    let machine = Machine::new().await;
    machine.signed_in().await;
    machine.ends().await;
    machine.authority.configure(|options| options.gated = true);
    let mut holder = machine.start();
    holder.send(INITIALIZE).await;
    machine.authority.waits_at_the_gate(1).await;
    // Another one wants the same token, and does not spend the same refresh token for it.
    let mut other = machine.start();
    other.send(INITIALIZE).await;
    pause(&machine, &holder, leaves).await;
    for host in [&mut holder, &mut other] {
        let opened = answer(host, 0).await;
        assert!(opened["result"].is_object(), "{leaves:?}: {opened}");
    }
    let spent = machine.authority.grants("refresh_token").len();
    assert_eq!(spent, 1, "{leaves:?}");
    assert_eq!(machine.shown().len(), 1, "{leaves:?}");
    let mut next = machine.start();
    assert!(session(&mut next).await["result"].is_object());
}

/// The code exchange of `mcpipe login`, and the poll of `mcpipe login --device-code`.
async fn signs_in(is_by_device: bool, leaves: Leaves) {
    let machine = Machine::new().await;
    machine.authority.configure(|options| {
        options.gated = true;
        if is_by_device {
            let endpoint = format!("{}/device", machine.authority.origin);
            options.metadata = json!({ "device_authorization_endpoint": endpoint });
        }
    });
    let url = machine.remote.url();
    let browser = machine.browser().display().to_string();
    let mut arguments = vec!["login", &url];
    arguments.extend(is_by_device.then_some("--device-code"));
    let login = Process::start_in(machine.home.path(), &arguments, &[("BROWSER", &browser)]);
    let person = async {
        if !is_by_device {
            browser::follow(&machine.page(1).await).await;
        }
    };
    tokio::join!(person, pause(&machine, &login, leaves));
    let left = login.exit().await;
    assert!(left.status.success(), "{leaves:?}: {}", left.stderr);
    assert_eq!(machine.authority.access_tokens().len(), 1);
    let mut host = machine.start();
    assert!(session(&mut host).await["result"].is_object());
    eventually(|| (machine.authority.at("/token").len() == 1).then_some(())).await;
}

#[tokio::test]
async fn a_pause_of_forty_seconds_signs_nobody_out() {
    use Leaves::{Later, WhileItStands};
    tokio::join!(
        refreshes(WhileItStands),
        refreshes(Later),
        signs_in(false, WhileItStands),
        signs_in(false, Later),
        signs_in(true, WhileItStands),
        signs_in(true, Later),
    );
}
