//! Between the authorization server's answer and the vault: a refresh token that was rotated is kept, although the host
//! says leave at that moment and the disk is slow.

use std::time::Duration;

use mcpipe::store::VaultPaths;
use rustix::process::Signal;

use crate::coordination::{Machine, answer, session};
use crate::support::host::INITIALIZE;

#[tokio::test]
async fn a_token_that_has_come_is_kept_although_the_host_says_leave_and_the_disk_is_slow() {
    for signal in [Signal::TERM, Signal::INT] {
        let machine = Machine::new().await;
        machine.signed_in().await;
        machine.ends().await;
        machine.authority.configure(|options| options.gated = true);
        let mut host = machine.start();
        host.send(INITIALIZE).await;
        machine.authority.waits_at_the_gate(1).await;

        // A writer takes this lock first: while the test has it, the disk is slow.
        let place = VaultPaths::new(Some(machine.home.path())).unwrap();
        drop(place);
        let lock = std::fs::File::options()
            .write(true)
            .open(machine.home.path().join("vault.lock"))
            .unwrap();
        lock.lock().unwrap();
        machine.authority.open_gate();
        machine.authority.waits_at_the_gate(0).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(machine.authority.grants("refresh_token").len(), 1);

        host.signal(signal);
        let owed = answer(&mut host, 0).await;
        assert_eq!(owed["error"]["data"]["kind"], "leaving", "{owed}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        lock.unlock().unwrap();
        host.exit().await;

        let (_, _, entry) = machine.entry().await;
        let newest = machine.authority.access_tokens().pop().unwrap();
        assert!(
            entry.access.same_as(&newest),
            "{signal:?}: the rotated token is kept"
        );
        let mut next = machine.start();
        assert!(session(&mut next).await["result"].is_object());
        assert_eq!(machine.authority.grants("refresh_token").len(), 1);
        assert_eq!(machine.shown().len(), 1, "only the first sign-in");
    }
}
