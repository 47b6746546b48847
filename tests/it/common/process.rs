//! Reads memory, CPU time and children of a process from /proc, and sends signals.

use std::path::PathBuf;
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

/// The most memory that a collector may use in a test, in bytes. It is a bound against growth: the design's size of 150 MB is measured by the
/// benchmark `end_to_end` with a release build. Builds without optimisation reached 135 MiB on busy machines while they shipped.
pub const COLLECTOR_MEMORY_MAX: u64 = 256 << 20;

/// Does nothing if the process has ended.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id is a positive number");
    let _ = kill_process(pid, signal);
}

/// Returns false for a process that has ended, also before its parent has waited for it.
pub fn is_running(pid: u32) -> bool {
    stat(pid).is_some_and(|fields| fields.first().is_some_and(|state| state != "Z"))
}

/// Resident memory in bytes, or `None` if the process has ended.
pub fn memory(pid: u32) -> Option<u64> {
    status(pid, "VmRSS:")
}

/// Resident memory without pages of files, in bytes.
pub fn own_memory(pid: u32) -> Option<u64> {
    status(pid, "RssAnon:")
}

/// The highest resident memory so far without pages of files, in bytes. Pages of the program are 14 MB in a release build and 35 MB in one
/// without optimisation.
pub fn peak_memory(pid: u32) -> Option<u64> {
    Some(status(pid, "VmHWM:")?.saturating_sub(status(pid, "RssFile:")?))
}

/// CPU time of all threads in user and system mode. The resolution is 10 ms.
pub fn cpu(pid: u32) -> Option<Duration> {
    let fields = stat(pid)?;
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    // Fields 14 and 15 in proc_pid_stat(5). Index 0 here is field 3 there.
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 1_000 / rustix::param::clock_ticks_per_second()))
}

/// The running child processes of `pid`.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let list = |thread: PathBuf| std::fs::read_to_string(thread.join("children")).unwrap_or_default();
    threads
        .flatten()
        .flat_map(|thread| list(thread.path()).split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|pid| pid.parse().ok())
        .filter(|pid| is_running(*pid))
        .collect()
}

fn status(pid: u32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The fields of /proc/PID/stat from the state on. The name before the state may contain any character.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &text[text.rfind(')')? + 1..];
    Some(after_name.split_whitespace().map(str::to_owned).collect())
}
