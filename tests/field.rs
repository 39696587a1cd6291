//! What public servers, gateways, hosts and authorization servers do beside the specification, and a bridge that works
//! with them all the same: one sentence for each kind, with several examples of it.

mod brakes; // sign-ins are held back by what was sent and answered, never by the clock alone
mod discovery; // from a challenge to tokens with authorization servers that are odd
mod eras; // which revision a server is spoken to in, whatever it answers to the first question
pub(crate) mod host; // stderr, arguments, files and browsers of the machine that mcpipe runs on
mod messages; // answers with other ids, types and places than the specification has
mod network; // encodings, redirects, proxies, headers
mod words; // what a person is told, and that it is true
