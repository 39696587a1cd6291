//! The commands that send requests to a server themselves, as its MCP client.

use clap::{Args, Subcommand};

use crate::cli::bridge::BridgeOptions;
use crate::cli::policy::PolicyArgs;
use crate::cli::target::TargetArgs;

/// The commands that speak MCP with a server themselves.
#[derive(Debug, Subcommand)]
pub enum RequestCommand {
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

impl RequestCommand {
    /// Returns the connection's arguments.
    pub fn client(&self) -> &ClientArgs {
        match self {
            Self::Raw(args) => &args.client,
        }
    }

    /// Returns the connection's arguments, to be changed.
    pub fn client_mut(&mut self) -> &mut ClientArgs {
        match self {
            Self::Raw(args) => &mut args.client,
        }
    }

    /// Takes the connection's arguments.
    pub fn into_client(self) -> ClientArgs {
        match self {
            Self::Raw(args) => args.client,
        }
    }

    /// Says whether exactly one JSON document goes to stdout, in failure too.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Raw(_) => true,
        }
    }
}
