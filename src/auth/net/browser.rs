//! The browser: shows a page to the user with a program started on one address, without a shell (CVE-2025-6514).

use std::process::{Command as Program, Stdio};
use std::time::Duration;

use tokio::process::Command;
use url::Url;

use crate::auth::settings::{Browser, Environment};
use crate::process;

/// The time that a program that opens pages may take to fail, before it counts as having opened one.
const FAILS_WITHIN: Duration = Duration::from_millis(250);

/// Starts a browser on `url`, which [`crate::auth::net::guard`] has judged. The browser gets none of our pipes. Returns
/// false if no browser was started; the caller still waits for the user.
pub async fn show(browser: &Browser, environment: &Environment, url: &Url) -> bool {
    match browser {
        Browser::None | Browser::Nowhere => false,
        Browser::System => open_as_the_system_does(environment, url).await,
        Browser::Command(words) => {
            let argv = with_address(words, url.as_str());
            let Some((program, arguments)) = argv.split_first() else {
                return false;
            };
            let mut command = process::command(program);
            command.args(arguments);
            apart(command, environment).spawn().is_ok()
        }
    }
}

/// Tries the system's programs in turn, as `open::that_detached` does, which takes no environment.
async fn open_as_the_system_does(environment: &Environment, url: &Url) -> bool {
    for command in programs_of_the_system(url) {
        let Ok(mut child) = apart(command, environment).spawn() else {
            continue;
        };
        match tokio::time::timeout(FAILS_WITHIN, child.wait()).await {
            Ok(Ok(status)) if !status.success() => {}
            _ => return true,
        }
    }
    false
}

#[cfg(not(windows))]
fn programs_of_the_system(url: &Url) -> Vec<Program> {
    let programs = open::commands(url.as_str());
    programs.iter().map(process::rebuilt).collect()
}

/// Starts the system's program. `open` would start `cmd`, a shell, or ask the system to start the browser in all of our
/// environment.
#[cfg(windows)]
fn programs_of_the_system(url: &Url) -> Vec<Program> {
    let mut program = process::command("rundll32.exe");
    program.args(["url.dll,FileProtocolHandler", url.as_str()]);
    vec![program]
}

/// Returns a program with this environment and none of our pipes.
fn apart(mut command: Program, environment: &Environment) -> Command {
    let own: Vec<_> = command
        .get_envs()
        .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
        .collect();
    command
        .env_clear()
        .envs(environment.0.iter().cloned())
        .envs(own)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut command = Command::from(command);
    // A Ctrl-C meant for us must not close the page the user is signing in on.
    #[cfg(unix)]
    command.process_group(0);
    command
}

fn with_address(words: &[String], url: &str) -> Vec<String> {
    if words.iter().any(|word| word.contains("%s")) {
        return words.iter().map(|word| word.replace("%s", url)).collect();
    }
    words.iter().cloned().chain([url.to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::split_words;

    #[test]
    fn a_browser_command_is_words_and_one_address() {
        let url = "https://as.example.com/?a=$(id)&b=`x`;'\"";
        for (written, wanted) in [
            ("firefox", vec!["firefox", url]),
            (
                "firefox --new-window %s -x",
                vec!["firefox", "--new-window", url, "-x"],
            ),
            (
                "\"C:\\Program Files\\b.exe\" -n",
                vec!["C:\\Program Files\\b.exe", "-n", url],
            ),
            ("'a b' ''", vec!["a b", "", url]),
        ] {
            assert_eq!(
                with_address(&split_words(written), url),
                wanted,
                "{written}"
            );
        }
        assert_eq!(Browser::from_variable("  "), Browser::System);
    }
}
