//! Servers and authorization servers with one fault each, and what is stored of a sign-in there.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mcpipe::auth::Settings;
use mcpipe::auth::client::{Client, ClientSource, Method};
use mcpipe::auth::grant::GrantType;
use mcpipe::auth::oauth::scope::Scopes;
use mcpipe::auth::store::record::{TokenRecord, TokenState};
use mcpipe::clock::Clock;
use mcpipe::doctor::finding::Verdict::{self, Fail, Ok, Skipped, Warn};
use mcpipe::secret::Secret;
use mcpipe::store::passphrase::Sources;
use mcpipe::store::{EntryKind, Expected, Unlock, Vault, VaultPaths};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Case, case, findings, found, play, report, report_in};
use crate::support::remote::{Ask, Reply, Server, ordinary};

const PRM: &str = "/.well-known/oauth-protected-resource/mcp";
const ROOT_PRM: &str = "/.well-known/oauth-protected-resource";
const RFC8414: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// A protected server that is its own authorization server, before a fault is put in.
struct Site {
    status: u16,
    challenge: Option<String>,
    documents: HashMap<String, Value>,
    pages: HashMap<String, (u16, &'static str)>,
}

impl Site {
    fn sound(origin: &str) -> Self {
        let resource = json!({
            "resource": format!("{origin}/mcp"),
            "authorization_servers": [origin],
        });
        let server = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/authorize"),
            "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"),
            "code_challenge_methods_supported": ["S256"],
        });
        Self {
            status: 401,
            challenge: Some(format!("Bearer resource_metadata=\"{origin}{PRM}\"")),
            documents: [(PRM, resource), (RFC8414, server)]
                .map(|(place, it)| (place.to_owned(), it))
                .into(),
            pages: HashMap::new(),
        }
    }

    fn resource(&mut self) -> &mut Value {
        self.documents.get_mut(PRM).unwrap()
    }

    fn server(&mut self) -> &mut Value {
        self.documents.get_mut(RFC8414).unwrap()
    }

    fn without(&mut self, places: &[&str]) {
        for place in places {
            self.documents.remove(*place);
        }
    }

    fn answer(&self, ask: &Ask) -> Reply {
        if let Some((status, text)) = self.pages.get(&ask.path) {
            return Reply::status(*status)
                .with("Content-Type", "text/html")
                .body(*text);
        }
        if let Some(document) = self.documents.get(&ask.path) {
            return Reply::json(document.to_string());
        }
        match (&self.challenge, ask.path.as_str()) {
            (_, "/mcp") if self.status == 200 => ordinary(ask),
            (Some(challenge), "/mcp") => {
                Reply::status(self.status).with("WWW-Authenticate", challenge)
            }
            (None, "/mcp") => Reply::status(self.status),
            _ => Reply::status(404),
        }
    }
}

/// A site with one fault.
fn broken(
    code: &'static str,
    verdict: Verdict,
    fault: impl Fn(&mut Site, &str) + Send + 'static,
) -> Case {
    case(code, verdict, move |ask| {
        let origin = format!("http://{}", ask.header("host").unwrap());
        let mut site = Site::sound(&origin);
        fault(&mut site, &origin);
        site.answer(ask)
    })
}

