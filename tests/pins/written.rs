//! Texts that one version writes and another reads. A text here is not changed: a member may be added to it, and the text
//! without the member is still read then.

use std::time::{Duration, SystemTime};

use mcpipe::auth::User;
use mcpipe::auth::client::AssertionSigning;
use mcpipe::auth::client::{Client, ClientSource, Method};
use mcpipe::auth::grant::GrantType;
use mcpipe::auth::oauth::jws::{Algorithm, Key};
use mcpipe::auth::oauth::observed_quirks::ObservedQuirks;
use mcpipe::auth::oauth::scope::Scopes;
use mcpipe::auth::store::record::{ClientRecord, TokenRecord, TokenState};
use mcpipe::header_secrets;
use mcpipe::secret::Secret;
use mcpipe::store::Vault;
use serde_json::{Value, json};
use url::Url;

use crate::support::host::Process;
use crate::support::remote::{Server, ordinary};

const KEY: &str = include_str!("../../fixtures/keys/ec.pem");

pub(super) fn key() -> Key {
    Key::read(&Secret::new(KEY)).unwrap()
}

fn client() -> Client {
    Client {
        id: "client".to_owned(),
        secret: Some(Secret::new("SECRET")),
        method: Method::Basic,
        header_only: true,
        other: Some(Method::Post),
        source: ClientSource::Registered,
        signing: Some(AssertionSigning {
            algorithm: Algorithm::Es256,
            audience: "https://as.example".to_owned(),
            signer: None,
        }),
    }
}

/// Tokens with every member set.
pub(super) fn tokens() -> TokenRecord {
    TokenRecord {
        resource: "https://mcp.example.com/mcp".to_owned(),
        account: "default".to_owned(),
        issuer: "https://as.example".to_owned(),
        token_endpoint: Url::parse("https://as.example/token").unwrap(),
        revocation_endpoint: Some(Url::parse("https://as.example/revoke").unwrap()),
        client: client(),
        access: Secret::new("ACCESS"),
        refresh: Some(Secret::new("REFRESH")),
        obtained_at: 1,
        expires_at: Some(2),
        refresh_at: Some(3),
        resource_sent: Some("https://mcp.example.com/".to_owned()),
        scope_requested: Some(Scopes::parse("a b")),
        scope_granted: Some(Scopes::parse("a")),
        state: TokenState::NeedsLogin,
        strikes: 4,
        last_error: Some("invalid_grant".to_owned()),
        scope_wanted: Some(Scopes::parse("a b c")),
        learned: ObservedQuirks {
            refuses_resource: true,
            wants_scope_on_refresh: true,
            auth_method: Some("client_secret_post".to_owned()),
            header_only: true,
        },
        grant: GrantType::Workload,
        dpop_key: Some(key()),
        issued_anew: vec![5, 6],
        signed_in_at: 7,
        authorization_origin: Some("https://login.example".to_owned()),
        user: Some(User {
            issuer: "https://as.example".to_owned(),
            subject: "248289761001".to_owned(),
            name: Some("jane@example.com".to_owned()),
        }),
        endpoint_origins: vec!["https://as.example".to_owned()],
    }
}

const TOKENS: &str = r#"{"schema":1,"resource":"https://mcp.example.com/mcp","account":"default","issuer":"https://as.example","token_endpoint":"https://as.example/token","revocation_endpoint":"https://as.example/revoke","client_id":"client","client_secret":"SECRET","auth_method":"client_secret_basic","other_method":"client_secret_post","header_only":true,"assertion_alg":"ES256","assertion_aud":"https://as.example","client_source":"registered","at":"ACCESS","rt":"REFRESH","token_type":"DPoP","obtained_at":1,"expires_at":2,"refresh_at":3,"resource_sent":"https://mcp.example.com/","scope_requested":"a b","scope_granted":"a","state":"needs_login","strikes":4,"last_error":"invalid_grant","scope_wanted":"a b c","learned":{"refuses_resource":true,"wants_scope_on_refresh":true,"auth_method":"client_secret_post","header_only":true},"grant":"workload","dpop_key":KEY,"issued_anew":[5,6],"signed_in_at":7,"authorization_origin":"https://login.example","person":{"issuer":"https://as.example","subject":"248289761001","name":"jane@example.com"},"endpoint_origins":["https://as.example"]}"#;

/// The same with nothing that may be left out.
const FEW_TOKENS: &str = r#"{"schema":1,"resource":"https://mcp.example.com/mcp","account":"default","issuer":"https://as.example","token_endpoint":"https://as.example/token","revocation_endpoint":null,"client_id":"","client_secret":null,"auth_method":"none","other_method":null,"client_source":"given","at":"ACCESS","rt":null,"token_type":"Bearer","obtained_at":1,"expires_at":null,"refresh_at":null,"resource_sent":null,"scope_requested":null,"scope_granted":null,"state":"ok","strikes":0,"last_error":null,"scope_wanted":null,"learned":{"refuses_resource":false,"wants_scope_on_refresh":false,"auth_method":null},"grant":"person"}"#;

