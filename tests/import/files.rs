//! A configuration file is data: a project's counts only where the user names it, and no file starts, opens, trusts,
//! allows or expands anything.

use std::collections::BTreeMap;

use clap::CommandFactory as _;
use futures_util::StreamExt as _;
use mcpipe::cli::Cli;
use serde_json::{Value, json};

use super::*;
use crate::support::authority::Seen;

/// A server that is its own authorization server, and what mcp-remote kept for it.
struct Server {
    authority: Authority,
    url: String,
    key: String,
}

impl Server {
    async fn start() -> Self {
        Self::asked_with(&[]).await
    }

    /// Where mcp-remote was started with these words besides the address.
    async fn asked_with(words: &[&str]) -> Self {
        let authority = Authority::start().await;
        let url = format!("{}/mcp", authority.origin);
        authority.protect(
            "/.well-known/oauth-protected-resource/mcp",
            &url,
            &[&authority.origin],
        );
        let typed = [&url].into_iter().map(String::as_str);
        let typed: Vec<String> = typed.chain(words.iter().copied()).map(Into::into).collect();
        let cli = command::read(&typed, &|_| Ok(String::new())).unwrap();
        let key = key::of(&cli, Form::Full);
        Self {
            authority,
            url,
            key,
        }
    }

    /// mcp-remote's store, with tokens that are good for decades.
    fn store(&self, home: &Home) {
        home.keep(&self.key, "tokens.json", &self.tokens());
        home.keep(&self.key, "client_info.json", CLIENT);
    }

    fn tokens(&self) -> String {
        TOKENS.replace("https://issuer.example", &self.authority.origin)
    }

    /// Other imports look for an mcp-remote on ports that any program may have; that is no question to this server.
    fn was_not_asked(&self) -> bool {
        let seen = self.authority.seen();
        seen.iter().all(|seen| seen.path == "/.mcp-remote/id")
    }

    fn was_shown_nothing(&self) -> bool {
        self.authority.at("/token").is_empty()
    }
}

/// A client's configuration that starts mcp-remote so.
fn entry(words: &[&str], env: &Value) -> String {
    let args = [&["-y", "mcp-remote"], words].concat();
    json!({ "mcpServers": { "a": { "command": "npx", "args": args, "env": env } } }).to_string()
}

/// Everything that could go wrong with a value is in these.
struct Traps {
    home: Home,
    evil: Authority,
}

impl Traps {
    async fn new() -> Self {
        let home = Home::new();
        let pipe = mcpipe::process::command("mkfifo")
            .arg(home.path("pipe"))
            .status();
        assert!(pipe.unwrap().success());
        Self {
            home,
            evil: Authority::start().await,
        }
    }

    fn command(&self) -> String {
        format!("touch {}", self.home.path("marker").display())
    }

    fn pipe(&self) -> String {
        self.home.path("pipe").display().to_string()
    }

    /// What this flag would do the most harm with.
    fn value(&self, value_name: &str) -> String {
        match value_name {
            "COMMAND" => self.command(),
            "FILE" | "DIR" => self.pipe(),
            "URL" | "URI" | "WHO" => self.evil.origin.clone(),
            "JSON" => format!("@{}", self.pipe()),
            "NAME: VALUE" => "X-Leak: ${AWS_SECRET_ACCESS_KEY}".to_owned(),
            "KEY=VALUE" => "leak=${AWS_SECRET_ACCESS_KEY}".to_owned(),
            _ => "none".to_owned(),
        }
    }

    fn environment(&self) -> Value {
        let mut all: BTreeMap<String, String> = flags()
            .into_iter()
            .map(|(flag, value_name)| {
                let variable = flag.trim_start_matches('-').replace('-', "_");
                let value = value_name.map_or("1".to_owned(), |name| self.value(&name));
                (format!("MCPIPE_{}", variable.to_uppercase()), value)
            })
            .collect();
        for (name, value) in [
            ("NODE_EXTRA_CA_CERTS", self.pipe()),
            ("SSL_CERT_FILE", self.pipe()),
            ("HTTP_PROXY", self.evil.origin.clone()),
            ("ALL_PROXY", self.evil.origin.clone()),
            ("HOME", self.home.path("").display().to_string()),
            ("MCPIPE_HOME", self.home.path("").display().to_string()),
            ("BROWSER", self.command()),
            ("CREDENTIALS_DIRECTORY", self.pipe()),
        ] {
            all.insert(name.to_owned(), value);
        }
        json!(all)
    }

    fn are_untouched(&self) -> bool {
        let evil = self.evil.seen();
        let is_asked = evil.iter().any(|seen| seen.path != "/.mcp-remote/id");
        !is_asked && !self.home.path("marker").exists()
    }
}

