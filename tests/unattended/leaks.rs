//! Whatever a program without a person shows to get its token is found nowhere else: not in what the host reads, the log at
//! its loudest, the recording, or any file; not when it works, and not when a server says back what it was shown.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use mcpipe::auth::oauth::jws::{Algorithm, Key, TokenHeader};
use serde_json::json;

use super::SECRET;
use super::binary::protected_by;
use crate::support::authority::Authority;
use crate::support::authority::grants::{TOKEN_EXCHANGE, part, token};
use crate::support::host::{INITIALIZE, Process};

/// What it is told to use, in files, and what of it must not be seen.
struct Things {
    flags: Vec<String>,
    needles: Vec<String>,
}

fn tls(name: &str) -> String {
    format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The longest line of a PEM: nothing of it is as long by chance.
fn body(pem: &str) -> String {
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    lines.max_by_key(|line| line.len()).unwrap().to_owned()
}

/// The key as a JWK, and its secret half.
fn jwk(key: &Key) -> (String, String) {
    let head = TokenHeader {
        shows_key: true,
        ..TokenHeader::default()
    };
    let shown = key.sign(Algorithm::Es256, head, &json!({})).unwrap();
    let mut jwk = part(shown.expose(), 0)["jwk"].take();
    let lines = key.text().expose().lines();
    let der: String = lines.filter(|line| !line.starts_with('-')).collect();
    let der = BASE64_STANDARD.decode(der).unwrap();
    // The string of 32 bytes in it (RFC 5915).
    let mut windows = der.windows(34);
    let scalar = windows.find(|it| it.starts_with(&[0x04, 0x20])).unwrap();
    let secret = BASE64_URL_SAFE_NO_PAD.encode(&scalar[2..]);
    jwk["d"] = secret.clone().into();
    (jwk.to_string(), secret)
}

fn things(way: &str, home: &Path, key: &Key, provider: &Authority) -> Things {
    let file = |name: &str, text: &str| {
        let path = home.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let assertion = token(&json!({ "sub": "workload-canary" }));
    let id_token = token(&json!({ "iss": provider.origin, "aud": "desk", "sub": "id-canary" }));
    let (flags, needles) = match way {
        "secret" => (
            "--client-credentials --client-id robot --client-secret-env ROBOT".to_owned(),
            vec![SECRET.to_owned()],
        ),
        "pem" => (
            format!(
                "--client-credentials --client-id signer --client-key {}",
                file("given.pem", key.text().expose())
            ),
            vec![body(key.text().expose())],
        ),
        "jwk" => {
            let (text, secret) = jwk(key);
            (
                format!(
                    "--client-credentials --client-id signer --client-key {}",
                    file("given.jwk", &text)
                ),
                vec![secret],
            )
        }
        "file" => (
            format!("--assertion-file {}", file("given.jwt", &assertion)),
            vec![assertion],
        ),
        "provider" => (
            format!(
                "--client-id robot --client-secret-env ROBOT --idp-issuer {} --idp-client-id desk \
                 --idp-client-secret-env DESK --idp-id-token {}",
                provider.origin,
                file("given.id", &id_token)
            ),
            vec![id_token, "desk-secret-canary".to_owned(), SECRET.to_owned()],
        ),
        other => panic!("{other}"),
    };
    let flags = flags.split_whitespace().map(str::to_owned).collect();
    Things { flags, needles }
}

#[tokio::test]
async fn what_a_machine_shows_is_seen_by_nobody_else() {
    let client_key = std::fs::read_to_string(tls("client.key")).unwrap();
    for way in ["secret", "pem", "jwk", "file", "provider"] {
        for is_refused in [false, true] {
            let home = tempfile::tempdir().unwrap();
            let key = Key::generate().unwrap();
            let (authority, provider) = (Authority::start().await, Authority::start().await);
            authority.add_secret_client("robot", SECRET, "client_secret_basic");
            authority.add_signing_client("signer", &key);
            provider.add_secret_client("desk", "desk-secret-canary", "client_secret_post");
            let remote = protected_by(&authority).await;
            let given = things(way, home.path(), &key, &provider);
            authority.turn_grants(|grants| {
                grants.assertions = given.needles.clone();
                grants.provider = Some(provider.clone());
            });
            provider.turn_grants(|grants| grants.assertions = given.needles.clone());
            if is_refused {
                authority.configure(|options| {
                    options.echoes = vec!["assertion", "client_assertion", "client_secret"];
                });
            }
            let recording = home.path().join("recording.jsonl").display().to_string();
            let (url, certificate, key_file) = (remote.url(), tls("client.pem"), tls("client.key"));
            let mut arguments: Vec<&str> = given.flags.iter().map(String::as_str).collect();
            arguments.extend([
                "--client-cert",
                &certificate,
                "--client-cert-key",
                &key_file,
            ]);
            arguments.extend(["--record", &recording, &url]);
            let variables = [
                ("ROBOT", SECRET),
                ("DESK", "desk-secret-canary"),
                ("MCPIPE_LOG", "trace"),
            ];
            let mut host = Process::start_in(home.path(), &arguments, &variables);
            host.send(INITIALIZE).await;
            let answer = host.next_json().await;
            assert_eq!(answer["error"].is_object(), is_refused, "{way}: {answer}");
            let left = host.closed().await;

            let asked = authority.at("/token");
            assert!(!asked.is_empty(), "{way}: {}", left.stderr);
            let mut needles = given.needles.clone();
            needles.extend([body(&client_key), SECRET.to_owned()]);
            needles.extend(authority.access_tokens());
            needles.extend(provider.vouched());
            for name in ["assertion", "client_assertion"] {
                needles.extend(
                    asked
                        .iter()
                        .filter_map(|it| it.field(name))
                        .map(str::to_owned),
                );
            }
            if way == "provider" {
                // Its secret is taken in the other way than is tried first.
                assert_eq!(provider.grants(TOKEN_EXCHANGE).len(), 2);
                assert_eq!(provider.vouched().len(), 1);
            }
            let mut written = vec![
                ("stderr".to_owned(), left.stderr.into_bytes()),
                ("stdout".to_owned(), left.lines.join("\n").into_bytes()),
                (
                    "the host's answer".to_owned(),
                    answer.to_string().into_bytes(),
                ),
            ];
            crate::dpop::traces::files(home.path(), &mut written);
            written.retain(|(name, _)| !name.contains("given."));
            assert!(written.iter().any(|it| it.0.ends_with("recording.jsonl")));
            for needle in &needles {
                assert!(needle.len() > 8);
                for (name, bytes) in &written {
                    let found = memchr::memmem::find(bytes, needle.as_bytes());
                    assert_eq!(found, None, "{way} {is_refused}: {needle} is in {name}");
                }
            }
        }
    }
}
