//! The paths of MCP clients' configuration files, and the rules for opening them.
//!
//! A user's own files state what the user runs. A project's files state what the author of the project would like to
//! run, and a user who clones a repository has them in the current directory: the two are kept apart from the first
//! line on.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::mcp_remote::clients::Language;

/// The directories that all others are under.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The user's home directory.
    pub home: PathBuf,
    /// The directory in which applications keep settings: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    pub config: PathBuf,
    /// The directory in which mcpipe was started, which may be a project's.
    pub project: Option<PathBuf>,
}

impl Folders {
    /// Returns the directories of this process; `None` for a user without a home.
    pub fn of_this_process() -> Option<Self> {
        let home = dirs::home_dir()?;
        Some(Self {
            config: dirs::config_dir().unwrap_or_else(|| home.join(".config")),
            home,
            project: std::env::current_dir().ok(),
        })
    }
}

/// The author of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The user's, in the user's own directories.
    User,
    /// The project's, in the current directory: any other user may have written it.
    Project,
    /// A file that the user named on the command line.
    Named,
}

/// A configuration file that may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The MCP client that reads it.
    pub client: String,
    /// The author.
    pub author: Author,
    /// The path.
    pub path: PathBuf,
    /// The language.
    pub language: Language,
}

impl Place {
    /// Makes the place of a file that the user named.
    pub fn named(path: PathBuf) -> Self {
        let client = path.file_name().unwrap_or(path.as_os_str());
        Self {
            client: client.to_string_lossy().into_owned(),
            author: Author::Named,
            language: language(&path),
            path,
        }
    }
}

fn language(path: &Path) -> Language {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Language::Toml,
        Some("yaml" | "yml") => Language::Yaml,
        _ => Language::Json,
    }
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

/// Returns the places of all files, existing or not; the user's before the project's, so that a file that is both is
/// the user's.
pub fn all(folders: &Folders) -> Vec<Place> {
    let Folders { home, config, .. } = folders;
    let dotted = &home.join(".config");
    let users = [
        (
            "Claude Desktop",
            config,
            "Claude/claude_desktop_config.json",
        ),
        ("Cursor", home, ".cursor/mcp.json"),
        ("Windsurf", home, ".codeium/windsurf/mcp_config.json"),
        ("Claude Code", home, ".claude.json"),
        ("VS Code", config, "Code/User/mcp.json"),
        ("VS Code", config, "Code/User/settings.json"),
        ("Gemini", home, ".gemini/settings.json"),
        ("Codex", home, ".codex/config.toml"),
        ("Goose", dotted, "goose/config.yaml"),
        ("Goose", config, "goose/config.yaml"),
        ("Goose", config, "Block/goose/config/config.yaml"),
        ("Zed", dotted, "zed/settings.json"),
        ("Zed", config, "zed/settings.json"),
        ("opencode", dotted, "opencode/opencode.json"),
        ("opencode", config, "opencode/opencode.json"),
        ("opencode", dotted, "opencode/opencode.jsonc"),
        ("opencode", config, "opencode/opencode.jsonc"),
    ];
    let projects = [
        ("Cursor", ".cursor/mcp.json"),
        ("Claude Code", ".mcp.json"),
        ("VS Code", ".vscode/mcp.json"),
        ("Gemini", ".gemini/settings.json"),
        ("Codex", ".codex/config.toml"),
        ("Zed", ".zed/settings.json"),
        ("opencode", "opencode.json"),
        ("opencode", "opencode.jsonc"),
    ];
    let users = users.map(|(client, root, file)| (client, Author::User, root.join(file)));
    let projects = folders
        .project
        .iter()
        .flat_map(|root| projects.map(|(client, file)| (client, Author::Project, root.join(file))));
    let mut places: Vec<Place> = Vec::new();
    for (client, author, path) in users.into_iter().chain(projects) {
        if !places.iter().any(|place| place.path == path) {
            places.push(Place {
                client: client.to_owned(),
                author,
                language: language(&path),
                path,
            });
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_looked_at_twice() {
        let folders = Folders {
            home: "/h".into(),
            config: "/h/.config".into(),
            project: Some("/h".into()),
        };
        let places = all(&folders);
        let mut paths: Vec<_> = places.iter().map(|place| &place.path).collect();
        paths.sort();
        paths.dedup();
        assert_eq!(paths.len(), places.len());
        let of = |path: &str| {
            places
                .iter()
                .find(|place| place.path == Path::new(path))
                .unwrap()
        };
        assert_eq!(of("/h/.codex/config.toml").language, Language::Toml);
        assert_eq!(of("/h/.config/goose/config.yaml").language, Language::Yaml);
        assert_eq!(
            of("/h/.config/Claude/claude_desktop_config.json").language,
            Language::Json
        );
        assert_eq!(of("/h/.cursor/mcp.json").author, Author::User);
        assert_eq!(of("/h/.mcp.json").author, Author::Project);
    }

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
