//! What a connection reports.

use tickring_protocol::ids::{Sequence, Tick};
use tickring_protocol::message::Welcome;
use tickring_room::Game;

use crate::Continuity;

/// Something that happened on a connection.
#[derive(Debug)]
pub enum ClientEvent<'a, G: Game> {
    /// The server switched to WebSocket. The hello is in the out buffer.
    Upgraded,
    /// There is a seat, and inputs may be sent; or a spectator's place.
    Welcome(&'a Welcome),
    /// A snapshot arrived.
    Snapshot(Snapshot<'a>),
    /// A game event arrived.
    Event {
        /// When it happened.
        tick: Tick,
        /// What happened.
        event: G::Event,
    },
    /// The answer to [`crate::Connection::ping`].
    Pong {
        /// Time from the ping to now.
        rtt_ns: u64,
        /// The server's clock when it answered.
        server_time_ns: u64,
    },
    /// The server says what is wrong; a close follows.
    Fault {
        /// The fault's number.
        code: u16,
        /// Whether trying again can help.
        temporary: bool,
        /// When to try again.
        retry_after_ms: u32,
        /// For people.
        text: &'a str,
    },
    /// The server ends the session in order; a close follows.
    Goodbye {
        /// The close code that follows.
        reason: u16,
        /// When to come back; 0 when not.
        back_after_ms: u32,
    },
    /// The close handshake is done; nothing more arrives. The answer, if one was due, is in the out buffer.
    Closed {
        /// The server's code; `None` when its close frame had none.
        code: Option<u16>,
    },
}

/// A snapshot as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// Its tick.
    pub tick: Tick,
    /// The last input that the server has processed; 0 when none.
    pub last_input: Sequence,
    /// How long before it was needed the newest input arrived, in 1/16 tick, negative when too late; `None` when
    /// the server has seen none.
    pub slack: Option<i16>,
    /// How it follows the snapshot before.
    pub continuity: Continuity,
    /// Snapshots that the server declares to have skipped for this connection since the one before.
    pub dropped: u16,
    /// Time since the snapshot before; `None` for the first.
    pub interval_ns: Option<u64>,
    /// Rate of the server's time in 1/255.
    pub time_dilation: u8,
    /// Whether the state as decoded has the checksum in the head; `None` when no checksum was asked for.
    pub checksum_ok: Option<bool>,
    /// The player's own block, empty for a spectator; also in [`crate::Connection::private`].
    pub private: &'a [u8],
    /// The encoded body, also in [`crate::Connection::entities`].
    pub body: &'a [u8],
}
