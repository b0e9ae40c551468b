//! Is anything missing, doubled or out of order?

/// What one element of a stream told about those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Elements that are missing and that nobody declared dropped.
    pub(crate) gaps: u64,
    /// Of the gaps those that were told while the stream went on, for want of memory: what is missing may be late only.
    pub(crate) presumed: u64,
    /// Elements the sender declared dropped (latest wins).
    pub(crate) declared: u64,
    /// 1 when this element had been seen.
    pub(crate) duplicates: u64,
    /// 1 when this element is older than the last.
    pub(crate) reordered: u64,
}
