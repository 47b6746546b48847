//! A minimal Debian 12, and a container that runs its systemd.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::common::eventually;
use crate::common::process::{self, Signal};

const MAKE_ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/debian-root");
const BOOT_TIMEOUT: Duration = Duration::from_secs(60);
/// What the container's own filter lets through beside its defaults: the unit's service locks memory and confines its store.
const SYSTEM_CALLS: &str = "@memlock landlock_create_ruleset landlock_add_rule landlock_restrict_self";
/// The directory of the test in the container.
pub const SHARED: &str = "/mnt";

/// The directory with Debian 12. It must not be changed. `None`, with a message, where it cannot be made.
pub fn root() -> Option<&'static Path> {
    static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = ROOT.get_or_init(|| {
        let output = Command::new(MAKE_ROOT).stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            println!(
                "skipped: no Debian 12 to test in: {}",
                reason.trim_end().lines().last().unwrap_or_default()
            );
            return None;
        }
        Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim_end()))
    });
    made.as_deref()
}

/// Whether a program is on the path of this process.
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// Debian 12 with systemd as its first process, on the network of this machine. Nothing of it stays when it is dropped.
pub struct Container {
    nspawn: Child,
    leader: u32,
    /// Visible as [`SHARED`].
    shared: TempDir,
    cgroups: Vec<PathBuf>,
}

impl Container {
    /// Starts it and waits until systemd has. `read_only` are files and directories of this machine, and where they appear. Returns
    /// `None`, with a message, where that is not possible.
    pub fn boot(read_only: &[(&Path, &str)]) -> Option<Self> {
        let root = root()?;
        if !has_program("systemd-nspawn") {
            println!("skipped: systemd-nspawn is not installed (Debian: systemd-container)");
            return None;
        }
        let shared = tempfile::tempdir().unwrap();
        let messages = UnixDatagram::bind(shared.path().join("notify")).unwrap();
        messages.set_read_timeout(Some(BOOT_TIMEOUT)).unwrap();
        let is_supervised = Path::new("/run/systemd/system").is_dir();
        let cgroups = if is_supervised { Vec::new() } else { make_cgroups() };
        let enter: String =
            cgroups.iter().map(|group| format!("echo $$ > {}/cgroup.procs\n", group.display())).collect();
        let log = fs::File::create(shared.path().join("nspawn.log")).unwrap();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-euc", &format!("{enter}exec systemd-nspawn \"$@\""), "nspawn"])
            .args(["--quiet", "--boot", "--register=no", "--volatile=overlay", "--console=pipe"])
            .args(["--link-journal=no", "--resolv-conf=off", "--timezone=off", "--notify-ready=yes"])
            .arg(format!("--directory={}", root.display()))
            .arg(format!("--machine=footfall-test-{}", unique()))
            .arg(format!("--system-call-filter={SYSTEM_CALLS}"))
            .arg("--capability=CAP_IPC_LOCK")
            .arg(format!("--bind={}:{SHARED}", shared.path().display()))
            .args(read_only.iter().map(|(here, there)| format!("--bind-ro={}:{there}", here.display())));
        if !is_supervised {
            // Nobody would make a scope for it.
            command.arg("--keep-unit");
        }
        let nspawn = command
            .env("NOTIFY_SOCKET", shared.path().join("notify"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut container = Self { nspawn, leader: 0, shared, cgroups };
        container.wait_until_booted(&messages);
        Some(container)
    }

    fn wait_until_booted(&mut self, messages: &UnixDatagram) {
        let mut buffer = [0; 4_096];
        let mut is_ready = false;
        while self.leader == 0 || !is_ready {
            let length = match messages.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) => panic!("the container does not start: {error}\n{}", self.log()),
            };
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            for line in message.lines() {
                if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                    self.leader = pid.parse().unwrap();
                }
                is_ready |= line == "READY=1";
            }
        }
        eventually("systemd is running", BOOT_TIMEOUT, || {
            let state = self.run("systemctl is-system-running");
            ["running\n", "degraded\n"].contains(&String::from_utf8_lossy(&state.stdout).as_ref())
        });
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("nspawn.log")).unwrap_or_default()
    }

    /// The path here of a file in [`SHARED`].
    pub fn path(&self, name: &str) -> PathBuf {
        self.shared.path().join(name)
    }

    /// Runs a script of the shell as the container's root, in [`SHARED`].
    pub fn run(&self, script: &str) -> Output {
        Command::new("nsenter")
            .arg(format!("--target={}", self.leader))
            .args(["--mount", "--uts", "--ipc", "--pid", "--root", "--wd"])
            .args(["/bin/sh", "-euc", &format!("cd {SHARED}\n{script}")])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/root")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// The same; returns what the script printed, without the last line end. It must succeed.
    #[track_caller]
    pub fn done(&self, script: &str) -> String {
        let output = self.run(script);
        let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            panic!("{script}\nended with {}:\n{printed}\n{errors}\n{}", output.status, self.journal());
        }
        printed
    }

    /// A property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.done(&format!("systemctl show --property={name} --value {unit}"))
    }

    pub fn journal(&self) -> String {
        let output = self.run("journalctl --no-pager --lines=60 --output=short");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the container's journal:\n{}", self.journal());
        }
        if self.leader > 0 {
            // The kernel ends all processes of the container with its first one.
            process::signal(self.leader, Signal::KILL);
        } else {
            let _ = self.nspawn.kill();
        }
        let _ = self.nspawn.wait();
        for group in &self.cgroups {
            remove_cgroup(group);
        }
    }
}

/// A number that no other container of this machine has.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a control group for a container in each hierarchy that systemd uses. Without one, the systemd of two containers would take the same
/// groups for their own.
fn make_cgroups() -> Vec<PathBuf> {
    let name = format!("footfall-test-{}", unique());
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let hierarchies = own.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?);
        let mounts: &[&str] = match controllers {
            "" => &["/sys/fs/cgroup/unified", "/sys/fs/cgroup"],
            "name=systemd" => &["/sys/fs/cgroup/systemd"],
            _ => &[],
        };
        let mount = mounts.iter().find(|mount| Path::new(mount).join("cgroup.procs").exists())?;
        Some(Path::new(mount).join(path.trim_start_matches('/')).join(&name))
    });
    let groups: Vec<PathBuf> = hierarchies.collect();
    for group in &groups {
        fs::create_dir(group).unwrap_or_else(|error| panic!("{}: {error}", group.display()));
    }
    groups
}

/// The files of a group are not removed, only its directories, and only when its processes have ended.
fn remove_cgroup(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_cgroup(&entry.path());
        }
    }
    for _ in 0..100 {
        if fs::remove_dir(group).is_ok() || !group.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
