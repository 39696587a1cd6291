//! `mcpipe.toml`: the flags of the user for all servers and for some, the guard rails of an administrator, and the programs
//! that give the vault's key.
//!
//! ```toml
//! [defaults]
//! grace = 60
//! deny-tool = ["delete_*"]
//!
//! [server."https://mcp.example.com"]    # an address, an origin, or either with *
//! scope = "read"
//! header = ["X-Team: blue"]
//!
//! [tool."create_*"]
//! rate-limit = "5/m"
//!
//! [vault]
//! key_command = ["my-vault", "read", "mcpipe"]         # prints a 256-bit key: base64 or hexadecimal
//! key_store_command = ["my-vault", "write", "mcpipe"]  # keeps the key that it reads from stdin; optional
//! ```
//!
//! A key is a flag's name without its dashes. Settings count in this order: the command line, the environment, the tables
//! `[server]` for this server, the nearest first, and `[defaults]`. Of a key with one value the first counts. Lists add up,
//! and so do denials and limits; of permissions the first list counts. The administrator's file holds guard rails only, and
//! every one of them counts beside the user's.
//!
//! A file that other users can write to is refused: it says which programs are run. An unknown key is a mistake, wherever
//! in the file it is.

mod error;
mod file;
mod key_commands;
mod layers;
mod managed;
mod nearest;
mod sections;
mod server_pattern;

pub use error::Error;
pub use file::path;
pub(super) use file::{ConfigFile, user_file};
pub use key_commands::key_commands;
pub(super) use layers::{Layer, LayerValue, Layers};
pub(super) use managed::{MANAGED, managed_file};
