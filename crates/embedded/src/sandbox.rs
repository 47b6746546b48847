//! Confines a process to one directory, by the kernel's Landlock.
//!
//! The process may read and write its data, and read the engine's library and the system files that every program needs. It may not
//! open TCP connections. [`confine`] returns what the kernel enforces.

use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforced {
    /// All rules.
    Fully,
    /// The rules on files, and of the others those that this Linux has: connections since 6.7, scopes since 6.12.
    Partly,
    /// Nothing: the system is not Linux, or Landlock is off.
    Not,
}

/// Why a kernel that knows Landlock did not confine the process.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[cfg(target_os = "linux")]
    #[error("the kernel refused a Landlock rule")]
    Refused(#[from] landlock::RulesetError),
    /// A path that must stay readable does not exist.
    #[cfg(target_os = "linux")]
    #[error("a path that the engine needs cannot be opened")]
    Missing(#[from] landlock::PathFdError),
}

/// What a program reads of its system: code, time zones, host names, memory and processors. Landlock closes the memory and
/// the environment of other processes whatever `/proc` shows.
#[cfg(target_os = "linux")]
const SYSTEM: &[&str] = &[
    "/usr",
    "/lib",
    "/lib64",
    "/proc",
    "/sys",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/timezone",
];

/// Whether this kernel can confine a process's files. It changes nothing.
pub fn is_available() -> bool {
    #[cfg(target_os = "linux")]
    {
        use landlock::{ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _};
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))
            .and_then(Ruleset::create)
            .is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Confines this thread and the threads that it starts later. Call it while the process has one thread. It may connect to `ports` of TCP.
///
/// # Errors
/// When the kernel knows Landlock and refuses, or when `data` or `library` does not exist.
#[cfg(target_os = "linux")]
pub fn confine(data: &Path, library: &Path, ports: &[u16]) -> Result<Enforced, SandboxError> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd,
        Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
        path_beneath_rules,
    };
    // The newest version that these rules are written for; an older kernel enforces what it knows of them.
    let abi = ABI::V6;
    // Nothing there is a program, a device or a socket.
    let own = AccessFs::from_all(abi)
        & !(AccessFs::Execute
            | AccessFs::MakeChar
            | AccessFs::MakeBlock
            | AccessFs::MakeSock
            | AccessFs::MakeFifo
            | AccessFs::IoctlDev);
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        // No other connection is allowed. Listening is another right, which is not restricted.
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new(data)?, own))?
        .add_rule(PathBeneath::new(PathFd::new(library)?, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(SYSTEM, AccessFs::ReadFile | AccessFs::ReadDir))?
        .add_rules(
            ports.iter().map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp))),
        )?
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Enforced::Fully,
        RulesetStatus::PartiallyEnforced => Enforced::Partly,
        RulesetStatus::NotEnforced => Enforced::Not,
    })
}

/// Confines nothing: this system has no Landlock.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn confine(_data: &Path, _library: &Path, _ports: &[u16]) -> Result<Enforced, SandboxError> {
    Ok(Enforced::Not)
}
