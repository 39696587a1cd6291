//! The command line, parsed, and nothing done about it.
//!
//! Flags keep mcp-remote's names where it has them. Each may also come from `MCPIPE_<FLAG>`, which clap reads; every
//! other variable of the environment is for settings.rs. The commands are in `arguments`; flags that several of them
//! take are in files by subject, as `--help` has them.

mod alias;
mod arguments;
mod audit;
mod bridge;
mod completion;
mod config;
mod doctor;
mod environment;
mod given;
mod given_flags;
mod grants;
mod groups;
pub mod import;
mod itself;
mod keys;
mod logging;
pub mod mcp_remote;
mod network;
mod parse;
mod pins;
mod policy;
mod requests;
mod retyped;
mod sign_in;
mod target;
mod units;
mod usage_error;
mod vault;

pub use alias::{AliasAddArgs, AliasCommand, AliasListArgs, AliasRemoveArgs};
pub use arguments::{
    BridgeArgs, Cli, Command, HELPER, LogoutArgs, StatusArgs, TokenArgs, is_command,
};
pub use audit::{AuditCommand, AuditShowArgs, AuditVerifyArgs};
pub use bridge::{BridgeOptions, ProtocolArg, TransportArg};
pub use completion::{Candidate, candidates};
pub use config::{ConfigCheckArgs, ConfigCommand};
pub use doctor::DoctorArgs;
pub use given::{Given, GivenFlag, Source, given};
pub use given_flags::given_flags;
pub use grants::{GrantArgs, KeyArgs};
pub use groups::{command, commands, grouped, help_of};
pub use itself::{CANDIDATES, CandidatesArgs, CompletionsArgs, HelpArgs, Shell};
pub use keys::{Key, KeyKind, keys};
pub use logging::{LogArgs, LogFormat};
pub use network::{ConfiguredHeader, HeaderSource, NetworkArgs};
pub use parse::{parse, value_mistake};
pub use pins::{PinsAction, PinsArgs};
pub use policy::{PolicyArgs, PolicyLayer, RateLimitAs, Scoped, policy_of};
pub use requests::{
    ClientArgs, CompleteArgs, PromptArgs, RawArgs, ReadArgs, RequestCommand, TasksAction, TasksArgs,
};
pub use retyped::retyped;
pub use sign_in::{DEFAULT_ACCOUNT, DpopArg, SignInArgs};
pub use target::TargetArgs;
pub use units::Port;
pub use usage_error::{HelpRequest, ParseError, TORN, UsageError};
pub use vault::{
    Cost, ExportPassphraseArgs, InitArgs, NameArgs, NewPassphraseArgs, Opens, PasswdArgs,
    ProtectArgs, PutArgs, ShowArgs, SlotAddArgs, SlotArgs, SlotCommand, SlotRotateArgs, UnlockArgs,
    VaultArgs, VaultCommand, VaultCommonArgs, VaultExportArgs, VaultImportArgs,
};
