//! One file per binary reads the operating system's clock; everything else gets the time as an
//! argument, so it can be tested and replayed.

use crate::Finding;
use crate::layers::crate_of;
use crate::source::Source;

/// Crates that end in a binary, each with the one file that may read the clock; and the ring, whose
/// timeouts the kernel takes as a time on its clock.
pub const CLOCK_FILES: [(&str, &str); 4] = [
    ("server", "server/src/clock.rs"),
    ("loadgen", "loadgen/src/clock.rs"),
    ("benches", "benches/src/clock.rs"),
    ("ring", "ring/src/clock.rs"),
];

const READINGS: [&str; 4] = ["Instant::now", "SystemTime::now", "clock_gettime", "UNIX_EPOCH.elapsed"];

/// Shipped code that reads the clock elsewhere.
#[must_use]
pub fn stray_clocks(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        if CLOCK_FILES.iter().any(|(_, file)| *file == source.path) {
            continue;
        }
        for (index, line) in source.shipped_code().lines().enumerate() {
            if READINGS.iter().any(|reading| line.contains(reading)) {
                findings.push(Finding::new(&source.path, index + 1, advice(&source.path)));
            }
        }
    }
    findings
}

fn advice(path: &str) -> String {
    let owner = crate_of(path);
    match CLOCK_FILES.iter().find(|(name, _)| *name == owner) {
        Some((_, file)) => format!("reads the clock; only {file} may"),
        None => format!("{owner} reads the clock; take the time as an argument"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clock_file_reads_the_clock() {
        let reads = "fn f() -> u64 { std::time::Instant::now(); 0 }";
        let at = |path: &str, text: &str| stray_clocks(&[Source::parse(path, text)]).len();
        assert_eq!(at("server/src/worker/mod.rs", reads), 1);
        assert_eq!(at("room/src/tick.rs", "use std::time::SystemTime;\nfn f() { SystemTime::now(); }"), 1);
        assert_eq!(at("server/src/clock.rs", reads), 0);
        assert_eq!(at("server/tests/drain.rs", reads), 0);
        assert_eq!(
            at("server/src/worker/mod.rs", "#[cfg(test)]\nmod tests { fn f() { Instant::now(); } }"),
            0
        );
    }
}
