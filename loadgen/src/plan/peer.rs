//! What the connections of a plan lead to.

/// Who answers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Somebody else's process, at the plan's targets.
    Server,
    /// The sink that `calibrate` starts in this process: its address is nobody's business.
    Sink {
        /// Places of its table, those of the connections among them.
        table: u32,
    },
}

impl Peer {
    /// What is said when nothing is started, for want of room.
    pub(crate) const fn not_started(self) -> &'static str {
        match self {
            Self::Server => "loadgen: not started; --force tries all the same",
            Self::Sink { .. } => "loadgen: not calibrated",
        }
    }

    /// The same where there is no ring.
    pub(crate) const fn without_ring(self) -> &'static str {
        match self {
            Self::Server => {
                "loadgen: not started; --force does not help here, since every connection goes through io_uring"
            }
            Self::Sink { .. } => "loadgen: not calibrated; every connection goes through io_uring",
        }
    }
}
