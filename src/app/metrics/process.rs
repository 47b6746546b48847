//! What Prometheus's client libraries export of a process, under their names.
//!
//! The process forbids core dumps, so the kernel hides most of its files below /proc from other processes of its user. The process itself
//! may read them.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::text::{counter, gauge};

/// The directory of this process.
const PROC: &str = "/proc/self";

/// The fields of `/proc/self/stat` that are exported.
#[derive(Debug, PartialEq, Eq)]
struct ProcessStat {
    /// In user and system mode, in ticks.
    cpu: u64,
    threads: u64,
    /// From the machine's start, in ticks.
    start: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl ProcessStat {
    fn read() -> Option<Self> {
        Self::parse(&std::fs::read_to_string(Path::new(PROC).join("stat")).ok()?)
    }

    /// The fields of `proc_pid_stat(5)`. The name of the program may hold any character, and it ends with the last parenthesis.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // Index 0 is field 3 of the manual.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: field(14)? + field(15)?,
            threads: field(20)?,
            start: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }

    /// Unix time of the start. It is computed once, or each step of the clock would look like a restart.
    fn started(&self) -> Option<Duration> {
        static STARTED: OnceLock<Option<Duration>> = OnceLock::new();
        *STARTED.get_or_init(|| {
            let uptime = Duration::try_from(clock_gettime(ClockId::Boottime)).ok()?;
            let age = uptime.saturating_sub(seconds(self.start));
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.checked_sub(age)
        })
    }
}

fn seconds(ticks: u64) -> Duration {
    Duration::from_millis(ticks.saturating_mul(1_000) / clock_ticks_per_second())
}

/// Writes the metrics of this process. A value that the system does not report is left out.
pub(super) fn write(out: &mut String) {
    if let Some(stat) = ProcessStat::read() {
        let help = "CPU time in user and system mode.";
        counter(out, "process_cpu_seconds_total", help, seconds(stat.cpu).as_secs_f64());
        let resident = stat.resident_pages.saturating_mul(page_size() as u64);
        gauge(out, "process_resident_memory_bytes", "Resident memory.", resident);
        gauge(out, "process_virtual_memory_bytes", "Virtual memory.", stat.virtual_bytes);
        gauge(out, "process_threads", "Threads.", stat.threads);
        if let Some(started) = stat.started() {
            let help = "When the process started, Unix time.";
            gauge(out, "process_start_time_seconds", help, started.as_secs_f64());
        }
    }
    if let Ok(open) = std::fs::read_dir(Path::new(PROC).join("fd")) {
        // One of them is the directory that is being read.
        gauge(out, "process_open_fds", "Open file descriptors.", open.count().saturating_sub(1));
    }
    if let Some(limit) = getrlimit(Resource::Nofile).current {
        gauge(out, "process_max_fds", "Most file descriptors that may be open.", limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_s_name_may_look_like_fields() {
        let text = "42 (a) b (c 7) S 1 42 42 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 6 0 12345 1048576 77 18446744073709551615";
        let expected =
            ProcessStat { cpu: 300, threads: 6, start: 12_345, virtual_bytes: 1_048_576, resident_pages: 77 };
        assert_eq!(ProcessStat::parse(text), Some(expected));
        assert_eq!(ProcessStat::parse("42 (a) S 1"), None);
    }

    #[test]
    fn the_process_tells_of_itself() {
        let mut out = String::new();
        write(&mut out);
        let value = |name: &str| -> f64 {
            let line = out.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is missing in\n{out}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
        assert!(value("process_threads") >= 1.0);
        assert!((1.0..=value("process_max_fds")).contains(&value("process_open_fds")));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-1.0..3_600.0).contains(&age), "{age}");
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }
}
