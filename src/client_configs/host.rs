//! A row of the table of hosts: the files in which a host keeps its MCP servers, and the form of an entry.

/// A program that starts MCP servers.
#[derive(Debug)]
pub struct Host {
    /// The name as it is typed.
    pub name: &'static str,
    /// The name as it is shown.
    pub title: &'static str,
    /// The way in which the user starts it.
    pub launch: Launch,
    /// The place of the servers inside a file.
    pub table: Table,
    /// The form of an entry that starts a program.
    pub form: Form,
    /// The files, the one to be written before the others; none for a host that is set up by hand.
    pub files: &'static [HostFile],
    /// The moment at which the host reads a changed file.
    pub effect: Effect,
}

/// The way in which a host is started, which decides the `PATH` that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Launch {
    /// By the desktop: the system's `PATH`, not the shell's.
    Desktop,
    /// In a terminal: the `PATH` of the shell.
    Terminal,
}

/// The place of the servers inside a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// An object at this path, with a member for each server.
    Members(&'static [&'static str]),
    /// An array at this path, whose items have a `name`.
    Items(&'static [&'static str]),
}

impl Table {
    /// Returns the path of the object or array.
    pub fn path(self) -> &'static [&'static str] {
        match self {
            Self::Members(path) | Self::Items(path) => path,
        }
    }
}

/// The form of an entry that starts a program.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The members for the program and its arguments.
    pub command: Command,
    /// The member for the variables of the environment.
    pub environment: &'static str,
    /// The members with the same value in every entry.
    pub fixed: &'static [(&'static str, Fixed)],
    /// True where the entry repeats its name in the member `name`.
    pub is_named_inside: bool,
    /// True where names are letters, digits, `_` and `-` only.
    pub has_plain_names: bool,
}

/// The members for a program and its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A member for the program, named here, and `args`.
    Apart(&'static str),
    /// One array for both, in the member `command`.
    Together,
}

/// A value that all entries of a host have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// A text.
    Text(&'static str),
    /// `true`.
    True,
    /// A number.
    Number(u32),
    /// An array with `*`.
    Everything,
}

/// A file of a host.
#[derive(Clone, Copy, Debug)]
pub struct HostFile {
    /// The directory that the path is under.
    pub root: Root,
    /// The path, with `/` on every system; empty where the root is the file.
    pub path: &'static str,
    /// The systems on which the host has this file.
    pub on: &'static [System],
    /// The use that the host makes of it.
    pub purpose: Purpose,
    /// The places of servers in this file beside or instead of the host's table; `*` is every member.
    pub also: &'static [&'static [&'static str]],
}

/// The use that a host makes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The user's servers. The first of a host is made if none is there.
    User,
    /// The user's servers, in a file that is read, and changed only if it is there already.
    Older,
    /// Settings with servers in another place than the table: only read.
    OnlyRead,
    /// A project's servers, under the directory of the project.
    Project,
}

/// A directory under which files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The user's home.
    Home,
    /// The directory of applications' settings: `~/.config`, `~/Library/Application Support`, `%APPDATA%`.
    Settings,
    /// `$XDG_CONFIG_HOME`, or `~/.config` on every system.
    DotConfig,
    /// `%LOCALAPPDATA%`.
    Local,
    /// The directory that a variable of the environment names, where it is set.
    Variable(&'static str),
    /// The file that a variable of the environment names, where it is set.
    VariableFile(&'static str),
    /// The private `%APPDATA%` of a packaged (MSIX) application whose package name begins so.
    Package(&'static str),
    /// The directory of the project.
    Project,
}

/// A family of systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Linux and the other systems with XDG directories.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

impl System {
    /// Returns the system that this program was built for.
    pub const fn of_this_build() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else if cfg!(target_os = "macos") {
            Self::MacOs
        } else {
            Self::Linux
        }
    }
}

/// The moment at which a host reads a changed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// At its next start. It keeps the old content until then, and some such hosts write it back when they end.
    Restart,
    /// At the next session, conversation or run.
    NextSession,
    /// At once, or when its list of servers is refreshed.
    Reload,
}

impl Host {
    /// Says whether the host has no file that others may write.
    pub fn is_by_hand(&self) -> bool {
        self.files.is_empty()
    }
}
