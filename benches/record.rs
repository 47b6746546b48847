//! Replaces the figures of a section in `benches/RESULTS.md`.

use std::path::PathBuf;

/// Replaces the text between the markers of `section`. Without markers, appends them and the text to the file.
pub fn keep(section: &str, text: &str) {
    let (begin, end) = (format!("<!-- {section}: begin -->"), format!("<!-- {section}: end -->"));
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
    let old = std::fs::read_to_string(&file).unwrap_or_else(|_| "# Results\n".to_owned());
    let part = format!("{begin}\n{text}{end}\n");
    let new = match (old.find(&begin), old.find(&end)) {
        (Some(from), Some(to)) => {
            let after = &old[to + end.len()..];
            format!("{}{part}{}", &old[..from], after.strip_prefix('\n').unwrap_or(after))
        }
        _ => format!("{}\n\n{part}", old.trim_end()),
    };
    std::fs::write(&file, new).expect("benches/RESULTS.md can be written");
    println!("written to {}", file.display());
}

/// The date, the machine and the commit of a run.
pub fn circumstances() -> String {
    format!("{}, {}, commit {}", jiff::Zoned::now().date(), machine(), commit())
}

fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("", |(_, name)| name);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores of {model}, Linux {}", kernel.trim())
}

fn commit() -> String {
    let output = std::process::Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
