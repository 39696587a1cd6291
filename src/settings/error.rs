//! Mistakes in the user's arguments, environment or files, each with a hint.
//!
//! A message names the place of a text, and never the text where that may be a secret.

use std::path::PathBuf;

use crate::cli::TORN;
use crate::process::argv;
use crate::report::Failure;

/// A mistake in the user's arguments, environment or files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A text that is no URL. The message says only where the text stands: a host that tears arguments apart puts
    /// secrets there.
    #[error("{0} is not a URL")]
    NotUrl(&'static str),
    /// A text that is neither a host's name nor an address.
    #[error("{0} is not the name or address of a host")]
    NotHost(&'static str),
    /// A text that is not the path of a URL.
    #[error("{0} is not a path")]
    NotPath(&'static str),
    /// A URL with white space in it.
    #[error("{0} has a space in it")]
    Spaced(&'static str),
    /// A URL whose scheme is neither http nor https.
    #[error("{0} is neither https nor http")]
    Scheme(&'static str),
    /// A URL with a user name or password, which would end up in logs and error messages.
    #[error("the URL carries a user name or password")]
    UserInfo,
    /// A URL with plain http to a host other than this machine.
    #[error("plain http to {0} would show everything to the network")]
    PlainHttp(String),
    /// A text that is no header. The message says only where the text stands: all of the text may be a secret.
    #[error("{0} is not of the form 'Name: value'")]
    NotHeader(String),
    /// A header that names a variable which is not set.
    #[error("`{header}` names the environment variable {variable}, which is not set")]
    Unset {
        /// The header or the flag.
        header: String,
        /// The variable.
        variable: String,
    },
    /// A `${…}` that holds no variable's name: perhaps the value itself, or a setting that the host was to put there.
    #[error(
        "`{0}` holds `${{…}}` with something else in it than the name of an environment variable"
    )]
    NotVariable(String),
    /// A flag that names a variable which is not set. The message leaves the name out: users give the secret itself
    /// there.
    #[error("{0} takes the name of an environment variable, and no variable of that name is set")]
    UnsetFor(&'static str),
    /// A `${` without its `}`.
    #[error("{0} holds `${{` without `}}`")]
    Unclosed(String),
    /// A reference to the vault by a text that no secret can have as its name.
    #[error("`{0}` names a secret of the vault by what is no name")]
    NoSecretName(String),
    /// A reference to a secret that names nothing. The message leaves the text out: users give the secret itself there.
    #[error("{place} takes {expected}")]
    NotReference {
        /// The header, the flag or the line of a file.
        place: String,
        /// The form that was expected.
        expected: &'static str,
    },
    /// A reference to a variable that is not set. The message leaves the name out, as that of [`Error::UnsetFor`].
    #[error("{place} names an environment variable that is not set")]
    UnsetIn {
        /// The header, the flag or the line of a file.
        place: String,
    },
    /// A reference to a credential of systemd where systemd has given none.
    #[error("{0} names a credential of systemd, and $CREDENTIALS_DIRECTORY is not set")]
    NoCredentials(String),
    /// A reference of a kind that the place does not take.
    #[error("{place} takes no {kind}")]
    OtherReference {
        /// The flag or the line of a file.
        place: String,
        /// The beginning of the reference.
        kind: &'static str,
    },
    /// A program that was to print a secret.
    #[error("the program of {place} gave no secret")]
    NoOutput {
        /// The flag or the line of a file.
        place: String,
        /// The reason.
        source: argv::Error,
    },
    /// A program that printed nothing, or no text.
    #[error("the program of {0} printed no text")]
    NoText(String),
    /// A header's value with control characters in it.
    #[error("the value of the header {0} cannot be sent")]
    Unsendable(String),
    /// A parameter that is not `key=value`, or whose key the sign-in sets itself.
    #[error("{0} takes key=value")]
    NotParameter(&'static str),
    /// A text that is not JSON, or not an object with the members wanted.
    #[error("{0} takes a JSON object")]
    NotObject(&'static str),
    /// A named file that holds nothing.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// A named file that cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let hint = match &error {
            Error::NotUrl(SERVER) => {
                return Self::usage(error).hint(format!(
                    "an address looks like https://mcp.example.com/mcp; `mcpipe --help` lists the commands; {TORN}"
                ));
            }
            Error::NotUrl(_) | Error::Scheme(_) => {
                "an address looks like https://mcp.example.com/mcp"
            }
            Error::NotHost(_) => "write 127.0.0.1, localhost, ::1, or a name that leads here",
            Error::NotPath(_) => "a path begins with a slash: /oauth/callback",
            Error::Spaced(_) => {
                "write each argument as a word of its own, in a host's `args` as a string of its own; in an address a space is %20"
            }
            Error::UserInfo => {
                "pass credentials as a header: --header 'Authorization: Basic ${CREDENTIALS}'"
            }
            Error::PlainHttp(_) => "use https, or --allow-http if that network is yours",
            Error::NotHeader(_) => {
                return Self::usage(error).hint(format!("write --header 'Name: value'; {TORN}"));
            }
            Error::Unset { .. } | Error::UnsetFor(_) | Error::UnsetIn { .. } => {
                "set it where the host starts mcpipe, its `env` block for instance"
            }
            Error::Unclosed(_) => "write ${NAME}",
            Error::NotVariable(_) => {
                "write ${NAME}; a host that was to put a setting of its own there has not"
            }
            Error::NoSecretName(_) => {
                "`mcpipe vault put NAME` keeps a secret; it is then ${vault:NAME}, or --bearer NAME"
            }
            Error::NotReference { .. } | Error::OtherReference { .. } => {
                "a secret is named by file:PATH, env:NAME, cred:NAME or command:PROGRAM"
            }
            Error::NoCredentials(_) => {
                "LoadCredential= or LoadCredentialEncrypted= of the systemd unit sets it"
            }
            Error::NoOutput { .. } | Error::NoText(_) => {
                "run that program yourself: it prints the secret and nothing else"
            }
            Error::NotParameter(_) => "write key=value",
            Error::NotObject(_) => {
                "write JSON, or @FILE with JSON in the file; a client's has a client_id"
            }
            Error::Unsendable(_) => "header values are printable ASCII without line breaks",
            Error::Empty(_) => "it has to hold the secret, and nothing else",
            Error::Unreadable { .. } => "check the path and its permissions",
        };
        Self::usage(error).hint(hint)
    }
}

/// The place of the server's address, as messages name it.
pub const SERVER: &str = "what stands in the place of the server's address";
