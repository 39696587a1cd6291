//! The vault in its file: unlocked when first needed, read again whenever another process may have written, changed by
//! read, edit and replace under one lock.
//!
//! The root key stays in memory once a slot has opened; the passphrase does not. A vault that does not exist is empty,
//! and asks for nothing until there is an entry to keep; then it is made, with the key that the first source given
//! opens, or else a key file beside it. Blocks; the facade calls it on threads that may.
//!
//! From the bottom: `vault_file` uses the files without a key; `unlocker` opens them by the ways that `unlock` lists;
//! `lockable` forgets the key when the user locks the vault; `create` and `root_key` make contents; `transaction` joins
//! them. Above it are the operations, by subject: `entries`, `open`, `slots`, `rekey`, `export`.

mod create;
mod entries;
mod export;
mod fresh;
mod lockable;
mod open;
mod rekey;
mod root_key;
mod slots;
mod state;
mod transaction;
mod unlock;
mod unlocker;
mod vault_file;

pub use entries::Verified;
pub use export::Imported;
pub(super) use export::exported;
pub(super) use lockable::InUse;
pub use slots::{KeyKind, NewKey};
pub(super) use transaction::Disk;
pub use unlock::Unlock;
