//! The servers whose sign-ins are looked for. The files' names cannot be read backwards, so the user or a client's
//! configuration has to say how mcp-remote was started.
//!
//! The content of a configuration file is data. The user's own files lead to candidates; a project's are listed, and
//! lead to candidates only where the user names them. Of any file only mcp-remote's own arguments count.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::import::ImportArgs;
use crate::cli::mcp_remote::as_bridge;
use crate::cli::{LogArgs, NetworkArgs, ParseError, SignInArgs, TargetArgs, VaultArgs};
use crate::mcp_remote::client_configs::{self, Author, Folders, Place};
use crate::mcp_remote::clients::{self, Language, Server};
use crate::mcp_remote::command::{self, Invocation};
use crate::mcp_remote::command_line;
use crate::mcp_remote::key::{self, Form};
use crate::mcp_remote::token_files;
use crate::report::Failure;
use crate::settings::Environment;
use crate::text::printable;

/// A server that mcp-remote was started for.
#[derive(Debug)]
pub(super) struct Candidate {
    /// The entries of clients' configurations that start it; none if the user named it.
    pub entries: Vec<ConfigEntry>,
    /// The arguments of mcp-remote.
    pub asked: Invocation,
    /// The same arguments as mcpipe's.
    pub target: TargetArgs,
    /// The directory in which mcp-remote kept its files.
    pub base: PathBuf,
}

/// An entry of a client's configuration that starts mcp-remote.
#[derive(Clone, Debug)]
pub(super) struct ConfigEntry {
    /// The client that reads the file.
    pub client: String,
    /// The name of the entry.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The language of the file.
    pub language: Language,
}

impl fmt::Display for ConfigEntry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.client, printable(&self.name, 100))
    }
}

/// Files of mcp-remote's for a candidate.
#[derive(Debug)]
pub(super) struct CandidateFiles {
    /// The directory of the files.
    pub directory: token_files::Directory,
    /// The beginning of the files' names.
    pub key: String,
}

/// Candidates, and the other servers and files that the user is told of.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub list: Vec<Candidate>,
    /// Files that could not be read or understood.
    pub unread: Vec<String>,
    /// Files of a project that the user has not named: their paths, and the servers in them.
    pub of_projects: Vec<(PathBuf, Vec<String>)>,
}

/// Returns all known candidates.
///
/// # Errors
/// The user's words make no sense.
pub(super) fn all(
    args: ImportArgs,
    usual: &Path,
    folders: &Folders,
) -> Result<Candidates, Failure> {
    let mut found = Candidates::default();
    if args.names_one_server() {
        let base = usual.to_owned();
        let (asked, target) = typed(args)?;
        found.list.push(Candidate {
            entries: Vec::new(),
            asked,
            target,
            base,
        });
        return Ok(found);
    }
    let named = args.projects.iter().cloned().map(Place::named);
    for place in client_configs::all(folders).into_iter().chain(named) {
        let at = printable(&place.path.to_string_lossy(), 500);
        let servers = match servers(&place) {
            Ok(servers) => servers,
            Err(why) if place.author == Author::Named => {
                let why = format!("cannot use --project {at}: {why}");
                return Err(Failure::usage(why).hint("name a client's configuration file"));
            }
            Err(why) => {
                found.unread.push(format!("{at}: {why}"));
                continue;
            }
        };
        let started = servers
            .into_iter()
            .filter_map(|server| Some((command_line::arguments(&server.words)?, server)));
        if place.author == Author::Project {
            let is_named =
                |named: &PathBuf| std::path::absolute(named).ok().as_ref() == Some(&place.path);
            let servers: Vec<_> = started
                .map(|(words, server)| described(&server.name, &words))
                .collect();
            if !servers.is_empty() && !args.projects.iter().any(is_named) {
                found.of_projects.push((place.path, servers));
            }
            continue;
        }
        for (words, server) in started {
            let entry = ConfigEntry {
                client: place.client.clone(),
                name: server.name,
                path: place.path.clone(),
                language: place.language,
            };
            // A directory from a project's file would be a store of the project's making.
            let theirs = server.environment.get("MCP_REMOTE_CONFIG_DIR");
            let theirs = theirs.filter(|_| place.author == Author::User);
            let base = args.from.clone().or(theirs.map(PathBuf::from));
            match configured(&words, &args) {
                Ok((asked, target)) => found.add(Candidate {
                    entries: vec![entry],
                    base: base.unwrap_or_else(|| usual.to_owned()),
                    asked,
                    target,
                }),
                Err(why) => found.unread.push(format!("{entry}: {why}")),
            }
        }
    }
    Ok(found)
}

