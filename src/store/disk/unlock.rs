//! The ways by which a vault is opened, and made, as the settings have them.

use std::path::PathBuf;
use std::sync::Arc;

use crate::store::files;
use crate::store::key_command::Configured;
use crate::store::passphrase::Sources;
use crate::store::primitives::Key;
use crate::store::slot::Kdf;

/// The ways by which a vault is opened, and made.
#[derive(Clone, Debug)]
pub struct Unlock {
    /// The sources of a passphrase. With none, a new vault is opened by a key file.
    pub passphrase: Sources,
    /// The cost of a new vault's passphrase.
    pub kdf: Kdf,
    /// True to accept files that other users can use: `MCPIPE_ALLOW_LOOSE_PERMISSIONS`, for file systems without modes.
    pub loose: bool,
    /// The key commands of `mcpipe.toml`.
    pub commands: Option<Configured>,
    /// The reason why `mcpipe.toml` was not read: reported where its key command is needed to open the vault, and
    /// wherever the vault is opened or made if the file itself is odd.
    pub unread: Option<Arc<files::Error>>,
    /// A file with a raw key that the service manager hands in (`$CREDENTIALS_DIRECTORY/mcpipe-vault-key`).
    pub credential: Option<PathBuf>,
    /// The root key, from another process of ours that has opened the vault. Tried before the user is asked.
    pub root: Option<Key>,
    /// True to ask the agent; false where the passphrase itself is wanted.
    pub agent: bool,
    /// The function that tells the user of a command a sentence. A bridge has the log.
    pub tell: Option<fn(&str)>,
}

impl Default for Unlock {
    fn default() -> Self {
        Self {
            passphrase: Sources::default(),
            kdf: Kdf::DEFAULT,
            loose: false,
            commands: None,
            unread: None,
            credential: None,
            root: None,
            agent: true,
            tell: None,
        }
    }
}
