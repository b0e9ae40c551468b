//! What the server says.

use rkyv::{Archive, Deserialize, Serialize};

use super::archive::{access, access_head};
use super::{MessageError, kind, split_kind};
use crate::fault::FaultCode;
use crate::limits::FAULT_TEXT_BYTES_MAX;
use crate::text::cut;

/// [`SnapshotHead::input_slack`] of one whole tick.
pub const INPUT_SLACK_PER_TICK: i16 = 16;
/// [`SnapshotHead::input_slack`] before the first input.
pub const INPUT_SLACK_NONE: i16 = i16::MIN;
/// [`SnapshotHead::time_dilation`] of a room that runs at its full rate.
pub const TIME_DILATION_NONE: u8 = 255;
/// The least [`SnapshotHead::time_dilation`]: half the full rate.
pub const TIME_DILATION_MIN: u8 = 128;

/// [`Welcome::player`] of a spectator, who has no seat.
pub const SPECTATOR_PLAYER: u16 = u16::MAX;
/// [`Welcome::entity`] of a spectator, who controls nothing.
pub const SPECTATOR_ENTITY: u16 = u16::MAX;

/// The answer to a hello that found a seat, or a spectator's place.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Welcome {
    /// The player's seat, or [`SPECTATOR_PLAYER`].
    pub player: u16,
    /// The entity that the player controls, or [`SPECTATOR_ENTITY`].
    pub entity: u16,
    /// The last completed tick.
    pub tick: u32,
    /// Ticks per second.
    pub tick_hz: u16,
    /// Snapshots per second.
    pub snapshot_hz: u16,
    /// How many ticks behind the newest snapshot a client should show the others.
    pub interpolation_ticks: u8,
    /// The token that takes this seat again, once; zeros for a spectator. Whoever has it may take the seat: keep it
    /// secret.
    pub resume: [u8; 16],
    /// Longest message the server accepts.
    pub message_bytes_max: u32,
    /// How many ticks ahead of the room an input's target tick may lie.
    pub input_window_ticks: u16,
    /// Seats of the room.
    pub room_players_max: u16,
    /// The room's seed, for what the game derives from it on both sides.
    pub seed: u64,
}
message!(
    Welcome,
    ArchivedWelcome,
    kind::WELCOME,
    "0x81 welcome: player u16, entity u16, tick u32, tick_hz u16, snapshot_hz u16, interpolation_ticks u8, \
     resume [u8; 16], message_bytes_max u32, input_window_ticks u16, room_players_max u16, seed u64"
);

/// The state that a player can see at a tick. `private_bytes` of the player's own block and then the shared,
/// bit-packed body follow.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct SnapshotHead {
    /// The tick whose end this state is.
    pub tick: u32,
    /// Sequence of the last input of this player that the room has processed.
    pub last_input: u32,
    /// How long before it was needed the newest input to arrive did so, in 1/16 tick, saturating; negative when
    /// too late, [`INPUT_SLACK_NONE`] when none has arrived yet. Inputs are filed by whole ticks, so it is a
    /// multiple of [`INPUT_SLACK_PER_TICK`] at present.
    pub input_slack: i16,
    /// Rate of the room's time in 1/255 of its full rate, [`TIME_DILATION_MIN`]..=[`TIME_DILATION_NONE`]: so many fewer
    /// ticks a second there are than in the welcome, each as long as ever in the world.
    pub time_dilation: u8,
    /// Snapshots that this reader was too slow for so far, wrapping: drops that are declared.
    pub dropped: u16,
    /// Sum of the CRC-32s of the cells' quantised states, wrapping; 0 when the hello did not ask for it, or when some
    /// of what is in sight was put off.
    pub checksum: u32,
    /// Length of the private block.
    pub private_bytes: u16,
}
message!(
    SnapshotHead,
    ArchivedSnapshotHead,
    kind::SNAPSHOT,
    "0x82 snapshot: tick u32, last_input u32, input_slack i16, time_dilation u8, dropped u16, \
     checksum u32, private_bytes u16"
);

/// Something that happened at a tick. The game's fixed event bytes follow.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct EventHead {
    /// When it happened.
    pub tick: u32,
    /// The game's number of the event kind.
    pub kind: u8,
}
message!(EventHead, ArchivedEventHead, kind::EVENT, "0x83 event: tick u32, kind u8");

/// The answer to a [`Ping`](super::Ping).
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Pong {
    /// The ping's time as it came.
    pub client_time_ns: u64,
    /// The server's clock in nanoseconds since its start.
    pub server_time_ns: u64,
    /// The last completed tick at that moment.
    pub tick: u32,
    /// How much of the next tick had passed at that moment, in 1/256 tick.
    pub fraction: u8,
}
message!(
    Pong,
    ArchivedPong,
    kind::PONG,
    "0x84 pong: client_time_ns u64, server_time_ns u64, tick u32, fraction u8"
);

