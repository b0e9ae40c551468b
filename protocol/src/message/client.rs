//! What a client says.

use rkyv::{Archive, Deserialize, Serialize};

use super::archive::{access, access_head};
use super::{MessageError, kind, split_kind};
use crate::limits::GAME_INPUT_BYTES_MAX;

/// Feature bit of a [`Hello`]: the server fills [`SnapshotHead::checksum`](super::SnapshotHead::checksum), so
/// that the client can prove it decodes the same state.
pub const FEATURE_STATE_CHECKSUM: u32 = 1;

/// Feature bit of a [`Hello`]: the client wants to watch, not to play. It is sent what all may see, and sends no input.
pub const FEATURE_SPECTATE: u32 = 2;

/// The first message of a client, exactly once.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Hello {
    /// [`PROTOCOL_VERSION`](super::PROTOCOL_VERSION) of the client.
    pub version: u16,
    /// [`combined_layout`](super::combined_layout) of the client's game.
    pub layout: u64,
    /// Bits of what the client asks for; unknown bits are ignored.
    pub features: u32,
    /// The token of an earlier welcome to take the same seat again, or zeros.
    pub resume: [u8; 16],
}
message!(
    Hello,
    ArchivedHello,
    kind::HELLO,
    "0x01 hello: version u16, layout u64, features u32, resume [u8; 16]"
);

/// One player's intent for one tick. The game's input, at most [`GAME_INPUT_BYTES_MAX`] bytes, follows.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct InputHead {
    /// The input's number, one more than the input before, wrapping.
    pub sequence: u32,
    /// The tick the input is meant for.
    pub target_tick: u32,
    /// The whole tick of what the player was looking at.
    pub view_tick: u32,
    /// How far past `view_tick` the view was, in 1/256 tick.
    pub view_fraction: u8,
    /// Tick of the newest snapshot that the client has decoded: an acknowledgement.
    pub newest_snapshot_tick: u32,
}
message!(
    InputHead,
    ArchivedInputHead,
    kind::INPUT,
    "0x02 input: sequence u32, target_tick u32, view_tick u32, view_fraction u8, newest_snapshot_tick u32"
);

/// Asks for a [`Pong`](super::Pong): the round-trip time and the clock.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Ping {
    /// The client's clock in nanoseconds, returned as it came.
    pub client_time_ns: u64,
}
message!(Ping, ArchivedPing, kind::PING, "0x03 ping: client_time_ns u64");

/// Gives up the seat at once. Without it, the seat of a lost connection may be held for a while.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Leave {
    /// Why: 0 the player wanted to, 1 the client is shutting down, others are counted as other.
    pub reason: u8,
}
message!(Leave, ArchivedLeave, kind::LEAVE, "0x04 leave: reason u8");

/// A decoded message of a client, borrowed from the payload.
#[derive(Debug)]
pub enum ClientMessage<'a> {
    /// See [`Hello`].
    Hello(&'a ArchivedHello),
    /// See [`InputHead`].
    Input {
        /// The fixed part.
        head: &'a ArchivedInputHead,
        /// The game's input, at most [`GAME_INPUT_BYTES_MAX`] bytes; not yet looked at.
        game: &'a [u8],
    },
    /// See [`Ping`].
    Ping(&'a ArchivedPing),
    /// See [`Leave`].
    Leave(&'a ArchivedLeave),
}

impl ClientMessage<'_> {
    /// Decodes the payload of one binary WebSocket message in place.
    ///
    /// # Errors
    /// [`MessageError`] when the kind is not a client's, or the length or the content is not the kind's.
    #[inline]
    pub fn decode(payload: &[u8]) -> Result<ClientMessage<'_>, MessageError> {
        let (kind, rest) = split_kind(payload)?;
        Ok(match kind {
            kind::INPUT => {
                let (head, game) = access_head(kind, rest, GAME_INPUT_BYTES_MAX)?;
                ClientMessage::Input { head, game }
            }
            kind::PING => ClientMessage::Ping(access(kind, rest)?),
            kind::HELLO => ClientMessage::Hello(access(kind, rest)?),
            kind::LEAVE => ClientMessage::Leave(access(kind, rest)?),
            unknown => return Err(MessageError::UnknownKind(unknown)),
        })
    }
}
