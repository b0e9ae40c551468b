//! Why a connection cannot go on.

use thiserror::Error;
use tickring_protocol::fault::CloseReason;
use tickring_protocol::message::MessageError;
use tickring_protocol::websocket::{UpgradeError, WebSocketError};
use tickring_room::{Malformed, SnapshotError};

use crate::Continuity;

/// What the server did wrong, or why it said no. The connection is over; where a close frame is due it is in
/// the out buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ClientError {
    /// There is no upgrade.
    #[error("the upgrade failed: {0}")]
    Upgrade(#[from] UpgradeError),
    /// The server breaks RFC 6455.
    #[error("the server's frames are invalid: {0}")]
    WebSocket(#[from] WebSocketError),
    /// A message that cannot be read.
    #[error("the server's message is invalid: {0}")]
    Message(#[from] MessageError),
    /// A snapshot body that cannot be decoded.
    #[error("the snapshot of tick {tick} cannot be decoded: {cause}")]
    Snapshot {
        /// Its tick.
        tick: u32,
        /// How it follows the snapshot before: after a gap it may lack what it is a delta to.
        continuity: Continuity,
        /// Why.
        cause: SnapshotError,
    },
    /// Bytes of the game that the game cannot read.
    #[error("the game cannot read what the server sent: {0}")]
    Game(#[from] Malformed),
    /// A message that may not come now.
    #[error("the server sent {0}")]
    Unexpected(&'static str),
}

impl ClientError {
    /// The code of the close frame that answers this, if one is due.
    #[must_use]
    pub const fn close_code(&self) -> Option<u16> {
        match self {
            Self::Upgrade(_) => None,
            Self::WebSocket(error) => Some(error.close_code()),
            Self::Message(_) | Self::Snapshot { .. } | Self::Game(_) => {
                Some(CloseReason::MalformedMessage.code())
            }
            Self::Unexpected(_) => Some(CloseReason::UnexpectedMessage.code()),
        }
    }
}
