//! Confines the process of the embedded store to its own directory, by the kernel's Landlock.
//!
//! What `statement` refuses by name, a wording that nobody has thought of may still reach. Here the kernel refuses it: the
//! process may read and write its data, read the engine and what a program reads of its system, and connect to nobody. It
//! refuses to say that it holds when it does not: [`confine`] tells what the kernel enforces.

use std::path::Path;

/// What the kernel enforces from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confined {
    /// All of it.
    Fully,
    /// What this older kernel knows: files, but not connections (before Linux 6.7).
    Partly,
    /// Nothing: no Linux, or one without Landlock.
    Not,
}

/// Why a kernel that could confine did not.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The kernel refused.
    #[cfg(target_os = "linux")]
    #[error("cannot confine the store to its directory")]
    Refused(#[from] landlock::RulesetError),
    /// A directory that must stay open to it is not there.
    #[cfg(target_os = "linux")]
    #[error("cannot confine the store to its directory")]
    Missing(#[from] landlock::PathFdError),
}

/// What a program reads of its system: code, time zones, names, and how much memory and how many processors there are. Other
/// processes' memory and environments are closed to a confined process whatever `/proc` shows.
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

/// Confines this thread and all that it starts: to writing below `data` and reading there, in `library` and in what every
/// program reads. Must be called before another thread is started, since those that run already are not confined.
///
/// # Errors
/// When the kernel knows Landlock and refuses, or `data` or `library` is not there.
#[cfg(target_os = "linux")]
pub fn confine(data: &Path, library: &Path) -> Result<Confined, ConfineError> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
        RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope, path_beneath_rules,
    };
    // The newest that this is written for; an older kernel enforces what it knows of it.
    let abi = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        // Nothing is allowed of it. It listens already or will, which is not `ConnectTcp`.
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new(data)?, AccessFs::from_all(abi)))?
        .add_rule(PathBeneath::new(PathFd::new(library)?, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(SYSTEM, AccessFs::ReadFile | AccessFs::ReadDir))?
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile))?
        .restrict_self()?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Confined::Fully,
        RulesetStatus::PartiallyEnforced => Confined::Partly,
        RulesetStatus::NotEnforced => Confined::Not,
    })
}

/// Confines nothing: there is no Landlock here.
///
/// # Errors
/// Never.
#[cfg(not(target_os = "linux"))]
pub fn confine(_data: &Path, _library: &Path) -> Result<Confined, ConfineError> {
    Ok(Confined::Not)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use super::super::access::Users;
    use super::super::engine::Engine;
    use super::super::passwords::Passwords;
    use super::super::settings::{self, Limits};
    use super::super::{install, session};
    use super::*;

    /// Names the directory in which the test runs a second time, confined.
    const AGAIN: &str = "TEST_CONFINED_IN";
    const NAME: &str =
        "store::embedded::confine::tests::a_call_that_passes_every_check_by_still_reaches_nothing_outside";

    #[test]
    fn a_call_that_passes_every_check_by_still_reaches_nothing_outside() {
        if let Some(directory) = std::env::var_os(AGAIN) {
            return confined(Path::new(&directory));
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("data")).unwrap();
        std::fs::write(directory.path().join("secret"), "SECRETFILE").unwrap();
        let passwords = "footfall_writer:SECRETFILE\nfootfall_reader:\n";
        std::fs::write(Passwords::file(directory.path()), passwords).unwrap();
        // In a process of its own: what is given up does not come back.
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(AGAIN, directory.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        if text.contains("SKIPPED") {
            println!("SKIPPED: this kernel has no Landlock, nothing was confined");
        } else {
            assert!(text.contains("CONFINED"), "{text}");
        }
        assert!(!text.contains("SECRETFILE"), "{text}");
        assert!(!directory.path().join("written").exists());
    }

    fn confined(directory: &Path) {
        let (data, secret) = (directory.join("data"), directory.join("secret"));
        // As `footfall embedded` does: what it is to know of the passwords it reads before.
        let passwords = Passwords::file(directory);
        Users::open("127.0.0.1:0".parse().unwrap(), Some(&passwords)).unwrap();
        let library = std::path::absolute(install::find().unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let held = confine(&data, &library).unwrap();
        if held == Confined::Not {
            println!("SKIPPED");
            return;
        }
        // The process itself.
        for path in [secret.as_path(), &passwords, Path::new("/etc/passwd"), directory] {
            let error = std::fs::File::open(path).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied, "{}", path.display());
        }
        assert!(std::fs::write(directory.join("written"), "x").is_err());
        assert!(std::fs::write("/tmp/footfall-confined", "x").is_err());
        std::fs::write(data.join("own"), "x").unwrap();
        if held == Confined::Fully {
            let error = TcpStream::connect(listener.local_addr().unwrap()).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        }
        // The engine, asked past all checks, and what it must still do.
        std::env::set_current_dir(&data).unwrap();
        let limits = Limits { memory: 0, readable: vec!["footfall".to_owned()] };
        let config = settings::write(&data, &limits).unwrap();
        let engine = Engine::open(&library, &data.join("engine"), &config).unwrap();
        let mut connection = engine.connect().unwrap();
        let secret = session::quote(&secret.display().to_string());
        let passwords = session::quote(&passwords.display().to_string());
        let written = session::quote(&directory.join("written").display().to_string());
        for sql in [
            format!("SELECT file({secret})"),
            format!("SELECT file({passwords})"),
            format!("SELECT arrayMap(file, [{secret}])"),
            "SELECT file('/etc/passwd')".to_owned(),
            format!("SELECT 'x' INTO OUTFILE {written} FORMAT TSV"),
        ] {
            let error = connection.execute(&sql).unwrap_err();
            assert!(error.message.contains("ermission denied"), "{sql}: {}", error.message);
        }
        connection.execute("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a").unwrap();
        connection.execute("INSERT INTO t SELECT number FROM numbers(1000)").unwrap();
        connection.execute("OPTIMIZE TABLE t FINAL").unwrap();
        let sum = connection.query(b"SELECT sum(a), timezone() != '' FROM t", "TSV", &[]).unwrap();
        assert_eq!(sum.bytes(), b"499500\t1\n");
        println!("CONFINED {held:?}");
    }
}
