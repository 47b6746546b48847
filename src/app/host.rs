//! What is asked of the system before anything else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of connections: the spool, the store's connections, listeners, event queues.
const OTHERS: u64 = 256;

/// Allows as many open files as the system lets this process have, and says when they are too few.
pub(crate) fn raise_descriptors(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the bound on open files cannot be raised");
    }
    let needed = connections as u64 + OTHERS;
    if let Some(have) = getrlimit(Resource::Nofile).current.filter(|have| *have < needed) {
        tracing::warn!(
            have,
            needed,
            "fewer open files than `limits.connections` needs; raise `LimitNOFILE` or `ulimit -n`"
        );
    }
}
