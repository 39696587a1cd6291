//! Files and variables with a secret that a flag names, and the warning where other users can read such a file.

use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::named_file;
use crate::secret::Secret;
use crate::settings::environment::Environment;
use crate::settings::error::Error;
use crate::text::without_mark;

pub(super) fn secret(
    file: &Option<PathBuf>,
    variable: &Option<String>,
    flag: &'static str,
    env: &Environment,
) -> Result<Option<Secret>, Error> {
    if let Some(path) = file {
        warn_if_others_read(path, "a secret");
        let text = Zeroizing::new(read(path.clone())?);
        let secret = without_mark(&text).trim_end_matches(['\r', '\n']);
        return match secret {
            "" => Err(Error::Empty(path.clone())),
            secret => Ok(Some(Secret::new(secret))),
        };
    }
    let Some(variable) = variable else {
        return Ok(None);
    };
    let value = env.get(variable).ok_or(Error::UnsetFor(flag))?;
    Ok(Some(Secret::new(value)))
}

/// Reads the text of a file that a flag names.
pub(super) fn read(path: PathBuf) -> Result<String, Error> {
    named_file::read_text(&path).map_err(|source| Error::Unreadable { path, source })
}

/// Warns that other users of the machine can read a file with a secret.
#[cfg(unix)]
pub(super) fn warn_if_others_read(path: &std::path::Path, flag: &str) {
    use std::os::unix::fs::PermissionsExt as _;

    let is_open = std::fs::metadata(path)
        .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o007 != 0);
    if is_open {
        let path = path.display();
        tracing::warn!(%path, "others on this machine can use the file of {flag}: `chmod 600` it");
    }
}

#[cfg(not(unix))]
pub(super) fn warn_if_others_read(_: &std::path::Path, _: &str) {}
