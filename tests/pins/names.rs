//! Names by which processes of different versions find the same thing: a lock, a file, an entry of the vault.

use std::time::SystemTime;

use mcpipe::auth::Settings;
use mcpipe::auth::client::{Client, ClientSource, Method};
use mcpipe::auth::oauth::scope::Scopes;
use mcpipe::auth::store::name::shared_name;
use mcpipe::auth::store::record::ClientRecord;
use mcpipe::clock::Clock;
use mcpipe::header_secrets;
use mcpipe::secret::Secret;
use mcpipe::server_cache::ServerCache;
use mcpipe::store::{Vault, VaultPaths};
use serde_json::json;

use super::written::{key, tokens};

fn settings() -> Settings {
    let now = Clock::new(|| SystemTime::UNIX_EPOCH);
    Settings::new("https://MCP.example.com:443/mcp?a=b#c", now).unwrap()
}

/// Two versions that name this lock differently spend one refresh token twice.
#[test]
fn processes_exclude_each_other_by_these_names() {
    let mut settings = settings();
    for what in ["credential", "sign-in", "helper", "assertion", "failing"] {
        let wanted = format!("{what} oauth default https://mcp.example.com/mcp?a=b");
        assert_eq!(shared_name(what, &settings), wanted);
    }
    settings.account = "at work".to_owned();
    let wanted = "credential oauth at work https://mcp.example.com/mcp?a=b";
    assert_eq!(shared_name("credential", &settings), wanted);
}