#[tokio::test]
async fn each_fault_of_the_challenge_and_of_the_resource_has_its_code() {
    play(vec![
        broken("CHALLENGE_NAMES_METADATA", Ok, |_, _| {}),
        broken("CHALLENGE_WITHOUT_METADATA", Warn, |site, _| {
            site.challenge = Some("Bearer realm=\"mcp\"".to_owned());
        }),
        broken("CHALLENGE_OTHER_SCHEME", Warn, |site, _| {
            site.challenge = Some("Basic realm=\"proxy\", Negotiate".to_owned());
        }),
        broken("CHALLENGE_WANTS_SCOPE", Warn, |site, _| {
            site.status = 403;
            site.challenge =
                Some("Bearer error=\"insufficient_scope\", scope=\"files:write\"".to_owned());
        }),
        broken("RESOURCE_METADATA", Ok, |site, _| {
            // A 401 without a challenge is no obstacle where the well-known places answer.
            site.challenge = None;
        }),
        broken("RESOURCE_METADATA_ABSENT", Ok, |site, _| {
            site.status = 200;
            site.without(&[PRM, RFC8414]);
        }),
        broken("RESOURCE_METADATA_ABSENT", Warn, |site, _| {
            site.without(&[PRM]);
        }),
        broken("RESOURCE_OTHER", Fail, |site, _| {
            site.resource()["resource"] = "https://other.example/mcp".into();
        }),
        broken("RESOURCE_OTHER", Fail, |site, _| {
            // FastMCP behind a proxy: https in the metadata, http at the server.
            let name = site.resource()["resource"]
                .as_str()
                .unwrap()
                .replace("http:", "https:");
            site.resource()["resource"] = name.into();
        }),
        broken("RESOURCE_IS_SHORTER", Warn, |site, origin| {
            site.resource()["resource"] = origin.into();
        }),
        broken("RESOURCE_METADATA_UNREACHABLE", Fail, |site, _| {
            site.without(&[PRM]);
            site.pages.insert(PRM.to_owned(), (503, "down"));
            site.pages.insert(ROOT_PRM.to_owned(), (503, "down"));
        }),
        broken("RESOURCE_METADATA_ELSEWHERE", Warn, |site, _| {
            let place = "http://127.0.0.1:9/prm";
            site.challenge = Some(format!("Bearer resource_metadata=\"{place}\""));
        }),
        broken("RESOURCE_BAD_SERVER", Fail, |site, _| {
            site.resource()["authorization_servers"] = json!(["https://a\u{7}.example"]);
        }),
    ])
    .await;
}

#[tokio::test]
async fn each_fault_of_the_authorization_server_has_its_code() {
    play(vec![
        broken("SERVER_METADATA", Ok, |site, _| {
            let document = site.documents.remove(RFC8414).unwrap();
            site.documents.insert(OPENID.to_owned(), document);
        }),
        broken("SERVER_ASSUMED", Fail, |site, _| {
            site.without(&[PRM, RFC8414]);
        }),
        broken("SERVER_NO_METADATA", Fail, |site, _| {
            site.without(&[RFC8414]);
            site.pages.insert(
                RFC8414.to_owned(),
                (200, "<!DOCTYPE html><title>Log in</title>"),
            );
        }),
        broken("SERVER_OTHER_ISSUER", Fail, |site, _| {
            site.server()["issuer"] = "https://login.other.example".into();
        }),
        broken("SERVER_UNEXPECTED_ISSUER", Fail, |_, _| {})
            .with(&["--expect-issuer", "https://login.other.example"]),
        broken("SERVER_BAD_METADATA", Fail, |site, _| {
            site.server()["token_endpoint"] = Value::Null;
        }),
        broken("SERVER_NOT_HTTPS", Fail, |site, _| {
            site.server()["token_endpoint"] = "http://login.example.com/token".into();
        }),
        broken("SERVER_UNREACHABLE", Fail, |site, _| {
            site.resource()["authorization_servers"] = json!(["http://127.0.0.1:9"]);
        }),
        broken("SERVER_SECOND", Warn, |site, origin| {
            site.resource()["authorization_servers"] = json!(["http://127.0.0.1:9", origin]);
        }),
        broken("SERVER_ENDPOINT_IGNORED", Warn, |site, _| {
            site.server()["registration_endpoint"] = "http://login.example.com/register".into();
        }),
        broken("PKCE_S256", Ok, |_, _| {}),
        broken("PKCE_UNSAID", Fail, |site, _| {
            site.server()["code_challenge_methods_supported"] = Value::Null;
        }),
        broken("PKCE_BELIEVED", Ok, |site, _| {
            site.server()["code_challenge_methods_supported"] = Value::Null;
        })
        .with(&["--assume-pkce"]),
        broken("PKCE_PLAIN_ONLY", Fail, |site, _| {
            site.server()["code_challenge_methods_supported"] = json!(["plain"]);
        }),
    ])
    .await;
}

