//! Writes a recording while its room runs, into memory of bounded size.

use tickring_protocol::ids::{PlayerId, Tick};

use super::chunk::{Chain, FRAME_BYTES, write_magic};
use super::entry::{ENTRY_BYTES_MAX, Relative};
use super::{CHUNK_BYTES_MAX, End, Entry, Header, HeaderError};

/// Bytes that may come in between two ticks; more ends the recording ([`End::Burst`]). A room of 4,096 players who
/// send two inputs each needs 160 KiB.
pub const BUFFER_BYTES_MAX: usize = 256 * 1024;
/// A chunk of this size is handed over at the end of a tick; a smaller one once a second.
const CHUNK_BYTES: usize = 16 * 1024;

const _: () = assert!(BUFFER_BYTES_MAX + 2 * ENTRY_BYTES_MAX <= CHUNK_BYTES_MAX);

/// A piece of a recording, to be written behind the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Why it is the last one.
    pub end: Option<End>,
}

/// Turns what happens to a room into chunks. Give it to [`Room::record`](crate::Room::record).
#[derive(Debug)]
pub struct Recorder {
    /// Size of the whole recording, at most.
    bytes_max: u64,
    /// Ticks between checksums.
    checksum_ticks: u32,
    relative: Relative,
    /// Inputs refused one after the other that are not written yet.
    refused: Option<(PlayerId, u32)>,
    chain: Chain,
    /// What has not been handed over: whole chunks, then one in the making behind the place for its frame.
    out: Vec<u8>,
    /// Where that chunk's frame begins.
    start: usize,
    /// Where its last whole tick ends.
    whole: usize,
    handed_bytes: u64,
    /// A chunk should be handed over.
    due: bool,
    end: Option<End>,
    /// Kept between checksums for its memory only.
    scratch: Vec<u8>,
}

impl Recorder {
    /// A recorder that writes `bytes_max` at most, where that is more than twice [`BUFFER_BYTES_MAX`] and some for
    /// the header.
    ///
    /// # Errors
    /// When the header is too large.
    pub fn new(header: &Header, bytes_max: u64) -> Result<Self, HeaderError> {
        let json = header.to_json()?;
        let mut recorder = Self {
            bytes_max,
            checksum_ticks: header.config.tick_hz.into(),
            relative: Relative::default(),
            refused: None,
            chain: Chain::default(),
            out: Vec::new(),
            start: 0,
            whole: 0,
            handed_bytes: 0,
            due: false,
            end: None,
            scratch: Vec::new(),
        };
        write_magic(&mut recorder.out);
        recorder.open();
        recorder.out.extend_from_slice(&json);
        recorder.chain.seal(recorder.start, &mut recorder.out);
        recorder.open();
        Ok(recorder)
    }

    /// Begins a chunk.
    fn open(&mut self) {
        self.start = self.out.len();
        self.out.extend_from_slice(&[0; FRAME_BYTES]);
        self.whole = self.out.len();
    }

    /// An input is refused unread.
    pub(crate) fn refused(&mut self, player: PlayerId) {
        match &mut self.refused {
            Some((last, count)) if *last == player => *count = count.saturating_add(1),
            _ => {
                self.flush_refused();
                self.refused = Some((player, 1));
            }
        }
    }

    fn flush_refused(&mut self) {
        if let Some((player, count)) = self.refused.take() {
            self.write(&Entry::Refused { player, count });
        }
    }

    /// Something happens to the room.
    pub(crate) fn note(&mut self, entry: &Entry<'_>) {
        self.flush_refused();
        self.write(entry);
    }

    fn write(&mut self, entry: &Entry<'_>) {
        if self.end.is_some() {
            return;
        }
        if self.out.len() - self.start + ENTRY_BYTES_MAX > BUFFER_BYTES_MAX {
            // What came in since the last tick is left out, so that what is there can be played.
            self.out.truncate(self.whole);
            self.finish(End::Burst);
            return;
        }
        self.relative.write(entry, &mut self.out);
    }

    /// A tick is done; `checksum` computes that of the state.
    pub(crate) fn tick(&mut self, tick: Tick, checksum: impl FnOnce(&mut Vec<u8>) -> u32) {
        self.note(&Entry::Tick);
        if self.end.is_some() {
            return;
        }
        let bytes = self.handed_bytes + (self.out.len() + BUFFER_BYTES_MAX) as u64;
        let is_full = bytes > self.bytes_max;
        let is_second = tick.0.is_multiple_of(self.checksum_ticks);
        if is_second || is_full {
            self.write_checksum(checksum);
        }
        self.due |= is_second || self.out.len() - self.start >= CHUNK_BYTES;
        self.whole = self.out.len();
        if is_full {
            self.finish(End::Limit);
        }
    }

    /// The recording ends between two ticks; `checksum` computes that of the state.
    pub(crate) fn end(&mut self, why: End, checksum: impl FnOnce(&mut Vec<u8>) -> u32) {
        self.flush_refused();
        if self.end.is_none() {
            self.write_checksum(checksum);
            self.finish(why);
        }
    }

    fn write_checksum(&mut self, checksum: impl FnOnce(&mut Vec<u8>) -> u32) {
        let sum = checksum(&mut self.scratch);
        self.relative.write(&Entry::Checksum(sum), &mut self.out);
    }

    fn finish(&mut self, why: End) {
        self.relative.write(&Entry::End(why), &mut self.out);
        self.end = Some(why);
        self.due = true;
    }

    /// The chunk that is to be written now, if any.
    pub(crate) fn take(&mut self) -> Option<Chunk> {
        if !std::mem::take(&mut self.due) {
            return None;
        }
        self.chain.seal(self.start, &mut self.out);
        let room = CHUNK_BYTES + CHUNK_BYTES / 4;
        let bytes = std::mem::replace(&mut self.out, Vec::with_capacity(room));
        self.handed_bytes += bytes.len() as u64;
        self.open();
        Some(Chunk { bytes, end: self.end })
    }
}
