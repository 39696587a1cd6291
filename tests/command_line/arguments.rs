//! A command line that cannot be understood is explained without repeating any of it: a word in the wrong place is as
//! likely a secret as not.

use crate::support::host::{Exit, Process};
use crate::support::remote::{Server, ordinary};

const CANARY: &str = "s3cret-Canary.42";

async fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> Exit {
    let left = Process::start_with(arguments, variables).closed().await;
    let said = &left.stderr;
    assert_ne!(left.status.code(), Some(0), "{arguments:?}");
    assert!(said.contains("error: "), "{arguments:?}: {said}");
    for part in [CANARY, "Canary", "s3cret"] {
        assert!(!said.contains(part), "{arguments:?}: {said}");
    }
    assert_eq!(left.lines, [""; 0], "{arguments:?}: stdout is the host's");
    left
}

#[tokio::test]
async fn a_word_in_the_wrong_place_is_explained_and_not_repeated() {
    let server = Server::that(ordinary).await;
    let url = &server.url();
    let key = &format!("--header=X:{CANARY}=");
    let flag = &format!("--{CANARY}");
    let short = &format!("-H{CANARY}");
    let query = &format!("ftp://a.example/?key={CANARY}");
    let spaced = &format!("{url} --header X:{CANARY}");
    let rows: &[(&[&str], &str)] = &[
        // What hosts make of `--header "Authorization: Bearer …"`.
        (
            &[url, "--header", "Authorization:", "Bearer", CANARY],
            "--header Name:value",
        ),
        (
            &["--header", "Authorization:", "Bearer", CANARY, url],
            "--header Name:value",
        ),
        (
            &[url, "--header", "Authorization:", CANARY],
            "--header Name:value",
        ),
        (
            &["--header", "Authorization", ":", CANARY, url],
            "--header Name:value",
        ),
        (&[url, "4000", CANARY], "one too many"),
        (&[CANARY], "not a URL"),
        (&[CANARY, "--debug"], "not a URL"),
        (&[query], "neither https nor http"),
        (&[url, flag], "flag"),
        (&[url, short], "--header Name:value"),
        (&[url, "--header", CANARY], "Name: value"),
        (&[url, "--header"], "--header Name:value"),
        (&[url, "--header", "--debug"], "--header Name:value"),
        (&[url, "--grace"], "--grace SECONDS"),
        (&[url, "--grace", CANARY], "a number of seconds"),
        (&[url, "--cache-ttl", CANARY], "500ms"),
        (&[url, "--max-message-size", CANARY], "a number of bytes"),
        (&[url, "--max-in-flight", CANARY], "1 to 4096"),
        (&[url, "--callback-port", CANARY], "a port"),
        (&[url, "--transport", CANARY], "http-first"),
        (&[url, "--log-format", CANARY], "json"),
        (&[url, "--vault", CANARY], "none"),
        (&[url, "--passphrase-fd", CANARY], "descriptor"),
        (&[url, "--verbose=s3cret"], "takes no value"),
        (&[url, "--client-id", "a", "--client-id", CANARY], "twice"),
        (&[url, "--client-alg", CANARY], "ES256"),
        (&[url, "login"], "write `mcpipe login` first"),
        (
            &["--grace", "2", "login", url],
            "write `mcpipe login` first",
        ),
        (&[url, "login", CANARY], "one too many"),
        (&["vault", CANARY], "the commands are init"),
        (&["vault", "slot", CANARY], "the commands are list"),
        (&["vault", CANARY, "put"], "the commands are init"),
        (&["vault", "slot", CANARY, "add"], "the commands are list"),
        // What is wrong stands first, and is neither an address nor a command.
        (&[CANARY, url], "argument 1 is neither"),
        (&[CANARY, url, "4000"], "argument 1 is neither"),
        (&["logn", url], "the commands are login"),
        (&["help", CANARY], "the commands are login"),
        (&["", url], "argument 1 is neither"),
        // What the user says of the redirect address is no fault of the authorization server's.
        (
            &["login", url, "--redirect-uri", CANARY],
            "--redirect-uri is not a URL",
        ),
        (
            &[url, "--callback-host", spaced],
            "--callback-host is not the name",
        ),
        (
            &[url, "--callback-path", CANARY],
            "--callback-path is not a path",
        ),
        // Several arguments in one string of a host's `args`.
        (&[spaced], "a space in it"),
        (&["login", spaced], "a space in it"),
        (&["status", spaced], "a space in it"),
        (&["vault", "put", "a", "--for", spaced], "a space in it"),
        (&["vault", "slot", "add", CANARY], "passphrase"),
        (&["vault", "unlock", "--for", CANARY], "30m"),
        (&["login", CANARY], "not a URL"),
        (&["logout", CANARY], "not a URL"),
        (&["status", CANARY], "not a URL"),
        (&["status", url, CANARY], "one too many"),
        (&["token", url, CANARY], "one too many"),
        (&["import", CANARY], "mcp-remote"),
        (
            &[
                "import",
                "mcp-remote",
                "--",
                "npx",
                "mcp-remote",
                url,
                "--auth-timeout",
                CANARY,
            ],
            "seconds",
        ),
        (
            &["import", "mcp-remote", "--", "npx", "mcp-remote", CANARY],
            "URL",
        ),
        // The value itself where its name is wanted.
        (
            &[url, "--client-id", "a", "--client-secret-env", CANARY],
            "no variable of that name",
        ),
        (
            &[url, "--dcr-token-env", CANARY],
            "no variable of that name",
        ),
        (
            &[url, "--client-id", "a", "--client-secret-file", CANARY],
            "cannot read",
        ),
        (&[url, "--header-file", CANARY], "cannot read"),
        (&[url, "--ca", CANARY], "cannot read"),
        (
            &[url, "--client-key", CANARY, "--client-id", "a"],
            "cannot read",
        ),
        (&[url, "--bearer", CANARY], "no secret"),
        (&[url, key, "--bearer", "a b s3cret"], "by what is no name"),
        (
            &[url, "--header", "X: ${s3cret Canary}"],
            "the name of an environment variable",
        ),
        (&[url, "--static-oauth-client-info", CANARY], "JSON object"),
        (
            &[url, "--static-oauth-client-metadata", CANARY],
            "JSON object",
        ),
        (&[url, "--token-param", CANARY], "key=value"),
        (&[url, "--authorize-param", CANARY], "key=value"),
        (
            &[url, "--auth-success-url", CANARY],
            "--auth-success-url is not a URL",
        ),
        (
            &[
                url,
                "--client-credentials",
                "--client-id",
                "a",
                "--client-secret-env",
                "HOME",
            ],
            "HOME",
        ),
        (&["vault", "rm", CANARY], "no secret"),
        (&["vault", "slot", "remove", CANARY], "no vault"),
    ];
    for (arguments, said) in rows.iter().filter(|row| !row.0.contains(&"HOME")) {
        let left = refused(arguments, &[]).await;
        assert!(left.stderr.contains(said), "{arguments:?}: {}", left.stderr);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_command_without_its_address_or_with_none_is_answered_with_that_command() {
    for command in ["login", "logout", "token"] {
        let left = refused(&[command], &[]).await;
        let way = format!("`mcpipe {command} https://mcp.example.com/mcp`");
        assert!(left.stderr.contains(&way), "{command}: {}", left.stderr);
    }
    for command in ["login", "logout", "status", "token"] {
        let left = refused(&[command, CANARY], &[]).await;
        let itself = format!("`mcpipe {command}`");
        assert!(!left.stderr.contains(&itself), "{}", left.stderr);
        let bridge = "`mcpipe https://";
        assert!(!left.stderr.contains(bridge), "{}", left.stderr);
    }
}

/// Servers take keys in queries.
#[tokio::test]
async fn a_query_is_not_shown_on_stdout_either() {
    let url = &format!("https://127.0.0.1:1/mcp?key={CANARY}");
    for arguments in [
        &["logout", url][..],
        &["status", url],
        &["import", "mcp-remote", "--url", url],
    ] {
        let left = Process::start(arguments).closed().await;
        assert!(left.status.success(), "{arguments:?}: {}", left.stderr);
        let said = format!("{}{}", left.lines.join("\n"), left.stderr);
        assert!(!said.contains(CANARY), "{arguments:?}: {said}");
    }
}

#[tokio::test]
async fn a_variable_with_a_wrong_value_is_named_and_its_value_not_repeated() {
    let server = Server::that(ordinary).await;
    for variable in [
        "MCPIPE_GRACE",
        "MCPIPE_TRANSPORT",
        "MCPIPE_CALLBACK_PORT",
        "MCPIPE_DEBUG",
        "MCPIPE_CACHE_TTL",
        "MCPIPE_MAX_MESSAGE_SIZE",
        "MCPIPE_VAULT",
        "MCPIPE_DPOP",
        "MCPIPE_LOG",
    ] {
        let value = format!("mcpipe={CANARY}");
        let left = refused(&[&server.url()], &[(variable, &value)]).await;
        assert!(
            left.stderr.contains(variable),
            "{variable}: {}",
            left.stderr
        );
        assert_eq!(left.status.code(), Some(2));
    }
}

#[tokio::test]
async fn the_nearest_flag_is_named_where_a_flag_was_mistyped() {
    for (typed, meant) in [
        ("--heade", "--header"),
        ("--call-timeuot", "--call-timeout"),
        ("--allow-htp=yes", "--allow-http"),
        ("--no-browsr", "--no-browser"),
    ] {
        let left = refused(&["https://127.0.0.1:1/", typed], &[]).await;
        let name = typed.split('=').next().unwrap();
        assert!(left.stderr.contains(name), "{typed}: {}", left.stderr);
        let meant = format!("perhaps {meant} is meant");
        assert!(left.stderr.contains(&meant), "{typed}: {}", left.stderr);
    }
}

#[tokio::test]
async fn an_empty_word_behind_the_address_is_no_port() {
    let server = Server::that(ordinary).await;
    for word in ["", " "] {
        let left = Process::start(&[&server.url(), word, "--debug"])
            .closed()
            .await;
        assert!(left.status.success(), "{word:?}: {}", left.stderr);
    }
}
