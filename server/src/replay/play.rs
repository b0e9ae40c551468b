//! Plays one recording.

use std::io::Read;

use tickring_room::{
    Diverged, End, Entry, Game, Header, HeaderError, Recording, RecordingError, Replay, RoomCounters,
};

use super::dump::Dump;
use crate::clock::Clock;

/// What came of a recording that could be played.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) header: Header,
    /// [`Game::VERSION`] of the game that played it.
    pub(super) version: &'static str,
    /// Ticks that were run.
    pub(super) ticks: u64,
    /// Checksums that agreed, and the digest of all.
    pub(super) verified: u64,
    pub(super) digest: u32,
    pub(super) counters: RoomCounters,
    /// Seats taken at the same time, at most.
    pub(super) players_most: usize,
    /// Bytes of the recording that were read and sound.
    pub(super) bytes: u64,
    pub(super) elapsed_ns: u64,
    pub(super) ending: Ending,
}

/// How far it went.
#[derive(Debug)]
pub(super) enum Ending {
    /// To the end, and everything agreed.
    Verified(End),
    /// To a checksum that is another one.
    Diverged(Diverged),
    /// To where nothing more could be read.
    Broken(RecordingError),
}

/// Plays a recording of the game `G`.
pub(super) fn play<G: Game>(
    mut recording: Recording<impl Read>,
    mut dump: Option<&mut Dump<'_>>,
) -> Result<Played, HeaderError> {
    let clock = Clock::start();
    let header = recording.header().clone();
    let mut replay = Replay::<G>::new(&header)?;
    let (mut players_most, mut end) = (0, None);
    let ending = loop {
        let entry = match recording.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) if replay.verified() == 0 => break Ending::Broken(RecordingError::NothingToVerify),
            Ok(None) => break Ending::Verified(end.expect("only an end mark ends a recording")),
            Err(error) => break Ending::Broken(error),
        };
        if let Err(diverged) = replay.play(&entry) {
            break Ending::Diverged(diverged);
        }
        match (entry, &mut dump) {
            (Entry::Tick, Some(dump)) => dump.tick(replay.room()),
            (Entry::Join { .. }, _) => players_most = players_most.max(replay.room().players()),
            (Entry::End(why), _) => end = Some(why),
            _ => {}
        }
    };
    let counters = replay.room().counters().clone();
    Ok(Played {
        header,
        version: G::VERSION,
        ticks: counters.steps,
        verified: replay.verified(),
        digest: replay.digest(),
        counters,
        players_most,
        bytes: recording.sound_bytes(),
        elapsed_ns: clock.now_ns(),
        ending,
    })
}
