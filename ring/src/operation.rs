//! What a completion says it belongs to: the 64 bits of `user_data`.
//!
//! ```text
//!  63      56 55            32 31             0
//! ┌──────────┬────────────────┬────────────────┐
//! │operation │      slot      │   generation   │   Adopted: the low 48 bits are the hand-over's token
//! └──────────┴────────────────┴────────────────┘
//! ```
//! Invariant: between a submission and its last completion no second submission carries the same
//! `user_data`, so that a cancel hits what it was meant for. (Single accepts share theirs: any will do.)

use crate::ConnectionId;

/// Number of slots that a tag can tell apart. The kernel stops at 2^20.
pub(crate) const SLOTS_MAX: u32 = 1 << 24;

/// Number of tokens that fit beside an operation.
pub(crate) const TOKENS: u64 = 1 << 48;

/// What a submission asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Operation {
    /// Multishot receive or a single one; the slot knows which.
    Receive = 1,
    /// A send that always completes, in its own time.
    Send,
    /// A send that the kernel tries at once and that completes only when it did not take everything.
    SendQuietly,
    /// Multishot accept; the generation is the listener's.
    AcceptMany,
    /// One accept; the generation is the listener's.
    AcceptOne,
    /// The pause before accepting is tried again.
    AcceptRetry,
    /// A cancel of one of a connection's operations. Completes only when it found nothing.
    Cancel,
    /// A connect.
    Connect,
    /// `SHUT_WR`.
    Shutdown,
    /// The direct descriptor's close: a slot's last operation.
    Close,
    /// The source's side of a hand-over.
    HandOver,
    /// The target's side: posted here by the other ring.
    Adopted,
    /// Another ring rang: posted here by it.
    Bell,
    /// Poll of the eventfd that threads ring.
    BellPoll,
    /// This ring's side of ringing another. Completes only when that failed.
    RingBell,
    /// A cancel of what is armed on the listener. Completes only when it found nothing.
    CancelAccept,
    /// The timer that ends long sleeps.
    Metronome,
}

/// Every operation, by its number.
const OPERATIONS: [Operation; 17] = [
    Operation::Receive,
    Operation::Send,
    Operation::SendQuietly,
    Operation::AcceptMany,
    Operation::AcceptOne,
    Operation::AcceptRetry,
    Operation::Cancel,
    Operation::Connect,
    Operation::Shutdown,
    Operation::Close,
    Operation::HandOver,
    Operation::Adopted,
    Operation::Bell,
    Operation::BellPoll,
    Operation::RingBell,
    Operation::CancelAccept,
    Operation::Metronome,
];

impl Operation {
    /// The operation in a `user_data`. `None` for a number that this driver never submits.
    pub(crate) fn of(user_data: u64) -> Option<Self> {
        let number = usize::from(user_data.to_be_bytes()[0]);
        OPERATIONS.get(number.wrapping_sub(1)).copied()
    }

    /// Whether a completion without `F_MORE` is owed for each submission. The others either complete
    /// only when they fail or are posted by somebody else.
    pub(crate) fn always_completes(self) -> bool {
        !matches!(
            self,
            Self::SendQuietly
                | Self::Cancel
                | Self::CancelAccept
                | Self::RingBell
                | Self::Adopted
                | Self::Bell
        )
    }

    /// `user_data` for an operation of a connection.
    pub(crate) fn on(self, id: ConnectionId) -> u64 {
        self.numbered(id.slot(), id.generation())
    }

    /// `user_data` with explicit slot and generation fields.
    pub(crate) fn numbered(self, slot: u32, generation: u32) -> u64 {
        debug_assert!(slot < SLOTS_MAX, "slots fit their 24 bits: checked when the ring was made");
        (u64::from(self as u8) << 56) | (u64::from(slot) << 32) | u64::from(generation)
    }

    /// `user_data` that carries a token.
    pub(crate) fn with_token(self, token: u64) -> u64 {
        assert!(token < TOKENS, "a hand-over token has 48 bits");
        (u64::from(self as u8) << 56) | token
    }
}

/// The connection named by a `user_data` made by [`Operation::on`].
pub(crate) fn connection(user_data: u64) -> ConnectionId {
    let [_, slot @ .., g0, g1, g2, g3] = user_data.to_be_bytes();
    ConnectionId::new(
        u32::from_be_bytes([0, slot[0], slot[1], slot[2]]),
        u32::from_be_bytes([g0, g1, g2, g3]),
    )
}

/// The token in a `user_data` made by [`Operation::with_token`].
pub(crate) fn token(user_data: u64) -> u64 {
    user_data & (TOKENS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_survives_the_round_trip() {
        for (number, operation) in (1u8..).zip(OPERATIONS) {
            assert_eq!(operation as u8, number);
            let id = ConnectionId::new(SLOTS_MAX - 1, 0x89ab_cdef);
            let user_data = operation.on(id);
            assert_eq!(Operation::of(user_data), Some(operation));
            assert_eq!(connection(user_data), id);
            assert_eq!(token(operation.with_token(TOKENS - 1)), TOKENS - 1);
        }
    }

    #[test]
    fn foreign_numbers_are_nothing() {
        assert_eq!(Operation::of(0), None);
        assert_eq!(Operation::of(18 << 56), None);
        assert_eq!(Operation::of(u64::MAX), None);
    }
}
