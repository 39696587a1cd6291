//! The paths of hosts' configuration files, made of the table and of the directories of a system. Opens nothing.
//!
//! A user's own files state what the user runs. A project's files state what the author of the project would like to
//! run, and a user who clones a repository has them in the current directory: the two are kept apart from the first
//! line on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::edit::Format;
use super::host::{Host, HostFile, Purpose, Root, System};
use super::hosts::HOSTS;

/// The directories that all others are under.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The system.
    pub system: System,
    /// The user's home directory.
    pub home: PathBuf,
    /// The directory in which applications keep settings: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    pub settings: PathBuf,
    /// `%LOCALAPPDATA%`, on Windows.
    pub local: PathBuf,
    /// The names in `%LOCALAPPDATA%\Packages`, on Windows.
    pub packages: Vec<String>,
    /// The directory in which mcpipe was started, which may be a project's.
    pub project: Option<PathBuf>,
    /// The variables of the environment.
    pub variables: HashMap<String, String>,
}

impl Folders {
    /// Returns the directories of a user with this home and these variables, as the system has them.
    pub fn new(system: System, home: PathBuf, variables: HashMap<String, String>) -> Self {
        let named = |name: &str| {
            let value = variables.get(name).map(PathBuf::from);
            // The XDG Base Directory Specification passes over relative paths.
            value.filter(|path| path.has_root())
        };
        let settings = match system {
            System::Linux => named("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
            System::MacOs => home.join("Library/Application Support"),
            System::Windows => named("APPDATA").unwrap_or_else(|| home.join("AppData/Roaming")),
        };
        let local = named("LOCALAPPDATA").unwrap_or_else(|| home.join("AppData/Local"));
        Self {
            system,
            settings,
            local,
            home,
            packages: Vec::new(),
            project: None,
            variables,
        }
    }

    fn variable(&self, name: &str) -> Option<PathBuf> {
        let value = self.variables.get(name).filter(|value| !value.is_empty())?;
        Some(match value.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None => PathBuf::from(value),
        })
    }

    /// Returns the directories that a root stands for: none, one, or one for each package.
    fn of(&self, root: Root) -> Vec<PathBuf> {
        match root {
            Root::Home => vec![self.home.clone()],
            Root::Settings => vec![self.settings.clone()],
            Root::DotConfig => {
                let named = self.variable("XDG_CONFIG_HOME");
                let named = named.filter(|path| path.has_root());
                vec![named.unwrap_or_else(|| self.home.join(".config"))]
            }
            Root::Local => vec![self.local.clone()],
            Root::Variable(name) | Root::VariableFile(name) => {
                self.variable(name).into_iter().collect()
            }
            Root::Package(beginning) => {
                let found = self
                    .packages
                    .iter()
                    .filter(|name| name.starts_with(beginning));
                let roaming = |name: &String| {
                    let package = self.local.join("Packages").join(name);
                    package.join("LocalCache/Roaming")
                };
                found.map(roaming).collect()
            }
            Root::Project => self.project.iter().cloned().collect(),
        }
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
#[derive(Clone, Debug)]
pub struct Place {
    /// The name of the MCP client that reads it, as it is shown.
    pub client: String,
    /// The author.
    pub author: Author,
    /// The path.
    pub path: PathBuf,
    /// The language.
    pub format: Format,
    /// The row of the table; none for a file that the user named.
    pub row: Option<Row>,
}

/// A host and one of its files.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The host.
    pub host: &'static Host,
    /// The file.
    pub file: &'static HostFile,
}

impl Place {
    /// Makes the place of a file that the user named.
    pub fn named(path: PathBuf) -> Self {
        let client = path.file_name().unwrap_or(path.as_os_str());
        Self {
            client: client.to_string_lossy().into_owned(),
            author: Author::Named,
            format: format(&path),
            path,
            row: None,
        }
    }

    /// Says whether the file is made where there is none.
    pub fn is_made(&self) -> bool {
        let purpose = self.row.map(|row| row.file.purpose);
        !matches!(purpose, Some(Purpose::Older | Purpose::OnlyRead))
    }

    /// Says whether the file may be changed.
    pub fn is_written(&self) -> bool {
        self.row
            .is_none_or(|row| row.file.purpose != Purpose::OnlyRead)
    }
}

/// Returns the language of a file by its name; JSON if the name does not tell.
pub fn format(path: &Path) -> Format {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Format::Toml,
        Some("yaml" | "yml") => Format::Yaml,
        _ => Format::Json,
    }
}

/// Returns the places of a host's files, existing or not, the user's before the project's.
pub fn of_host(host: &'static Host, folders: &Folders) -> Vec<Place> {
    let files = host
        .files
        .iter()
        .filter(|file| file.on.contains(&folders.system));
    let places = files.flat_map(|file| {
        folders.of(file.root).into_iter().map(move |root| {
            let path = match file.path {
                "" => root,
                path => path.split('/').fold(root, |root, name| root.join(name)),
            };
            Place {
                client: host.title.to_owned(),
                author: match file.purpose {
                    Purpose::Project => Author::Project,
                    _ => Author::User,
                },
                format: format(&path),
                path,
                row: Some(Row { host, file }),
            }
        })
    });
    let mut places: Vec<Place> = places.collect();
    // Stable: the table's order stays among the user's, and among the project's.
    places.sort_by_key(|place| place.author == Author::Project);
    places
}

/// Returns the places of all files, existing or not; the user's before the project's, so that a file that is both is
/// the user's.
pub fn all(folders: &Folders) -> Vec<Place> {
    let places = HOSTS.iter().flat_map(|host| of_host(host, folders));
    let (users, projects): (Vec<_>, Vec<_>) =
        places.partition(|place| place.author == Author::User);
    let mut places: Vec<Place> = Vec::new();
    for place in users.into_iter().chain(projects) {
        if !places.iter().any(|other| other.path == place.path) {
            places.push(place);
        }
    }
    places
}

#[cfg(test)]
mod tests;
