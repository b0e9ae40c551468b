//! Messages from fragments, and frames from pieces (RFC 6455 5.4).

use std::ops::Range;

use fastwebsockets::{OpCode, unmask};

use super::Role;
use super::error::WebSocketError;
use super::frame::FrameHead;
use crate::limits::{CONTROL_PAYLOAD_BYTES_MAX, fragments_max};

/// Joins a message's fragments, remembers a frame that is not complete, and holds the rules for heads.
///
/// Invariant: `spill` is the payload of the unfinished message (`message_bytes`, already unmasked), and then
/// either nothing, or the raw beginning of a frame (an incomplete head, or a control frame), or the remains of an
/// event that has been taken (`spent`). It holds no memory while there is neither.
#[derive(Debug)]
pub(super) struct Assembler {
    pub(super) spill: Vec<u8>,
    pub(super) message_bytes: u32,
    pub(super) message_bytes_max: u32,
    /// Of the current data frame, still to come. Zero between frames.
    pub(super) payload_left: u32,
    /// The current data frame's mask, turned so that its first byte is for the next payload byte; zeros for none.
    mask: [u8; 4],
    fragments: u32,
    /// How much of a text message is known to be UTF-8, up to a character.
    utf8_bytes: u32,
    pub(super) stage: Stage,
    pub(super) last_fragment: bool,
    /// The last event borrowed the spill beyond `message_bytes`; that part is of no more use.
    pub(super) spent: bool,
    pub(super) role: Role,
    pub(super) binary_only: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No message has begun.
    Between,
    /// Inside a text message.
    Text,
    /// Inside a binary message.
    Binary,
    /// After a close or an error: nothing is decoded any more.
    Finished,
}

/// A complete message or control frame, unmasked, whose payload is yet to be borrowed.
pub(super) struct Found {
    pub(super) opcode: OpCode,
    pub(super) place: Place,
    pub(super) payload: Range<usize>,
}

/// Which bytes a payload is borrowed from.
pub(super) enum Place {
    Input,
    Spill,
}

impl Assembler {
    pub(super) const fn new(role: Role, message_bytes_max: u32) -> Self {
        Self {
            spill: Vec::new(),
            message_bytes: 0,
            message_bytes_max,
            payload_left: 0,
            mask: [0; 4],
            fragments: 0,
            utf8_bytes: 0,
            stage: Stage::Between,
            last_fragment: false,
            spent: false,
            role,
            binary_only: false,
        }
    }

    /// Between two messages, or after the last one.
    pub(super) const fn is_between_messages(&self) -> bool {
        matches!(self.stage, Stage::Between | Stage::Finished)
    }

    /// A frame that began in an earlier input waits behind the message's payload.
    pub(super) fn has_stash(&self) -> bool {
        self.spill.len() > self.message_bytes as usize
    }

    /// Frees what the last event borrowed.
    pub(super) fn release(&mut self) {
        if self.stage == Stage::Finished {
            self.message_bytes = 0;
        }
        if self.spent || self.stage == Stage::Finished {
            self.spent = false;
            self.spill.truncate(self.message_bytes as usize);
        }
        if self.spill.is_empty() && self.is_between_messages() {
            self.spill = Vec::new();
        }
    }