/// Every flag of every command, by its name and its aliases, with what its value is called if it has one.
fn flags() -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    let mut commands = vec![Cli::command()];
    while let Some(command) = commands.pop() {
        for argument in command.get_arguments() {
            let names = argument.get_value_names().unwrap_or_default();
            let value = argument
                .get_action()
                .takes_values()
                .then(|| names.first().map(ToString::to_string).unwrap_or_default());
            let longs = argument.get_long_and_visible_aliases().unwrap_or_default();
            let hidden = argument.get_all_aliases().unwrap_or_default();
            for long in longs.into_iter().chain(hidden) {
                found.insert(format!("--{long}"), value.clone());
            }
            if let Some(short) = argument.get_short() {
                found.insert(format!("-{short}"), value.clone());
            }
        }
        commands.extend(command.get_subcommands().cloned());
    }
    found
}

/// What mcp-remote's own flags are for: they say which of its files are meant, who the client is, or what is shown.
const COUNTS: [&str; 8] = [
    "--authorize-param",
    "--client-metadata-url",
    "--disable-resource-parameter",
    "--header",
    "--header-file",
    "--resource",
    "--static-oauth-client-info",
    "--token-endpoint",
];

/// What came of an import: its exit code, what it said and what it asked, without the names of this run.
type Outcome = (Option<i32>, String, Vec<(String, String, String)>);

async fn outcome(traps: &Traps, words: &[&str]) -> Outcome {
    let server = Server::start().await;
    let home = Home::new();
    server.store(&home);
    let words = [&[server.url.as_str()], words].concat();
    home.write(".cursor/mcp.json", &entry(&words, &traps.environment()));
    let mut command = home.command();
    command
        .arg("--silent")
        .env("AWS_SECRET_ACCESS_KEY", "canary");
    let (code, text) = said(command).await;
    let plain = |text: &str| {
        let text = text.replace(&server.authority.origin, "ORIGIN");
        let host = server.authority.origin.trim_start_matches("http://");
        text.replace(host, "HOST")
            .replace(home.0.path().to_str().unwrap(), "HOME")
    };
    let told = |seen: Seen| {
        let mut headers: Vec<String> = seen
            .headers
            .iter()
            .map(|(name, value)| plain(&format!("{name}: {value:?}")))
            .collect();
        headers.sort();
        (seen.method, seen.path, headers.join("; "))
    };
    let text = plain(&text).replace(&server.key, "KEY");
    // Other imports look for an mcp-remote on ports that any program may have.
    let seen = server.authority.seen().into_iter();
    let seen = seen.filter(|seen| seen.path != "/.mcp-remote/id");
    let seen: Vec<_> = seen.map(told).collect();
    assert!(!format!("{seen:?}").contains("canary"), "{seen:?}");
    assert!(server.was_shown_nothing());
    (code, text, seen)
}

#[tokio::test]
async fn of_a_configuration_no_flag_of_ours_counts() {
    let traps = &Traps::new().await;
    let usual = &outcome(traps, &[]).await;
    assert!(
        usual.0 == Some(0) && usual.1.contains("signed in"),
        "{usual:?}"
    );
    let tried = futures_util::stream::iter(flags()).map(|(flag, value_name)| async move {
        let value = value_name.map(|name| traps.value(&name));
        let words: Vec<&str> = [&flag]
            .into_iter()
            .chain(&value)
            .map(String::as_str)
            .collect();
        let outcome = outcome(traps, &words).await;
        assert!(traps.are_untouched(), "{words:?}: {outcome:?}");
        if !COUNTS.contains(&flag.as_str())
            && !["--help", "-h", "--version"].contains(&flag.as_str())
        {
            assert_eq!(&outcome, usual, "{words:?}");
        }
        let joined = value.map(|value| format!("{flag}={value}"));
        if let Some(joined) = joined {
            let outcome = self::outcome(traps, &[&joined]).await;
            assert_eq!(&outcome, usual, "{joined}");
        }
        1
    });
    let tried: Vec<i32> = tried.buffer_unordered(4).collect().await;
    assert!(tried.len() > 80, "all flags: {}", tried.len());
    assert!(traps.are_untouched());
}

