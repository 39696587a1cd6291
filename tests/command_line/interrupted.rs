//! Ctrl-C in a command, at any moment: exit code 130, and a terminal that is as it was.

use std::time::Duration;

use super::typed::{Terminal, has_session};
use crate::early_initialize::protected;
use crate::support::remote::{Reply, Server, Step};

#[tokio::test]
async fn an_interrupted_command_ends_with_130() {
    if !has_session() {
        println!("skipped: no program here starts another in a session of its own");
        return;
    }
    // The server has taken the question and does not answer.
    let silent = Server::that(|_| Reply::accepted().after(Step::forever())).await;
    let silent = silent.url();
    let (_authority, server) = protected().await;
    let url = format!("{}/mcp", server.origin());
    let sign_in = ["login", &url, "--no-browser"];
    let locked = [("MCPIPE_PASSPHRASE", "correct horse battery staple")];
    // What is run, with what, and what is on the screen when the user has had enough.
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 4] = [
        (&["login", &silent], &locked, ""),
        (&sign_in, &locked, "/start"),
        (&["vault", "init"], &[], "assphrase"),
        (&["vault", "put", "x"], &locked, ""),
    ];
    for (arguments, variables, shown) in cases {
        let mut terminal = Terminal::start(arguments, variables);
        terminal.shows(shown).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        terminal.types("\u{3}");
        let status = terminal.leaves().await;
        // What was written last may be on its way to the screen.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let screen = terminal.shows("").await;
        assert_eq!(status.code(), Some(130), "{arguments:?}: {screen}");
        assert!(!screen.contains("error"), "{arguments:?}: {screen}");
        assert!(screen.ends_with("\r\n"), "{arguments:?}: {screen:?}");
        // And SIGTERM, which the caller knows of too.
        let mut terminal = Terminal::start(arguments, variables);
        terminal.shows(shown).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        terminal.is_told_to_end();
        let status = terminal.leaves().await;
        let screen = terminal.shows("").await;
        assert_eq!(status.code(), Some(143), "{arguments:?}: {screen}");
        assert!(!screen.contains("error"), "{arguments:?}: {screen}");
    }
}
