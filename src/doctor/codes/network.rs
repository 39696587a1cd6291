//! Codes of the way to the server.

use crate::doctor::code::table;

table! {
    NAME_RESOLVED: "name resolution", "the server's name has addresses",
        "The system's resolver has answered with at least one address.",
        "Nothing is to be done.";
    NAME_NOT_FOUND: "name resolution", "the server's name has no address",
        "The name is misspelt, is known inside another network only (VPN), or the machine has no name server that answers.",
        "Check the spelling of the address, and that you are in the network (VPN) that knows it: `nslookup HOST` asks the same resolver.";
}