#[test]
fn those_names_are_asked_for_by_these_words_and_no_others() {
    let mut words = Vec::new();
    for (_, code) in super::sources() {
        for before in ["lock_name(", "shared_name("] {
            for (at, _) in code.match_indices(before) {
                let rest = code[at + before.len()..].trim_start();
                if let Some(word) = rest.strip_prefix('"') {
                    words.push(word.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    words.sort();
    words.dedup();
    assert_eq!(
        words,
        ["assertion", "credential", "failing", "helper", "sign-in"]
    );
}

#[test]
fn files_of_the_vault_have_these_names() {
    let home = tempfile::tempdir().unwrap();
    let place = VaultPaths::new(Some(home.path())).unwrap();
    let name = "credential oauth default https://mcp.example.com/mcp?a=b";
    let hash = "bda4dd420994b2ec4492b1a02c0b1e13580c2c19d0f24d4d9a54cb39f2ca67f8";
    for (path, wanted) in [
        (place.vault(), "vault.bin"),
        (place.vault_lock(), "vault.lock"),
        (place.unlock_lock(), "unlock.lock"),
        (place.lock_mark(), "vault.locked"),
        (place.entry_lock(name), &format!("cred-{hash}.lock")),
        (place.side_file(name), &format!("note-{hash}.json")),
        (place.key(), "state/vault.key"),
        (place.next_key(), "state/vault.key.next"),
        (place.anchor(), "state/vault.anchor"),
        (place.sealed_key("a1"), "state/slot-a1.cred"),
        (place.socket(), "state/agent.sock"),
        (place.agent_lock(), "state/agent.lock"),
    ] {
        assert_eq!(path, home.path().join(wanted));
    }
}

/// A process that has no environment to work the places out from is told them in this line.
#[test]
fn places_are_handed_on_in_these_words() {
    let text = r#"{"chosen":true,"paths":["/h","/h/state","/h/state"]}"#;
    let place = VaultPaths::from_line(text).expect("it is read");
    assert_eq!(place.to_line(), text);
}

#[test]
fn what_is_known_of_a_server_is_found_by_its_address_and_the_account() {
    let home = tempfile::tempdir().unwrap();
    let facts = ServerCache::about(Some(home.path()), "https://a.example/mcp", "default");
    facts.store("name", json!("value"));
    let file = "cache/servers/5c8be6373a3d8e733337cac95f2dcfe9.json";
    let text = std::fs::read_to_string(home.path().join(file)).unwrap();
    assert_eq!(text, r#"{"name":"value"}"#);
    assert!(home.path().join("cache/servers/lock").exists());
}

/// Tokens under a name that is built otherwise are not found, and the user has to sign in again.
#[test]
fn entries_are_kept_under_these_names() {
    let mut settings = settings();
    let mut entry = tokens();
    entry.dpop_key = None;
    let begin =
        r#"["oauth","default","https://mcp.example.com/mcp?a=b","https://as.example","client""#;
    let nothing = r#""[null,null,[],[]]""#;
    assert_eq!(
        entry.name(&settings),
        format!(r#"{begin},"client_secret_basic",{nothing}]"#)
    );
    entry.dpop_key = Some(key());
    assert_eq!(
        entry.name(&settings),
        format!(r#"{begin},"client_secret_basic DPoP",{nothing}]"#)
    );
    entry.dpop_key = None;
    settings.scope = Some(Scopes::parse("a b"));
    settings.resource_parameter = Some("r".to_owned());
    settings.authorize_params = vec![("audience".to_owned(), "x".to_owned())];
    settings.token_params = vec![("t".to_owned(), "y".to_owned())];
    let pins = r#""[\"a b\",\"r\",[[\"audience\",\"x\"]],[[\"t\",\"y\"]]]""#;
    assert_eq!(
        entry.name(&settings),
        format!(r#"{begin},"client_secret_basic",{pins}]"#)
    );
    settings.grant = mcpipe::auth::grant::GrantConfig::ClientCredentials;
    let pins = r#""[[\"a b\",\"r\",[[\"audience\",\"x\"]],[[\"t\",\"y\"]]],[\"client credentials\",\"\"]]""#;
    assert_eq!(
        entry.name(&settings),
        format!(r#"{begin},"client_secret_basic",{pins}]"#)
    );
}

#[test]
fn registrations_are_kept_under_these_names() {
    let mut settings = settings();
    let name = |settings: &Settings| ClientRecord::name("https://as.example", settings);
    assert_eq!(
        name(&settings),
        r#"["client","https://as.example","mcpipe","","","","","{}"]"#
    );
    settings.client_name = "N".to_owned();
    settings.callback_host = Some("localhost".to_owned());
    settings.callback_path = Some("/cb".to_owned());
    settings.redirect_uri = Some("https://r.example/".to_owned());
    settings.scope = Some(Scopes::parse("a b"));
    settings
        .client_metadata
        .insert("tos_uri".to_owned(), json!("t"));
    settings.expected_issuer = Some("https://as.example".to_owned());
    assert_eq!(
        name(&settings),
        r#"["client","https://as.example","N","localhost","/cb","https://r.example/","a b","{\"tos_uri\":\"t\"}","https://mcp.example.com/mcp?a=b"]"#
    );
}

#[tokio::test]
async fn a_secret_of_the_users_is_kept_under_its_own_name() {
    let vault = Vault::in_memory();
    let secret = Secret::new("s3cret");
    header_secrets::put(&vault, "key", &secret, None, SystemTime::UNIX_EPOCH)
        .await
        .unwrap();
    let names: Vec<_> = vault.list().await.unwrap();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].0, "secret:key");
}

#[test]
fn words_for_clients_in_the_vault_are_these() {
    let of = |method: Method| method.name();
    assert_eq!(
        [
            of(Method::None),
            of(Method::Basic),
            of(Method::Post),
            of(Method::PrivateKeyJwt)
        ],
        [
            "none",
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt"
        ]
    );
    let of = |source: ClientSource| source.name();
    assert_eq!(
        [
            of(ClientSource::Given),
            of(ClientSource::Document),
            of(ClientSource::Registered)
        ],
        ["given", "document", "registered"]
    );
    assert_eq!(Client::anonymous().source, ClientSource::Given);
}
