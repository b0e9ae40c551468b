//! What a ring counts.

/// Totals since the ring was made. Plain numbers, read by the thread that owns the ring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls of `io_uring_enter`.
    pub enters: u64,
    /// Completions taken from the queue, but those of the timer that ends long sleeps.
    pub completions: u64,
    /// Connections accepted.
    pub accepts: u64,
    /// Times accepting was paused.
    pub accept_pauses: u64,
    /// Connections that the kernel accepted and then dropped because the table had filled up first.
    pub accepts_dropped: u64,
    /// Connects that succeeded.
    pub connects: u64,
    /// Receives that found all buffers in use and were put off to the next pass.
    pub buffer_exhaustions: u64,
    /// Connections put aside for a pass because they delivered too much in one.
    pub fairness_pauses: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Sends that ended, well or not.
    pub sends: u64,
    /// Bytes the kernel took.
    pub sent_bytes: u64,
    /// Sends the kernel took only in part, or not at once, and that were sent on.
    pub short_sends: u64,
    /// Passes that found the completion queue overflown (nothing is lost, it is only slow).
    pub overflows: u64,
    /// Connections closed.
    pub closes: u64,
    /// Connections handed to another ring.
    pub handed_over: u64,
    /// Connections taken over from another ring.
    pub adopted: u64,
    /// Bells from rings and threads, after coalescing.
    pub bells: u64,
    /// Completions that belonged to no living connection.
    pub stale_completions: u64,
}
