//! The environment of the process: its variables, arguments and terminal, read once, and the part of it that a helper
//! gets.
//!
//! The only reader of the environment, clap's `MCPIPE_<FLAG>` aside.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::auth::{self, Helper};
use crate::cli::HELPER;
use crate::process::leads_to_passphrase;
use crate::secret::Secret;
use crate::server_card::domain::domain;
use crate::text;

/// The variables, arguments and terminal of the process, read once.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Environment variables that are valid Unicode.
    pub variables: HashMap<String, String>,
    /// Variables that are not valid Unicode, which only the browser gets.
    pub not_unicode: Vec<(OsString, OsString)>,
    /// True where a user may be reading stderr.
    pub is_terminal: bool,
    /// True where a user may be typing into stdin.
    pub is_typed_into: bool,
    /// The path of this binary, if the system tells.
    pub program: Option<PathBuf>,
    /// The arguments of the process, if they are Unicode; the program's name first.
    pub arguments: Option<Vec<String>>,
    /// The bare domain among the arguments that is the command's target, which messages may show.
    pub domain: Option<String>,
}

impl Environment {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn of_this_process() -> Self {
        let mut variables = HashMap::new();
        let mut not_unicode = Vec::new();
        for (name, value) in std::env::vars_os() {
            match (name.to_str(), value.to_str()) {
                (Some(name), Some(value)) => {
                    variables.insert(name.to_owned(), value.to_owned());
                }
                _ => not_unicode.push((name, value)),
            }
        }
        let arguments = std::env::args_os().map(OsString::into_string);
        Self {
            variables,
            not_unicode,
            is_terminal: std::io::stderr().is_terminal(),
            is_typed_into: std::io::stdin().is_terminal(),
            program: std::env::current_exe().ok(),
            arguments: arguments.collect::<Result<_, _>>().ok(),
            domain: None,
        }
    }

    /// Returns the same environment for a command with this target.
    #[must_use]
    pub fn about(self, target: Option<&str>) -> Self {
        let domain = target.filter(|target| domain(target).is_some());
        Self {
            domain: domain.map(ToOwned::to_owned),
            ..self
        }
    }

    /// Returns the value of a variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Says whether a variable switches something on. `0`, `false`, `no` and `off` do not.
    pub fn is_on(&self, name: &str) -> bool {
        let off = ["0", "false", "no", "off"];
        self.get(name)
            .is_some_and(|value| !off.contains(&value.to_ascii_lowercase().as_str()))
    }

    /// Returns a text for the user without words of the arguments that may be secrets in the wrong place, and without
    /// the queries of URLs. A second net: errors name flags, not the values given with them.
    pub fn unquoted(&self, mut text: String) -> String {
        let typed = self.arguments.iter().flatten().skip(1).enumerate();
        let typed = typed.map(|(at, word)| (word.as_str(), format!("(argument {})", at + 1)));
        let set = self
            .variables
            .iter()
            .filter(|(name, _)| name.starts_with("MCPIPE_"));
        let set = set.map(|(name, value)| (value.as_str(), format!("({name})")));
        for (word, place) in typed.chain(set) {
            let value = match word.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => value,
                _ => word,
            };
            if let Some((_, query)) = value.split_once('?').filter(|_| value.contains("://")) {
                text = text.replace(&format!("?{query}"), "?…");
            } else if text::may_be_secret(value) && self.domain.as_deref() != Some(value) {
                text = text.replace(value, &place);
            }
        }
        text
    }

    /// Says whether a user can be told to sign in, and would see it: on a terminal, or on a display. In a build a
    /// display shows pages to no user.
    pub fn can_reach_a_user(&self) -> bool {
        self.is_terminal || has_terminal() || self.has_display() && self.get("CI").is_none()
    }

    fn has_display(&self) -> bool {
        cfg!(any(windows, target_os = "macos"))
            || ["DISPLAY", "WAYLAND_DISPLAY"]
                .iter()
                .any(|name| self.get(name).is_some())
    }

    /// Says whether the user who started us would see a browser that is started here: not over SSH, not inside WSL, not
    /// without a display, not in a build.
    pub fn can_show_a_page(&self) -> bool {
        const ELSEWHERE: [&str; 5] = [
            "SSH_CONNECTION",
            "SSH_CLIENT",
            "SSH_TTY",
            "WSL_DISTRO_NAME",
            "CI",
        ];
        self.has_display() && ELSEWHERE.iter().all(|name| self.get(name).is_none())
    }

    /// Says whether the user has come over SSH.
    pub fn is_over_ssh(&self) -> bool {
        ["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"]
            .iter()
            .any(|name| self.get(name).is_some())
    }

    /// Returns the environment of a browser that is started here: everything, except what opens the vault.
    pub fn environment(&self) -> auth::Environment {
        let unicode = self.variables.iter();
        let unicode = unicode.map(|(name, value)| (name.into(), value.into()));
        auth::Environment::new(unicode.chain(self.not_unicode.iter().cloned()))
    }

    /// Returns the way to start a helper that comes to the same settings. The helper's letter holds our variables,
    /// because settings may name any of them; its own environment, which other processes may read, holds only the
    /// variables it cannot do without.
    pub fn helper(&self) -> Option<Helper> {
        let of = |wanted: fn(&str) -> bool| {
            let wanted = self.variables.iter().filter(move |(name, _)| wanted(name));
            wanted.map(|(name, value)| (name.clone(), value.clone()))
        };
        let caller = CallerEnvironment {
            arguments: self.arguments.clone()?,
            variables: of(|name| !leads_to_passphrase(name)).collect(),
            not_unicode: self.not_unicode.clone(),
        };
        let caller = Zeroizing::new(serde_json::to_string(&caller).ok()?);
        Some(Helper {
            program: self.program.clone()?,
            arguments: vec![HELPER.to_owned()],
            environment: of(is_for_helpers).collect(),
            caller_environment: Secret::new(caller.as_str()),
        })
    }

    /// Returns, in a helper, the environment of the process that sent the letter.
    pub fn of_the_sender(&self, caller: &Secret) -> Option<Self> {
        let caller: CallerEnvironment = serde_json::from_str(caller.expose()).ok()?;
        Some(Self {
            variables: caller.variables,
            not_unicode: caller.not_unicode,
            arguments: Some(caller.arguments),
            ..Self::default()
        })
    }
}

