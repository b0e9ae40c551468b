//! What goes in and out of a ring besides bytes: identities, waits, events.

use std::io;
use std::time::Duration;

/// One connection's identity within its ring. Slots are used again, identities are not: the
/// generation tells a slot's tenants apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    slot: u32,
    generation: u32,
}

impl ConnectionId {
    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// Index into the ring's file table, below [`Config::connections_max`](crate::Config::connections_max):
    /// good for indexing a caller's own table.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self.slot
    }

    /// How often the slot has been given away before, wrapping.
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// How a connection receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receive {
    /// One [`Event::Received`], then nothing until asked again. For the time before it is clear which
    /// ring will keep the connection: with nothing armed it can be handed over.
    Once,
    /// Everything that arrives, as it arrives. The ring keeps it armed by itself.
    Many,
}

/// How long [`Ring::wait`](crate::Ring::wait) sleeps: until `want` completions have gathered; or
/// `gather` has passed and there is at least one; or `timeout` has passed.
///
/// `gather` counts from the start of the wait. Zero means to wake at the first completion, whatever
/// `want` says. A `gather` at or beyond `timeout` sleeps to the timeout unless `want` is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// Longest sleep. `None`: as long as it takes. Zero: do not sleep.
    pub timeout: Option<Duration>,
    /// Completions worth waking for before `gather` has passed. Also bounds how many queued
    /// completions the kernel works off in one go, so ask for 32 to 256, not for 1, when gathering.
    pub want: u32,
    /// How long completions may be held back to be delivered together. Microsecond resolution.
    pub gather: Duration,
}

/// Why a ring has stopped accepting for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptPause {
    /// Every slot of the ring's file table is taken. Resumes as soon as one is free; raise
    /// [`Config::connections_max`](crate::Config::connections_max) to hold more.
    TableFull,
    /// The system has no file left (`ENFILE`, `EMFILE`). Tried again after 100 ms; raise `fs.file-max`.
    OutOfDescriptors,
    /// The kernel has no memory for another socket (`ENOBUFS`, `ENOMEM`). Tried again after 100 ms.
    OutOfMemory,
    /// Anything else, as an errno. Tried again after 100 ms.
    Failed(i32),
}

/// What happened, from [`Ring::next_event`](crate::Ring::next_event).
#[derive(Debug)]
pub enum Event<'a> {
    /// A connection was accepted. Nothing is received until [`Ring::receive`](crate::Ring::receive).
    Accepted {
        /// The new connection.
        id: ConnectionId,
    },
    /// Accepting has stopped; peers queue in the listener's backlog. [`Event::AcceptResumed`] follows.
    AcceptPaused {
        /// Why.
        cause: AcceptPause,
    },
    /// Accepting goes on.
    AcceptResumed,
    /// A [`Ring::connect`](crate::Ring::connect) succeeded.
    Connected {
        /// The connection.
        id: ConnectionId,
    },
    /// A connect failed. The slot is free; nothing else follows for this identity.
    ConnectFailed {
        /// The identity that `connect` returned.
        id: ConnectionId,
        /// What the kernel said.
        error: io::Error,
    },
    /// Bytes arrived. They stay where the kernel put them until the next call on the ring, and may be
    /// changed in place.
    Received {
        /// From whom.
        id: ConnectionId,
        /// When the last of them arrived, on `CLOCK_MONOTONIC`, not later than now. `None` unless
        /// [`Config::arrival_times`](crate::Config::arrival_times) asks for it, and for a moment after a connection
        /// was received from too loudly.
        arrived: Option<Duration>,
        /// At least one byte, at most `buffer_bytes`.
        bytes: &'a mut [u8],
    },
    /// Nothing more will be received; sending may still work. The connection stays open until
    /// [`Ring::close`](crate::Ring::close).
    ReceiveEnded {
        /// Whose stream ended.
        id: ConnectionId,
        /// `None`: the peer finished its stream in order.
        error: Option<io::Error>,
    },
    /// A send ended. Exactly one of these for every send.
    Sent {
        /// To whom.
        id: ConnectionId,
        /// The buffer given to the send, to be used again.
        buffer: Vec<u8>,
        /// Whether the kernel took all of it.
        result: Result<(), io::Error>,
    },
    /// The connection is gone and its slot free: the last event of an identity.
    Closed {
        /// Which one.
        id: ConnectionId,
    },
    /// Another ring handed a connection to this one.
    Adopted {
        /// Its identity here.
        id: ConnectionId,
        /// What the other ring's [`hand_over`](crate::Ring::hand_over) was given.
        token: u64,
    },
    /// The connection lives on another ring now; its slot here is free: the last event of an identity.
    HandedOver {
        /// Its identity here, now void.
        id: ConnectionId,
    },
    /// The other ring did not take the connection. It is still open here, as it was.
    HandOverFailed {
        /// Which one.
        id: ConnectionId,
        /// Why: `EBADF` when the other ring is gone.
        error: io::Error,
    },
    /// Somebody rang. Any number of rings before this event make one event.
    Bell,
}
