//! Memory of the process, from `/proc`.

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
        let touched = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = rss_bytes().unwrap();
        assert_eq!(touched[touched.len() / 2], 1);
        assert!(after >= before + (32 << 20), "{before} → {after}");
    }
}
