//! Tokens without a user: the grant, and the flags it takes.

use std::path::PathBuf;

use clap::Args;

/// The flags of a client that proves itself with a key.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Without a user")]
pub struct KeyArgs {
    /// Proves the client with a private key instead of a secret: a file (PEM or JWK), or vault:NAME, env:NAME, cred:NAME or command:PROGRAM
    #[arg(long, value_name = "FILE", env = "MCPIPE_CLIENT_KEY")]
    pub client_key: Option<String>,
    /// Signs with this algorithm (otherwise with what the server lists and the key can)
    #[arg(
        long,
        value_name = "ALG",
        value_parser = ["ES256", "EdDSA", "PS256", "RS256"],
        requires = "client_key",
        env = "MCPIPE_CLIENT_ALG"
    )]
    pub client_alg: Option<String>,
    /// Names whom the signature is for: 'issuer' (default), 'token-endpoint', or a URL
    #[arg(
        long,
        value_name = "WHO",
        requires = "client_key",
        env = "MCPIPE_CLIENT_ASSERTION_AUDIENCE"
    )]
    pub client_assertion_audience: Option<String>,
}

/// The flags of grants without a user; at most one grant.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Without a user")]
pub struct GrantArgs {
    /// Gets tokens with the client's own credentials, for cron jobs and the like: --client-id, and a key or a secret
    #[arg(long, env = "MCPIPE_CLIENT_CREDENTIALS")]
    pub client_credentials: bool,
    /// The key.
    #[command(flatten)]
    pub key: KeyArgs,
    /// Asks for tokens here, whatever the server says
    #[arg(long, value_name = "URL", env = "MCPIPE_TOKEN_ENDPOINT")]
    pub token_endpoint: Option<String>,
    /// Gets tokens for the workload identity token in this file, read anew each time
    #[arg(long, value_name = "FILE", env = "MCPIPE_ASSERTION_FILE")]
    pub assertion_file: Option<PathBuf>,
    /// Gets tokens for the workload identity token that this command prints (no shell)
    #[arg(long, value_name = "COMMAND", env = "MCPIPE_ASSERTION_COMMAND")]
    pub assertion_command: Option<String>,
    /// Has your enterprise's provider vouch for you: its name (issuer)
    #[arg(long, value_name = "URL", env = "MCPIPE_IDP_ISSUER")]
    pub idp_issuer: Option<String>,
    /// Where it exchanges tokens, instead of what its metadata says
    #[arg(long, value_name = "URL", env = "MCPIPE_IDP_TOKEN_ENDPOINT")]
    pub idp_token_endpoint: Option<String>,
    /// The client to be at the provider
    #[arg(long, value_name = "ID", env = "MCPIPE_IDP_CLIENT_ID")]
    pub idp_client_id: Option<String>,
    /// Reads that client's secret from a file
    #[arg(long, value_name = "FILE", env = "MCPIPE_IDP_CLIENT_SECRET_FILE")]
    pub idp_client_secret_file: Option<PathBuf>,
    /// Reads that client's secret from an environment variable
    #[arg(
        long,
        value_name = "VAR",
        env = "MCPIPE_IDP_CLIENT_SECRET_ENV",
        conflicts_with = "idp_client_secret_file"
    )]
    pub idp_client_secret_env: Option<String>,
    /// Names that client's secret as --client-secret does
    #[arg(
        long,
        value_name = "REFERENCE",
        conflicts_with_all = ["idp_client_secret_file", "idp_client_secret_env"]
    )]
    pub idp_client_secret: Option<String>,
    /// Reads the ID token from a file, anew each time, instead of signing in at the provider
    #[arg(long, value_name = "FILE", env = "MCPIPE_IDP_ID_TOKEN")]
    pub idp_id_token: Option<PathBuf>,
}
