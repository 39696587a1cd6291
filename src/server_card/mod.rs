//! Server cards: the search for the MCP endpoint of a target that names none, or that answers as if it were none.
//!
//! A site publishes a catalog, the catalog names cards, and a card names endpoints. All of it is another party's word,
//! read before that party has shown anything: an endpoint is used without a question only where it is on the target's own
//! site and the only one, and of a card nothing is sent, run or believed but the address. After the connection the server
//! speaks for itself.
//!
//! SEP-2127; <https://github.com/modelcontextprotocol/experimental-ext-server-card>, "Discovery".

pub mod card;
pub mod catalog;
pub mod choice;
pub mod domain;
pub mod kept;
pub mod lookup;
pub mod site;
