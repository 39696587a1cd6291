//! Showing a page to the user: a program started on one address, without a shell (CVE-2025-6514).

use std::ffi::OsString;
use std::fmt;
use std::process::Stdio;
#[cfg(not(windows))]
use std::time::Duration;

use tokio::process::Command;
use url::Url;

use super::settings::Browser;

/// The environment of the browser: all of the environment that the user's program gave us, for the scripts of VS Code
/// Remote, dev containers and Codespaces find their window by variables of their own. What opens the vault is not in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// Takes these variables, except those that open the vault.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let variables = variables.into_iter();
        Self(
            variables
                .filter(|(name, _)| !opens_the_vault(&name.to_string_lossy()))
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Environment({} variables)", self.0.len())
    }
}

/// Whether a variable of this name holds, or leads to, the passphrase.
pub fn opens_the_vault(name: &str) -> bool {
    name.to_ascii_uppercase().starts_with("MCPIPE_PASSPHRASE")
}

/// How long a program that opens pages may take to fail, before it counts as having opened one.
#[cfg(not(windows))]
const FAILS_WITHIN: Duration = Duration::from_millis(250);

/// Starts a browser on `url`, which [`super::guard`] has judged. It gets none of our pipes. False if none was started;
/// that is no reason to stop waiting for the user.
pub async fn show(browser: &Browser, environment: &Environment, url: &Url) -> bool {
    match browser {
        Browser::None | Browser::Nowhere => false,
        Browser::System => open_as_the_system_does(environment, url).await,
        Browser::Command(words) => {
            let argv = with_address(words, url.as_str());
            let Some((program, arguments)) = argv.split_first() else {
                return false;
            };
            let mut command = Command::new(program);
            command.args(arguments);
            apart(command, environment).spawn().is_ok()
        }
    }
}

/// Windows hands the address to the shell, which starts the browser in the user's own environment.
#[cfg(windows)]
async fn open_as_the_system_does(_: &Environment, url: &Url) -> bool {
    let address = url.as_str().to_owned();
    let opened = tokio::task::spawn_blocking(move || open::that_detached(address)).await;
    matches!(opened, Ok(Ok(())))
}

/// Tries the system's programs in turn, as `open::that_detached` does, which takes no environment.
#[cfg(not(windows))]
async fn open_as_the_system_does(environment: &Environment, url: &Url) -> bool {
    for command in open::commands(url.as_str()) {
        let Ok(mut child) = apart(Command::from(command), environment).spawn() else {
            continue;
        };
        match tokio::time::timeout(FAILS_WITHIN, child.wait()).await {
            Ok(Ok(status)) if !status.success() => {}
            _ => return true,
        }
    }
    false
}

/// A program with this environment and none of our pipes.
fn apart(mut command: Command, environment: &Environment) -> Command {
    let own: Vec<_> = command
        .as_std()
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
    use crate::words::split;

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
            assert_eq!(with_address(&split(written), url), wanted, "{written}");
        }
        assert_eq!(Browser::from_variable("  "), Browser::System);
    }
}
