//! Limits that the system sets for this process.

/// Raises the soft limit of open files to the hard one. Each exchange has a connection of its own, and the usual soft
/// limit (256 on macOS, 1024 on Linux) is less than a busy host can ask for at once. Where the system refuses, the
/// limit stays.
pub fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let limit = getrlimit(Resource::Nofile);
        if limit.current == limit.maximum {
            return;
        }
        let raised = Rlimit {
            current: limit.maximum,
            ..limit
        };
        // macOS has a hard limit of "none" here and takes no more than OPEN_MAX (setrlimit(2), "COMPATIBILITY").
        let most = Rlimit {
            current: Some(10_240),
            ..limit
        };
        let is_fewer = limit.current.is_some_and(|current| current < 10_240);
        if setrlimit(Resource::Nofile, raised).is_err() && is_fewer {
            let _ = setrlimit(Resource::Nofile, most);
        }
    }
}