/// Says what went wrong, before the close frame that follows.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Fault {
    /// A [`FaultCode`].
    pub code: u16,
    /// 1 when the same request may succeed later, else 0.
    pub temporary: u8,
    /// When to try again, in milliseconds; 0 when there is no use in it.
    pub retry_after_ms: u32,
    /// Bytes of `text` in use, at most [`FAULT_TEXT_BYTES_MAX`].
    pub text_bytes: u8,
    /// An explanation for people, UTF-8, filled up with zeros.
    pub text: [u8; 80],
}
message!(
    Fault,
    ArchivedFault,
    kind::FAULT,
    "0x85 fault: code u16, temporary u8, retry_after_ms u32, text_bytes u8, text [u8; 80]"
);

/// The server is going away, or ends the session in an orderly way; the close frame follows.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[rkyv(derive(Debug))]
pub struct Goodbye {
    /// The close code that follows.
    pub reason: u16,
    /// When to come back, in milliseconds; 0 when not.
    pub back_after_ms: u32,
}
message!(Goodbye, ArchivedGoodbye, kind::GOODBYE, "0x86 goodbye: reason u16, back_after_ms u32");

const _: () = assert!(FAULT_TEXT_BYTES_MAX == 80 && FAULT_TEXT_BYTES_MAX <= u8::MAX as usize);

impl Fault {
    /// A fault with the code's own temporary flag and retry time. Text beyond [`FAULT_TEXT_BYTES_MAX`] bytes is
    /// cut at a character.
    #[must_use]
    pub fn new(code: FaultCode, text: &str) -> Self {
        let text = cut(text, FAULT_TEXT_BYTES_MAX).as_bytes();
        let mut padded = [0; FAULT_TEXT_BYTES_MAX];
        padded[..text.len()].copy_from_slice(text);
        Self {
            code: code.code(),
            temporary: u8::from(code.is_temporary()),
            retry_after_ms: code.retry_after_ms(),
            text_bytes: u8::try_from(text.len()).expect("the text was cut to 80 bytes"),
            text: padded,
        }
    }

    /// The explanation.
    #[must_use]
    pub fn text(&self) -> &str {
        text_of(&self.text, self.text_bytes).unwrap_or_default()
    }
}

impl ArchivedFault {
    /// The explanation. A decoded fault has been checked; of one made otherwise, invalid text reads as empty.
    #[must_use]
    pub fn text(&self) -> &str {
        text_of(&self.text, self.text_bytes).unwrap_or_default()
    }
}

fn text_of(text: &[u8; FAULT_TEXT_BYTES_MAX], text_bytes: u8) -> Option<&str> {
    str::from_utf8(text.get(..usize::from(text_bytes))?).ok()
}

/// A decoded message of the server, borrowed from the payload.
#[derive(Debug)]
pub enum ServerMessage<'a> {
    /// See [`Welcome`].
    Welcome(&'a ArchivedWelcome),
    /// See [`SnapshotHead`].
    Snapshot {
        /// The fixed part.
        head: &'a ArchivedSnapshotHead,
        /// The player's own block.
        private: &'a [u8],
        /// What all players share.
        body: &'a [u8],
    },
    /// See [`EventHead`].
    Event {
        /// The fixed part.
        head: &'a ArchivedEventHead,
        /// The game's event.
        game: &'a [u8],
    },
    /// See [`Pong`].
    Pong(&'a ArchivedPong),
    /// See [`Fault`].
    Fault(&'a ArchivedFault),
    /// See [`Goodbye`].
    Goodbye(&'a ArchivedGoodbye),
}

impl ServerMessage<'_> {
    /// Decodes the payload of one binary WebSocket message in place.
    ///
    /// # Errors
    /// [`MessageError`] when the kind is not the server's, or the length or the content is not the kind's.
    #[inline]
    pub fn decode(payload: &[u8]) -> Result<ServerMessage<'_>, MessageError> {
        let (kind, rest) = split_kind(payload)?;
        Ok(match kind {
            kind::SNAPSHOT => {
                let (head, tail) = access_head::<ArchivedSnapshotHead>(kind, rest, usize::MAX)?;
                let (private, body) = tail
                    .split_at_checked(usize::from(head.private_bytes.to_native()))
                    .ok_or(MessageError::Content(kind))?;
                ServerMessage::Snapshot { head, private, body }
            }
            kind::EVENT => {
                let (head, game) = access_head(kind, rest, usize::MAX)?;
                ServerMessage::Event { head, game }
            }
            kind::PONG => ServerMessage::Pong(access(kind, rest)?),
            kind::WELCOME => ServerMessage::Welcome(access(kind, rest)?),
            kind::FAULT => {
                let fault: &ArchivedFault = access(kind, rest)?;
                text_of(&fault.text, fault.text_bytes).ok_or(MessageError::Content(kind))?;
                ServerMessage::Fault(fault)
            }
            kind::GOODBYE => ServerMessage::Goodbye(access(kind, rest)?),
            unknown => return Err(MessageError::UnknownKind(unknown)),
        })
    }
}
