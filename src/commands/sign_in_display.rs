//! The texts of a sign-in for the user on stderr: the address to visit, the machine to do it on, and the text that may
//! be pasted.

use std::net::IpAddr;

use url::{Host, Url};

use crate::auth::{Announce, Notice};
use crate::cli::SignInArgs;
use crate::logging::Output;
use crate::settings::Environment;

/// The facts that the texts depend on.
#[derive(Clone, Debug)]
pub(super) struct SignInTexts {
    /// The user wants no browser.
    is_by_hand: bool,
    is_terminal: bool,
    /// True where programs read the texts too, and look for the two lines that mcp-remote prints.
    is_for_tools: bool,
    is_over_ssh: bool,
    /// The name of this machine for `ssh` on another one.
    machine: String,
}

impl SignInTexts {
    /// Returns the facts for a command of the user's.
    pub(super) fn of_a_command(args: &SignInArgs, env: &Environment) -> Self {
        Self {
            is_by_hand: args.no_browser,
            is_terminal: env.is_terminal,
            is_for_tools: false,
            is_over_ssh: env.is_over_ssh(),
            machine: machine(env),
        }
    }

    /// Returns the facts for a bridge, whose host may be a program that looks for the address.
    pub(super) fn of_a_bridge(args: &SignInArgs, env: &Environment) -> Self {
        Self {
            is_for_tools: true,
            ..Self::of_a_command(args, env)
        }
    }

    /// Returns a function that says where to sign in, on this output.
    pub(super) fn announce_on(self, stderr: &Output) -> Announce {
        let stderr = stderr.clone();
        Announce::new(move |notice| stderr.say(&self.text(notice)))
    }

    pub(super) fn text(&self, notice: &Notice<'_>) -> String {
        let Notice::Visit {
            url,
            user_code: None,
            opened,
            ..
        } = notice
        else {
            return notice.text();
        };
        let mut text = match opened {
            true => format!("Opening your browser. If nothing opens: {url}\n"),
            false if self.is_by_hand => {
                format!("No browser is opened, as you asked: visit {url}\n")
            }
            false => format!("No browser could be opened: visit {url}\n"),
        };
        let may_be_elsewhere = !opened && (self.is_over_ssh || !self.is_for_tools);
        if may_be_elsewhere && let Some(forward) = self.forward(url) {
            text += "If your browser is on another machine, run this there, and visit the same address there:\n";
            text += &forward;
            if self.is_terminal && !self.is_for_tools {
                text += url;
                text.push('\n');
            }
        }
        if self.is_for_tools {
            text += &notice.text();
        }
        text
    }

    /// Returns the command that forwards the port of a start page of ours.
    fn forward(&self, url: &str) -> Option<String> {
        let url = Url::parse(url).ok()?;
        let is_ours = url.scheme() == "http" && url.path().ends_with("/start");
        let port = url.port().filter(|_| is_ours)?;
        let here = match url.host() {
            Some(Host::Ipv6(_)) => "[::1]",
            _ => "127.0.0.1",
        };
        Some(format!("ssh -L {port}:{here}:{port} {}\n", self.machine))
    }
}

/// Returns this machine as the user's `ssh` has reached it (`SSH_CONNECTION`: client, its port, server, its port), or a
/// word to be replaced.
fn machine(env: &Environment) -> String {
    let connection = env.get("SSH_CONNECTION").unwrap_or_default();
    let mut words = connection.split_whitespace().skip(2);
    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
    let port = words.next().and_then(|word| word.parse::<u16>().ok());
    let user = ["USER", "LOGNAME"]
        .iter()
        .find_map(|name| env.get(name))
        .filter(|name| {
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        })
        .filter(|name| !name.starts_with('-'));
    let Some(address) = address else {
        return "HOST".to_owned();
    };
    let port = match port {
        Some(port) if port != 22 => format!("-p {port} "),
        _ => String::new(),
    };
    match user {
        Some(user) => format!("{port}{user}@{address}"),
        None => format!("{port}{address}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(variables: &[(&str, &str)], is_for_tools: bool) -> SignInTexts {
        let env = Environment {
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Environment::default()
        };
        SignInTexts {
            is_for_tools,
            ..SignInTexts::of_a_command(&SignInArgs::default(), &env)
        }
    }

    const START: &str = "http://127.0.0.1:4000/cb/x/y/start";

    fn visit(opened: bool) -> Notice<'static> {
        Notice::Visit {
            url: START,
            user_code: None,
            good_for: None,
            opened,
        }
    }

    #[test]
    fn the_ssh_command_is_ready_to_paste_where_ssh_tells_the_machine() {
        for (connection, user, wanted) in [
            ("10.0.0.5 5000 10.0.0.9 22", "ada", "ada@10.0.0.9"),
            ("10.0.0.5 5000 10.0.0.9 2222", "ada", "-p 2222 ada@10.0.0.9"),
            ("fe80::5 5000 2001:db8::9 22", "", "2001:db8::9"),
            ("10.0.0.5 5000 10.0.0.9 22", "-oProxyCommand=x", "10.0.0.9"),
            ("a b c d", "ada", "HOST"),
            ("", "ada", "HOST"),
        ] {
            let words = words(&[("SSH_CONNECTION", connection), ("USER", user)], false);
            let text = words.text(&visit(false));
            let line = format!("\nssh -L 4000:127.0.0.1:4000 {wanted}\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn programs_find_the_two_lines_of_mcp_remote_and_people_one_sentence() {
        let lines = format!("Please authorize this client by visiting:\n{START}\n");
        for opened in [true, false] {
            assert!(words(&[], true).text(&visit(opened)).contains(&lines));
            assert!(!words(&[], false).text(&visit(opened)).contains(&lines));
        }
        let said = words(&[], false).text(&visit(true));
        assert_eq!(
            said,
            format!("Opening your browser. If nothing opens: {START}\n")
        );
        let said = words(&[], true).text(&visit(false));
        assert!(said.starts_with(&format!("No browser could be opened: visit {START}\n")));
        assert!(!said.contains("ssh -L"), "{said}");
    }
}
