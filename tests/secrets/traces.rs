//! After a sign-in and a renewal, with everything said that can be said: no token, code, verifier or key is in any file, in
//! any log, in the recording or in the answers, in any spelling.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use crate::coordination::{Machine, answer};
use crate::support::browser;
use crate::support::host::{INITIALIZE, INITIALIZED, Process, call};

/// How a secret may be spelled where it lies.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let mut all = vec![
        secret.as_bytes().to_vec(),
        secret
            .bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
            .into_bytes(),
        secret
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect::<String>()
            .into_bytes(),
        url::form_urlencoded::byte_serialize(secret.as_bytes())
            .collect::<String>()
            .into_bytes(),
    ];
    // In base64 it looks different at each of three places; what is of it alone is in the middle.
    for ahead in 0..3 {
        let shifted = format!("{}{secret}", "x".repeat(ahead));
        for text in [
            BASE64_STANDARD.encode(&shifted),
            BASE64_URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            let middle = text.trim_end_matches('=');
            all.push(middle.as_bytes()[4..middle.len() - 4].to_vec());
        }
    }
    all
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    let mut spellings = spellings(secret).into_iter();
    spellings.any(|it| memchr::memmem::find(bytes, &it).is_some())
}

fn files(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap() {
            kind if kind.is_dir() => files(&path, found),
            kind if kind.is_file() => found.push((path.clone(), std::fs::read(path).unwrap())),
            _ => {}
        }
    }
}

#[test]
fn a_secret_would_be_found_in_each_spelling() {
    let secret = "access-token/1+2=3";
    for text in [
        format!("a{secret}b"),
        BASE64_STANDARD.encode(format!("Basic:{secret}")),
        BASE64_URL_SAFE_NO_PAD.encode(format!("ab{secret}cd")),
        "access-token%2F1%2B2%3D3".to_owned(),
        "6163636573732d746f6b656e2f312b323d33".to_owned(),
    ] {
        assert!(holds(text.as_bytes(), secret), "{text}");
    }
}

#[tokio::test]
async fn no_secret_of_a_sign_in_is_in_any_file_log_recording_or_answer() {
    let machine = Machine::new().await;
    // A client with a secret is one secret more.
    machine.authority.configure(|options| {
        options.registration = json!({
            "client_secret": "client-secret-canary-0123456789",
            "token_endpoint_auth_method": "client_secret_basic",
        });
    });
    let home = machine.home.path();
    let (log, recording) = (home.join("log"), home.join("recording"));
    for name in ["home", "tmp", "config", "data", "state", "cache", "run"] {
        std::fs::create_dir(home.join(name)).unwrap();
    }
    let at = |name: &str| home.join(name).display().to_string();
    let places = [
        ("HOME", at("home")),
        ("TMPDIR", at("tmp")),
        ("XDG_CONFIG_HOME", at("config")),
        ("XDG_DATA_HOME", at("data")),
        ("XDG_STATE_HOME", at("state")),
        ("XDG_CACHE_HOME", at("cache")),
        ("XDG_RUNTIME_DIR", at("run")),
        ("BROWSER", machine.browser().display().to_string()),
        (
            "MCPIPE_LOG",
            "trace,hyper=trace,reqwest=trace,rustls=trace,h2=trace".to_owned(),
        ),
    ];
    let variables: Vec<_> = places
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let url = machine.remote.url();
    let mut said = Vec::new();
    for is_first in [true, false] {
        let (log, recording) = (log.display().to_string(), recording.display().to_string());
        let arguments = [
            "--wait-for-login",
            "--auth-timeout",
            "40",
            "--log-file",
            &log,
            "--record",
            &recording,
            &url,
        ];
        let mut host = Process::start_in(home, &arguments, &variables);
        host.send(INITIALIZE).await;
        if is_first {
            browser::follow(&machine.page(1).await).await;
        }
        let opened = answer(&mut host, 0).await;
        assert!(opened["result"].is_object(), "{opened}");
        host.send(INITIALIZED).await;
        host.send(call(1)).await;
        said.push(answer(&mut host, 1).await.to_string());
        let left = host.closed().await;
        said.extend(left.lines);
        said.push(left.stderr);
        if is_first {
            machine.ends().await;
        }
    }

    let mut secrets = machine.authority.access_tokens();
    assert_eq!(secrets.len(), 2, "one sign-in and one renewal");
    for seen in machine.authority.at("/token") {
        for name in ["code", "code_verifier", "refresh_token"] {
            secrets.extend(seen.field(name).map(str::to_owned));
        }
    }
    let (_, _, entry) = machine.entry().await;
    secrets.push(entry.refresh.unwrap().expose().to_owned());
    assert_eq!(secrets.len(), 6);
    secrets.push("client-secret-canary-0123456789".to_owned());

    let mut places = Vec::new();
    files(home, &mut places);
    assert!(
        places
            .iter()
            .any(|(path, bytes)| *path == log && !bytes.is_empty())
    );
    assert!(
        places
            .iter()
            .any(|(path, bytes)| *path == recording && !bytes.is_empty())
    );
    places.push(("what was said".into(), said.join("\n").into_bytes()));
    for (place, bytes) in places {
        for secret in &secrets {
            assert!(!holds(&bytes, secret), "{secret} is in {}", place.display());
        }
    }
}
