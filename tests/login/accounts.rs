//! Two users at one server: which of them the browser brings, who has signed in, and that two accounts are one user.

use std::sync::{Arc, Mutex};

use mcpipe::auth::flow::accounts;
use mcpipe::auth::store::record::TokenState;
use mcpipe::auth::{Announce, Notice, SelectAccount, Settings};
use serde_json::{Value, json};
use url::Url;

use super::{World, asking_for, kept_text, unauthorized};
use crate::support::authority::Reply;
use crate::support::browser;

/// An OpenID provider whose next sign-ins are this user's.
fn is_at(world: &World, claims: Value) {
    world.authority.turn_grants(|grants| {
        grants.gives_id_tokens = true;
        grants.claims = Some(claims);
    });
}

fn speaks_openid(world: &World) {
    world
        .authority
        .configure(|options| options.metadata = json!({ "subject_types_supported": ["public"] }));
}

/// The settings of an account whose user signs in at once, and what that user is told.
fn account(world: &World, name: &str) -> (Settings, Arc<Mutex<String>>) {
    let told = Arc::new(Mutex::new(String::new()));
    let ear = Arc::clone(&told);
    let people = world.people.clone();
    let mut settings = world.settings();
    settings.account = name.to_owned();
    settings.announce = Announce::new(move |notice| {
        *ear.lock().unwrap() += &notice.text();
        if let Notice::Visit { url, .. } = notice {
            let url = Url::parse(url).unwrap();
            people.spawn(async move { browser::follow(&url).await });
        }
    });
    (settings, told)
}