#[tokio::test]
async fn of_a_projects_file_that_is_named_no_flag_of_ours_counts_either() {
    let traps = Traps::new().await;
    let server = Server::start().await;
    let home = Home::new();
    server.store(&home);
    // A store of the project's making, with tokens of another person's.
    let planted = format!("project/.store/mcp-remote-v1/{}_tokens.json", server.key);
    home.write(
        &planted,
        &server.tokens().replace("s3cret-access", "planted"),
    );
    let own = [
        "--header",
        "--header-file",
        "--resource",
        "--authorize-param",
        "--token-endpoint",
        "--client-metadata-url",
        "--static-oauth-client-info",
    ];
    let mut words = vec![server.url.clone()];
    for (flag, value_name) in flags() {
        if own.contains(&flag.as_str()) || ["--help", "-h", "--version"].contains(&flag.as_str()) {
            continue;
        }
        words.push(flag);
        words.extend(value_name.map(|name| traps.value(&name)));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut env = traps.environment();
    env["MCP_REMOTE_CONFIG_DIR"] = json!(home.path("project/.store"));
    home.write("project/.mcp.json", &entry(&words, &env));
    let before = home.files();

    // In the current directory it is listed, and that is all.
    let mut command = home.command();
    command.current_dir(home.path("project"));
    let (code, text) = said(command).await;
    assert_eq!(code, Some(0), "{text}");
    for word in ["Not taken", "--project", "project/.mcp.json", &server.url] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(home.files(), before, "{text}");
    assert!(server.was_not_asked());

    let mut command = home.command();
    command
        .args(["--project", ".mcp.json"])
        .current_dir(home.path("project"));
    let (code, text) = said(command).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("signed in") && !text.contains("Not taken"),
        "{text}"
    );
    assert!(
        !home
            .store()
            .join(format!("{}_tokens.json", server.key))
            .exists()
    );
    assert!(home.path(&planted).exists(), "the planted store was used");
    assert!(server.was_shown_nothing() && traps.are_untouched());
}

#[tokio::test]
async fn every_place_in_a_project_is_listed_and_none_is_taken() {
    let places = [
        ".mcp.json",
        ".cursor/mcp.json",
        ".vscode/mcp.json",
        ".gemini/settings.json",
        ".zed/settings.json",
        "opencode.json",
        "opencode.jsonc",
    ];
    let server = Server::start().await;
    let home = Home::new();
    server.store(&home);
    for place in places {
        let words = [server.url.as_str(), "--header", "Host: \u{1b}[31m\u{202e}"];
        home.write(&format!("project/{place}"), &entry(&words, &json!({})));
    }
    let mut command = home.command();
    command.current_dir(home.path("project"));
    let (code, text) = said(command).await;
    assert_eq!(code, Some(0), "{text}");
    for place in places {
        assert!(
            text.contains(&format!("project/{place}  ")),
            "{place}: {text}"
        );
    }
    assert!(
        text.chars().all(|c| c == '\n' || !c.is_control()),
        "{text:?}"
    );
    assert!(server.was_not_asked());
}

#[tokio::test]
async fn only_the_users_own_file_says_where_mcp_remote_kept_its_files() {
    let server = Server::start().await;
    let home = Home::new();
    let file = format!("elsewhere/mcp-remote-v1/{}_tokens.json", server.key);
    home.write(&file, &server.tokens());
    let env = json!({ "MCP_REMOTE_CONFIG_DIR": home.path("elsewhere") });
    home.write("project/x.json", &entry(&[&server.url], &env));
    let mut command = home.command();
    command.args(["--project", "project/x.json"]);
    let (code, text) = said(command).await;
    assert!(code == Some(0) && text.contains("nothing"), "{text}");
    assert!(home.path(&file).exists());

    home.write(".cursor/mcp.json", &entry(&[&server.url], &env));
    let (code, text) = said(home.command()).await;
    assert!(code == Some(0) && text.contains("signed in"), "{text}");
    assert!(!home.path(&file).exists());
}

#[tokio::test]
async fn headers_of_a_configuration_are_sent_as_they_stand_or_not_at_all() {
    let words = [
        "--header",
        "X-Plain: as it stands",
        "--header",
        "X-Leak: ${AWS_SECRET_ACCESS_KEY}",
    ];
    let server = Server::asked_with(&words).await;
    let home = Home::new();
    server.store(&home);
    let env = json!({ "AWS_SECRET_ACCESS_KEY": "canary" });
    home.write(
        ".cursor/mcp.json",
        &entry(&[&[server.url.as_str()], &words[..]].concat(), &env),
    );
    let mut command = home.command();
    command.env("AWS_SECRET_ACCESS_KEY", "canary");
    let (code, text) = said(command).await;
    assert!(code == Some(0) && text.contains("signed in"), "{text}");
    let [cli] = server.authority.at("/mcp").try_into().unwrap();
    assert_eq!(cli.headers["x-plain"], "as it stands");
    assert!(!cli.headers.contains_key("x-leak"), "{cli:?}");
}

