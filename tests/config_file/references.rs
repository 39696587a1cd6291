//! Secrets that are named by where they are: `file:`, `env:`, `cred:`, `command:`.

use super::{home, played, run_in, server};
use crate::support::authority::Authority;
use crate::support::host::{INITIALIZE, Process};
use crate::support::remote::{Reply, Server, ordinary};

const PATH: (&str, &str) = ("PATH", "/usr/bin:/bin");

#[tokio::test]
async fn a_header_takes_its_secret_from_a_file_a_variable_a_credential_or_a_program() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("linear"), "s3cret\r\n").unwrap();
    let directory = folder.path().display().to_string();
    let variables = [
        ("CREDENTIALS_DIRECTORY", directory.as_str()),
        ("KEY", "s3cret"),
        PATH,
    ];
    let file = format!("file:{directory}/linear");
    for reference in [
        file.as_str(),
        "env:KEY",
        "cred:linear",
        "command:echo s3cret",
    ] {
        for (text, flags) in [
            (
                format!("[defaults]\nheader = ['Authorization: Bearer ${{{reference}}}']"),
                vec![],
            ),
            (format!("[defaults]\nbearer = '{reference}'"), vec![]),
            (
                String::new(),
                vec!["--bearer".to_owned(), reference.to_owned()],
            ),
            (
                String::new(),
                vec![
                    "--header".to_owned(),
                    format!("Authorization: Bearer ${{{reference}}}"),
                ],
            ),
        ] {
            let server = server().await;
            let url = server.url();
            let home = home(&text);
            let mut arguments = vec![url.as_str(), "--debug"];
            arguments.extend(flags.iter().map(String::as_str));
            let host = Process::start_in(home.path(), &arguments, &variables);
            let (_, said) = played(host, &[]).await;
            let asked = server.asked("POST initialize", 1).await;
            assert_eq!(
                asked.header("authorization"),
                Some("Bearer s3cret"),
                "{reference}"
            );
            // The program's own words are the user's: they stand in the arguments.
            if !reference.starts_with("command:") {
                assert!(!said.contains("s3cret"), "{said}");
            }
        }
    }
}

#[tokio::test]
async fn a_reference_that_leads_nowhere_is_told_by_its_place() {
    let server = server().await;
    let url = server.url();
    for (text, said) in [
        (
            "bearer = 'cred:linear'",
            "names a credential of systemd, and $CREDENTIALS_DIRECTORY is not set",
        ),
        (
            "bearer = 'file:/nowhere/at/all'",
            "cannot read /nowhere/at/all",
        ),
        (
            "bearer = 'env:S3CRET'",
            "names an environment variable that is not set",
        ),
        (
            "header = ['X-Key: ${cred:../s3cret}']",
            "takes cred: and the name of a credential",
        ),
        (
            "header = ['X-Key: ${command:}']",
            "takes command: and a program",
        ),
    ] {
        let home = home(&format!("[defaults]\n{text}"));
        let left = Process::start_in(home.path(), &[&url], &[]).closed().await;
        assert_eq!(left.status.code(), Some(2), "{text}: {}", left.stderr);
        assert!(left.stderr.contains(said), "{text}: {}", left.stderr);
        assert!(
            !left.stderr.to_lowercase().contains("s3cret"),
            "{}",
            left.stderr
        );
    }
    assert!(server.labels().is_empty());
}

#[tokio::test]
async fn a_program_that_gives_no_secret_is_named_to_the_host_and_nothing_is_sent() {
    let server = server().await;
    let url = server.url();
    for (command, said) in [
        ("false s3cret", "gave no secret"),
        ("true s3cret", "printed no text"),
    ] {
        let home = home(&format!("[defaults]\nbearer = 'command:{command}'"));
        let mut host = Process::start_in(home.path(), &[&url], &[PATH]);
        host.send(INITIALIZE).await;
        let answer = host.next_json().await.to_string();
        let left = host.closed().await;
        let all = format!("{answer}{}", left.stderr);
        assert!(answer.contains(said), "{all}");
        assert!(!all.contains("s3cret"), "{all}");
    }
    assert!(server.labels().is_empty());
}

/// A key that was replaced on the disk is read again when the server refuses the old one.
#[tokio::test]
async fn a_refused_secret_is_read_again_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    for reference in [
        format!("file:{}", key.display()),
        format!("command:cat {}", key.display()),
    ] {
        std::fs::write(&key, "old\n").unwrap();
        let now = key.clone();
        let server = Server::that(move |ask| {
            let good = match std::fs::read_to_string(&now).unwrap().trim() {
                "old" => "Bearer old",
                _ => "Bearer new",
            };
            match ask.header("authorization") == Some(good) {
                true => ordinary(ask),
                false => Reply::status(401).with("WWW-Authenticate", "Bearer"),
            }
        })
        .await;
        let home = home(&format!("[defaults]\nbearer = '{reference}'"));
        let mut host = Process::start_in(home.path(), &[&server.url()], &[PATH]);
        host.send(INITIALIZE).await;
        assert!(host.next_json().await["result"].is_object());
        std::fs::write(&key, "new\n").unwrap();
        host.send(crate::support::host::call(1)).await;
        let answer = host.next_json().await;
        assert!(answer["result"].is_object(), "{reference}: {answer}");
        host.closed().await;
    }
}

#[tokio::test]
async fn a_clients_secret_is_a_reference() {
    let folder = tempfile::tempdir().unwrap();
    let secret = crate::unattended::SECRET;
    std::fs::write(folder.path().join("robot"), secret).unwrap();
    let directory = folder.path().display().to_string();
    let variables = [
        ("CREDENTIALS_DIRECTORY", directory.as_str()),
        ("ROBOT", secret),
        PATH,
    ];
    let command = format!("command:cat '{directory}/robot'");
    let file = format!("file:{directory}/robot");
    for reference in ["cred:robot", "env:ROBOT", &file, &command] {
        let authority = Authority::start().await;
        authority.add_secret_client("robot", secret, "client_secret_basic");
        let remote = crate::unattended::binary::protected_by(&authority).await;
        let url = remote.url();
        let home = home(&format!(
            "[server.\"{url}\"]\nclient-credentials = true\nclient-id = \"robot\"\nclient-secret = \"{reference}\"\n"
        ));
        let host = Process::start_in(home.path(), &[&url], &variables);
        let (_, said) = played(host, &[]).await;
        assert_eq!(
            authority.grants("client_credentials").len(),
            1,
            "{reference}: {said}"
        );
        assert!(!said.contains(secret), "{said}");
        // Another command gets the token in the same way.
        let left = Process::start_in(home.path(), &["token", &url], &variables)
            .closed()
            .await;
        assert!(left.status.success(), "{}", left.stderr);
    }
    let empty = home("");
    let (code, _, said) = run_in(
        empty.path(),
        &[
            "token",
            "https://a.example",
            "--client-id",
            "x",
            "--client-secret",
            "vault:s3cret",
        ],
    )
    .await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("--client-secret takes no vault:"), "{said}");
}
