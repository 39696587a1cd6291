//! The words a person reads, whole: of a dry run, an import, a second import, and of what cannot be taken over. A dry run says
//! what an import does.

use super::*;

/// A server that is its own authorization server.
async fn server() -> (Authority, String) {
    let authority = Authority::start().await;
    let url = format!("{}/mcp", authority.origin);
    authority.protect(
        "/.well-known/oauth-protected-resource/mcp",
        &url,
        &[&authority.origin],
    );
    (authority, url)
}

/// What mcp-remote kept when it was started with these words.
fn keep(home: &Home, authority: &Authority, words: &[&str], access: &str) {
    let typed: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let asked = command::read(&typed, &|_| Ok(String::new())).unwrap();
    let key = key::of(&asked, Form::Full);
    let tokens = TOKENS
        .replace("https://issuer.example", &authority.origin)
        .replace("s3cret-access", access);
    home.keep(&key, "tokens.json", &tokens);
    home.keep(&key, "client_info.json", CLIENT);
}

fn entry(words: &[&str]) -> serde_json::Value {
    let args = [&["-y", "mcp-remote"], words].concat();
    serde_json::json!({ "command": "npx", "args": args })
}

/// With what is different each time left out.
fn told(home: &Home, authority: &Authority, text: &str) -> String {
    let text = text
        .replace(&home.path("").display().to_string(), "~/")
        .replace(&authority.origin, "https://a.example");
    let keys = text
        .split_inclusive('/')
        .map(|part| match part.split_once('_') {
            Some((key, rest)) if key.len() == 32 => format!("KEY_{rest}"),
            _ => part.to_owned(),
        });
    let text: String = keys.collect();
    // What the logger and the vault say stands elsewhere.
    let is_ours = |line: &&str| !line.contains(" WARN ") && !line.contains("its key is");
    text.lines()
        .filter(is_ours)
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Two entries for one server, and a third that is the first once more.
async fn two_accounts() -> (Home, Authority, String) {
    let (authority, url) = server().await;
    let home = Home::new();
    let (work, private) = (["--header", "X-Team: work"], ["--header", "X-Team: s3cret"]);
    let words = |of: &[&'static str; 2]| [&[url.as_str()], &of[..]].concat();
    let servers = serde_json::json!({
        "mcpServers": { "work": entry(&words(&work)), "my home": entry(&words(&private)) }
    });
    home.write(".cursor/mcp.json", &servers.to_string());
    let port = [&url, "4000", work[0], work[1]].map(|word| format!("{word:?}"));
    let toml = format!(
        "[mcp_servers.remote]\ncommand = \"npx\"\nargs = [\"-y\", \"mcp-remote\", {}]\n",
        port.join(", ")
    );
    home.write(".codex/config.toml", &toml);
    keep(&home, &authority, &words(&work), "s3cret-at-work");
    keep(&home, &authority, &words(&private), "s3cret-at-home");
    (home, authority, url)
}

#[tokio::test]
async fn two_entries_with_one_address_become_two_accounts_and_the_end_says_what_to_do() {
    let (home, authority, url) = two_accounts().await;
    let (code, text) = home.import(&["--dry-run"]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(told(&home, &authority, &text), DRY_RUN);
    let (code, text) = home.import(&[]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(told(&home, &authority, &text), IMPORT);
    let (code, text) = home.import(&[]).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(told(&home, &authority, &text), AGAIN);

    for (account, token) in [("work", "s3cret-at-work"), ("my-home", "s3cret-at-home")] {
        let mut command = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"));
        let output = command
            .args(["token", &url, "--account", account])
            .env_clear()
            .env("MCPIPE_HOME", home.path("mcpipe"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), token);
    }

    // Who signs out of one is told so, and of the other nothing else.
    let mut logout = mcpipe::process::command(env!("CARGO_BIN_EXE_mcpipe"));
    logout
        .args(["logout", &url, "--account", "my-home"])
        .env_clear()
        .env("MCPIPE_HOME", home.path("mcpipe"));
    assert!(logout.output().unwrap().status.success());
    let (_, text) = home.import(&[]).await;
    assert!(
        text.contains(&format!("signed out: `mcpipe login {url}` signs in anew")),
        "{text}"
    );
    assert!(!text.contains("my home: \"command\""), "{text}");
    assert!(text.contains("work: \"command\""), "{text}");
}

#[tokio::test]
async fn an_account_that_the_user_names_is_kept_to() {
    let (home, _, url) = two_accounts().await;
    let arguments = ["--account", "mine"];
    let (code, text) = home.import(&arguments).await;
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.matches("account  mine").count(), 2, "{text}");
    assert!(
        text.contains("signed in there already; with --account NAME both are kept"),
        "{text}"
    );
    assert!(
        text.contains(&format!(r#""{url}", "--account", "mine"]"#)),
        "{text}"
    );
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_an_error() {
    let home = Home::new();
    home.write("file", "");
    for (from, said) in [
        ("nowhere", "there is no such folder"),
        ("file", "it is no folder"),
    ] {
        let from = home.path(from).display().to_string();
        for dry_run in [&["--dry-run"][..], &[]] {
            let (code, text) = home.import(&[&["--from", &from], dry_run].concat()).await;
            assert_eq!(code, Some(2), "{text}");
            let wanted = format!(
                "error: cannot look into {from}: {said}\nhint: --from names the folder that mcp-remote keeps its files in; without it that is ~/.mcp-auth\n"
            );
            assert_eq!(text, wanted);
        }
        let mut command = home.command();
        command.env("MCP_REMOTE_CONFIG_DIR", &from);
        let (code, text) = super::said(command).await;
        assert_eq!(code, Some(2), "{text}");
        assert!(
            text.contains("hint: MCP_REMOTE_CONFIG_DIR names the folder"),
            "{text}"
        );
    }
    // A machine without mcp-remote is no error.
    fs::remove_dir_all(home.path(".mcp-auth")).unwrap();
    let (code, text) = said(home.command()).await;
    assert_eq!(
        (code, text.as_str()),
        (Some(0), "Nothing of mcp-remote's was found.\n")
    );
}

#[tokio::test]
async fn one_of_its_own_folders_will_do() {
    let home = Home::new();
    home.keep(KEY, "tokens.json", TOKENS);
    let from = home.store().display().to_string();
    let (code, text) = home
        .import(&["--dry-run", "--from", &from, "--url", URL])
        .await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("would be taken over"), "{text}");
}

/// What is said of the one server: `failed`, `left`, or that it would be or was taken over.
fn verdict(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let said = lines.find(|line| ["failed", "left"].iter().any(|it| line.starts_with(it)));
    said.unwrap_or("taken over").to_owned()
}

#[tokio::test]
async fn a_dry_run_says_what_an_import_does() {
    let ended = TOKENS.replace("4000000000000", "1000000000000");
    let lone = ended.replace(r#""refresh_token":"s3cret-refresh","#, "");
    let secret_ended = CLIENT.replace('{', r#"{"client_secret_expires_at":1000000000,"#);
    let nowhere = CLIENT.replace(r#""http://localhost:22227/oauth/callback""#, "");
    type Files<'a> = (Option<&'a str>, Option<&'a str>);
    let rows: [(&str, Files<'_>, &[&str], &str); 9] = [
        (
            "all is well",
            (Some(TOKENS), Some(CLIENT)),
            &[],
            "taken over",
        ),
        ("a client alone", (None, Some(CLIENT)), &[], "taken over"),
        (
            "ended and lone",
            (Some(&lone), Some(CLIENT)),
            &[],
            "its access token has ended and cannot be renewed",
        ),
        (
            "ended without a client",
            (Some(&ended), None),
            &[],
            "its access token has ended and cannot be renewed",
        ),
        (
            "a secret that has ended",
            (Some(TOKENS), Some(&secret_ended)),
            &[],
            "its client's secret has ended",
        ),
        (
            "a client without an address",
            (None, Some(&nowhere)),
            &[],
            "registered without a redirect address",
        ),
        (
            "not bound",
            (Some(TOKENS), Some(CLIENT)),
            &["--dpop", "require"],
            "--dpop require takes no others",
        ),
        (
            "no JSON",
            (Some("s3cret"), Some(CLIENT)),
            &[],
            "is not what mcp-remote writes",
        ),
        (
            "signed in",
            (Some(TOKENS), Some(CLIENT)),
            &[],
            "mcpipe is signed in there already",
        ),
    ];
    for (what, (tokens, client), flags, said) in rows {
        let (authority, url) = server().await;
        let home = Home::new();
        let issued = |text: &str| text.replace("https://issuer.example", &authority.origin);
        if what == "signed in" {
            keep(&home, &authority, &[&url], "s3cret-before");
            let (code, text) = home.import(&["--url", &url]).await;
            assert_eq!(code, Some(0), "{text}");
        }
        let typed = [url.clone()];
        let asked = command::read(&typed, &|_| Ok(String::new())).unwrap();
        let key = key::of(&asked, Form::Full);
        for (name, text) in [("tokens.json", tokens), ("client_info.json", client)] {
            if let Some(text) = text {
                home.keep(&key, name, &issued(text));
            }
        }
        let seen = authority.seen().len();
        let arguments = [&["--url", &url], flags].concat();
        let (dry_code, dry) = home
            .import(&[&["--dry-run"], &arguments[..]].concat())
            .await;
        assert_eq!(
            authority.seen().len(),
            seen,
            "{what}: a dry run asks no server"
        );
        let (code, text) = home.import(&arguments).await;
        assert_eq!(verdict(&dry), verdict(&text), "{what}: {dry}{text}");
        assert!(verdict(&text).contains(said), "{what}: {text}");
        assert_eq!(dry_code, code, "{what}: {dry}{text}");
    }
}

const DRY_RUN: &str = "\
https://a.example/mcp  (Cursor: my home)
  account  my-home
  issuer   https://a.example
  token    until Tue, 02 Oct 2096 07:06:40 GMT, can be renewed
  client   client-1, redirected to http://localhost:22227/oauth/callback
  outcome  would be taken over, if the server still signs in there
https://a.example/mcp  (Cursor: work)
  account  work
  issuer   https://a.example
  token    until Tue, 02 Oct 2096 07:06:40 GMT, can be renewed
  client   client-1, redirected to http://localhost:22227/oauth/callback
  outcome  would be taken over, if the server still signs in there
https://a.example/mcp  (Codex: remote)
  same     sign-in as Cursor: work

Nothing was changed: this was a dry run. Without --dry-run it is done.
";

const IMPORT: &str = "\
https://a.example/mcp  (Cursor: my home)
  account  my-home
  issuer   https://a.example
  taken    signed in
https://a.example/mcp  (Cursor: work)
  account  work
  issuer   https://a.example
  taken    signed in
https://a.example/mcp  (Codex: remote)
  same     sign-in as Cursor: work

What to do next, file by file: put mcpipe in the place of mcp-remote, then restart the client. The flags that stand after the address stay.
  ~/.cursor/mcp.json (Cursor)
    my home: \"command\": \"mcpipe\", \"args\": [\"https://a.example/mcp\", \"--account\", \"my-home\"]
    work: \"command\": \"mcpipe\", \"args\": [\"https://a.example/mcp\", \"--account\", \"work\"]
  ~/.codex/config.toml (Codex)
    remote: command = \"mcpipe\", args = [\"https://a.example/mcp\", \"--account\", \"work\"]

These hold secrets that anybody can read who can read your files; delete them when all works:
  ~/.mcp-auth/mcp-remote-v1/KEY_tokens.json.imported
  ~/.mcp-auth/mcp-remote-v1/KEY_client_info.json.imported
  ~/.mcp-auth/mcp-remote-v1/KEY_tokens.json.imported
  ~/.mcp-auth/mcp-remote-v1/KEY_client_info.json.imported
The new vault, ~/mcpipe/vault.bin, opens by a key file, so hosts need nothing from you; file permissions alone protect it, and `mcpipe vault protect` changes that.
";

const AGAIN: &str = "\
https://a.example/mcp  (Cursor: my home)
  left     taken over already
  account  my-home
https://a.example/mcp  (Cursor: work)
  left     taken over already
  account  work
https://a.example/mcp  (Codex: remote)
  same     sign-in as Cursor: work

What to do next, file by file: put mcpipe in the place of mcp-remote, then restart the client. The flags that stand after the address stay.
  ~/.cursor/mcp.json (Cursor)
    my home: \"command\": \"mcpipe\", \"args\": [\"https://a.example/mcp\", \"--account\", \"my-home\"]
    work: \"command\": \"mcpipe\", \"args\": [\"https://a.example/mcp\", \"--account\", \"work\"]
  ~/.codex/config.toml (Codex)
    remote: command = \"mcpipe\", args = [\"https://a.example/mcp\", \"--account\", \"work\"]

These hold secrets that anybody can read who can read your files; delete them when all works:
  ~/.mcp-auth/mcp-remote-v1/KEY_tokens.json.imported
  ~/.mcp-auth/mcp-remote-v1/KEY_client_info.json.imported
  ~/.mcp-auth/mcp-remote-v1/KEY_tokens.json.imported
  ~/.mcp-auth/mcp-remote-v1/KEY_client_info.json.imported
";
