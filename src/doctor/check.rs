//! A check: its name, its place, and the function that does it.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use crate::doctor::finding::Finding;

/// The work of a check.
pub type Work<'a> = Pin<Box<dyn Future<Output = Vec<Finding>> + Send + 'a>>;

/// The time within which a check usually ends.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A check over a context.
pub struct Check<C> {
    /// The name, as it is shown.
    pub name: &'static str,
    /// The group under which it is shown.
    pub group: Group,
    /// The names of the checks that have to end before.
    pub after: &'static [&'static str],
    /// The time after which it is given up.
    pub patience: Duration,
    /// The function that does it. A check that has nothing to say returns nothing.
    pub run: for<'a> fn(&'a C) -> Work<'a>,
}

impl<C> Clone for Check<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Check<C> {}

impl<C> fmt::Debug for Check<C> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Check({})", self.name)
    }
}

/// The groups of checks, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// The way to the server.
    Network,
    /// The server, and how it speaks.
    Server,
    /// The sign-in, and what is stored of it.
    SignIn,
    /// The settings and files of this machine.
    Here,
}

impl Group {
    /// The title of the group.
    pub fn title(self) -> &'static str {
        match self {
            Self::Network => "Network",
            Self::Server => "Server",
            Self::SignIn => "Sign-in",
            Self::Here => "This machine",
        }
    }
}

/// The findings of a check.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The check's name.
    pub check: &'static str,
    /// Its group.
    pub group: Group,
    /// The findings, in the order in which the check has made them.
    pub findings: Vec<Finding>,
}