#[tokio::test]
async fn each_way_to_a_client_and_each_flag_has_its_code() {
    let no_registration = |site: &mut Site, _: &str| {
        site.server()["registration_endpoint"] = Value::Null;
    };
    let dpop_only = |site: &mut Site, origin: &str| {
        site.challenge = Some(format!(
            "DPoP algs=\"ES256\", resource_metadata=\"{origin}{PRM}\""
        ));
    };
    play(vec![
        broken("CLIENT_TO_REGISTER", Ok, |_, _| {}),
        broken("CLIENT_NONE", Fail, no_registration),
        broken("CLIENT_GIVEN", Ok, no_registration).with(&["--client-id", "me"]),
        broken("CLIENT_DOCUMENT", Ok, |site, _| {
            site.server()["client_id_metadata_document_supported"] = true.into();
        })
        .with(&["--client-metadata-url", "https://me.example/client.json"]),
        broken("CLIENT_DOCUMENT_UNUSED", Warn, |_, _| {})
            .with(&["--client-metadata-url", "https://me.example/client.json"]),
        broken("CLIENT_PROOF_UNLISTED", Warn, |site, _| {
            site.server()["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
        })
        .with(&["--client-id", "me"]),
        broken("SCOPES_ASKED", Ok, |_, _| {}),
        broken("SCOPES_UNLISTED", Warn, |site, _| {
            site.resource()["scopes_supported"] = json!(["read"]);
            site.server()["scopes_supported"] = json!(["read"]);
        })
        .with(&["--scope", "raed"]),
        broken("DPOP_UNUSED", Ok, |_, _| {}),
        broken("DPOP_NOT_OFFERED", Fail, dpop_only),
        broken("DPOP_NOT_OFFERED", Fail, |_, _| {}).with(&["--dpop", "require"]),
        broken("DPOP_SWITCHED_OFF", Fail, dpop_only).with(&["--dpop", "off"]),
        broken("DPOP_USED", Ok, move |site, origin| {
            dpop_only(site, origin);
            site.server()["dpop_signing_alg_values_supported"] = json!(["ES256"]);
        }),
        broken("DEVICE_CODE_NOT_OFFERED", Fail, |_, _| {}).with(&["--device-code"]),
        broken("DEVICE_CODE_OFFERED", Ok, |site, origin| {
            site.server()["device_authorization_endpoint"] = format!("{origin}/device").into();
        }),
        broken("FLAG_OVERRIDES", Warn, |_, _| {}).with(&["--resource", "https://other.example"]),
        broken("FLAG_UNUSED", Warn, |_, _| {}).with(&["--assume-pkce"]),
        broken("OWN_AUTHORIZATION", Ok, |_, _| {})
            .with(&["--header", "Authorization: Bearer s3cret-k3y"]),
        broken("VAULT_IN_MEMORY", Warn, |_, _| {}).with(&["--vault", "none"]),
        broken("BROWSER_NOWHERE", Ok, |_, _| {}),
        broken("BROWSER_BY_HAND", Ok, |_, _| {}).with(&["--no-browser"]),
        broken("CALLBACK_FREE", Ok, |_, _| {}),
    ])
    .await;
}

/// Every place is told with its answer, and nothing is registered or redeemed.
#[tokio::test]
async fn every_place_is_told_and_nothing_is_posted_to_the_authorization_server() {
    let server = Server::that(|ask: &Ask| {
        let origin = format!("http://{}", ask.header("host").unwrap());
        let mut site = Site::sound(&origin);
        site.without(&[RFC8414]);
        site.pages.insert(RFC8414.to_owned(), (200, "<html>"));
        site.answer(ask)
    })
    .await;
    let report = report(&[&server.url()]).await;
    let finding = found(&report, "SERVER_NO_METADATA", Fail);
    let at = |place: &str| format!("{}{place}", server.origin());
    for part in [
        format!("{} HTTP 200, text/html without a JSON object", at(RFC8414)),
        format!("{} HTTP 404", at(OPENID)),
    ] {
        assert!(finding.sentence.contains(&part), "{}", finding.sentence);
    }
    for ask in server.all() {
        assert!(
            ask.verb != "POST" || ask.path == "/mcp",
            "{} {}",
            ask.verb,
            ask.path
        );
    }
}

#[tokio::test]
async fn a_port_that_is_taken_and_a_remedy_with_the_user_s_own_flags() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let server = Server::that(|ask: &Ask| {
        let origin = format!("http://{}", ask.header("host").unwrap());
        let mut site = Site::sound(&origin);
        site.server()["registration_endpoint"] = Value::Null;
        site.answer(ask)
    })
    .await;
    let url = server.url();
    let report = report(&[&url, "--callback-port", &port, "--account", "work"]).await;
    found(&report, "CALLBACK_TAKEN", Fail);
    let remedy = found(&report, "CLIENT_NONE", Fail).remedy.clone().unwrap();
    let uri = format!("http://127.0.0.1:{port}/oauth/callback");
    let line = format!("mcpipe login {url} --account work --client-id ID --callback-port {port}");
    assert!(remedy.contains(&uri) && remedy.contains(&line), "{remedy}");
}

