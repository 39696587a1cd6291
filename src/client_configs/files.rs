//! The rules for opening hosts' configuration files: a user's file is the user's, and no pipe is waited for.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

use super::host::System;
use super::places::{Author, Folders, Place};

/// Returns the directories of this process; `None` for a user without a home.
pub fn folders(variables: &HashMap<String, String>) -> Option<Folders> {
    let home = dirs::home_dir()?;
    let system = System::of_this_build();
    let mut folders = Folders::new(system, home, variables.clone());
    if let Some(settings) = dirs::config_dir() {
        folders.settings = settings;
    }
    if system == System::Windows {
        if let Some(local) = dirs::data_local_dir() {
            folders.local = local;
        }
        let packages = std::fs::read_dir(folders.local.join("Packages"));
        let names = packages.into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        folders.packages = names.collect();
    }
    folders.project = std::env::current_dir().ok();
    Some(folders)
}

/// The reason why a configuration file is not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path is a directory, a pipe, or a device.
    #[error("it is no regular file")]
    NotRegular,
    /// The file is in the user's directories and belongs to another user.
    #[error("it belongs to another user, so it counts only when named with --project")]
    Owner,
    /// The file is in the user's directories and every user can write it.
    #[error(
        "every user of this machine can write to it, so it counts only when named with --project"
    )]
    Writable,
    /// The file is larger than any such file.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// The system's error.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The longest configuration that is read, in bytes. Claude Code keeps whole conversations in it.
const LARGEST: u64 = 256 << 20;
/// The longest configuration of a project. It holds nothing but configuration.
const LARGEST_OF_A_PROJECT: u64 = 4 << 20;

/// Reads the text of a configuration file; `None` if there is no file. Never waits for a pipe. Links are followed,
/// because users keep their configuration elsewhere.
///
/// # Errors
/// See [`Error`].
pub fn read(place: &Place) -> Result<Option<String>, Error> {
    let (file, metadata) = match open(&place.path) {
        Err(Error::Io(error)) if is_absent(&error) && place.author != Author::Named => {
            return Ok(None);
        }
        opened => opened?,
    };
    if place.author == Author::User {
        check_own(&metadata)?;
    }
    let limit = match place.author {
        Author::User => LARGEST,
        Author::Project | Author::Named => LARGEST_OF_A_PROJECT,
    };
    text(file, &metadata, limit).map(Some)
}

/// Reads the text of a file of headers. Never waits for a pipe.
///
/// # Errors
/// The system's, or that the file is no such file.
pub fn read_header_file(path: &Path) -> io::Result<String> {
    let read = open(path).and_then(|(file, metadata)| text(file, &metadata, LARGEST_OF_HEADERS));
    read.map_err(|error| match error {
        Error::Io(error) => error,
        error => io::Error::other(error),
    })
}

/// The longest file of headers, in bytes: more than any server takes.
const LARGEST_OF_HEADERS: u64 = 1 << 20;

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

fn open(path: &Path) -> Result<(File, Metadata), Error> {
    let file = open_at_once(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(Error::NotRegular),
    }
}

fn text(file: File, metadata: &Metadata, limit: u64) -> Result<String, Error> {
    if metadata.len() > limit {
        return Err(Error::TooLarge(limit));
    }
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

/// Says whether the file is the user's or root's, and not every user's to write. A group's right to write is allowed:
/// in many systems a group has one member.
#[cfg(unix)]
fn check_own(metadata: &Metadata) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt as _;
    if ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
        return Err(Error::Owner);
    }
    match metadata.mode() & 0o002 {
        0 => Ok(()),
        _ => Err(Error::Writable),
    }
}

#[cfg(not(unix))]
fn check_own(_: &Metadata) -> Result<(), Error> {
    Ok(())
}

#[cfg(unix)]
fn open_at_once(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = std::fs::OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    options.open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_users_file_is_the_users_and_no_pipe_is_waited_for() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str, author| Place {
            author,
            ..Place::named(directory.path().join(name))
        };
        let user = |name| place(name, Author::User);
        assert!(read(&user("none.json")).unwrap().is_none());
        assert!(read(&place("none.json", Author::Named)).is_err());
        std::fs::write(user("a.json").path, "{}").unwrap();
        assert_eq!(read(&user("a.json")).unwrap().as_deref(), Some("{}"));
        for (mode, is_read) in [(0o644, true), (0o664, true), (0o646, false)] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(user("a.json").path, mode).unwrap();
            assert_eq!(read(&user("a.json")).is_ok(), is_read);
            assert!(read(&place("a.json", Author::Named)).is_ok());
        }
        if rustix::process::geteuid().is_root() {
            std::fs::write(user("b.json").path, "{}").unwrap();
            std::os::unix::fs::chown(user("b.json").path, Some(65534), None).unwrap();
            assert!(matches!(read(&user("b.json")), Err(Error::Owner)));
        }
        let pipe = crate::process::command("mkfifo")
            .arg(user("pipe.json").path)
            .status();
        if pipe.is_ok_and(|status| status.success()) {
            for author in [Author::User, Author::Project, Author::Named] {
                let read = read(&place("pipe.json", author));
                assert!(matches!(read, Err(Error::NotRegular)));
            }
        }
        let large = File::create(user("large.json").path).unwrap();
        large.set_len(LARGEST_OF_A_PROJECT + 1).unwrap();
        let read = read(&place("large.json", Author::Project));
        assert!(matches!(read, Err(Error::TooLarge(_))));
    }
}
