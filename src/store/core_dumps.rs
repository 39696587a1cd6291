//! The protection of this process's memory, with the keys and tokens in it, from core dumps and from other processes of
//! the user.
//!
//! Two protections need `unsafe` and are left out: locking pages against being swapped out, and `PT_DENY_ATTACH` on
//! macOS.

/// Forbids core dumps: a crash of this process leaves no core file, and on Linux only root can read its memory and
/// environment. Best effort: a system that refuses is left as it is. A debugger cannot attach afterwards, so
/// `MCPIPE_DEBUGGABLE` is a reason not to call this function.
pub fn forbid() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};

        // The hard limit stays, for the programs that we start: their dumps are their own.
        let mut limit = getrlimit(Resource::Core);
        limit.current = Some(0);
        if let Err(error) = setrlimit(Resource::Core, limit) {
            tracing::debug!(%error, "core dumps cannot be switched off");
        }
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};

        if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
            tracing::debug!(%error, "other processes of this user may read this one's memory");
        }
    }
}
