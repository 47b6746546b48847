//! No core dumps: they would contain keys and addresses.

/// Forbids core dumps and debuggers until the process ends.
///
/// # Errors
/// When the system refuses. The caller decides whether to continue.
pub fn forbid_core_dumps() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
