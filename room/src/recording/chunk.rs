//! Frames around what is recorded, so that damage is found where it is.

use std::io::{self, Read};

use super::RecordingError;

/// The first bytes of every recording.
pub(super) const MAGIC: [u8; 8] = *b"TICKREC\n";
/// The version of all that follows it.
pub(super) const VERSION: u16 = 1;
/// Bytes of a chunk without its frame, at most.
pub const CHUNK_BYTES_MAX: usize = 512 * 1024;
/// Length and check.
pub(super) const FRAME_BYTES: usize = 8;

/// The check of the last chunk, which the next one's covers too.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain(u32);

impl Chain {
    /// The check of the chunk that follows.
    fn next(&mut self, length: [u8; 4], bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&length);
        hasher.update(bytes);
        self.0 = hasher.finalize();
        self.0
    }

    /// Fills in the frame of a chunk that begins at `start` of `out` and reaches to its end.
    pub(super) fn seal(&mut self, start: usize, out: &mut [u8]) {
        let (frame, bytes) = out[start..].split_at_mut(FRAME_BYTES);
        let length = u32::try_from(bytes.len()).expect("a chunk is far below 4 GiB").to_le_bytes();
        let check = self.next(length, bytes).to_le_bytes();
        frame[..4].copy_from_slice(&length);
        frame[4..].copy_from_slice(&check);
    }
}

/// Appends what stands before the first chunk.
pub(super) fn write_magic(out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
}

/// The chunks of a recording, each checked before it is looked at.
#[derive(Debug)]
pub(super) struct Chunks<R> {
    source: R,
    chain: Chain,
    /// Bytes of whole chunks and what stands before them.
    pub(super) offset: u64,
}

impl<R: Read> Chunks<R> {
    /// Reads what stands before the first chunk.
    pub(super) fn open(mut source: R) -> Result<Self, RecordingError> {
        let mut start = [0; MAGIC.len() + 2];
        let read = fill(&mut source, &mut start)?;
        let (magic, version) = start.split_at(MAGIC.len());
        if read < MAGIC.len() || magic != MAGIC {
            return Err(RecordingError::NotARecording);
        }
        if read < start.len() {
            return Err(RecordingError::Truncated { offset: 0 });
        }
        let version = u16::from_le_bytes([version[0], version[1]]);
        if version != VERSION {
            return Err(RecordingError::Version { found: version, known: VERSION });
        }
        Ok(Self { source, chain: Chain::default(), offset: start.len() as u64 })
    }

    /// Reads the next chunk into `bytes`; `false` when there is none. Memory grows with what is there, whatever a
    /// length claims.
    pub(super) fn next(&mut self, bytes: &mut Vec<u8>) -> Result<bool, RecordingError> {
        let (offset, mut frame) = (self.offset, [0; FRAME_BYTES]);
        bytes.clear();
        match fill(&mut self.source, &mut frame)? {
            0 => return Ok(false),
            FRAME_BYTES => {}
            _ => return Err(RecordingError::Truncated { offset }),
        }
        let [l0, l1, l2, l3, c0, c1, c2, c3] = frame;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if length == 0 || length as usize > CHUNK_BYTES_MAX {
            return Err(RecordingError::Damaged { offset });
        }
        (&mut self.source).take(length.into()).read_to_end(bytes)?;
        if bytes.len() < length as usize {
            return Err(RecordingError::Truncated { offset });
        }
        if self.chain.next([l0, l1, l2, l3], bytes) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(RecordingError::Damaged { offset });
        }
        self.offset += (FRAME_BYTES + bytes.len()) as u64;
        Ok(true)
    }
}

/// Reads until `buffer` is full or nothing comes any more.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match source.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(bytes) => read += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}