/// Signs an account in; what its user is told after the address.
async fn signs_in(world: &World, name: &str) -> String {
    let (settings, told) = account(world, name);
    let authorizer = world.authorizer_with(settings);
    authorizer.login(&unauthorized()).await.unwrap();
    let told = told.lock().unwrap();
    told.lines()
        .filter(|line| !line.starts_with("Please authorize") && !line.starts_with("http"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The `prompt` of each request that reached the authorization server; nothing where there was none.
fn prompts(world: &World) -> Vec<String> {
    let asked = world.authority.at("/authorize").into_iter();
    asked
        .map(|seen| seen.field("prompt").unwrap_or_default().to_owned())
        .collect()
}

async fn user_of(world: &World, account: &str) -> Option<String> {
    let all = accounts::status(&world.vault).await.unwrap();
    let kept = all.iter().find(|kept| kept.account == account).unwrap();
    kept.user.as_ref().map(mcpipe::auth::User::words)
}

#[tokio::test]
async fn a_second_account_lets_the_user_choose_and_the_first_one_is_not_asked() {
    let world = World::new().await;
    speaks_openid(&world);
    for name in ["default", "default", "work", "default"] {
        signs_in(&world, name).await;
    }
    // From the second account on each sign-in may be the other one's session.
    assert_eq!(
        prompts(&world),
        ["", "", "select_account", "select_account"]
    );
}

#[tokio::test]
async fn the_choice_is_asked_for_beside_the_consent_to_last() {
    let world = World::new().await;
    world.authority.configure(|options| {
        options.metadata = json!({
            "subject_types_supported": ["public"], "scopes_supported": ["a", "offline_access"],
        });
    });
    for name in ["default", "work"] {
        let (settings, _) = account(&world, name);
        let authorizer = world.authorizer_with(settings);
        authorizer.login(&asking_for("a")).await.unwrap();
    }
    assert_eq!(prompts(&world), ["consent", "select_account consent"]);
}

#[tokio::test]
async fn a_prompt_that_is_refused_is_followed_by_one_that_is_taken() {
    type Row = (&'static [&'static str], &'static [&'static str], bool);
    let rows: [Row; 4] = [
        (
            &["login", "consent"],
            &["select_account consent", "login consent"],
            true,
        ),
        // Heroku's.
        (
            &["login"],
            &["select_account consent", "login consent", "login"],
            true,
        ),
        (
            &["consent"],
            &["select_account consent", "login consent", "login", ""],
            false,
        ),
        (
            &[],
            &["select_account consent", "login consent", "login", ""],
            false,
        ),
    ];
    for (taken, wanted, chooses) in rows {
        let world = World::new().await;
        world.authority.configure(|options| {
            options.metadata = json!({
                "subject_types_supported": ["public"], "scopes_supported": ["offline_access"],
            });
        });
        for (name, prompts) in [("default", None), ("work", Some(taken))] {
            world
                .authority
                .configure(|options| options.prompts = prompts);
            let (settings, told) = account(&world, name);
            let authorizer = world.authorizer_with(settings);
            authorizer.login(&asking_for("a")).await.unwrap();
            let told = told.lock().unwrap();
            let is_said = told.contains("does not let you choose an account when asked to");
            assert_eq!(is_said, prompts.is_some() && !chooses, "{taken:?} {told}");
        }
        assert_eq!(prompts(&world)[1..], *wanted, "{taken:?}");
    }
}

#[tokio::test]
async fn a_server_that_may_not_know_how_is_asked_only_at_the_users_word() {
    let world = World::new().await;
    signs_in(&world, "default").await;
    let told = signs_in(&world, "work").await;
    assert!(
        told.contains("is not known to let you choose an account")
            && told.contains("--select-account"),
        "{told}"
    );
    for select in [SelectAccount::Never, SelectAccount::Always] {
        let (mut settings, told) = account(&world, "work");
        settings.select_account = select;
        let authorizer = world.authorizer_with(settings);
        authorizer.login(&unauthorized()).await.unwrap();
        let told = told.lock().unwrap();
        assert!(!told.contains("choose an account"), "{told}");
    }
    let (mut settings, told) = account(&world, "work");
    settings.authorize_params = vec![("prompt".to_owned(), "create".to_owned())];
    let authorizer = world.authorizer_with(settings);
    authorizer.login(&unauthorized()).await.unwrap();
    assert!(!told.lock().unwrap().contains("choose an account"));
    assert_eq!(prompts(&world), ["", "", "", "select_account", "create"]);
}

#[tokio::test]
async fn who_has_signed_in_is_said_and_kept_and_old_entries_are_read() {
    let world = World::new().await;
    let mail = "ada@example.com";
    is_at(&world, json!({"sub": "1", "email": mail, "name": "Ada"}));
    let told = signs_in(&world, "work").await;
    let url = world.resource();
    assert_eq!(
        told,
        format!("Signed in to {url} as {mail} (account work).")
    );
    assert_eq!(user_of(&world, "work").await.as_deref(), Some(mail));

    // As an older version kept it, and as a broken hand might.
    for user in [None, Some(json!(7)), Some(json!({"issuer": 1}))] {
        let kept = kept_text(&world).await;
        let (name, _, text) = kept
            .iter()
            .find(|(_, _, it)| it.contains("person"))
            .unwrap();
        let mut entry: Value = serde_json::from_str(text).unwrap();
        match user {
            None => entry.as_object_mut().unwrap().remove("person"),
            Some(value) => entry
                .as_object_mut()
                .unwrap()
                .insert("person".into(), value),
        };
        let read = mcpipe::auth::store::record::TokenRecord::read(&mcpipe::secret::Secret::new(
            entry.to_string(),
        ));
        assert_eq!(read.unwrap().user, None, "{name} {entry}");
    }
}

#[tokio::test]
async fn an_id_token_of_another_request_issuer_or_client_names_nobody() {
    for claims in [
        json!({"sub": "1", "iss": "https://evil.example"}),
        json!({"sub": "1", "aud": "another"}),
        json!({"sub": "1", "nonce": "another"}),
        json!({"sub": null}),
    ] {
        let world = World::new().await;
        is_at(&world, claims.clone());
        let (settings, told) = account(&world, "work");
        let authorizer = world.authorizer_with(settings);
        authorizer.login(&asking_for("openid")).await.unwrap();
        let (url, told) = (world.resource(), told.lock().unwrap().clone());
        let wanted = format!("Signed in to {url} (account work).\n");
        assert!(told.ends_with(&wanted), "{claims}: {told}");
        assert_eq!(user_of(&world, "work").await, None, "{claims}");
    }
}

#[tokio::test]
async fn two_accounts_that_are_one_user_are_said_and_two_users_are_not() {
    let world = World::new().await;
    speaks_openid(&world);
    is_at(&world, json!({"sub": "1", "preferred_username": "ada"}));
    assert!(!signs_in(&world, "default").await.contains("Note"));
    let told = signs_in(&world, "work").await;
    let url = world.resource();
    assert!(
        told.contains("Note: account work is the same person as account default."),
        "{told}"
    );
    assert!(
        told.contains(&format!("`mcpipe login {url} --account work`")),
        "{told}"
    );
    is_at(&world, json!({"sub": "2", "preferred_username": "ada"}));
    assert!(!signs_in(&world, "work").await.contains("Note"));
}

/// OpenID Connect Core section 12.2.
#[tokio::test]
async fn a_renewal_for_another_user_is_refused() {
    for (claims, is_refused) in [
        (json!({"sub": "1"}), false),
        (json!({"sub": "2"}), true),
        (json!({"sub": "2", "aud": "another"}), false),
    ] {
        let world = World::new().await;
        is_at(&world, json!({"sub": "1", "email": "ada@example.com"}));
        signs_in(&world, "default").await;
        is_at(&world, claims.clone());
        world.later(4000);
        let (settings, _) = account(&world, "default");
        let authorizer = world.authorizer_with(settings);
        let current = authorizer.current().await.unwrap();
        assert_eq!(current.is_none(), is_refused, "{claims}");
        let kept = accounts::status(&world.vault).await.unwrap();
        let wanted = match is_refused {
            true => (TokenState::NeedsLogin, Some("other_user")),
            false => (TokenState::Ok, None),
        };
        assert_eq!((kept[0].state, kept[0].last_error.as_deref()), wanted);
        // The name stays, though a renewal tells the subject alone.
        let name = kept[0].user.as_ref().map(mcpipe::auth::User::words);
        assert_eq!(name.as_deref(), Some("ada@example.com"), "{claims}");
        let bad = &world.authority.access_tokens()[1];
        let is_kept = kept_text(&world).await.iter().any(|it| it.2.contains(bad));
        assert_eq!(is_kept, !is_refused);
    }
}

#[tokio::test]
async fn a_server_that_tells_elsewhere_is_asked_there_and_shown_no_token_that_is_not_for_it() {
    let ada = json!({"sub": "1", "active": true, "email": "ada@example.com"});
    // Place, what it answers, what the ID token says, scope, whether `resource` confines the token; asked, told.
    for (place, answer, id, scope, confined, asked, told) in [
        (
            "introspection",
            ada.clone(),
            None,
            "a",
            true,
            true,
            Some("ada@example.com"),
        ),
        (
            "introspection",
            json!({"sub": "1", "active": false}),
            None,
            "a",
            true,
            true,
            None,
        ),
        (
            "introspection",
            json!({"error": "invalid_client"}),
            None,
            "a",
            true,
            true,
            None,
        ),
        ("userinfo", ada.clone(), None, "openid", true, false, None),
        ("userinfo", ada.clone(), None, "a", false, false, None),
        (
            "userinfo",
            ada.clone(),
            None,
            "openid",
            false,
            true,
            Some("ada@example.com"),
        ),
        (
            "userinfo",
            ada.clone(),
            Some("1"),
            "openid",
            false,
            true,
            Some("ada@example.com"),
        ),
        (
            "userinfo",
            ada.clone(),
            Some("2"),
            "openid",
            false,
            true,
            Some("2"),
        ),
        (
            "userinfo",
            json!({"error": "invalid_token"}),
            Some("2"),
            "openid",
            false,
            true,
            Some("2"),
        ),
    ] {
        let world = World::new().await;
        let at = format!("{}/{place}", world.authority.origin);
        let member = format!("{place}_endpoint");
        world
            .authority
            .configure(|options| options.metadata = json!({ member: at }));
        world
            .authority
            .serve(&format!("/{place}"), Reply::Json(answer.clone()));
        if let Some(subject) = id {
            is_at(&world, json!({ "sub": subject }));
        }
        let (mut settings, _) = account(&world, "work");
        if !confined {
            world.authority.configure(|options| options.resource = None);
            settings.send_resource = Some(false);
        }
        let authorizer = world.authorizer_with(settings);
        let credential = authorizer.login(&asking_for(scope)).await.unwrap();
        let row = format!("{place} {answer} {id:?} {scope} {confined}");
        let seen = world.authority.at(&format!("/{place}"));
        assert_eq!(!seen.is_empty(), asked, "{row}");
        for seen in seen {
            let token = world.shows(&credential);
            match place {
                "userinfo" => assert_eq!(seen.headers["authorization"], format!("Bearer {token}")),
                _ => assert_eq!(seen.field("token"), Some(token.as_str())),
            }
        }
        assert_eq!(user_of(&world, "work").await.as_deref(), told, "{row}");
    }
}

/// RFC 8628 has no `prompt`: the user chooses on the other device.
#[tokio::test]
async fn a_device_code_tells_who_has_signed_in_too() {
    let world = World::new().await;
    world.authority.configure(|options| {
        let at = format!("{}/device", world.authority.origin);
        options.metadata = json!({ "device_authorization_endpoint": at });
    });
    is_at(&world, json!({"sub": "1", "email": "ada@example.com"}));
    for name in ["default", "work"] {
        let told = Arc::new(Mutex::new(String::new()));
        let ear = Arc::clone(&told);
        let mut settings = world.settings();
        settings.account = name.to_owned();
        settings.device_code = true;
        settings.announce = Announce::new(move |notice| *ear.lock().unwrap() += &notice.text());
        let authorizer = world.authorizer_with(settings);
        authorizer.login(&unauthorized()).await.unwrap();
        let told = told.lock().unwrap();
        assert!(told.contains(" as ada@example.com"), "{told}");
        assert_eq!(told.contains("same person"), name == "work", "{told}");
    }
}

/// The ID token is what the server is shown, and says who it is all the same.
#[tokio::test]
async fn an_id_token_in_the_place_of_the_access_token_tells_who_it_is() {
    let world = World::new().await;
    is_at(&world, json!({"sub": "1", "upn": "ada@corp"}));
    let (mut settings, told) = account(&world, "work");
    settings.use_id_token = true;
    let authorizer = world.authorizer_with(settings.clone());
    let credential = authorizer.login(&unauthorized()).await.unwrap();
    assert_eq!(world.shows(&credential), world.authority.id_tokens()[0]);
    assert!(told.lock().unwrap().contains(" as ada@corp (account work)"));
    is_at(&world, json!({"sub": "2"}));
    world.later(4000);
    let next = world.authorizer_with(settings);
    assert!(next.current().await.unwrap().is_none(), "another user's");
}

#[cfg(unix)]
mod binary {
    //! What a user reads.

    use serde_json::{Value, json};

    use crate::coordination::{Machine, session};
    use crate::support::browser;
    use crate::support::host::{Exit, Process};

    fn is(machine: &Machine, claims: Value) {
        machine.authority.configure(|options| {
            options.metadata = json!({ "subject_types_supported": ["public"] });
        });
        machine.authority.turn_grants(|grants| {
            grants.gives_id_tokens = true;
            grants.claims = Some(claims);
        });
    }

    async fn login(machine: &Machine, more: &[&str]) -> Exit {
        let browser = machine.browser().display().to_string();
        let url = machine.remote.url();
        let all = [&["login", &url, "--auth-timeout", "40"], more].concat();
        let next = machine.shown().len() + 1;
        let process = Process::start_in(machine.home.path(), &all, &[("BROWSER", &browser)]);
        browser::follow(&machine.page(next).await).await;
        process.exit().await
    }

    async fn status(machine: &Machine, more: &[&str]) -> String {
        let all = [&["status"], more].concat();
        let left = Process::start_in(machine.home.path(), &all, &[])
            .exit()
            .await;
        left.lines.join("\n")
    }

    #[tokio::test]
    async fn login_and_status_say_who_and_that_two_accounts_are_one() {
        let machine = Machine::new().await;
        let url = machine.remote.url();
        is(&machine, json!({"sub": "1", "email": "ada@example.com"}));
        let left = login(&machine, &[]).await;
        assert!(left.status.success(), "{}", left.stderr);
        let said = format!("Signed in to {url} as ada@example.com.");
        assert_eq!(left.lines, [said.as_str()]);
        assert!(left.stderr.contains(&said), "{}", left.stderr);
        assert!(
            status(&machine, &[])
                .await
                .contains("\n  person    ada@example.com\n")
        );

        // The browser brings the same user.
        let left = login(&machine, &["--account", "work"]).await;
        let said = format!("Signed in to {url} as ada@example.com (account work).\n");
        assert!(left.stderr.contains(&said), "{}", left.stderr);
        assert!(
            left.stderr
                .contains("Note: account work is the same person as account default."),
            "{}",
            left.stderr
        );
        assert!(!left.stderr.contains("WARN"), "{}", left.stderr);
        let text = status(&machine, &[]).await;
        for other in ["work", "default"] {
            let line = format!("  person    ada@example.com (the same as account {other})");
            assert!(text.contains(&line), "{text}");
        }

        is(&machine, json!({"sub": "2", "name": "Grace\u{1b}[31m"}));
        let left = login(&machine, &["--account", "work"]).await;
        let said = format!("Signed in to {url} as Grace [31m (account work).");
        assert_eq!(left.lines, [said]);
        let json: Value = serde_json::from_str(&status(&machine, &["--json"]).await).unwrap();
        let issuer = &machine.authority.origin;
        let work = &json["entries"][1];
        assert_eq!(
            work["person"],
            json!({"name": "Grace [31m", "subject": "2", "issuer": issuer})
        );
        assert_eq!(work["same_person_as"], json!([]));
        let asked = machine.authority.at("/authorize");
        let prompts: Vec<_> = asked.iter().map(|seen| seen.field("prompt")).collect();
        assert_eq!(
            prompts,
            [None, Some("select_account"), Some("select_account")]
        );
    }

    #[tokio::test]
    async fn who_is_not_told_is_not_told() {
        let machine = Machine::new().await;
        let left = login(&machine, &["--account", "work", "--select-account"]).await;
        let url = machine.remote.url();
        assert_eq!(left.lines, [format!("Signed in to {url} (account work).")]);
        assert!(
            status(&machine, &[])
                .await
                .contains("\n  person    not told\n")
        );
        let json: Value = serde_json::from_str(&status(&machine, &["--json"]).await).unwrap();
        assert_eq!(json["entries"][0]["person"], Value::Null);
        let asked = &machine.authority.at("/authorize")[0];
        assert_eq!(asked.field("prompt"), Some("select_account"));
    }

    #[tokio::test]
    async fn a_bridge_says_who_has_signed_in() {
        let machine = Machine::new().await;
        is(&machine, json!({"sub": "1", "email": "ada@example.com"}));
        let mut host = machine.start_with(&["--account", "work"]);
        let user = async { browser::follow(&machine.page(1).await).await };
        let (answer, _) = tokio::join!(session(&mut host), user);
        assert!(answer["result"].is_object(), "{answer}");
        let said = format!(
            "Signed in to {} as ada@example.com (account work).\n",
            machine.remote.url()
        );
        host.has_said(&said).await;
        assert!(host.closed().await.status.success());
    }
}