#[tokio::test]
async fn what_takes_the_users_word_says_so() {
    let server = Server::start().await;
    for (words, said_so) in [
        (
            ["--header-file", "/etc/passwd"],
            "its --header-file names a file",
        ),
        (
            ["--static-oauth-client-info", "@/etc/passwd"],
            "its --static-oauth-client-info names a file",
        ),
        (
            [
                "--static-oauth-client-info",
                r#"{"client_id":"${AWS_SECRET_ACCESS_KEY}"}"#,
            ],
            "its --static-oauth-client-info names an environment variable",
        ),
    ] {
        let home = Home::new();
        server.store(&home);
        home.write(
            ".cursor/mcp.json",
            &entry(&[&[server.url.as_str()], &words[..]].concat(), &json!({})),
        );
        let before = home.files();
        let (code, text) = said(home.command()).await;
        assert!(
            code == Some(0) && text.contains(said_so) && text.contains("after `--`"),
            "{text}"
        );
        assert_eq!(home.files(), before);
    }
    assert!(server.was_not_asked());
}

#[tokio::test]
async fn a_refresh_token_of_unknown_issuer_is_shown_only_where_the_server_itself_says() {
    let evil = Authority::start().await;
    let server = Server::start().await;
    let home = Home::new();
    let unsaid = TOKENS.replace(r#""issuer":"https://issuer.example","#, "");
    home.keep(&server.key, "tokens.json", &unsaid);
    home.keep(&server.key, "client_info.json", CLIENT);
    for fixed in [&["--authorization-server", &evil.origin][..], &[]] {
        let mut command = home.command();
        command.args(["--url", &server.url]).args(fixed);
        if fixed.is_empty() {
            command.env("MCPIPE_AUTHORIZATION_SERVER", &evil.origin);
        }
        let (code, text) = said(command).await;
        assert_eq!(code, Some(1), "{text}");
        assert!(text.contains(&format!("not at {}", evil.origin)), "{text}");
        assert!(
            evil.at("/token").is_empty() && server.was_shown_nothing(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_clients_secret_is_not_for_another_issuer_than_the_one_that_gave_it() {
    let server = Server::start().await;
    let home = Home::new();
    let ended = server.tokens().replace("4000000000000", "1000000000000");
    home.keep(&server.key, "tokens.json", &ended);
    let client = CLIENT.replacen('{', r#"{"issuer":"https://elsewhere.example","#, 1);
    home.keep(&server.key, "client_info.json", &client);
    let mut command = home.command();
    command.args(["--url", &server.url]);
    let (code, text) = said(command).await;
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("issued by https://elsewhere.example"),
        "{text}"
    );
    assert!(server.was_shown_nothing(), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_none_or_anothers_is_named_and_never_waited_for() {
    let server = Server::start().await;
    let home = Home::new();
    server.store(&home);
    fs::create_dir_all(home.path("project")).unwrap();
    fs::create_dir_all(home.path(".cursor")).unwrap();
    for pipe in ["project/.mcp.json", ".cursor/mcp.json"] {
        let made = mcpipe::process::command("mkfifo")
            .arg(home.path(pipe))
            .status();
        assert!(made.unwrap().success());
    }
    let text = entry(&[&server.url], &json!({}));
    home.write(".claude.json", &text);
    use std::os::unix::fs::PermissionsExt as _;
    let loose = fs::Permissions::from_mode(0o666);
    fs::set_permissions(home.path(".claude.json"), loose).unwrap();
    home.write(".gemini/settings.json", &text);
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        // A second local user, who wrote into this one's home.
        std::os::unix::fs::chown(home.path(".gemini/settings.json"), Some(65534), None).unwrap();
    } else {
        fs::remove_file(home.path(".gemini/settings.json")).unwrap();
    }
    let mut command = home.command();
    command.current_dir(home.path("project"));
    let (code, text) = said(command).await;
    assert_eq!(code, Some(0), "{text}");
    for (file, why) in [
        ("project/.mcp.json", "no regular file"),
        (".cursor/mcp.json", "no regular file"),
        (".claude.json", "every user of this machine can write to it"),
        (".gemini/settings.json", "belongs to another user"),
    ] {
        let is_wanted = is_root || !file.contains("gemini");
        let is_said = text
            .lines()
            .any(|line| line.contains(file) && line.contains(why));
        assert_eq!(is_said, is_wanted, "{file}: {text}");
    }
    assert!(server.was_not_asked());

    for (file, why) in [
        ("project/.mcp.json", "no regular file"),
        ("nowhere.json", "No such file"),
    ] {
        let mut command = home.command();
        command.arg("--project").arg(home.path(file));
        let (code, text) = said(command).await;
        assert!(code == Some(2) && text.contains(why), "{text}");
    }
}
