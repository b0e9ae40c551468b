//! Bytes as the socket gave them become messages, in place.

use std::ops::Range;

use fastwebsockets::{OpCode, unmask};

use super::assembler::{Assembler, Found, Place, Stage};
use super::close::parse_close;
use super::error::WebSocketError;
use super::frame::{FrameHead, parse_frame_head};
use crate::limits::CLAIMED_RESERVE_BYTES_MAX;

/// Which end of the connection decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Frames come from a client and must be masked.
    Server,
    /// Frames come from a server and must not be masked.
    Client,
}

/// One message or control frame, borrowed from the input or the decoder. Valid until the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A text message; never from a decoder that takes [binary messages only](Decoder::binary_only).
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// To be answered with a pong of the same payload.
    Ping(&'a [u8]),
    /// An answer, or an unasked sign of life.
    Pong(&'a [u8]),
    /// The peer closes. Nothing follows: later bytes are discarded (RFC 6455 1.4).
    Close {
        /// The peer's code, checked to be one that may be sent.
        code: Option<u16>,
        /// The peer's reason; for logs only.
        reason: &'a str,
    },
}

/// An incremental decoder of one direction of a connection.
///
/// Hand in whatever the socket gave, in pieces of any size, and take the events out. The same bytes give the
/// same events and the same error however they were split.
///
/// A message that lies whole in the input is unmasked in place and borrowed from it: no copy, no allocation.
/// Only what is incomplete when the input ends is copied, once, into a spill that is freed as soon as its
/// message has been taken. Limits are applied to a frame's head before anything is reserved, and memory grows
/// with what arrived, never with what a head merely claims beyond
/// [`CLAIMED_RESERVE_BYTES_MAX`].
///
/// ```
/// use tickring_protocol::websocket::{Decoder, Event, OpCode, Role, write_masked_frame};
///
/// let mut input = Vec::new();
/// write_masked_frame(&mut input, OpCode::Binary, b"one", [1, 2, 3, 4]);
/// write_masked_frame(&mut input, OpCode::Text, b"two", [5, 6, 7, 8]);
///
/// let mut decoder = Decoder::new(Role::Server, 4096);
/// let mut frames = decoder.feed(&mut input);
/// assert_eq!(frames.next(), Ok(Some(Event::Binary(b"one"))));
/// assert_eq!(frames.next(), Ok(Some(Event::Text("two"))));
/// assert_eq!(frames.next(), Ok(None));
/// assert!(decoder.is_idle());
/// ```
#[derive(Debug)]
pub struct Decoder {
    assembler: Assembler,
}

const _: () = assert!(size_of::<Decoder>() <= 64);

impl Decoder {
    /// A decoder without memory of its own, that allows messages of up to `message_bytes_max` bytes.
    #[must_use]
    pub const fn new(role: Role, message_bytes_max: u32) -> Self {
        Self { assembler: Assembler::new(role, message_bytes_max) }
    }

    /// Refuses text as soon as the head of its first frame says so.
    #[must_use]
    pub const fn binary_only(mut self) -> Self {
        self.assembler.binary_only = true;
        self
    }

    /// Hands in what the socket gave. Call [`Frames::next`] until it returns `Ok(None)`: only then is the input
    /// consumed, and may be overwritten.
    pub fn feed<'a>(&'a mut self, input: &'a mut [u8]) -> Frames<'a> {
        Frames { assembler: &mut self.assembler, input, at: 0, laborious: 0 }
    }

    /// Holds no part of a frame or message, and no memory.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.assembler.spill.capacity() == 0 && self.assembler.is_between_messages()
    }

    /// Memory held outside of the decoder itself.
    #[must_use]
    pub const fn heap_bytes(&self) -> usize {
        self.assembler.spill.capacity()
    }
}

/// The events in one piece of input. See [`Decoder::feed`].
#[derive(Debug)]
pub struct Frames<'a> {
    assembler: &'a mut Assembler,
    input: &'a mut [u8],
    at: usize,
    laborious: u32,
}

