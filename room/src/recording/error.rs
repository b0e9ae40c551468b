//! Why a recording cannot be read (any further).

use std::io;

use thiserror::Error;

use super::{EntryFault, HeaderError};

/// Why a recording cannot be read, or not to its end. Offsets are bytes from its beginning, and everything before
/// them is as it was written.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// It does not begin like one.
    #[error("this is no recording: it does not begin with TICKREC")]
    NotARecording,
    /// Another version of the format.
    #[error(
        "it is in version {found} of the format, and this program reads version {known}: use the program that wrote it"
    )]
    Version {
        /// Its version.
        found: u16,
        /// The one that is understood.
        known: u16,
    },
    /// It ends in the middle of a chunk.
    #[error("it is cut off within the chunk at byte {offset}")]
    Truncated {
        /// Where the chunk begins.
        offset: u64,
    },
    /// It ends after a whole chunk, but the mark that ends a recording is missing.
    #[error("it ends at byte {offset} without its end mark: the server was killed, or recording stopped")]
    NoEnd {
        /// Its length.
        offset: u64,
    },
    /// A chunk is not as it was written.
    #[error("the chunk at byte {offset} is damaged: its check does not fit its bytes")]
    Damaged {
        /// Where the chunk begins.
        offset: u64,
    },
    /// A chunk is as it was written, and yet makes no sense.
    #[error("the chunk at byte {offset} holds what no recorder writes: {fault}")]
    Entry {
        /// Where the chunk begins.
        offset: u64,
        /// What is wrong.
        fault: EntryFault,
    },
    /// It has an end mark but no checksum.
    #[error("it ends before its first checksum: nothing shows that the room ran like this")]
    NothingToVerify,
    /// Something follows the end mark.
    #[error("something follows the end mark, at byte {offset}")]
    Trailing {
        /// Where the end mark's chunk ends.
        offset: u64,
    },
    /// The header is not usable.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// It could not be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}
