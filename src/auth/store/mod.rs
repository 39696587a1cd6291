//! The records that the sign-in keeps in the vault.

pub(in crate::auth) mod credential_store;
pub mod locked_vault;
pub mod record;
