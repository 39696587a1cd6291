//! Which servers to look for: the files' names cannot be read backwards, so somebody has to say what was typed.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::cli::import::{ImportArgs, as_bridge};
use crate::cli::{LogArgs, NetworkArgs, SignInArgs, TargetArgs, Unread, VaultArgs};
use crate::frame::printable;
use crate::migrate::clients::{self, Server};
use crate::migrate::command::{self, Invocation};
use crate::migrate::key::{self, Form};
use crate::migrate::places::{self, Folders, Place};
use crate::migrate::{launch, stash};
use crate::report::Failure;
use crate::settings::Surroundings;

/// A server that mcp-remote was started for.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Which client says so; empty if the person did.
    pub said_by: Vec<String>,
    /// What mcp-remote was asked.
    pub asked: Invocation,
    /// What that asks of mcpipe.
    pub target: TargetArgs,
    /// The environment it was started in.
    pub around: Surroundings,
    /// Where mcp-remote kept its files.
    pub base: PathBuf,
}

/// Something of mcp-remote's for a candidate.
#[derive(Debug)]
pub(super) struct Hit {
    /// Where.
    pub directory: stash::Directory,
    /// What its files' names begin with.
    pub key: String,
}

/// Candidates, and what could not be understood on the way, for a person.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    pub list: Vec<Candidate>,
    pub unread: Vec<String>,
}

/// All that are known of.
///
/// # Errors
/// What the person typed makes no sense.
pub(super) fn all(
    args: ImportArgs,
    around: &Surroundings,
    folders: &Folders,
) -> Result<Candidates, Failure> {
    let from = args.from.clone();
    let base = move |around: &Surroundings| {
        let named = around.get("MCP_REMOTE_CONFIG_DIR").map(PathBuf::from);
        let usual = || folders.home.join(".mcp-auth");
        from.clone().or(named).unwrap_or_else(usual)
    };
    let mut found = Candidates::default();
    if args.url.is_some() || !args.command.is_empty() {
        let (asked, target) = typed(args)?;
        found.list.push(Candidate {
            said_by: Vec::new(),
            base: base(around),
            asked,
            target,
            around: around.clone(),
        });
        return Ok(found);
    }
    for place in places::all(folders) {
        let servers = match servers(&place) {
            Ok(servers) => servers,
            Err(why) => {
                found
                    .unread
                    .push(format!("{}: {why}", place.path.display()));
                continue;
            }
        };
        for server in servers {
            let Some(words) = launch::arguments(&server.words) else {
                continue;
            };
            let name = printable(&server.name, 100);
            let said_by = format!("{}: {name}", place.client);
            match understood(&words, &args.network) {
                Ok((asked, target)) => {
                    let mut around = around.clone();
                    around.variables.extend(server.environment);
                    found.add(Candidate {
                        said_by: vec![said_by],
                        base: base(&around),
                        asked,
                        target,
                        around,
                    });
                }
                Err(why) => found.unread.push(format!("{said_by}: {why}")),
            }
        }
    }
    Ok(found)
}

impl Candidates {
    /// Two clients that start the same share its files.
    fn add(&mut self, candidate: Candidate) {
        let same =
            |other: &&mut Candidate| other.base == candidate.base && other.asked == candidate.asked;
        match self.list.iter_mut().find(same) {
            Some(other) => other.said_by.extend(candidate.said_by),
            None => self.list.push(candidate),
        }
    }
}

impl Candidate {
    /// The newest of its files among these directories, each of which is found once only.
    pub(super) fn hit(&self, taken: &[(PathBuf, String)]) -> Option<Hit> {
        for directory in stash::directories(&self.base) {
            for form in directory.forms() {
                let key = key::of(&self.asked, *form);
                let is_there = [stash::TOKENS, stash::CLIENT]
                    .iter()
                    .any(|name| directory.file(&key, name).symlink_metadata().is_ok());
                let is_taken = || {
                    taken
                        .iter()
                        .any(|(path, taken)| *path == directory.path && *taken == key)
                };
                if is_there && !is_taken() {
                    return Some(Hit { directory, key });
                }
            }
        }
        None
    }

    /// What its files are called now.
    pub(super) fn key(&self) -> String {
        key::of(&self.asked, Form::Full)
    }
}

/// The person's own word: `--url` and flags, or a whole command line.
fn typed(args: ImportArgs) -> Result<(Invocation, TargetArgs), Failure> {
    if !args.command.is_empty() {
        let words = launch::arguments(&args.command).unwrap_or(args.command);
        return understood(&words, &args.network).map_err(|why| {
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
    let asked = command::read(&words, &read_header_file)
        .map_err(|why| Failure::usage(why).hint("type it as it was typed for mcp-remote"))?;
    Ok((asked, target(args.url, args.network, args.sign_in)))
}

fn understood(words: &[String], network: &NetworkArgs) -> Result<(Invocation, TargetArgs), String> {
    let asked = command::read(words, &read_header_file).map_err(|why| why.to_string())?;
    let bridge = as_bridge(words).map_err(|why| match why {
        Unread::Mistake(mistake) => mistake.to_string(),
        Unread::Shown(_) => "it only asks for help or the version".to_owned(),
    })?;
    let mut target = target(
        Some(asked.url.clone()),
        bridge.target.network,
        bridge.target.sign_in,
    );
    target.network.ca.extend(network.ca.iter().cloned());
    if network.client_cert.is_some() {
        target.network.client_cert.clone_from(&network.client_cert);
        target
            .network
            .client_cert_key
            .clone_from(&network.client_cert_key);
    }
    target.network.allow_private |= network.allow_private;
    target.network.allow_http |= network.allow_http;
    Ok((asked, target))
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

fn read_header_file(path: &Path) -> std::io::Result<String> {
    fs::read_to_string(path)
}

/// The servers in a configuration file; none if there is no file.
fn servers(place: &Place) -> Result<Vec<Server>, String> {
    let file = match fs::File::open(&place.path) {
        Ok(file) => file,
        Err(error) => {
            use std::io::ErrorKind::{NotADirectory, NotFound};
            return match error.kind() {
                NotFound | NotADirectory => Ok(Vec::new()),
                _ => Err(error.to_string()),
            };
        }
    };
    let mut text = String::new();
    let read = file.take(LARGEST).read_to_string(&mut text);
    read.map_err(|error| error.to_string())?;
    if !text.contains("mcp-remote") {
        return Ok(Vec::new());
    }
    clients::servers(&text, place.language)
}

/// Claude Code keeps whole conversations in its configuration. In bytes.
const LARGEST: u64 = 256 << 20;
