//! The sentence, the hint and the exit code of a failure.
//!
//! The one place that decides how a failure looks to the user at the terminal: the step that failed and its object,
//! each cause on its own indented line, then the next thing to do.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::process::ExitCode;

use crate::header_secrets;
use crate::secret::live;
use crate::store::passphrase;
use crate::{auth, store};

/// The kind of a failure; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1: the request was proper and failed.
    Failed,
    /// 2: wrong usage or settings; nothing was sent.
    Usage,
    /// 3: the user has to sign in.
    SignIn,
    /// 4: the network.
    Network,
    /// 5: the other side does not keep to the protocol.
    Protocol,
    /// 130: the user has interrupted it (Ctrl-C).
    Interrupted,
    /// 143: another process has told it to end (SIGTERM).
    Terminated,
}

/// The hint where a server cannot be reached.
pub const NETWORK: &str = "check the network, or try again later; what is stored is as it was";

/// The end of a command by Ctrl-C or a signal.
#[derive(Debug, thiserror::Error)]
#[error("told to end")]
pub struct ToldToEnd;

/// A failure that ends the process.
#[derive(Debug)]
pub struct Failure {
    /// The kind, which decides the exit code.
    pub kind: Kind,
    /// The error, with its causes.
    pub error: Box<dyn Error + Send + Sync>,
    /// The command that helps next.
    pub hint: Option<String>,
}

impl Failure {
    /// Makes a failure that happened while doing what the user asked.
    pub fn new(kind: Kind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            error: error.into(),
            hint: None,
        }
    }

    /// Makes a failure of wrong usage or settings.
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Usage, error)
    }

    /// Adds the next thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns the text for stderr.
    pub fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.error);
        let mut source = self.error.source();
        while let Some(cause) = source {
            let said = cause.to_string();
            // Many errors are their causes in other words, or in the same; no user reads a sentence twice.
            if !text.contains(&said) {
                let _ = writeln!(text, "  {said}");
            }
            source = cause.source();
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "hint: {}", uncapitalised(hint));
        }
        // A server's own words, and a secret in them, may be in the text.
        live::without(&text).into_owned()
    }

    /// Says whether the user or another process has ended the command: they know it, and it is no error.
    pub fn is_end(&self) -> bool {
        self.error.is::<ToldToEnd>() || self.is_interrupted()
    }

    /// Says whether the user has ended the command with Ctrl-C at a question, where the terminal passes that on as a
    /// failed read.
    fn is_interrupted(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&*self.error);
        while let Some(error) = cause {
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if kind == Some(io::ErrorKind::Interrupted) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// Returns the process's exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Interrupted => 130,
            _ if self.is_interrupted() => 130,
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::SignIn => 3,
            Kind::Network => 4,
            Kind::Protocol => 5,
            Kind::Terminated => 143,
        })
    }
}

/// Returns a hint that was written as a sentence of its own, as it stands behind a colon.
fn uncapitalised(sentence: &str) -> String {
    let text = sentence.strip_suffix('.').unwrap_or(sentence);
    // A question with its answer stays unchanged.
    if text.contains("? ") {
        return text.to_owned();
    }
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            let rest = text.get(first.len_utf8()..).unwrap_or_default();
            first.to_lowercase().chain(rest.chars()).collect()
        }
        _ => text.to_owned(),
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let hint = error.hint();
        Self {
            kind: match &error {
                store::Error::Passphrase(error) if error.is_interruption() => Kind::Interrupted,
                _ => Kind::Failed,
            },
            error: error.into(),
            hint,
        }
    }
}

impl From<passphrase::Error> for Failure {
    fn from(error: passphrase::Error) -> Self {
        store::Error::from(error).into()
    }
}

impl From<header_secrets::Error> for Failure {
    fn from(error: header_secrets::Error) -> Self {
        if let header_secrets::Error::Vault(error) = error {
            return error.into();
        }
        let hint = error.hint();
        let kind = if error.is_usage() {
            Kind::Usage
        } else {
            Kind::Failed
        };
        Self {
            kind,
            error: error.into(),
            hint,
        }
    }
}

impl From<auth::Error> for Failure {
    fn from(error: auth::Error) -> Self {
        let cause = error.cause();
        let kind = match cause {
            _ if error.is_passing() => Kind::Network,
            // A file or secret of the user's is missing or wrong: no sign-in mends that.
            auth::Cause::Vault(_) | auth::Cause::ClientKey(_) => Kind::Failed,
            auth::Cause::Unattended(machine) if machine.is_at_home() => Kind::Failed,
            _ => Kind::SignIn,
        };
        let hint = error
            .hint()
            .or_else(|| (kind == Kind::Network).then(|| NETWORK.to_owned()));
        Self {
            kind,
            error: error.into(),
            hint,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("getting a token: {0}")]
        struct Outer(#[source] io::Error);
        let failure =
            Failure::usage(Outer(io::Error::other("nobody there"))).hint("Check the network.");
        assert_eq!(
            failure.text(),
            "error: getting a token: nobody there\nhint: check the network\n"
        );
    }

    #[test]
    fn causes_stand_on_lines_of_their_own_and_the_hint_last() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read the CA file x.pem")]
        struct Outer(#[source] io::Error);
        let failure =
            Failure::usage(Outer(io::Error::other("no such file"))).hint("check the path");
        assert_eq!(
            failure.text(),
            "error: cannot read the CA file x.pem\n  no such file\nhint: check the path\n"
        );
    }
}
