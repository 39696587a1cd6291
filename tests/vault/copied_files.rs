//! Files: a vault's file that was copied alone opens nowhere, files of a project that mcpipe is started in are not believed,
//! and the crates that it is built of are those that were looked at.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::json;

use crate::coordination::{Machine, answer};
use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};
use crate::support::remote::{Reply, Server};

fn mcpipe(home: &Path, folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("MCPIPE_HOME", home)
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vaults_file_alone_opens_for_no_thief() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    let home = machine.home.path();
    let url = machine.remote.url();
    let token = machine.authority.access_tokens().pop().unwrap();
    let thief = tempfile::tempdir().unwrap();
    std::fs::copy(home.join("vault.bin"), thief.path().join("vault.bin")).unwrap();
    for arguments in [
        &["token", &url][..],
        &["vault", "list"],
        &["vault", "export", "copy", "--passphrase-file", "/dev/null"],
        &["status"],
    ] {
        let output = mcpipe(thief.path(), thief.path(), arguments, &[]);
        let said = said(&output);
        assert!(
            !said.contains(&token) && !said.contains(&url),
            "{arguments:?}: {said}"
        );
        if arguments != ["status"] {
            assert!(!output.status.success(), "{arguments:?}: {said}");
        }
    }
    // So it would be with the key beside it: there is something in the file.
    let output = mcpipe(home, home, &["token", &url], &[]);
    assert!(said(&output).contains(&token), "{}", said(&output));
}

#[tokio::test]
async fn who_starts_it_with_another_address_finds_none_of_the_tokens() {
    let machine = Machine::new().await;
    machine.signed_in().await;
    // It says that it is the server that was signed in to, and names the same authorization server.
    let (resource, issuer) = (machine.remote.url(), machine.authority.origin.clone());
    let evil = Server::that(move |ask| {
        if ask
            .path
            .starts_with("/.well-known/oauth-protected-resource")
        {
            let document = json!({ "resource": resource, "authorization_servers": [issuer] });
            return Reply::json(document.to_string());
        }
        Reply::status(401).with("WWW-Authenticate", "Bearer")
    })
    .await;
    let url = evil.url();
    let arguments = [
        "--no-browser",
        "--auth-timeout",
        "1",
        "--wait-for-login",
        &url,
    ];
    let mut host = Process::start_in(machine.home.path(), &arguments, &[]);
    host.send(INITIALIZE).await;
    let refused = answer(&mut host, 0).await;
    assert!(refused["error"].is_object(), "{refused}");
    host.closed().await;
    let shown = |ask: &crate::support::remote::Ask| ask.header("authorization").is_some();
    assert!(!evil.all().is_empty() && !evil.all().iter().any(shown));
    assert_eq!(machine.authority.grants("refresh_token").len(), 0);
}

#[tokio::test]
async fn no_word_of_the_hosts_messages_becomes_a_credential() {
    let server = Server::that(crate::support::remote::ordinary).await;
    let mut host = Process::start(&[&server.url()]);
    let with = |line: &str| {
        line.replacen(
            "\"params\":{",
            r#""authorization":"Bearer evil","headers":{"authorization":"Bearer evil"},"params":{"authorization":"Bearer evil","_meta":{"authorization":"Bearer evil","headers":{"Authorization":"Bearer evil"}},"#,
            1,
        )
    };
    host.send(with(INITIALIZE)).await;
    host.next().await;
    host.send(INITIALIZED).await;
    host.send(with(&call(1))).await;
    host.next().await;
    host.closed().await;
    let asks = server.all();
    assert!(asks.iter().any(|ask| ask.body.contains("Bearer evil")));
    for ask in asks {
        let mut values = ask.headers.values();
        assert!(
            !values.any(|value| value.as_bytes().ends_with(b"evil")),
            "{ask:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_a_project_and_no_variable_says_which_program_gives_the_key() {
    let machine = Machine::new().await;
    let project = tempfile::tempdir().unwrap();
    let marker = project.path().join("marker");
    let program = project.path().join("program");
    let text = format!("#!/bin/sh\ntouch '{}'\n", marker.display());
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = program.display().to_string();
    let config =
        format!("[vault]\nkey_command = ['{program}']\nkey_store_command = ['{program}']\n");
    for name in [
        "mcpipe.toml",
        ".mcpipe.toml",
        ".config/mcpipe/mcpipe.toml",
        ".mcpipe/mcpipe.toml",
    ] {
        let path = project.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &config).unwrap();
    }
    let names = [
        "MCPIPE_KEY_COMMAND",
        "MCPIPE_KEY_STORE_COMMAND",
        "MCPIPE_VAULT_KEY_COMMAND",
        "MCPIPE_CONFIG",
        "KEY_COMMAND",
    ];
    let variables = names.map(|name| (name, program.as_str()));
    let url = machine.remote.url();
    let runs: [&[&str]; 5] = [
        &["vault", "init", "--key-file"],
        &["vault", "list"],
        &["status"],
        &["token", &url],
        &["vault", "slot", "add", "command"],
    ];
    for arguments in runs {
        let output = mcpipe(machine.home.path(), project.path(), arguments, &variables);
        assert!(!marker.exists(), "{arguments:?}: {}", said(&output));
    }
    // The user's own file does.
    std::fs::write(machine.home.path().join("mcpipe.toml"), &config).unwrap();
    mcpipe(machine.home.path(), project.path(), runs[4], &[]);
    assert!(marker.exists());
}

#[test]
fn every_crate_is_of_the_registry_and_known_by_its_checksum() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap();
    let mut crates = 0;
    for package in lock.split("[[package]]").skip(1) {
        if package.contains("name = \"mcpipe\"") {
            continue;
        }
        crates += 1;
        let registry = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
        assert!(package.contains(registry), "{package}");
        assert!(package.contains("checksum = \""), "{package}");
    }
    assert!(crates > 50);
    // And the run before work lands asks cargo deny about licences, bans, sources and advisories.
    let run = std::fs::read_to_string(root.join(".ci/run")).unwrap();
    assert!(
        run.contains("cargo deny") && run.contains("--locked"),
        "{run}"
    );
}
