//! What the process uses, from `/proc`.

/// Processor time of all threads that live now, ns: the workers' and this one's. `None` where the
/// kernel keeps no scheduler statistics.
pub(super) fn cpu_ns() -> Option<u64> {
    let mut sum_ns = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let path = task.ok()?.path().join("schedstat");
        // A thread may end between the listing and the reading.
        if let Ok(text) = std::fs::read_to_string(path) {
            sum_ns += text.split_ascii_whitespace().next()?.parse::<u64>().ok()?;
        }
    }
    Some(sum_ns)
}

/// Resident memory, bytes.
pub(super) fn rss_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_what_is_allocated() {
        let before = rss_bytes().unwrap();
        let touched = vec![1_u8; 64 << 20];
        let after = rss_bytes().unwrap();
        assert_eq!(touched[touched.len() / 2], 1);
        assert!(after >= before + (32 << 20), "{before} → {after}");
    }

    #[test]
    fn processor_time_never_runs_backwards_while_threads_live() {
        let before = cpu_ns().unwrap();
        let work: u64 = (0..20_000_000_u64).fold(1, |sum, n| std::hint::black_box(sum.wrapping_mul(n | 1)));
        assert_ne!(work, 0);
        assert!(before > 0 && cpu_ns().unwrap() > 0);
    }
}
