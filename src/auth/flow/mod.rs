//! The steps of a sign-in and of a renewal, in the order in which `renew` takes them.

pub mod accounts;
pub mod adopt;
pub(in crate::auth) mod browser_flow;
pub(in crate::auth) mod client_and_listener;
pub(in crate::auth) mod coordinate;
pub(in crate::auth) mod device;
pub(in crate::auth) mod dpop_policy;
pub(in crate::auth) mod endpoint_failures;
pub mod enterprise;
pub mod helper;
pub(in crate::auth) mod issuer_check;
pub(in crate::auth) mod late_callbacks;
pub(in crate::auth) mod previous;
pub(in crate::auth) mod refresh;
pub(in crate::auth) mod renew;
pub(in crate::auth) mod sign_in;
pub(in crate::auth) mod sign_in_status;
pub(in crate::auth) mod status_record;
pub(in crate::auth) mod token_checks;
pub(in crate::auth) mod token_request;
pub mod unattended;
pub(in crate::auth) mod userinfo;
pub mod workload;
