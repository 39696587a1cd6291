//! The reasons why a sign-in is not taken over.

use std::path::PathBuf;

use crate::auth::flow::adopt;
use crate::mcp_remote::token_files;
use crate::report::Failure;

/// The reason why a candidate was not taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{}: {why}", path.display())]
    File {
        path: PathBuf,
        why: token_files::Error,
    },
    #[error("{} is not what mcp-remote writes", .0.display())]
    Unreadable(PathBuf),
    #[error("mcp-remote has been renewing it for too long")]
    Busy,
    #[error("{}", one_line(.0))]
    Settings(Failure),
    #[error(transparent)]
    Adopt(Box<adopt::Error>),
    #[error("taken over, but {} cannot be renamed: {source}", path.display())]
    Stays {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl From<adopt::Error> for Error {
    fn from(error: adopt::Error) -> Self {
        Self::Adopt(Box::new(error))
    }
}

fn one_line(failure: &Failure) -> String {
    failure
        .text()
        .trim_end()
        .trim_start_matches("error: ")
        .replace('\n', "; ")
}
