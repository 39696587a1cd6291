//! The commands that send requests to a server themselves, as its MCP client.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::cli::bridge::BridgeOptions;
use crate::cli::policy::PolicyArgs;
use crate::cli::target::TargetArgs;

/// The commands that speak MCP with a server themselves.
#[derive(Debug, Subcommand)]
pub enum RequestCommand {
    /// Reads a resource, as text or into a file
    Read(Box<ReadArgs>),
    /// Gets a prompt with its arguments filled in
    Prompt(Box<PromptArgs>),
    /// Shows the values that a server proposes for an argument
    Complete(Box<CompleteArgs>),
    /// Shows, cancels and collects the tasks of a server
    Tasks(Box<TasksArgs>),
    /// Sends one request of any method and prints the result as JSON
    Raw(Box<RawArgs>),
}

/// A server, the way to it, and the guard rails: all that a bridge has.
#[derive(Debug, Args)]
pub struct ClientArgs {
    /// The server, and the sign-in there.
    #[command(flatten)]
    pub target: TargetArgs,
    /// The bridge's own flags.
    #[command(flatten)]
    pub options: BridgeOptions,
    /// The guard rails.
    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// `mcpipe raw`.
#[derive(Debug, Args)]
pub struct RawArgs {
    /// The server, and the way to it.
    #[command(flatten)]
    pub client: ClientArgs,
    /// The method, such as tools/list
    #[arg(value_name = "METHOD", help_heading = None)]
    pub method: String,
    /// The parameters, a JSON object; - reads them from stdin
    #[arg(value_name = "PARAMS", help_heading = None)]
    pub params: Option<String>,
    /// Sends a notification, which has no answer
    #[arg(long, help_heading = None)]
    pub notify: bool,
}

/// `mcpipe read`.
#[derive(Debug, Args)]
#[command(after_help = "Example: mcpipe read https://mcp.example.com/mcp file:///notes.txt")]
pub struct ReadArgs {
    /// The server, and the way to it.
    #[command(flatten)]
    pub client: ClientArgs,
    /// The resource's URI
    #[arg(value_name = "URI", help_heading = None)]
    pub uri: String,
    /// Writes the content into this file, which must not exist yet
    #[arg(long, value_name = "FILE", conflicts_with = "json", help_heading = None)]
    pub output: Option<PathBuf>,
    /// Prints the server's answer as it came
    #[arg(long, help_heading = None)]
    pub json: bool,
}

/// `mcpipe prompt`.
#[derive(Debug, Args)]
#[command(after_help = "Example: mcpipe prompt https://mcp.example.com/mcp review language=rust")]
pub struct PromptArgs {
    /// The server, and the way to it.
    #[command(flatten)]
    pub client: ClientArgs,
    /// The prompt's name
    #[arg(value_name = "NAME", help_heading = None)]
    pub name: String,
    /// Its arguments, each as name=value
    #[arg(value_name = "ARGUMENT", help_heading = None)]
    pub arguments: Vec<String>,
    /// Prints the server's answer as it came
    #[arg(long, help_heading = None)]
    pub json: bool,
}

/// `mcpipe complete`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: mcpipe complete https://mcp.example.com/mcp prompt:review language ru"
)]
pub struct CompleteArgs {
    /// The server, and the way to it.
    #[command(flatten)]
    pub client: ClientArgs,
    /// prompt:NAME, or the template of a resource's URI
    #[arg(value_name = "REF", help_heading = None)]
    pub reference: String,
    /// The argument's name
    #[arg(value_name = "ARG", help_heading = None)]
    pub argument: String,
    /// The beginning of its value
    #[arg(value_name = "PREFIX", help_heading = None)]
    pub prefix: String,
    /// Arguments that are known already, each as name=value
    #[arg(value_name = "KNOWN", help_heading = None)]
    pub known: Vec<String>,
    /// Prints the server's answer as it came
    #[arg(long, help_heading = None)]
    pub json: bool,
}

/// `mcpipe tasks`.
#[derive(Debug, Args)]
#[command(after_help = "Example: mcpipe tasks https://mcp.example.com/mcp get 786512e2")]
pub struct TasksArgs {
    /// The server, and the way to it.
    #[command(flatten)]
    pub client: ClientArgs,
    /// What is done with them; a list where none is named
    #[arg(value_name = "ACTION", value_enum, help_heading = None)]
    pub action: Option<TasksAction>,
    /// The task's id
    #[arg(value_name = "ID", help_heading = None)]
    pub id: Option<String>,
    /// Prints the server's answer as it came
    #[arg(long, help_heading = None)]
    pub json: bool,
}

/// The things that `mcpipe tasks` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TasksAction {
    /// Lists the tasks; servers of 2026-07-28 do not list theirs
    List,
    /// Shows how one goes
    Get,
    /// Cancels one
    Cancel,
    /// Prints the result of one, and waits for it where the server does
    Result,
}

impl RequestCommand {
    /// Returns the connection's arguments.
    pub fn client(&self) -> &ClientArgs {
        match self {
            Self::Read(args) => &args.client,
            Self::Prompt(args) => &args.client,
            Self::Complete(args) => &args.client,
            Self::Tasks(args) => &args.client,
            Self::Raw(args) => &args.client,
        }
    }

    /// Returns the connection's arguments, to be changed.
    pub fn client_mut(&mut self) -> &mut ClientArgs {
        match self {
            Self::Read(args) => &mut args.client,
            Self::Prompt(args) => &mut args.client,
            Self::Complete(args) => &mut args.client,
            Self::Tasks(args) => &mut args.client,
            Self::Raw(args) => &mut args.client,
        }
    }

    /// Takes the connection's arguments.
    pub fn into_client(self) -> ClientArgs {
        match self {
            Self::Read(args) => args.client,
            Self::Prompt(args) => args.client,
            Self::Complete(args) => args.client,
            Self::Tasks(args) => args.client,
            Self::Raw(args) => args.client,
        }
    }

    /// Says whether exactly one JSON document goes to stdout, in failure too.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Read(args) => args.json,
            Self::Prompt(args) => args.json,
            Self::Complete(args) => args.json,
            Self::Tasks(args) => args.json,
            Self::Raw(_) => true,
        }
    }
}
