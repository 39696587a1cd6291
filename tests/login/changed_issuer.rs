//! A server that sends users to another authorization server than before: nothing opens or is sent there until the user
//! says so. The real binary, with a browser that only writes down where it was sent.

#![cfg(unix)]

mod place; // the server and its two authorization servers

use mcpipe::store::{EntryKind, Expected};
use serde_json::{Value, json};

use crate::coordination::{answer, session};
use crate::support::authority::{Authority, Registered, Reply as Document};
use crate::support::browser;
use crate::support::host::{INITIALIZE, call};

pub(super) use place::Place;

const RFC8414: &str = "/.well-known/oauth-authorization-server";

/// What the second authorization server was asked for beside its documents.
fn asked(authority: &Authority) -> Vec<String> {
    let seen = authority.seen().into_iter().map(|seen| seen.path);
    seen.filter(|path| !path.starts_with("/.well-known") && path != "/elsewhere")
        .collect()
}

/// Whether an error answer names both, and the command.
fn names_both(error: &Value, was: &str, now: &str, command: &str) {
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(was) && message.contains(now), "{error}");
    assert!(
        error["data"]["hint"].as_str().unwrap().contains(command),
        "{error}"
    );
    assert_eq!(error["data"]["kind"], "sign_in_needed", "{error}");
    assert_eq!(error["data"]["retryable"], false, "{error}");
}

type Change = fn(&Place);

#[tokio::test(flavor = "multi_thread")]
async fn no_window_opens_at_another_authorization_server_than_the_last() {
    let changes: [(&str, Change); 11] = [
        ("another is named", |place| {
            place.said().named = vec![place.second.origin.clone()];
        }),
        (
            "the last is down, and another is named beside it",
            |place| {
                place.said().named = vec![place.second.origin.clone(), place.first.origin.clone()];
                let down = Document::Text(503, "text/plain", "down".to_owned());
                place.first.serve(RFC8414, down.clone());
                place.first.serve("/.well-known/openid-configuration", down);
            },
        ),
        (
            "the metadata are gone, and the server's own origin is left",
            |place| {
                place.said().named.clear();
            },
        ),
        ("the server's own origin says that it is one", |place| {
            let mut said = place.said();
            said.named.clear();
            let (origin, there) = (place.remote.origin(), &place.second.origin);
            said.root = Some(json!({
                "issuer": origin,
                "authorization_endpoint": format!("{there}/authorize"),
                "token_endpoint": format!("{there}/token"),
                "registration_endpoint": format!("{there}/register"),
                "code_challenge_methods_supported": ["S256"],
            }));
        }),
        ("the challenge names other metadata", |place| {
            let at = "/elsewhere";
            place
                .second
                .protect(at, &place.remote.url(), &[&place.second.origin]);
            place.said().place = Some(format!("{}{at}", place.second.origin));
        }),
        ("the token endpoint is elsewhere", |place| {
            let there = format!("{}/token", place.second.origin);
            place
                .first
                .configure(|options| options.metadata = json!({ "token_endpoint": there }));
        }),
        ("the page is elsewhere", |place| {
            let there = format!("{}/authorize", place.second.origin);
            place
                .first
                .configure(|options| options.metadata = json!({ "authorization_endpoint": there }));
        }),
        ("clients are registered elsewhere", |place| {
            let there = format!("{}/register", place.second.origin);
            place
                .first
                .configure(|options| options.metadata = json!({ "registration_endpoint": there }));
        }),
        (
            "the codes for another device are given elsewhere",
            |place| {
                let there = format!("{}/device", place.second.origin);
                place.first.configure(|options| {
                    options.metadata = json!({ "device_authorization_endpoint": there });
                });
            },
        ),
        ("tokens are revoked elsewhere", |place| {
            let there = format!("{}/revoke", place.second.origin);
            place
                .first
                .configure(|options| options.metadata = json!({ "revocation_endpoint": there }));
        }),
        (
            "a code for another device would be asked for there",
            |place| {
                place.said().named = vec![place.second.origin.clone()];
                let there = format!("{}/device", place.second.origin);
                place.second.configure(|options| {
                    options.metadata = json!({ "device_authorization_endpoint": there });
                });
            },
        ),
    ];
    for (name, change) in changes {
        let place = Place::signed_in_before().await;
        change(&place);
        let is_own = name.contains("own origin");
        let now = if is_own {
            place.remote.origin()
        } else {
            place.second.origin.clone()
        };
        let flags: &[&str] = if name.contains("device") {
            &["--device-code"]
        } else {
            &[]
        };
        let mut host = place.start(flags);
        host.send(INITIALIZE).await;
        let refused = answer(&mut host, 0).await;
        let command = format!("mcpipe login {}", place.remote.url());
        names_both(&refused["error"], &place.first.origin, &now, &command);
        let left = host.closed().await;
        assert_eq!(asked(&place.second), Vec::<String>::new(), "{name}");
        assert_eq!(place.shown().len(), 1, "{name}: {}", left.stderr);
    }
}

