//! Codes that any check may have.

use crate::doctor::code::table;

table! {
    SKIPPED: "any", "not looked at, because of another finding or for want of something",
        "The sentence of the finding names the reason: most often an earlier check has failed, and this one needs what it would \
         have learnt.",
        "Mend the findings that have failed, and run `mcpipe doctor` again.";
    CHECK_CRASHED: "any", "the check itself has crashed, which is a fault of mcpipe",
        "The program of this check has met something that it was not written for. The other checks are not touched by it.",
        "Report it together with the output of `mcpipe doctor --json`, which is without the names of your hosts and accounts.";
    CHECK_TIMED_OUT: "any", "the check has not ended within its time",
        "The server, a proxy or a name server on the way takes connections and does not answer.",
        "Try again. If it happens again, look at the findings above it: a name that resolves slowly or a proxy is the usual reason.";
}