/// A vault in this home, with the sources of its passphrase.
fn vault(home: &TempDir, passphrase: Option<&str>) -> Vault {
    let unlock = Unlock {
        passphrase: Sources {
            environment: passphrase.map(Secret::new),
            ..Sources::default()
        },
        kdf: mcpipe::store::slot::Kdf::LOW,
        ..Unlock::default()
    };
    Vault::on_disk(
        VaultPaths::new(Some(Path::new(home.path()))).unwrap(),
        unlock,
    )
}

fn now() -> u64 {
    mcpipe::clock::seconds(mcpipe::settings::now())
}

fn record(url: &str, issuer: &str) -> TokenRecord {
    TokenRecord {
        resource: url.to_owned(),
        account: "default".to_owned(),
        issuer: issuer.to_owned(),
        token_endpoint: format!("{issuer}/token").parse().unwrap(),
        revocation_endpoint: None,
        client: Client {
            id: "me".to_owned(),
            source: ClientSource::Registered,
            method: Method::None,
            ..Client::anonymous()
        },
        access: Secret::new("s3cret-access"),
        refresh: Some(Secret::new("s3cret-refresh")),
        obtained_at: now() - 100,
        expires_at: Some(now() + 3600),
        refresh_at: None,
        resource_sent: None,
        scope_requested: None,
        scope_granted: Some(Scopes::parse("read")),
        state: TokenState::Ok,
        strikes: 0,
        last_error: None,
        scope_wanted: None,
        learned: mcpipe::auth::oauth::observed_quirks::ObservedQuirks::default(),
        grant: GrantType::User,
        dpop_key: None,
        issued_anew: Vec::new(),
        signed_in_at: now() - 86_400,
        authorization_origin: None,
        user: None,
        endpoint_origins: Vec::new(),
    }
}

