//! Names of authorization servers that are not the ones they were looked up by.

use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio_util::task::TaskTracker;

use crate::login::{PRM, World, unauthorized};
use crate::support::authority::{Authority, Reply};

const RFC8414: &str = "/.well-known/oauth-authorization-server";

/// A world whose authorization server calls itself otherwise than the server names it.
async fn misnamed(found: &str) -> World {
    let world = World::new().await;
    world
        .authority
        .configure(|options| options.metadata = json!({ "issuer": found }));
    world
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_name_makes_no_other_issuer() {
    for (asked, found) in [
        ("/tenant", "/tenant/"),
        ("/tenant/", "/tenant"),
        ("", "/"),
        ("/", ""),
    ] {
        let world = World::new().await;
        let of = |path: &str| format!("{}{path}", world.authority.origin);
        world
            .authority
            .configure(|options| options.issuer = Some(of(found)));
        world
            .authority
            .serve_metadata_at(&format!("{RFC8414}{}", asked.trim_end_matches('/')));
        world.mcp.protect(PRM, &world.resource(), &[&of(asked)]);
        let signed_in = world.authorizer().renew(None, &unauthorized()).await;
        assert!(signed_in.is_ok(), "{asked} {found}: {signed_in:?}");
    }
}

/// Atlassian, PagerDuty, Meta and NetSuite. The error says which flag helps, and the flag does help.
#[tokio::test]
async fn a_server_that_goes_by_another_name_is_refused_with_the_way_out_that_works() {
    // The name has metadata of its own, which agree with it.
    let real = Authority::start().await;
    let world = misnamed(&real.origin).await;
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("calls itself"), "{error}");
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(&format!("--authorization-server {}", real.origin)),
        "{hint}"
    );
    let mut settings = world.attended();
    settings.authorization_server = Some(real.origin.clone());
    world.signed_in(&world.authorizer_with(settings)).await;
    assert_eq!(real.at("/token").len(), 1);
    assert!(world.authority.at("/token").is_empty());

    // It has none, or none that agree, or is nowhere.
    let silent = Authority::start().await;
    silent.remove(RFC8414);
    let lying = Authority::start().await;
    lying.configure(|options| options.metadata = json!({ "issuer": "https://elsewhere.example" }));
    let deeper = format!("{}/global/oauth", silent.origin);
    for found in [
        &silent.origin,
        &lying.origin,
        &deeper,
        "http://127.0.0.1:1/x",
    ] {
        let world = misnamed(found).await;
        let error = world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .unwrap_err();
        let hint = error.hint().unwrap();
        assert!(hint.contains(&format!("--expect-issuer {found}")), "{hint}");
        assert_eq!(world.windows(), 0);

        let mut settings = world.attended();
        settings.expected_issuer = Some(found.to_owned());
        world
            .signed_in(&world.authorizer_with(settings.clone()))
            .await;
        world.later(36_000);
        let again = world.authorizer_with(settings);
        assert!(again.current().await.unwrap().is_some(), "{found}");
        assert_eq!(world.windows(), 1, "{found}");
    }
}

/// A server without resource metadata whose root document points to a name that does not confirm it.
#[tokio::test]
async fn a_pointer_that_is_not_confirmed_has_the_same_way_out() {
    let world = World::new().await;
    world.mcp.remove(PRM);
    world.mcp.serve_metadata_at(RFC8414);
    let silent = Authority::start().await;
    silent.remove(RFC8414);
    world
        .mcp
        .configure(|options| options.metadata = json!({ "issuer": silent.origin }));
    let error = world
        .authorizer()
        .renew(None, &unauthorized())
        .await
        .unwrap_err();
    let hint = error.hint().unwrap();
    assert!(
        hint.contains(&format!("--expect-issuer {}", silent.origin)),
        "{error}: {hint}"
    );
    let mut settings = world.attended();
    settings.expected_issuer = Some(silent.origin.clone());
    world.signed_in(&world.authorizer_with(settings)).await;
}

#[tokio::test]
async fn an_expected_name_is_taken_exactly_and_no_other() {
    let name = "https://issuer.example/as";
    for (found, expected) in [
        (name, "https://issuer.example/as/"),
        (name, "https://issuer.example"),
        ("https://ISSUER.example/as", name),
        ("", name),
    ] {
        let world = misnamed(found).await;
        let mut settings = world.attended();
        settings.expected_issuer = Some(expected.to_owned());
        let error = world
            .authorizer_with(settings)
            .renew(None, &unauthorized())
            .await;
        let error = error.unwrap_err();
        assert!(
            error.to_string().contains("is expected"),
            "{found:?}: {error}"
        );
        assert!(error.hint().unwrap().contains("--expect-issuer"));
        assert!(world.authority.at("/authorize").is_empty());
    }
    // Nor is one that agrees with itself, where another was expected.
    let world = World::new().await;
    let mut settings = world.attended();
    settings.expected_issuer = Some(name.to_owned());
    let refused = world
        .authorizer_with(settings)
        .renew(None, &unauthorized())
        .await;
    assert!(refused.is_err());
}

