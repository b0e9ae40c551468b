//! How a peer can violate RFC 6455, and what each violation costs it.

use crate::fault::{Blame, CloseReason};

/// A violation that ends the connection. The peer is at fault in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum WebSocketError {
    /// RSV1-3 are set, but no extension was negotiated (RFC 6455 5.2).
    #[error("a frame has reserved bits set although no extension was negotiated")]
    ReservedBits,
    /// An opcode the RFC does not define (5.2).
    #[error("a frame has an unknown opcode")]
    UnknownOpcode,
    /// A client's frame without a mask (5.1).
    #[error("a client's frame is not masked")]
    Unmasked,
    /// A server's frame with a mask (5.1).
    #[error("a server's frame is masked")]
    Masked,
    /// A control frame without FIN (5.5).
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A control frame with more than 125 bytes (5.5).
    #[error("a control frame has more than 125 bytes")]
    ControlTooLong,
    /// A length in a longer form than needed, or with its highest bit set (5.2).
    #[error("a frame's length is not in its shortest form")]
    LengthForm,
    /// A continuation without a message to continue (5.4).
    #[error("a continuation frame without a message to continue")]
    OrphanContinuation,
    /// A new message before the last fragment of the one before (5.4).
    #[error("a new message inside a fragmented one")]
    InterleavedMessage,
    /// Text where the endpoint takes binary messages only.
    #[error("text where only binary messages are understood")]
    Text,
    /// A close payload of one byte, or with a code that must not be sent (5.5.1, 7.4).
    #[error("a close frame has an invalid payload")]
    ClosePayload,
    /// Text or a close reason that is not UTF-8 (5.6, 8.1).
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// The message is longer than this connection allows.
    #[error("a message is longer than this endpoint allows")]
    MessageTooBig,
    /// The message has more fragments than [`fragments_max`](crate::limits::fragments_max) allows.
    #[error("a message has too many fragments")]
    TooManyFragments,
}

impl WebSocketError {
    /// The code of the close frame to send: 1002, 1003, 1007 or 1009.
    #[must_use]
    pub const fn close_code(&self) -> u16 {
        self.close_reason().code()
    }

    /// The same as [`CloseReason`].
    #[must_use]
    pub const fn close_reason(&self) -> CloseReason {
        match self {
            Self::Text => CloseReason::Unsupported,
            Self::InvalidUtf8 => CloseReason::InvalidText,
            Self::MessageTooBig | Self::TooManyFragments => CloseReason::TooBig,
            _ => CloseReason::Protocol,
        }
    }

    /// A stable label for a counter.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::ReservedBits => "frame_reserved_bits",
            Self::UnknownOpcode => "frame_unknown_opcode",
            Self::Unmasked => "frame_unmasked",
            Self::Masked => "frame_masked",
            Self::ControlFragmented => "frame_control_fragmented",
            Self::ControlTooLong => "frame_control_too_long",
            Self::LengthForm => "frame_length_form",
            Self::OrphanContinuation => "frame_orphan_continuation",
            Self::InterleavedMessage => "frame_interleaved_message",
            Self::Text => "text_message",
            Self::ClosePayload => "close_payload",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::MessageTooBig => "message_too_big",
            Self::TooManyFragments => "message_too_many_fragments",
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Text | Self::MessageTooBig | Self::TooManyFragments => Blame::Misbehaved,
            _ => Blame::Malformed,
        }
    }
}