/// Keeps the record under the name that these settings give it, and returns the report.
async fn reported(
    edit: impl Fn(&mut TokenRecord, &mut Settings),
    words: &[&str],
) -> mcpipe::doctor::report::Report {
    let server = Server::that(|ask: &Ask| {
        let origin = format!("http://{}", ask.header("host").unwrap());
        let mut site = Site::sound(&origin);
        site.challenge = Some(format!(
            "Bearer scope=\"read\", resource_metadata=\"{origin}{PRM}\""
        ));
        site.answer(ask)
    })
    .await;
    let (url, home) = (server.url(), tempfile::tempdir().unwrap());
    let clock = Clock::new(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    let mut settings = Settings::new(url.clone(), clock).unwrap();
    let mut record = record(&url, &server.origin());
    edit(&mut record, &mut settings);
    settings.account.clone_from(&record.account);
    let name = record.name(&settings);
    let vault = vault(&home, None);
    let content = record.write();
    let put = vault.put(&name, EntryKind::Oauth, &content, Expected::Anything);
    put.await.unwrap();
    let words: Vec<_> = [url.as_str()].iter().chain(words).copied().collect();
    let report = report_in(&home, &words, &[]).await;
    assert!(!format!("{report:?}").contains("s3cret"), "{report:?}");
    report
}

#[tokio::test]
async fn each_state_of_a_stored_sign_in_has_its_code() {
    type Edit = fn(&mut TokenRecord, &mut Settings);
    let cases: Vec<(&str, Verdict, Edit, &[&str])> = vec![
        ("STORED_GOOD", Ok, |_, _| {}, &[]),
        (
            "STORED_RENEWABLE",
            Ok,
            |it, _| it.expires_at = Some(now() - 60),
            &[],
        ),
        (
            "STORED_ENDED",
            Fail,
            |it, _| {
                it.expires_at = Some(now() - 60);
                it.refresh = None;
            },
            &[],
        ),
        ("STORED_ENDS", Warn, |it, _| it.refresh = None, &[]),
        (
            "STORED_DEAD",
            Fail,
            |it, _| it.state = TokenState::NeedsLogin,
            &[],
        ),
        (
            "STORED_SUSPECT",
            Warn,
            |it, _| it.state = TokenState::Suspect,
            &[],
        ),
        (
            "STORED_SCOPE_SHORT",
            Warn,
            |it, _| it.scope_granted = Some(Scopes::parse("list")),
            &[],
        ),
        (
            "STORED_IN_THE_FUTURE",
            Warn,
            |it, _| it.obtained_at = now() + 7200,
            &[],
        ),
        (
            "STORED_OTHER_ACCOUNT",
            Warn,
            |it, _| it.account = "work".to_owned(),
            &[],
        ),
        (
            "STORED_OTHER_FLAGS",
            Warn,
            |_, settings| settings.scope = Some(Scopes::parse("read write")),
            &[],
        ),
        (
            "STORED_UNUSED",
            Warn,
            |_, _| {},
            &["--header", "Authorization: Bearer other-k3y"],
        ),
        (
            "SERVER_CHANGED",
            Fail,
            |it, _| {
                it.issuer = "https://login.before.example".to_owned();
                it.token_endpoint = "https://login.before.example/token".parse().unwrap();
            },
            &[],
        ),
    ];
    let played = cases
        .into_iter()
        .map(|(code, verdict, edit, words)| async move {
            let report = reported(edit, words).await;
            found(&report, code, verdict);
            found(&report, "VAULT_OPEN", Ok);
        });
    futures_util::future::join_all(played).await;
}

#[tokio::test]
async fn a_locked_vault_is_not_opened_and_its_command_is_told() {
    let server = Server::that(ordinary).await;
    let home = tempfile::tempdir().unwrap();
    let made = vault(&home, Some("correct horse battery staple of old"));
    made.init().await.unwrap();
    let report = report_in(&home, &[&server.url()], &[]).await;
    let closed = findings(&report);
    let mut closed = closed.iter().filter(|it| it.code.name == "VAULT_LOCKED");
    for finding in [closed.next().unwrap(), closed.next().unwrap()] {
        assert_eq!(finding.verdict, Skipped);
        assert!(
            finding
                .remedy
                .as_ref()
                .unwrap()
                .contains("`mcpipe vault unlock`")
        );
    }
    // A program might ask the user: it is not run.
    let marker = home.path().join("ran");
    let program = format!("touch {}", marker.display());
    let variables = [("MCPIPE_PASSPHRASE_COMMAND", program.as_str())];
    let report = report_in(&home, &[&server.url()], &variables).await;
    found(&report, "VAULT_LOCKED", Skipped);
    assert!(!marker.exists());
    let wrong = [("MCPIPE_PASSPHRASE", "another passphrase altogether")];
    let report = report_in(&home, &[&server.url()], &wrong).await;
    found(&report, "VAULT_UNUSABLE", Fail);
}