/// 403 with `insufficient_scope`, and metadata that name another.
#[tokio::test(flavor = "multi_thread")]
async fn more_scope_is_not_asked_for_at_another_authorization_server() {
    let place = Place::new().await;
    place.login(&[], 1).await;
    {
        let mut said = place.said();
        said.is_short = true;
        said.named = vec![place.second.origin.clone()];
    }
    let mut host = place.start(&[]);
    let refused = session(&mut host).await;
    let command = format!("mcpipe login {}", place.remote.url());
    names_both(
        &refused["error"],
        &place.first.origin,
        &place.second.origin,
        &command,
    );
    host.closed().await;
    assert_eq!(asked(&place.second), Vec::<String>::new());
    assert_eq!(place.shown().len(), 1);
}

/// Two hosts wait; both hear of it, and both go on without a restart when the user has signed in.
#[tokio::test(flavor = "multi_thread")]
async fn the_users_word_is_login_and_running_bridges_go_on_after_it() {
    let place = Place::new().await;
    place.login(&[], 1).await;
    let mut hosts = [place.start(&[]), place.start(&[])];
    for host in &mut hosts {
        let opened = session(host).await;
        assert!(opened["result"].is_object(), "{opened}");
    }
    place.turn_down();
    place.said().named = vec![place.second.origin.clone()];
    let command = format!("mcpipe login {}", place.remote.url());
    for host in &mut hosts {
        host.send(call(2)).await;
    }
    for host in &mut hosts {
        let refused = answer(host, 2).await;
        names_both(
            &refused["error"],
            &place.first.origin,
            &place.second.origin,
            &command,
        );
    }
    assert_eq!(asked(&place.second), Vec::<String>::new());

    let said = place.login(&[], 2).await;
    assert!(
        said.contains(&place.first.origin) && said.contains(&place.second.origin),
        "{said}"
    );
    for host in &mut hosts {
        host.send(call(3)).await;
        let answered = answer(host, 3).await;
        assert!(answered["result"].is_object(), "{answered}");
    }
    // From now on it is the last one: a window opens there by itself, and not at the first.
    for host in hosts {
        host.closed().await;
    }
    place.said().is_closed = true;
    place.second.revoke_all();
    let mut host = place.start(&[]);
    host.send(INITIALIZE).await;
    let page = tokio::select! {
        page = place.page(3) => browser::visit(&page).await,
        answer = answer(&mut host, 0) => panic!("{answer}"),
    };
    let page = page.header("location").unwrap();
    assert!(page.starts_with(&place.second.origin), "{page}");
    host.closed().await;
    place.login(&[], 4).await;
    place.said().named = vec![place.first.origin.clone()];
    let mut host = place.start(&[]);
    host.send(INITIALIZE).await;
    let refused = answer(&mut host, 0).await;
    names_both(
        &refused["error"],
        &place.second.origin,
        &place.first.origin,
        &command,
    );
    host.closed().await;
    assert_eq!(place.shown().len(), 4);
}

/// A flag that names the authorization server is the user's word too, in a host's configuration.
#[tokio::test(flavor = "multi_thread")]
async fn a_flag_that_names_the_authorization_server_is_the_users_word() {
    for flag in ["--authorization-server", "--expect-issuer"] {
        let place = Place::signed_in_before().await;
        place.said().named = vec![place.second.origin.clone()];
        let mut host = place.start(&[flag, &place.second.origin]);
        let person = async { browser::follow(&place.page(2).await).await };
        let (opened, page) = tokio::join!(session(&mut host), person);
        assert!(opened["result"].is_object(), "{flag}: {opened} {page:?}");
        host.closed().await;
        assert_eq!(place.second.at("/token").len(), 1, "{flag}");
    }
}

