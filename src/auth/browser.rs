//! Showing a page to the person: a program started on one address, without a shell (T6, CVE-2025-6514).

use std::process::Stdio;

use url::Url;

use super::settings::Browser;

/// Starts a browser on `url`, which [`super::guard`] has judged. It gets none of our pipes and none of our secrets.
/// False if none was started; that is no reason to stop waiting for the person.
pub async fn show(browser: &Browser, url: &Url) -> bool {
    match browser {
        Browser::None | Browser::Nowhere => false,
        Browser::System => {
            let address = url.as_str().to_owned();
            let opened = tokio::task::spawn_blocking(move || open::that_detached(address)).await;
            matches!(opened, Ok(Ok(())))
        }
        Browser::Command(words) => {
            let argv = with_address(words, url.as_str());
            let Some((program, arguments)) = argv.split_first() else {
                return false;
            };
            let mut command = tokio::process::Command::new(program);
            command
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .env_remove("MCPIPE_PASSPHRASE");
            // A Ctrl-C meant for us must not close the page somebody is signing in on.
            #[cfg(unix)]
            command.process_group(0);
            command.spawn().is_ok()
        }
    }
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