#[test]
fn tokens_are_written_with_these_words() {
    let key = serde_json::to_string(key().text().expose()).unwrap();
    let all = TOKENS.replace("KEY", &key);
    assert_eq!(tokens().write().expose(), all);
    let few = TokenRecord {
        revocation_endpoint: None,
        client: Client::anonymous(),
        refresh: None,
        expires_at: None,
        refresh_at: None,
        resource_sent: None,
        scope_requested: None,
        scope_granted: None,
        state: TokenState::Ok,
        strikes: 0,
        last_error: None,
        scope_wanted: None,
        learned: ObservedQuirks::default(),
        grant: GrantType::User,
        dpop_key: None,
        issued_anew: Vec::new(),
        signed_in_at: 0,
        authorization_origin: None,
        user: None,
        endpoint_origins: Vec::new(),
        ..tokens()
    };
    assert_eq!(few.write().expose(), FEW_TOKENS);
    for text in [&*all, FEW_TOKENS] {
        let read = TokenRecord::read(&Secret::new(text)).expect("it is read back");
        assert_eq!(read.write().expose(), text);
    }
}

#[test]
fn states_and_grants_are_written_with_these_words() {
    for (state, word) in [
        (TokenState::Ok, "ok"),
        (TokenState::Suspect, "suspect"),
        (TokenState::NeedsLogin, "needs_login"),
    ] {
        assert_eq!(json!(state), word);
    }
    for (grant, word) in [
        (GrantType::User, "person"),
        (GrantType::ClientCredentials, "client_credentials"),
        (GrantType::Workload, "workload"),
        (GrantType::Enterprise, "enterprise"),
    ] {
        assert_eq!(json!(grant), word);
    }
}

/// What the first versions wrote, which had fewer members.
#[test]
fn tokens_of_the_first_versions_are_read() {
    let mut old: Value = serde_json::from_str(FEW_TOKENS).unwrap();
    for member in ["issuer", "other_method", "scope_wanted", "learned", "grant"] {
        old.as_object_mut().unwrap().remove(member);
    }
    let read = TokenRecord::read(&Secret::new(old.to_string())).expect("it is read");
    assert_eq!(read.grant, GrantType::User);
    assert_eq!(read.learned, ObservedQuirks::default());
}

#[test]
fn a_registration_is_written_with_these_words() {
    let text = r#"{"schema":1,"client_id":"client","client_secret":"SECRET","auth_method":"client_secret_basic","other_method":"client_secret_post","header_only":true,"assertion_alg":"ES256","assertion_aud":"https://as.example","client_source":"registered","redirect_uri":"http://127.0.0.1:1/cb","expires_at":2,"known_at":3}"#;
    let registration = ClientRecord {
        client: client(),
        redirect_uri: "http://127.0.0.1:1/cb".to_owned(),
        expires_at: Some(2),
        known_at: 3,
    };
    assert_eq!(registration.write().expose(), text);
    let read = ClientRecord::read(&Secret::new(text)).expect("it is read back");
    assert_eq!(read.write().expose(), text);
}

#[tokio::test]
async fn a_secret_of_the_users_is_written_with_these_words() {
    let vault = Vault::in_memory();
    let secret = Secret::new("SECRET");
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let stored = async || {
        let found = vault.read("secret:key").await.unwrap().unwrap();
        found.content.expose().to_owned()
    };
    header_secrets::put(&vault, "key", &secret, None, at(5))
        .await
        .unwrap();
    assert_eq!(
        stored().await,
        r#"{"schema":1,"value":"SECRET","put_at":5}"#
    );
    let origin = Some("https://mcp.example.com".to_owned());
    header_secrets::put(&vault, "key", &secret, origin, at(6))
        .await
        .unwrap();
    assert_eq!(
        stored().await,
        r#"{"schema":1,"value":"SECRET","origin":"https://mcp.example.com","put_at":6}"#
    );
}

#[tokio::test]
async fn a_recording_begins_with_these_words() {
    let server = Server::that(ordinary).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording");
    let arguments = ["--record", file.to_str().unwrap(), &server.url()];
    Process::start(&arguments).closed().await;
    let text = std::fs::read_to_string(file).unwrap();
    let mut first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let told = first["recording"].as_object_mut().unwrap();
    for (name, value) in [
        ("mcpipe", env!("CARGO_PKG_VERSION")),
        ("server", &server.origin()),
    ] {
        assert_eq!(told.insert(name.to_owned(), "…".into()).unwrap(), value);
    }
    assert!(told.insert("platform".to_owned(), "…".into()).is_some());
    assert!(first.as_object_mut().unwrap().remove("at").is_some());
    assert_eq!(
        first,
        json!({ "recording": {
            "mcpipe": "…",
            "platform": "…",
            "server": "…",
            "flags": ["--record", "MCPIPE_PROTOCOL"],
            "protocol": "legacy",
            "content": "shapes",
        } })
    );
}