/// Returns the directory in which mcp-remote kept its files, unless a configuration says otherwise.
///
/// # Errors
/// The user names a folder that is not there.
pub(super) fn usual(
    args: &ImportArgs,
    env: &Environment,
    folders: &Folders,
) -> Result<PathBuf, Failure> {
    const VARIABLE: &str = "MCP_REMOTE_CONFIG_DIR";
    let (by, folder) = match (&args.from, env.get(VARIABLE)) {
        (Some(folder), _) => ("--from", folder.clone()),
        (None, Some(folder)) => (VARIABLE, PathBuf::from(folder)),
        (None, None) => return Ok(folders.home.join(".mcp-auth")),
    };
    let wrong = match std::fs::metadata(&folder) {
        Ok(metadata) if metadata.is_dir() => return Ok(folder),
        Ok(_) => "it is no folder".to_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => "there is no such folder".into(),
        Err(error) => error.to_string(),
    };
    let at = printable(&folder.to_string_lossy(), 500);
    let hint = format!(
        "{by} names the folder that mcp-remote keeps its files in; without it that is ~/.mcp-auth"
    );
    Err(Failure::usage(format!("cannot look into {at}: {wrong}")).hint(hint))
}

/// Describes a server in a file that is not believed, for the user.
fn described(name: &str, words: &[String]) -> String {
    let url = words.iter().find(|word| word.contains("://"));
    let url = url.map(|url| printable(url, 200)).unwrap_or_default();
    format!("{} {url}", printable(name, 100))
}

impl Candidates {
    /// Adds a candidate. Two clients that start mcp-remote with the same arguments share its files.
    fn add(&mut self, candidate: Candidate) {
        let same =
            |other: &&mut Candidate| other.base == candidate.base && other.asked == candidate.asked;
        match self.list.iter_mut().find(same) {
            Some(other) => other.entries.extend(candidate.entries),
            None => self.list.push(candidate),
        }
    }
}

impl Candidate {
    /// Returns the newest files of the candidate in its directories, except those that are taken. Tokens come before a
    /// client alone: each version of mcp-remote began with an empty directory of its own, and some registered a client
    /// there and never got to tokens, while those of the version before are good.
    pub(super) fn newest_files(&self, taken: &[(PathBuf, String)]) -> Option<CandidateFiles> {
        [token_files::TOKENS, token_files::CLIENT]
            .iter()
            .find_map(|name| self.holding(name, taken))
    }

    /// Returns the files that an earlier import moved aside.
    pub(super) fn moved(&self) -> Vec<PathBuf> {
        let names = [token_files::TOKENS, token_files::CLIENT]
            .map(|name| format!("{name}{}", token_files::MOVED));
        let found = names.iter().find_map(|name| self.holding(name, &[]));
        let files = found.iter().flat_map(|found| {
            let files = names.iter();
            files.map(|name| found.directory.file(&found.key, name))
        });
        files.filter(|path| path.is_file()).collect()
    }

    fn holding(&self, name: &str, taken: &[(PathBuf, String)]) -> Option<CandidateFiles> {
        for directory in token_files::directories(&self.base) {
            for form in directory.forms() {
                let key = key::of(&self.asked, *form);
                let is_there = directory.file(&key, name).symlink_metadata().is_ok();
                let is_taken = || {
                    taken
                        .iter()
                        .any(|(path, taken)| *path == directory.path && *taken == key)
                };
                if is_there && !is_taken() {
                    return Some(CandidateFiles { directory, key });
                }
            }
        }
        None
    }

    /// Returns the beginning of the files' names in today's form.
    pub(super) fn key(&self) -> String {
        key::of(&self.asked, Form::Full)
    }
}

/// Returns the server that the user names: by `--url` and flags, or by a whole command line.
fn typed(args: ImportArgs) -> Result<(Invocation, TargetArgs), Failure> {
    if !args.command.is_empty() {
        let words = command_line::arguments(&args.command).unwrap_or_else(|| args.command.clone());
        return copied(&words, &args).map_err(|why| {
            Failure::usage(why).hint("after `--` comes a command line of mcp-remote")
        });
    }
    let mut words: Vec<String> = args.url.iter().cloned().collect();
    let mut add = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
    for header in &args.network.headers {
        add("--header", header);
    }
    for file in &args.network.header_files {
        add("--header-file", &file.to_string_lossy());
    }
    for param in &args.sign_in.authorize_params {
        add("--authorize-param", param);
    }
    if let Some(resource) = &args.sign_in.resource {
        add("--resource", resource);
    }
    if let Some(document) = &args.sign_in.client_metadata_url {
        add("--client-metadata-url", document);
    }
    if args.sign_in.disable_resource_parameter {
        words.push("--disable-resource-parameter".to_owned());
    }
    let asked = command::read(&words, &client_configs::read_header_file)
        .map_err(|why| Failure::usage(why).hint("type it as it was typed for mcp-remote"))?;
    Ok((asked, target(args.url, args.network, args.sign_in)))
}

