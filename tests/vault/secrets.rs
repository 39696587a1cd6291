//! A person's own secrets, through the real binary: to whom they go, to whom never, and when the vault is opened for them.
#![cfg(unix)]

use super::commands::{Person, server_with, works};
use crate::support::remote::{Server, ordinary};

#[tokio::test]
async fn a_secret_put_for_one_server_is_never_sent_to_another() {
    let person = Person::new();
    let (mine, other) = (server_with("s3cret").await, server_with("s3cret").await);
    person.types(&format!("vault put example --for {}", mine.url()), "s3cret");
    for arguments in [
        ["--bearer", "example"],
        ["--header", "X-Key: before ${vault:example} after"],
    ] {
        let url = other.url();
        let mut host = person.bridge(&[arguments[0], arguments[1], &url]);
        host.send(crate::support::host::INITIALIZE).await;
        let left = host.exit().await;
        assert_eq!(left.status.code(), Some(2), "{}", left.stderr);
        assert!(left.lines.is_empty());
        assert!(left.stderr.contains(&mine.origin()), "{}", left.stderr);
        assert!(left.stderr.contains(&other.origin()), "{}", left.stderr);
        assert!(!left.stderr.contains("s3cret"));
    }
    assert!(other.all().is_empty());
    let url = mine.url();
    let host = person.bridge(&["--bearer", "nobody", &url]).exit().await;
    assert_eq!(host.status.code(), Some(2));
    assert!(
        host.stderr.contains("mcpipe vault put nobody"),
        "{}",
        host.stderr
    );
    assert!(mine.all().is_empty());
}

#[tokio::test]
async fn a_secret_that_nobody_was_named_for_belongs_to_the_first() {
    let person = Person::new();
    let (first, second) = (server_with("s3cret").await, server_with("s3cret").await);
    person.types("vault put example", "s3cret");
    let mut host = person.bridge(&["--bearer", "example", &first.url()]);
    works(&mut host).await;
    let left = host.closed().await;
    assert!(left.stderr.contains(&first.origin()), "{}", left.stderr);
    let left = person
        .bridge(&["--bearer", "example", &second.url()])
        .exit()
        .await;
    assert_eq!(left.status.code(), Some(2));
    assert!(second.all().is_empty());
}

#[tokio::test]
async fn a_server_that_needs_no_secret_leaves_the_vault_closed_from_the_second_start_on() {
    let person = Person::with_passphrase_file();
    person.succeeds("vault init --kdf low");
    // Who cannot open it says so; who does not try says nothing.
    let host = Person {
        variables: Vec::new(),
        ..person
    };
    let server = Server::that(ordinary).await;
    for is_tried in [true, false, false] {
        let mut bridge = host.bridge(&[&server.url()]);
        works(&mut bridge).await;
        let left = bridge.closed().await;
        assert_eq!(left.stderr.contains("vault"), is_tried, "{}", left.stderr);
    }
}

#[test]
fn a_secret_is_never_an_argument_and_never_shown() {
    let person = Person::new();
    assert_eq!(person.says("vault put example s3cret").code, Some(2));
    assert_eq!(
        person.says("vault put example").code,
        Some(2),
        "an empty one"
    );
    let big: String = ('a'..='z').cycle().take(64 << 10).collect();
    person.types("vault put big --for https://a.example", &big);
    person.types("vault put example --for https://a.example", "s3cret");
    for line in [
        "vault status",
        "vault list",
        "vault list --json",
        "vault slot list",
        "vault verify",
        "status",
        "status --json",
    ] {
        let said = person.says(line);
        assert!(
            !format!("{}{}", said.out, said.err).contains("s3cret"),
            "{line}"
        );
    }
    let token = "x".repeat(40);
    let typed = person.says(&format!("https://127.0.0.1:1/ --bearer {token}"));
    assert_eq!(typed.code, Some(2));
    assert!(!typed.err.contains(&token));
}
