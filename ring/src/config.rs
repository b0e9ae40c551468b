//! What a ring is built with, and what each setting costs.

/// Sizes of a ring's fixed pools. Everything here is allocated once, in [`Ring::new`](crate::Ring::new).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Submission queue entries; rounded up to a power of two, 1 to 32,768. 64 B each. A full queue
    /// is submitted and refilled, so a small one costs extra kernel entries, never a failure.
    pub submission_entries: u32,
    /// Completion queue entries; rounded up to a power of two, at least `submission_entries`. 16 B
    /// each. When it overflows the kernel keeps the rest, at the price of one allocation each.
    pub completion_entries: u32,
    /// Receive buffers shared by all connections: a power of two, 1 to 32,768. Only bytes that have
    /// arrived and were not looked at yet occupy one. 256 of them are used, and so cost memory, until more arrives
    /// at once.
    pub buffers: u16,
    /// Bytes of one receive buffer, and so the most that one [`Event::Received`](crate::Event::Received)
    /// carries.
    pub buffer_bytes: u32,
    /// Slots in the ring's file table: connections held at once. Must not exceed `RLIMIT_NOFILE` (a
    /// table of direct descriptors uses none of the process's descriptors, but the kernel compares its
    /// size with that limit), nor 1,048,576. Costs 8 B in the kernel and 64 B here per slot; ours are
    /// touched only once used.
    pub connections_max: u32,
    /// Fairness: a connection that delivered more than this in one pass is received from one buffer a pass until
    /// nothing more of it is waiting, so that one loud peer cannot starve the rest. What the kernel had taken from the
    /// socket by then, at most the pool, is delivered first.
    pub receive_bytes_per_pass_max: u32,
    /// Tells when bytes arrived: see [`Event::Received`](crate::Event::Received). Takes 48 B of every receive buffer.
    pub arrival_times: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            submission_entries: 1024,
            completion_entries: 8192,
            buffers: 1024,
            buffer_bytes: 2048,
            connections_max: 16_384,
            receive_bytes_per_pass_max: 64 * 1024,
            arrival_times: false,
        }
    }
}