/// Another account has signed in nowhere yet, and the user's word for one set of flags is good for others.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_last_is_kept_for_each_account() {
    let place = Place::signed_in_before().await;
    place.said().named = vec![place.second.origin.clone()];
    let mut host = place.start(&["--account", "work"]);
    let person = async { browser::follow(&place.page(2).await).await };
    let (opened, _) = tokio::join!(session(&mut host), person);
    assert!(opened["result"].is_object(), "{opened}");
    host.closed().await;

    place.login(&[], 3).await;
    let mut host = place.start(&["--scope", "a"]);
    let person = async { browser::follow(&place.page(4).await).await };
    let (opened, _) = tokio::join!(session(&mut host), person);
    assert!(opened["result"].is_object(), "{opened}");
    host.closed().await;
}

/// Entries of other versions: without the issuer, without what is new in this one.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_of_another_version_is_compared_by_what_it_has() {
    for gone in [
        &["issuer", "signed_in_at", "authorization_origin"][..],
        &["signed_in_at", "authorization_origin"][..],
    ] {
        for is_moved in [true, false] {
            let place = Place::signed_in_before().await;
            let vault = place.vault();
            for (name, kind) in vault.list().await.unwrap() {
                if kind == EntryKind::Oauth {
                    let kept = vault.read(&name).await.unwrap().unwrap();
                    let mut entry: Value = serde_json::from_str(kept.content.expose()).unwrap();
                    let members = entry.as_object_mut().unwrap();
                    assert!(gone.iter().all(|name| members.remove(*name).is_some()));
                    let content = mcpipe::secret::Secret::new(entry.to_string());
                    let put = vault.put(&name, kind, &content, Expected::Anything);
                    put.await.unwrap();
                }
            }
            if is_moved {
                place.said().named = vec![place.second.origin.clone()];
            }
            let mut host = place.start(&[]);
            host.send(INITIALIZE).await;
            if is_moved {
                let refused = answer(&mut host, 0).await;
                let (was, now) = (&place.first.origin, &place.second.origin);
                names_both(&refused["error"], was, now, "mcpipe login http");
            } else {
                place.page(2).await;
            }
            host.closed().await;
            assert_eq!(asked(&place.second), Vec::<String>::new(), "{gone:?}");
        }
    }
}

/// A client's secret is shown to no other issuer, nor to another endpoint of the same, whatever the client is called.
#[tokio::test(flavor = "multi_thread")]
async fn a_clients_secret_is_shown_to_no_other_than_the_last() {
    let moved: Change = |place| place.said().named = vec![place.second.origin.clone()];
    let elsewhere: Change = |place| {
        let there = format!("{}/token", place.second.origin);
        place
            .first
            .configure(|options| options.metadata = json!({ "token_endpoint": there }));
    };
    for (change, id) in [
        (moved, "one"),
        (moved, "two"),
        (elsewhere, "one"),
        (elsewhere, "two"),
    ] {
        let place = Place::new().await;
        for authority in [&place.first, &place.second] {
            for id in ["one", "two"] {
                let client = Registered {
                    redirect_uris: Vec::new(),
                    secret: Some("secret-canary".to_owned()),
                    method: "client_secret_basic".to_owned(),
                };
                authority.add_client(id, client);
            }
        }
        let url = place.remote.url();
        let of = |id| {
            let flags = [
                "--client-credentials",
                "--client-id",
                id,
                "--client-secret-env",
                "CLIENT_SECRET",
            ];
            flags.map(str::to_owned).to_vec()
        };
        let flags = of("one");
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let got = place.run(&[&["token", &url], &flags[..]].concat()).await;
        assert!(got.status.success(), "{}", got.stderr);
        place.turn_down();
        change(&place);
        let flags = of(id);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let mut host = place.start(&flags);
        host.send(INITIALIZE).await;
        let refused = answer(&mut host, 0).await;
        let (was, now) = (&place.first.origin, &place.second.origin);
        names_both(&refused["error"], was, now, "--authorization-server");
        host.closed().await;
        assert_eq!(asked(&place.second), Vec::<String>::new(), "{id}");
    }
}

/// What was refused while the metadata were gone is no verdict: they are looked for again with the next request.
#[tokio::test(flavor = "multi_thread")]
async fn metadata_that_come_back_need_no_decision() {
    let place = Place::signed_in_before().await;
    let named = std::mem::take(&mut place.said().named);
    let mut host = place.start(&[]);
    host.send(INITIALIZE).await;
    let refused = answer(&mut host, 0).await;
    assert!(refused["error"].is_object(), "{refused}");
    place.said().named = named;
    let person = async { browser::follow(&place.page(2).await).await };
    let (opened, _) = tokio::join!(session(&mut host), person);
    assert!(opened["result"].is_object(), "{opened}");
    host.closed().await;
    assert!(asked(&place.second).is_empty());
}
