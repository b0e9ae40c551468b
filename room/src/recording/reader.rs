//! Reads a recording from anywhere.

use std::io::Read;

use super::chunk::Chunks;
use super::entry::Relative;
use super::{End, Entry, EntryFault, Header, RecordingError};

/// A recording that is being read, in memory of bounded size. Nothing in it is believed before its chunk is checked.
#[derive(Debug)]
pub struct Recording<R> {
    header: Header,
    chunks: Chunks<R>,
    chunk: Vec<u8>,
    /// Where in the recording that chunk begins, and where in it the next entry does.
    offset: u64,
    at: usize,
    relative: Relative,
    end: Option<End>,
}

impl<R: Read> Recording<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// When it is no recording, or one of another version.
    pub fn open(source: R) -> Result<Self, RecordingError> {
        let mut chunks = Chunks::open(source)?;
        let mut chunk = Vec::new();
        if !chunks.next(&mut chunk)? {
            return Err(RecordingError::NoEnd { offset: chunks.offset });
        }
        let header = Header::from_json(&chunk)?;
        let (offset, at) = (chunks.offset, 0);
        chunk.clear();
        Ok(Self { header, chunks, chunk, offset, at, relative: Relative::default(), end: None })
    }

    /// What the room was made from.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What happened next; `None` behind the end mark. After an error nothing more can be read.
    ///
    /// # Errors
    /// When the recording is cut off or damaged here.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'_>>, RecordingError> {
        if self.at == self.chunk.len() {
            self.offset = self.chunks.offset;
            self.at = 0;
            let more = self.chunks.next(&mut self.chunk)?;
            match (more, self.end) {
                (true, None) => {}
                (false, Some(_)) => return Ok(None),
                (false, None) => return Err(RecordingError::NoEnd { offset: self.offset }),
                (true, Some(_)) => return Err(RecordingError::Trailing { offset: self.offset }),
            }
        }
        let offset = self.offset;
        let fault = |fault: EntryFault| RecordingError::Entry { offset, fault };
        let mut rest = &self.chunk[self.at..];
        if self.end.is_some() {
            return Err(RecordingError::Trailing { offset });
        }
        let entry = self.relative.read(&mut rest).map_err(fault)?;
        self.at = self.chunk.len() - rest.len();
        if let Entry::End(why) = entry {
            self.end = Some(why);
        }
        Ok(Some(entry))
    }

    /// Bytes read and found to be as they were written.
    #[must_use]
    pub fn sound_bytes(&self) -> u64 {
        self.chunks.offset
    }
}