/// Says whether this process has a controlling terminal, wherever its standard streams lead.
fn has_terminal() -> bool {
    cfg!(unix) && open_terminal().is_ok()
}

/// Opens the controlling terminal for writing.
///
/// # Errors
/// There is none.
pub fn open_terminal() -> std::io::Result<std::fs::File> {
    std::fs::OpenOptions::new().write(true).open("/dev/tty")
}

/// The part of a helper's letter about the environment.
#[derive(Serialize, Deserialize)]
struct CallerEnvironment {
    arguments: Vec<String>,
    variables: HashMap<String, String>,
    not_unicode: Vec<(OsString, OsString)>,
}

/// Says whether a helper's own environment has this variable: a TLS client needs it to reach the network, or mcpipe to
/// find its files. A browser gets all the variables of the letter.
fn is_for_helpers(name: &str) -> bool {
    const NAMES: [&str; 43] = [
        "BROWSER",
        "CI",
        "DBUS_SESSION_BUS_ADDRESS",
        "DESKTOP_SESSION",
        "DISPLAY",
        "GNOME_DESKTOP_SESSION_ID",
        "HOME",
        "KDE_FULL_SESSION",
        "KDE_SESSION_VERSION",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "MATE_DESKTOP_SESSION_ID",
        "NODE_EXTRA_CA_CERTS",
        "PATH",
        "SSH_CLIENT",
        "SSH_CONNECTION",
        "SSH_TTY",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TMPDIR",
        "USER",
        "WAYLAND_DISPLAY",
        "WSL_DISTRO_NAME",
        "WSL_INTEROP",
        "XAUTHORITY",
        "__CF_USER_TEXT_ENCODING",
        // A proxy's password may be in these variables; the browser and our client need them unchanged.
        "ALL_PROXY",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        // Variables that Windows programs cannot do without.
        "APPDATA",
        "COMSPEC",
        "LOCALAPPDATA",
        "PATHEXT",
        "PROGRAMDATA",
        "PROGRAMFILES",
        "SYSTEMDRIVE",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "USERPROFILE",
        "WINDIR",
    ];
    let name = name.to_ascii_uppercase();
    let is_ours = name.starts_with("MCPIPE_") && !leads_to_passphrase(&name);
    is_ours || name.starts_with("XDG_") || name.starts_with("LC_") || NAMES.contains(&name.as_str())
}

/// Returns an environment of these variables, for tests.
#[cfg(test)]
pub(crate) fn env(variables: &[(&str, &str)]) -> Environment {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Environment {
        variables: variables.iter().map(own).collect(),
        ..Environment::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(variables: &[(&str, &str)]) -> Environment {
        Environment {
            program: Some("mcpipe".into()),
            arguments: Some(vec!["mcpipe".to_owned(), "https://a.example".to_owned()]),
            ..env(variables)
        }
    }

    #[test]
    fn a_helper_gets_what_a_browser_needs_and_no_secret() {
        let here = started(&[
            ("DISPLAY", ":0"),
            ("XDG_RUNTIME_DIR", "/run"),
            ("https_proxy", "http://proxy.example"),
            ("MCPIPE_HOME", "/home"),
            ("MCPIPE_PASSPHRASE", "canary"),
            ("MY_SECRET", "letter-canary"),
        ]);
        let helper = here.helper().unwrap();
        let mut names: Vec<_> = helper
            .environment
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["DISPLAY", "MCPIPE_HOME", "XDG_RUNTIME_DIR", "https_proxy"]
        );
        assert!(!format!("{:?}", helper.environment).contains("canary"));

        let there = here.of_the_sender(&helper.caller_environment).unwrap();
        assert_eq!(there.arguments, here.arguments);
        assert_eq!(there.get("MY_SECRET"), Some("letter-canary"));
        assert_eq!(there.get("MCPIPE_PASSPHRASE"), None);
    }

    #[cfg(all(unix, not(target_os = "macos")))]
    #[test]
    fn a_page_is_shown_only_where_somebody_sees_it() {
        for (variables, wanted) in [
            (vec![("DISPLAY", ":0")], true),
            (vec![("WAYLAND_DISPLAY", "wayland-0")], true),
            (vec![], false),
            (vec![("DISPLAY", "")], false),
            (
                vec![("DISPLAY", ":10"), ("SSH_CONNECTION", "a b c d")],
                false,
            ),
            (
                vec![("DISPLAY", ":0"), ("WSL_DISTRO_NAME", "Debian")],
                false,
            ),
            (vec![("DISPLAY", ":0"), ("CI", "true")], false),
        ] {
            assert_eq!(env(&variables).can_show_a_page(), wanted, "{variables:?}");
        }
    }

    #[test]
    fn what_a_helper_is_told_of_us_is_written_with_these_words() {
        let helper = started(&[("MY_NAME", "value")]).helper().unwrap();
        assert_eq!(
            helper.caller_environment.expose(),
            r#"{"arguments":["mcpipe","https://a.example"],"variables":{"MY_NAME":"value"},"not_unicode":[]}"#
        );
    }
}