/// RFC 9207: the answer of the page has to come from the one that was expected.
#[tokio::test]
async fn an_answer_is_compared_with_the_expected_name() {
    let name = "https://issuer.example/as";
    for (iss, is_taken) in [
        (Some(name), true),
        (None, false),
        (Some("https://issuer.example/as/"), false),
        (Some("ORIGIN"), false),
    ] {
        let world = misnamed(name).await;
        let origin = world.authority.origin.clone();
        world.authority.configure(|options| {
            options.iss = iss.map(|iss| iss.replace("ORIGIN", &origin));
            options.metadata["authorization_response_iss_parameter_supported"] = true.into();
        });
        let mut settings = world.attended();
        settings.expected_issuer = Some(name.to_owned());
        let signed_in = world
            .authorizer_with(settings)
            .renew(None, &unauthorized())
            .await;
        assert_eq!(signed_in.is_ok(), is_taken, "{iss:?}");
        assert_eq!(
            world.authority.at("/token").len(),
            usize::from(is_taken),
            "{iss:?}"
        );
    }
}

/// What was registered on the word of a name is not shown to the one whose name it is.
#[tokio::test]
async fn a_registration_under_an_expected_name_stays_with_its_server() {
    let real = Authority::start().await;
    let world = misnamed(&real.origin).await;
    let mut settings = world.attended();
    settings.expected_issuer = Some(real.origin.clone());
    world.signed_in(&world.authorizer_with(settings)).await;

    let other = World::new().await;
    other.mcp.protect(PRM, &other.resource(), &[&real.origin]);
    let authorizer = other.authorizer_over(other.attended(), world.vault.clone());
    other.signed_in(&authorizer).await;
    assert_eq!(real.at("/register").len(), 1);
    assert_ne!(
        real.at("/authorize")[0].field("redirect_uri"),
        world.authority.at("/authorize")[0].field("redirect_uri")
    );
}

/// A server's word for itself never becomes a command.
#[tokio::test]
async fn a_name_that_a_shell_would_read_is_not_put_into_a_command() {
    for name in [
        "https://issuer.example/$(reboot)",
        "https://issuer.example/`id`",
        "https://issuer.example/;reboot",
        "https://issuer.example/ --client-id x",
        "https://issuer.example/|sh",
        "--authorization-server",
        "",
    ] {
        let world = misnamed(name).await;
        let error = world
            .authorizer()
            .renew(None, &unauthorized())
            .await
            .unwrap_err();
        let hint = error.hint().unwrap();
        assert!(!hint.contains("mcpipe login"), "{name}: {hint}");
        assert!(hint.contains("operator"), "{name}: {hint}");
    }
}

/// The flag, its variable, and the way to the process that does the sign-in.
#[tokio::test(flavor = "multi_thread")]
async fn the_binary_takes_the_expected_name_by_flag_and_by_variable() {
    for by_flag in [true, false] {
        let world = misnamed("https://issuer.example/as").await;
        // No user signs in at a place that does not exist.
        let refusal = Reply::Text(401, "text/plain", String::new());
        world.mcp.serve("/mcp", refusal);
        let home = TempDir::new().unwrap();
        let mut command =
            tokio::process::Command::from(mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe")));
        command
            .args(["login", &world.resource(), "--no-browser"])
            .env_clear()
            .env("MCPIPE_HOME", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        match by_flag {
            true => command.args(["--expect-issuer", "https://issuer.example/as"]),
            false => command.env("MCPIPE_EXPECT_ISSUER", "https://issuer.example/as"),
        };
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let page = visited(stderr, &world.people).await;
        crate::support::browser::follow(&page).await;
        assert!(child.wait().await.unwrap().success(), "{by_flag}");
        assert_eq!(world.authority.at("/token").len(), 1, "{by_flag}");
    }
}

/// The page that the binary says to visit.
async fn visited(stderr: tokio::process::ChildStderr, tasks: &TaskTracker) -> url::Url {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    let mut lines = BufReader::new(stderr).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        // The sentence ends with the address.
        let word = line.split_whitespace().last().unwrap_or_default();
        if let Ok(url) = url::Url::parse(word) {
            // What is said afterwards is not to stop the binary.
            tasks.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return url;
        }
    }
    panic!("no page was named");
}