    /// Applies every rule that a frame's head can break, in one fixed order.
    pub(super) fn admit(&self, head: &FrameHead) -> Result<OpCode, WebSocketError> {
        use WebSocketError as Error;
        if head.has_reserved_bits() {
            return Err(Error::ReservedBits);
        }
        let opcode = OpCode::try_from(head.opcode_bits()).map_err(|_| Error::UnknownOpcode)?;
        match (self.role, head.mask) {
            (Role::Server, None) => return Err(Error::Unmasked),
            (Role::Client, Some(_)) => return Err(Error::Masked),
            _ => {}
        }
        match opcode {
            OpCode::Close | OpCode::Ping | OpCode::Pong => {
                if !head.is_final() {
                    return Err(Error::ControlFragmented);
                }
                if head.payload_bytes > CONTROL_PAYLOAD_BYTES_MAX as u64 || !head.has_minimal_length() {
                    return Err(Error::ControlTooLong);
                }
                return Ok(opcode);
            }
            OpCode::Continuation if self.stage == Stage::Between => return Err(Error::OrphanContinuation),
            OpCode::Text | OpCode::Binary if self.stage != Stage::Between => {
                return Err(Error::InterleavedMessage);
            }
            OpCode::Text if self.binary_only => return Err(Error::Text),
            OpCode::Continuation | OpCode::Text | OpCode::Binary => {}
        }
        if !head.has_minimal_length() {
            return Err(Error::LengthForm);
        }
        if self.fragments >= fragments_max(self.message_bytes_max) {
            return Err(Error::TooManyFragments);
        }
        if head.payload_bytes > u64::from(self.message_bytes_max - self.message_bytes) {
            return Err(Error::MessageTooBig);
        }
        Ok(opcode)
    }

    /// Enters a data frame whose head was admitted.
    pub(super) fn begin(&mut self, head: &FrameHead, opcode: OpCode) {
        match opcode {
            OpCode::Text => self.stage = Stage::Text,
            OpCode::Binary => self.stage = Stage::Binary,
            _ => {}
        }
        self.fragments += 1;
        self.last_fragment = head.is_final();
        self.mask = head.mask.unwrap_or_default();
        self.payload_left =
            u32::try_from(head.payload_bytes).expect("admitted payloads are below the message limit");
    }

    /// Leaves the message behind: what it was, and where its payload lies in the spill.
    pub(super) fn end_message(&mut self) -> Found {
        let opcode = if self.stage == Stage::Text { OpCode::Text } else { OpCode::Binary };
        let payload = 0..self.message_bytes as usize;
        self.stage = Stage::Between;
        self.message_bytes = 0;
        self.utf8_bytes = 0;
        self.fragments = 0;
        self.payload_left = 0;
        self.spent = true;
        Found { opcode, place: Place::Spill, payload }
    }

    /// Moves a piece of the current frame's payload into the spill. The piece is not longer than what is left.
    pub(super) fn absorb(&mut self, piece: &mut [u8]) -> Result<(), WebSocketError> {
        if self.mask != [0; 4] {
            unmask(piece, self.mask);
            self.mask.rotate_left(piece.len() % 4);
        }
        self.reserve(piece.len());
        self.spill.extend_from_slice(piece);
        let piece_bytes = u32::try_from(piece.len()).expect("a piece is not longer than its frame's payload");
        self.message_bytes += piece_bytes;
        self.payload_left -= piece_bytes;
        if self.stage == Stage::Text { self.check_utf8() } else { Ok(()) }
    }

    /// Checks the new part of a text message. A character that is cut off waits for its rest (RFC 6455 5.6).
    fn check_utf8(&mut self) -> Result<(), WebSocketError> {
        match simdutf8::compat::from_utf8(&self.spill[self.utf8_bytes as usize..]) {
            Ok(_) => self.utf8_bytes = self.message_bytes,
            Err(error) if error.error_len().is_some() => return Err(WebSocketError::InvalidUtf8),
            Err(error) => {
                let valid = u32::try_from(error.valid_up_to()).expect("a message is shorter than 4 GiB");
                self.utf8_bytes += valid;
            }
        }
        Ok(())
    }

    /// Makes room by doubling, so that long messages cost linear time, but not beyond what can still come.
    pub(super) fn reserve(&mut self, additional: usize) {
        let (used, capacity) = (self.spill.len(), self.spill.capacity());
        if capacity - used >= additional {
            return;
        }
        let message_bytes_max =
            if self.last_fragment { self.message_bytes + self.payload_left } else { self.message_bytes_max };
        let wanted = (2 * capacity).min(message_bytes_max as usize).max(used + additional);
        self.spill.reserve_exact(wanted - used);
    }
}
