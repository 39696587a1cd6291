//! The command line, parsed, and nothing done about it.
//!
//! Flags keep mcp-remote's names where it has them. Each may also come from `MCPIPE_<FLAG>`, which clap reads; every
//! other variable of the environment is for settings.rs. The commands are in `arguments`; flags that several of them
//! take are in files by subject, as `--help` has them.

mod arguments;
mod audit;
mod bridge;
mod config;
mod environment;
mod given;
mod given_flags;
mod grants;
pub mod import;
mod keys;
mod logging;
pub mod mcp_remote;
mod network;
mod parse;
mod pins;
mod policy;
mod sign_in;
mod units;
mod usage_error;
mod vault;

pub use arguments::{
    BridgeArgs, Cli, Command, HELPER, LogoutArgs, StatusArgs, TargetArgs, TokenArgs,
};
pub use audit::{AuditCommand, AuditShowArgs, AuditVerifyArgs};
pub use bridge::{BridgeOptions, ProtocolArg, TransportArg};
pub use config::{ConfigCheckArgs, ConfigCommand};
pub use given::{Given, GivenFlag, Source, given};
pub use given_flags::given_flags;
pub use grants::{GrantArgs, KeyArgs};
pub use keys::{Key, KeyKind, keys};
pub use logging::{LogArgs, LogFormat};
pub use network::{ConfiguredHeader, HeaderSource, NetworkArgs};
pub use parse::{parse, value_mistake};
pub use pins::{PinsAction, PinsArgs};
pub use policy::{PolicyArgs, PolicyLayer, RateLimitAs, Scoped, policy_of};
pub use sign_in::{DEFAULT_ACCOUNT, DpopArg, SignInArgs};
pub use units::Port;
pub use usage_error::{ParseError, TORN, UsageError};
pub use vault::{
    Cost, ExportPassphraseArgs, InitArgs, NameArgs, NewPassphraseArgs, Opens, PasswdArgs,
    ProtectArgs, PutArgs, ShowArgs, SlotAddArgs, SlotArgs, SlotCommand, SlotRotateArgs, UnlockArgs,
    VaultArgs, VaultCommand, VaultCommonArgs, VaultExportArgs, VaultImportArgs,
};
