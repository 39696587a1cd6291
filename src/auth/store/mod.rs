//! The records that the sign-in keeps in the vault.

pub mod record;
