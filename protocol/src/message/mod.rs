//! What a binary WebSocket message contains: `kind: u8`, one archive of fixed layout, and for inputs, snapshots
//! and events the game's bytes behind it.
//!
//! An archive is an rkyv struct of little-endian, unaligned integers, so that its bytes equal its field list
//! without padding and it can be read in place at any address. Decoding borrows from the payload, demands the
//! exact length and validates; encoding appends to a `Vec` and allocates nothing else:
//!
//! ```
//! use tickring_protocol::message::{ClientMessage, Ping};
//!
//! let mut payload = Vec::new();
//! Ping { client_time_ns: 7 }.write(&mut payload);
//! let Ok(ClientMessage::Ping(ping)) = ClientMessage::decode(&payload) else { panic!("not a ping") };
//! assert_eq!(ping.client_time_ns.to_native(), 7);
//! ```

#[macro_use]
mod archive;
mod client;
mod layout;
mod server;

pub use client::{
    ArchivedHello, ArchivedInputHead, ArchivedLeave, ArchivedPing, ClientMessage, FEATURE_SPECTATE,
    FEATURE_STATE_CHECKSUM, Hello, InputHead, Leave, Ping,
};
pub use layout::{LAYOUT_HASH, LAYOUTS, PROTOCOL_VERSION, combined_layout, layout_hash};
pub use server::{
    ArchivedEventHead, ArchivedFault, ArchivedGoodbye, ArchivedPong, ArchivedSnapshotHead, ArchivedWelcome,
    EventHead, Fault, Goodbye, INPUT_SLACK_NONE, INPUT_SLACK_PER_TICK, Pong, SPECTATOR_ENTITY,
    SPECTATOR_PLAYER, ServerMessage, SnapshotHead, TIME_DILATION_MIN, TIME_DILATION_NONE, Welcome,
};

use crate::fault::{Blame, CloseReason};

/// The first byte of each message; server kinds have the highest bit set.
pub mod kind {
    /// [`Hello`](super::Hello)
    pub const HELLO: u8 = 0x01;
    /// [`InputHead`](super::InputHead) and the game's input
    pub const INPUT: u8 = 0x02;
    /// [`Ping`](super::Ping)
    pub const PING: u8 = 0x03;
    /// [`Leave`](super::Leave)
    pub const LEAVE: u8 = 0x04;
    /// [`Welcome`](super::Welcome)
    pub const WELCOME: u8 = 0x81;
    /// [`SnapshotHead`](super::SnapshotHead), the private block and the shared body
    pub const SNAPSHOT: u8 = 0x82;
    /// [`EventHead`](super::EventHead) and the game's event
    pub const EVENT: u8 = 0x83;
    /// [`Pong`](super::Pong)
    pub const PONG: u8 = 0x84;
    /// [`Fault`](super::Fault)
    pub const FAULT: u8 = 0x85;
    /// [`Goodbye`](super::Goodbye)
    pub const GOODBYE: u8 = 0x86;
}

/// Why a payload is not a message. The peer is at fault ([`Blame::Malformed`]) in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// An empty payload.
    #[error("an empty message; it must begin with a kind byte")]
    Empty,
    /// No message of this direction has that kind.
    #[error("unknown message kind {0:#04x}")]
    UnknownKind(u8),
    /// The payload is shorter or longer than its kind allows.
    #[error("message of kind {kind:#04x} has {found} bytes, it must have {}", Span(*least, *most))]
    Length {
        /// The message's kind.
        kind: u8,
        /// Bytes of the payload, kind included.
        found: usize,
        /// Fewest bytes allowed.
        least: usize,
        /// Most bytes allowed.
        most: usize,
    },
    /// The bytes have the right number but not a valid content.
    #[error("message of kind {0:#04x} has an invalid content")]
    Content(u8),
}

/// `31`, or `18 to 34`.
struct Span(usize, usize);

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(least, most) = *self;
        if least == most { write!(f, "{least}") } else { write!(f, "{least} to {most}") }
    }
}

impl MessageError {
    /// A stable label for a counter.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::Empty => "message_empty",
            Self::UnknownKind(_) => "message_unknown_kind",
            Self::Length { .. } => "message_length",
            Self::Content(_) => "message_content",
        }
    }

    /// The close code that ends the connection.
    #[must_use]
    pub const fn close_reason(&self) -> CloseReason {
        CloseReason::MalformedMessage
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        Blame::Malformed
    }
}

/// Splits a payload into its kind and the rest.
fn split_kind(payload: &[u8]) -> Result<(u8, &[u8]), MessageError> {
    payload.split_first().map(|(&kind, rest)| (kind, rest)).ok_or(MessageError::Empty)
}
