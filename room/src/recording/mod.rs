//! Recordings: everything that enters a room, written so that the room can be played again.
//!
//! A room is a function of its seed, its settings and the calls made on it. So a recording is a [`Header`] and the
//! calls in their order as [`Entry`]s, with a checksum of the whole state once a second, and playing it means making
//! the same calls on a room made from the same header ([`Replay`]).
//!
//! ```text
//! recording = "TICKREC\n", version u16, chunk (the header as JSON), chunk*
//! chunk     = length u32, check u32, so many bytes of whole entries
//! entry     = kind u8 and what belongs to it; numbers as LEB128, ticks relative to the room's
//! ```
//!
//! The check is the CRC-32 of the check before, the length and the bytes: what is flipped, cut off, left out or
//! swapped is found at the chunk where it happened, and everything before it stands. All numbers are little-endian.
//!
//! Spectators are not recorded: the game does not notice them. Nor are snapshots, which follow from the state.

mod chunk;
mod entry;
mod error;
mod header;
mod reader;
mod recorder;
mod replay;

pub use chunk::CHUNK_BYTES_MAX;
pub use entry::{End, Entry, EntryFault};
pub use error::RecordingError;
pub use header::{Header, HeaderError};
pub use reader::Recording;
pub use recorder::{BUFFER_BYTES_MAX, Chunk, Recorder};
pub use replay::{Diverged, Replay};
