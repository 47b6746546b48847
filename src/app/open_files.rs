//! The limit on open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files beside those of connections: the spool, connections to the store, listeners, event queues.
const OTHER_FILES: u64 = 256;

/// Raises the limit on open files as far as the system allows, and warns when it is too low for `connections`.
pub(crate) fn raise_limit(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "raising the limit on open files failed; the limit stays");
    }
    let needed = connections as u64 + OTHER_FILES;
    if let Some(limit) = getrlimit(Resource::Nofile).current.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "the limit on open files is too low for `limits.connections`; raise `LimitNOFILE` or `ulimit -n`"
        );
    }
}
