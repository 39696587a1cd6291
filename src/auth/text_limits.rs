//! The longest texts of other parties that an error or a log of the sign-in shows, in characters.

/// An address, or the name of an issuer, a resource, a client or a scope.
pub(in crate::auth) const MAX_NAME: usize = 200;
/// The code of an error (RFC 6749 section 5.2).
pub(in crate::auth) const MAX_CODE: usize = 100;
/// The description of an error.
pub(in crate::auth) const MAX_DESCRIPTION: usize = 300;
