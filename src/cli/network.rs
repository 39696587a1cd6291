//! The flags of the connection to the server: headers, TLS, and timeouts.

use std::fmt;
use std::path::PathBuf;

use clap::Args;

use crate::cli::units::{bytes, seconds};

/// Headers, TLS, timeouts.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Adds a header to every request; ${NAME} is replaced from the environment, ${vault:NAME}, ${file:PATH}, ${cred:NAME} and ${command:PROGRAM} by that secret, and an Authorization of yours switches sign-in off
    #[arg(long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Reads headers from a file, one 'Name: value' per line, # starts a comment
    #[arg(long = "header-file", value_name = "FILE")]
    pub header_files: Vec<PathBuf>,
    /// Adds the headers that a program prints: 'Name: value' lines or a JSON object. mcpipe runs it, without a shell, for the first request and again on a 401; MCPIPE_URL names the server
    #[arg(long, value_name = "COMMAND", env = "MCPIPE_HEADER_COMMAND")]
    pub header_command: Option<String>,
    /// Sends 'Authorization: Bearer' with the secret that `mcpipe vault put NAME` keeps, or with that of file:PATH, env:NAME, cred:NAME or command:PROGRAM
    #[arg(long, value_name = "NAME", env = "MCPIPE_BEARER")]
    pub bearer: Option<String>,
    /// Allows plain http to hosts other than this machine
    #[arg(long, env = "MCPIPE_ALLOW_HTTP")]
    pub allow_http: bool,
    /// Allows the server's metadata to lead to private addresses
    #[arg(long, env = "MCPIPE_ALLOW_PRIVATE")]
    pub allow_private: bool,
    /// Trusts the certificates in a PEM file, beside the system's
    #[arg(long = "ca", value_name = "FILE", env = "MCPIPE_CA")]
    pub ca: Vec<PathBuf>,
    /// Shows this certificate to servers that ask for one: a PEM file, the certificate first, then those that vouch for it
    #[arg(long, value_name = "FILE", env = "MCPIPE_CLIENT_CERT")]
    pub client_cert: Option<PathBuf>,
    /// Reads that certificate's private key from a PEM file, not encrypted; otherwise it is looked for beside the certificate
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_cert",
        env = "MCPIPE_CLIENT_CERT_KEY"
    )]
    pub client_cert_key: Option<PathBuf>,
    /// Uses IPv4 addresses only
    #[arg(long, env = "MCPIPE_IPV4")]
    pub ipv4: bool,
    /// Keeps no cookies (otherwise in memory, for sticky load balancers)
    #[arg(long, env = "MCPIPE_DISABLE_COOKIES")]
    pub disable_cookies: bool,
    /// How long connecting may take, TLS included
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds, env = "MCPIPE_CONNECT_TIMEOUT")]
    pub connect_timeout: f64,
    /// How long a response may take to begin; 0 for ever
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds, env = "MCPIPE_HEADERS_TIMEOUT")]
    pub headers_timeout: f64,
    /// How long a response may be silent; 0 for ever
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds, env = "MCPIPE_BODY_TIMEOUT")]
    pub body_timeout: f64,
    /// The largest message taken from either side
    #[arg(long, value_name = "BYTES", default_value = "134217728", value_parser = bytes, env = "MCPIPE_MAX_MESSAGE_SIZE")]
    pub max_message_size: u64,
    /// Headers that configuration files set, those of the nearest table last.
    #[arg(skip)]
    pub configured: Vec<ConfiguredHeader>,
}

/// A header that a configuration file sets.
#[derive(Clone, Debug)]
pub struct ConfiguredHeader {
    /// The key and its value.
    pub header: HeaderSource,
    /// The file and the line, for messages.
    pub place: String,
    /// True where other users of the machine can read the file.
    pub is_open: bool,
}

/// The source of a header.
#[derive(Clone)]
pub enum HeaderSource {
    /// `header`: name and value.
    Line(String),
    /// `header-file`: a file of such lines.
    File(PathBuf),
    /// `bearer`: the secret's name.
    Bearer(String),
}

impl fmt::Debug for HeaderSource {
    // A line may hold a secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Line(_) => "Line",
            Self::File(_) => "File",
            Self::Bearer(_) => "Bearer",
        })
    }
}
