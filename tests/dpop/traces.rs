//! Where a key is found, and where not.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use mcpipe::store::{Unlock, VaultPaths};

use super::*;
use crate::support::host::Process;

/// The real binary, with all it may say and write: the key is in the vault, sealed, and in nothing else.
#[tokio::test]
async fn a_key_never_leaves_the_vault() {
    let home = tempfile::tempdir().unwrap();
    let mut guarded = Guarded::new().await;
    let vault = || {
        Vault::on_disk(
            VaultPaths::new(Some(home.path())).unwrap(),
            Unlock::default(),
        )
    };
    guarded.vault = Arc::new(vault());
    guarded.signed_in(Dpop::Auto).await;
    let key = guarded.entry().await.dpop_key.unwrap();

    let url = guarded.server.url();
    let recording = home.path().join("recording.jsonl").display().to_string();
    let loud = [
        ("MCPIPE_LOG", "trace"),
        ("MCPIPE_DEBUGGABLE", "1"),
        ("BROWSER", "false"),
    ];
    let mut host = Process::start_in(home.path(), &["--record", &recording, &url], &loud);
    host.send(INITIALIZE).await;
    assert!(host.next_json().await["result"].is_object());
    host.send(INITIALIZED).await;
    host.send(call(1)).await;
    assert!(host.next_json().await["result"].is_object());
    let left = host.closed().await;
    let mut written = vec![("stderr".to_owned(), left.stderr.into_bytes())];
    for arguments in [&["status"][..], &["status", "--json"]] {
        let left = Process::start_in(home.path(), arguments, &loud)
            .closed()
            .await;
        let said = left.lines.join("\n");
        assert!(said.contains("constrained"), "{said}");
        written.push((arguments.join(" "), (said + &left.stderr).into_bytes()));
    }
    files(home.path(), &mut written);
    assert!(
        written
            .iter()
            .any(|(name, _)| name.ends_with("recording.jsonl"))
    );
    assert!(written.iter().any(|(name, _)| name.ends_with("vault.bin")));

    // The secret of the key is the string of 32 bytes in it (RFC 5915).
    let body: String = key
        .text()
        .expose()
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let der = BASE64_STANDARD.decode(&body).unwrap();
    let scalar = der
        .windows(34)
        .find(|window| window.starts_with(&[0x04, 0x20]))
        .unwrap();
    let scalar = &scalar[2..];
    let text = BASE64_URL_SAFE_NO_PAD.encode(scalar);
    let needles = [
        &body.as_bytes()[..40],
        text.as_bytes(),
        b"PRIVATE KEY",
        scalar,
    ];
    for (name, bytes) in &written {
        for needle in needles {
            let is_there = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!is_there, "the key is in {name}");
        }
    }
    assert_eq!(guarded.door().keys(), HashSet::from([key.thumbprint()]));
    assert_eq!(guarded.windows(), 1);
}

/// The printed token would be of no use without its key.
#[tokio::test]
async fn a_bound_token_is_not_printed_for_scripts() {
    let home = tempfile::tempdir().unwrap();
    let mut guarded = Guarded::new().await;
    let place = VaultPaths::new(Some(home.path())).unwrap();
    guarded.vault = Arc::new(Vault::on_disk(place, Unlock::default()));
    guarded.signed_in(Dpop::Auto).await;
    let url = guarded.server.url();
    for arguments in [&["token", &url][..], &["token", &url, "--json"]] {
        let left = Process::start_in(home.path(), arguments, &[])
            .closed()
            .await;
        assert_eq!(left.status.code(), Some(1), "{}", left.stderr);
        assert_eq!(left.lines, [""; 0]);
        assert!(left.stderr.contains("--dpop off"), "{}", left.stderr);
    }
    let left = Process::start_in(home.path(), &["token", &url, "--dpop", "off"], &[]);
    assert_eq!(
        left.closed().await.status.code(),
        Some(3),
        "nobody is signed in so"
    );
}

/// Everything that is written in there, by its path.
pub(crate) fn files(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let kind = std::fs::symlink_metadata(&path).unwrap();
        if kind.is_dir() {
            files(&path, into);
        } else if kind.is_file() {
            into.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}
