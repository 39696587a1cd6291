//! Records of the sign-in in the vault.

pub(in crate::auth) mod credential_store;
pub mod locked_vault;
pub mod name;
pub mod record;