impl Frames<'_> {
    /// Frames of this input so far that were no short binary messages, whole and in one piece: control frames,
    /// fragments, text, and whatever is long or cut by the end of an input. They may be as short as six bytes, and each
    /// costs several times what a message costs, so whoever sends nothing else keeps the receiver busy at little expense.
    #[must_use]
    pub const fn laborious(&self) -> u32 {
        self.laborious
    }

    /// The next event, or `Ok(None)` when the input is used up.
    ///
    /// # Errors
    /// The peer's first violation of RFC 6455 or of a limit. The decoder is finished then: it yields nothing
    /// more and discards what it is fed.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend what it returns")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Event<'_>>, WebSocketError> {
        if let Some(payload) = self.small_binary() {
            return Ok(Some(Event::Binary(&self.input[payload])));
        }
        self.next_of_any_kind()
    }

    /// The hot path: one short, masked, unfragmented binary frame that lies whole in the input.
    #[inline]
    fn small_binary(&mut self) -> Option<Range<usize>> {
        const FINAL_BINARY: u8 = 0x82;
        let assembler = &*self.assembler;
        if assembler.stage != Stage::Between
            || assembler.spill.capacity() != 0
            || assembler.role != Role::Server
        {
            return None;
        }
        let (&mut [first, second, ref mask @ ..], rest) =
            self.input[self.at..].split_first_chunk_mut::<6>()?;
        // Without the mask bit this wraps to more than 127, and 126 and 127 stand for longer forms.
        let payload_bytes = second.wrapping_sub(0x80);
        if first != FINAL_BINARY
            || payload_bytes > 125
            || u32::from(payload_bytes) > assembler.message_bytes_max
        {
            return None;
        }
        unmask(rest.get_mut(..usize::from(payload_bytes))?, *mask);
        let start = self.at + 6;
        self.at = start + usize::from(payload_bytes);
        Some(start..self.at)
    }

    fn next_of_any_kind(&mut self) -> Result<Option<Event<'_>>, WebSocketError> {
        match self.advance() {
            Ok(Some(found)) => self.lend(found).map(Some),
            Ok(None) => Ok(None),
            Err(error) => {
                self.assembler.stage = Stage::Finished;
                self.assembler.release();
                Err(error)
            }
        }
    }

    /// Goes on to the next complete message or control frame.
    fn advance(&mut self) -> Result<Option<Found>, WebSocketError> {
        self.assembler.release();
        if self.assembler.stage == Stage::Finished {
            self.at = self.input.len();
            return Ok(None);
        }
        loop {
            if self.assembler.payload_left > 0 {
                let left = self.assembler.payload_left as usize;
                let piece = self.take(left);
                if piece.is_empty() {
                    return Ok(None);
                }
                self.assembler.absorb(&mut self.input[piece])?;
                if self.assembler.payload_left > 0 {
                    return Ok(None);
                }
                if self.assembler.last_fragment {
                    return Ok(Some(self.assembler.end_message()));
                }
            }
            let stashed = self.assembler.has_stash();
            let Some((head, opcode)) = (if stashed { self.stashed_head()? } else { self.head()? }) else {
                return Ok(None);
            };
            self.laborious += 1;
            let found = match opcode {
                OpCode::Close | OpCode::Ping | OpCode::Pong => {
                    return Ok(self.control(&head, opcode, stashed));
                }
                OpCode::Continuation | OpCode::Text | OpCode::Binary => self.data(&head, opcode, stashed),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    /// A head that begins in the input. An incomplete one goes to the spill.
    fn head(&mut self) -> Result<Option<(FrameHead, OpCode)>, WebSocketError> {
        match parse_frame_head(&self.input[self.at..]) {
            Ok(head) => self.assembler.admit(&head).map(|opcode| Some((head, opcode))),
            Err(needed) => {
                self.top_up(needed);
                Ok(None)
            }
        }
    }

    /// A head whose beginning lies in the spill.
    fn stashed_head(&mut self) -> Result<Option<(FrameHead, OpCode)>, WebSocketError> {
        loop {
            match parse_frame_head(&self.assembler.spill[self.assembler.message_bytes as usize..]) {
                Ok(head) => return self.assembler.admit(&head).map(|opcode| Some((head, opcode))),
                Err(needed) if !self.top_up(needed) => return Ok(None),
                Err(_) => {}
            }
        }
    }

    /// Enters a data frame; gives the message if it lies whole in the input.
    fn data(&mut self, head: &FrameHead, opcode: OpCode, stashed: bool) -> Option<Found> {
        if stashed {
            self.assembler.spill.truncate(self.assembler.message_bytes as usize);
        } else {
            self.at += head.head_bytes;
        }
        self.assembler.begin(head, opcode);
        let payload_bytes = self.assembler.payload_left as usize;
        if self.assembler.last_fragment && self.assembler.message_bytes == 0 && payload_bytes <= self.left() {
            let payload = self.take(payload_bytes);
            if let Some(mask) = head.mask {
                unmask(&mut self.input[payload.clone()], mask);
            }
            return Some(Found { place: Place::Input, payload, ..self.assembler.end_message() });
        }
        if payload_bytes == 0 && self.assembler.last_fragment {
            return Some(self.assembler.end_message());
        }
        self.assembler.reserve(payload_bytes.min(CLAIMED_RESERVE_BYTES_MAX));
        None
    }

    /// Gives a control frame once all of it is there, from the input if it lies whole in it.
    fn control(&mut self, head: &FrameHead, opcode: OpCode, stashed: bool) -> Option<Found> {
        let payload_bytes = usize::try_from(head.payload_bytes).expect("an admitted control frame is short");
        let frame_bytes = head.head_bytes + payload_bytes;
        let found = if !stashed && frame_bytes <= self.left() {
            let frame = self.take(frame_bytes);
            Found { opcode, place: Place::Input, payload: frame.start + head.head_bytes..frame.end }
        } else {
            if !self.top_up(frame_bytes) {
                return None;
            }
            self.assembler.spent = true;
            let start = self.assembler.message_bytes as usize;
            Found { opcode, place: Place::Spill, payload: start + head.head_bytes..start + frame_bytes }
        };
        if let Some(mask) = head.mask {
            let bytes = match found.place {
                Place::Input => &mut *self.input,
                Place::Spill => &mut self.assembler.spill,
            };
            unmask(&mut bytes[found.payload.clone()], mask);
        }
        if opcode == OpCode::Close {
            self.assembler.stage = Stage::Finished;
        }
        Some(found)
    }

    /// Turns a payload into its event. Text in one piece is checked only here.
    fn lend(&mut self, found: Found) -> Result<Event<'_>, WebSocketError> {
        let Assembler { spill, stage, .. } = &mut *self.assembler;
        let payload = match found.place {
            Place::Input => &self.input[found.payload],
            Place::Spill => &spill[found.payload],
        };
        let event = match found.opcode {
            OpCode::Text => {
                simdutf8::basic::from_utf8(payload).map(Event::Text).map_err(|_| WebSocketError::InvalidUtf8)
            }
            OpCode::Ping => Ok(Event::Ping(payload)),
            OpCode::Pong => Ok(Event::Pong(payload)),
            OpCode::Close => parse_close(payload).map(|(code, reason)| Event::Close { code, reason }),
            OpCode::Binary | OpCode::Continuation => Ok(Event::Binary(payload)),
        };
        if event.is_err() {
            *stage = Stage::Finished;
        }
        event
    }

    fn left(&self) -> usize {
        self.input.len() - self.at
    }

    /// Steps over at most `bytes_max` bytes of the input.
    fn take(&mut self, bytes_max: usize) -> Range<usize> {
        let start = self.at;
        self.at += bytes_max.min(self.left());
        start..self.at
    }

    /// Copies input behind the message in the spill until `needed` bytes stand there; false when the input does
    /// not suffice.
    fn top_up(&mut self, needed: usize) -> bool {
        let missing = needed - (self.assembler.spill.len() - self.assembler.message_bytes as usize);
        let piece = self.take(missing);
        let complete = piece.len() == missing;
        if !piece.is_empty() {
            self.assembler.spill.reserve_exact(missing);
            self.assembler.spill.extend_from_slice(&self.input[piece]);
        }
        complete
    }
}
