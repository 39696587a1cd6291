use std::time::UNIX_EPOCH;

use super::*;

const HERE: &str = "https://mcp.example.com";
const THERE: &str = "https://other.example.com";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn bearer(name: &str) -> Vec<Template> {
    vec![Template {
        name: http::header::AUTHORIZATION,
        parts: vec![Part::Text("Bearer ".into()), Part::Secret(name.into())],
    }]
}

async fn put_secret(vault: &Vault, name: &str, secret: &str, origin: Option<&str>) {
    let origin = origin.map(str::to_owned);
    put(vault, name, &Secret::new(secret), origin, at(5))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_secret_goes_only_to_the_server_it_was_put_for() {
    let vault = Vault::in_memory();
    put_secret(&vault, "key", "s3cret", Some(HERE)).await;
    let found = headers(&vault, &bearer("key"), HERE, at(9)).await.unwrap();
    assert_eq!(found["authorization"], "Bearer s3cret");
    assert!(found["authorization"].is_sensitive());

    let elsewhere = headers(&vault, &bearer("key"), THERE, at(9))
        .await
        .unwrap_err();
    assert!(elsewhere.is_usage());
    let said = elsewhere.to_string();
    assert!(said.contains(HERE) && said.contains(THERE) && !said.contains("s3cret"));
    let unknown = headers(&vault, &bearer("other"), HERE, at(9)).await;
    assert!(matches!(unknown, Err(Error::Unknown(name)) if name == "other"));
}

#[tokio::test]
async fn the_first_server_that_uses_an_unbound_secret_keeps_it() {
    let vault = Vault::in_memory();
    put_secret(&vault, "key", "s3cret", None).await;
    headers(&vault, &bearer("key"), HERE, at(9)).await.unwrap();
    let other = headers(&vault, &bearer("key"), THERE, at(9)).await;
    assert!(matches!(other, Err(Error::Elsewhere { .. })));

    // A new value under the same name keeps the secret's origin; a new origin moves the secret.
    put_secret(&vault, "key", "another", None).await;
    let other = headers(&vault, &bearer("key"), THERE, at(9)).await;
    assert!(matches!(other, Err(Error::Elsewhere { .. })));
    put_secret(&vault, "key", "another", Some(THERE)).await;
    let moved = headers(&vault, &bearer("key"), THERE, at(9)).await.unwrap();
    assert_eq!(moved["authorization"], "Bearer another");
}

#[tokio::test]
async fn the_last_use_is_written_down_at_most_once_an_hour() {
    let vault = Arc::new(Vault::in_memory());
    put_secret(&vault, "key", "s3cret", Some(HERE)).await;
    let mut seen = Vec::new();
    for now in [1000, 1000 + 3599, 1000 + 3600, 500] {
        note_use(&vault, &bearer("key"), at(now)).await;
        seen.push(list(&vault).await.unwrap()[0].used_at.unwrap());
    }
    // The last use is earlier than the note: the clock was set back.
    assert_eq!(seen, [1000, 1000, 4600, 500]);
    assert_eq!(list(&vault).await.unwrap()[0].put_at, 5);
}

#[tokio::test]
async fn names_are_plain_and_values_that_no_header_takes_are_said() {
    let vault = Vault::in_memory();
    for name in ["", "a b", "a}", "ä", &"x".repeat(33), "a/b"] {
        let put = put(&vault, name, &Secret::new("1"), None, at(0)).await;
        assert!(matches!(put, Err(Error::Name)), "{name}");
    }
    put_secret(&vault, "two.lines-1_", "a\nb", Some(HERE)).await;
    let sent = headers(&vault, &bearer("two.lines-1_"), HERE, at(9))
        .await
        .unwrap_err();
    assert!(matches!(sent, Error::Unsendable(_)));
    assert!(!format!("{sent} {sent:?}").contains("a\\nb"));
    assert!(remove(&vault, "two.lines-1_").await.unwrap());
    assert!(!remove(&vault, "two.lines-1_").await.unwrap());
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_program_prints_is_a_part_of_a_header() {
    let vault = Vault::in_memory();
    let printed = async |line: &str| {
        let program = Argv::split(line).unwrap();
        let templates = [Template {
            name: http::header::AUTHORIZATION,
            parts: vec![Part::Text("Bearer ".into()), Part::Program(program)],
        }];
        headers(&vault, &templates, HERE, at(9)).await
    };
    let found = printed("printf '%s\\n' s3cret").await.unwrap();
    assert_eq!(found["authorization"], "Bearer s3cret");
    for line in ["false s3cret", "true s3cret", "printf 'a\\nb' s3cret"] {
        let error = printed(line).await.unwrap_err();
        assert!(!error.is_usage(), "{line}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{line}");
    }
}
