//! Codes of this machine.

use crate::doctor::code::table;

table! {
    POLICY_NONE: "policy", "no rule of yours restricts the server",
        "Neither a flag nor a variable nor mcpipe.toml nor the administrator's file has a guard rail for it.",
        "Nothing is to be done.";
    POLICY_APPLIES: "policy", "rules of yours apply to the server",
        "A flag, a variable, mcpipe.toml or the administrator's file sets them; the sentence names each place.",
        "Nothing is to be done; `mcpipe config check ADDRESS` shows every value.";
    POLICY_HIDES: "policy", "rules of yours hide some of the server's tools",
        "--allow-tool, --deny-tool, --ignore-tool or --read-only, here or in a file.",
        "If a tool is missed, change the rule at its place.";
    POLICY_HIDES_ALL: "policy", "rules of yours hide all tools of the server",
        "--allow-tool names none that the server has (its names may have changed), or --read-only is set and no tool is marked so.",
        "Change the rule at its place, or leave it out.";
    FAILURES_NONE: "last failures", "no failure of the server is kept",
        "Bridges keep the last 20 failures of a server in the state directory. There are none, or the file was deleted.",
        "Nothing is to be done.";
    FAILURES_RECENT: "last failures", "a request of a host has failed",
        "A bridge has noted it: the method, the stage, the limit that was reached, and whether the server may have carried it out.",
        "Look at the findings above. After a timeout look at the server whether the call was carried out before it is repeated.";
}
