//! What a worker's sessions count, and the log lines about how they ended.

use super::end::Cause;
use crate::logging::RateLimited;
use crate::report::Traffic;

/// A cause is logged at most this often; the line says how many were left out.
const LOG_INTERVAL_NS: u64 = 1_000_000_000;

/// Counters only this worker touches.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) traffic: Traffic,
    /// Players removed by an operator.
    pub(crate) kicks: u64,
    /// A handful of (code, cause) pairs: a list is quicker than a map.
    closes: Vec<(u16, &'static str, u64)>,
    limiter: RateLimited,
}

impl Ledger {
    /// Nothing counted yet.
    pub(crate) fn new() -> Self {
        let limiter = RateLimited::new(LOG_INTERVAL_NS);
        Self { traffic: Traffic::default(), kicks: 0, closes: Vec::new(), limiter }
    }

    /// A conversation ended.
    pub(super) fn ended(&mut self, cause: Cause, slot: u32, now_ns: u64) {
        let (code, label) = cause.label();
        match self.closes.iter_mut().find(|entry| (entry.0, entry.1) == (code, label)) {
            Some(entry) => entry.2 += 1,
            None => self.closes.push((code, label, 1)),
        }
        if cause.is_ordinary() {
            tracing::trace!(slot, code, cause = label, "a connection ended");
        } else if let Some(left_out) = self.limiter.allow(label, now_ns) {
            tracing::info!(
                slot,
                code,
                cause = label,
                left_out,
                "a connection was ended; docs/protocol.md explains the code"
            );
        }
    }

    /// Ends so far: (close code, cause, count).
    pub(crate) fn closes(&self) -> &[(u16, &'static str, u64)] {
        &self.closes
    }
}