/// Reads a command line of mcp-remote that the user typed after `--`, with the meaning it has for mcp-remote.
fn copied(words: &[String], users: &ImportArgs) -> Result<(Invocation, TargetArgs), String> {
    let asked =
        command::read(words, &client_configs::read_header_file).map_err(|why| why.to_string())?;
    let bridge = as_bridge(words).map_err(|why| match why {
        ParseError::Usage(mistake) => mistake.to_string(),
        ParseError::Help(_) => "it only asks for help or the version".to_owned(),
    })?;
    let (theirs, mut sign_in) = (bridge.target.network, bridge.target.sign_in);
    let network = NetworkArgs {
        headers: theirs.headers,
        header_files: theirs.header_files,
        allow_http: users.network.allow_http || theirs.allow_http,
        ipv4: users.network.ipv4 || theirs.ipv4,
        disable_cookies: users.network.disable_cookies || theirs.disable_cookies,
        ..for_any_server(&users.network)
    };
    sign_in.account.clone_from(&users.sign_in.account);
    sign_in.dpop = users.sign_in.dpop;
    let fixed = &users.sign_in.authorization_server;
    sign_in.authorization_server.clone_from(fixed);
    let expected = &users.sign_in.expect_issuer;
    sign_in.expect_issuer.clone_from(expected);
    Ok((asked.clone(), target(Some(asked.url), network, sign_in)))
}

/// Reads a command line of mcp-remote from a configuration file. It says which files of mcp-remote's are meant and
/// which account signed in there. A file is data, so it starts nothing, opens nothing, puts no variable of this process
/// anywhere, and neither trusts nor allows anything. Every setting not built here from it is the user's or the default.
fn configured(words: &[String], users: &ImportArgs) -> Result<(Invocation, TargetArgs), String> {
    let refuse = |_: &Path| Err(io::ErrorKind::Unsupported.into());
    let asked = command::read(words, &refuse).map_err(|why| match why {
        command::Error::HeaderFile { .. } => needs_the_user("--header-file", "a file"),
        why => why.to_string(),
    })?;
    let info = asked.static_client.as_deref().unwrap_or_default();
    let beyond = match info {
        info if info.starts_with('@') => Some("a file"),
        info if info.contains("${") => Some("an environment variable"),
        _ => None,
    };
    if let Some(what) = beyond {
        return Err(needs_the_user("--static-oauth-client-info", what));
    }
    let literal = asked
        .headers
        .iter()
        .filter(|(_, value)| !value.contains("${"));
    let network = NetworkArgs {
        headers: literal
            .map(|(name, value)| format!("{name}: {value}"))
            .collect(),
        ..for_any_server(&users.network)
    };
    let sign_in = SignInArgs {
        resource: asked.resource.clone(),
        disable_resource_parameter: asked.omits_resource,
        client_metadata_url: asked.client_metadata_url.clone(),
        static_oauth_client_info: asked.static_client.clone(),
        use_id_token: asked.use_id_token,
        // The account is the user's.
        account: users.sign_in.account.clone(),
        client_name: users.sign_in.client_name.clone(),
        dpop: users.sign_in.dpop,
        auth_timeout: users.sign_in.auth_timeout,
        ..SignInArgs::default()
    };
    Ok((asked.clone(), target(Some(asked.url), network, sign_in)))
}

fn needs_the_user(flag: &str, what: &str) -> String {
    format!(
        "its {flag} names {what}, which takes your word: give its whole command line after `--`"
    )
}

/// Returns the user's flags about the network, without those that are meant for one server.
fn for_any_server(users: &NetworkArgs) -> NetworkArgs {
    NetworkArgs {
        headers: Vec::new(),
        header_files: Vec::new(),
        header_command: None,
        bearer: None,
        ..users.clone()
    }
}

fn target(url: Option<String>, network: NetworkArgs, sign_in: SignInArgs) -> TargetArgs {
    TargetArgs {
        url,
        network,
        sign_in,
        vault: VaultArgs::default(),
        log: LogArgs::default(),
    }
}

/// Returns the servers in a configuration file; none if there is no file.
fn servers(place: &Place) -> Result<Vec<Server>, String> {
    let text = client_configs::read(place).map_err(|why| why.to_string())?;
    match text.filter(|text| text.contains("mcp-remote")) {
        Some(text) => clients::servers(&text, place.language),
        None => Ok(Vec::new()),
    }
}
