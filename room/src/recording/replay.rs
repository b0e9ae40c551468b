//! Plays a recording: the same calls on a room made from the same header.

use thiserror::Error;
use tickring_protocol::ids::Tick;
use tickring_protocol::message::{ArchivedInputHead, InputHead};

use super::{Entry, Header, HeaderError};
use crate::{Game, Room};

/// A room that lives again.
///
/// ```
/// # use tickring_room::{Game, Replay, Recording, RecordingError};
/// # use std::error::Error;
/// /// Whether the room runs as it did.
/// fn verify<G: Game>(bytes: &[u8]) -> Result<u64, Box<dyn Error>> {
///     let mut recording = Recording::open(bytes)?;
///     let mut replay = Replay::<G>::new(recording.header())?;
///     while let Some(entry) = recording.next_entry()? {
///         replay.play(&entry)?;
///     }
///     Ok(replay.verified())
/// }
/// ```
#[derive(Debug)]
pub struct Replay<G: Game> {
    room: Room<G>,
    verified: u64,
    /// The tick of the last checksum that agreed.
    agreed: Tick,
    digest: crc32fast::Hasher,
    scratch: Vec<u8>,
}

/// The room does not run as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "it differs at tick {}: the state's checksum was {recorded:08x} and is {found:08x}; at tick {} both agreed",
    tick.0, agreed.0
)]
pub struct Diverged {
    /// The tick after which the states were compared.
    pub tick: Tick,
    /// The tick of the comparison before, when they were the same; 0: there was none.
    pub agreed: Tick,
    /// The checksum in the recording.
    pub recorded: u32,
    /// The checksum of the room that plays it.
    pub found: u32,
}

impl<G: Game> Replay<G> {
    /// The room as it began.
    ///
    /// # Errors
    /// When the header is of another game, or no room can be made from it.
    pub fn new(header: &Header) -> Result<Self, HeaderError> {
        let settings = header.settings::<G>()?;
        header.config.validate()?;
        Ok(Self {
            room: Room::new(header.config.clone(), settings),
            verified: 0,
            agreed: Tick(0),
            digest: crc32fast::Hasher::new(),
            scratch: Vec::new(),
        })
    }

    /// Does to the room what was done to it.
    ///
    /// # Errors
    /// When the entry is a checksum, and another one than that of the state.
    pub fn play(&mut self, entry: &Entry<'_>) -> Result<(), Diverged> {
        // What became of a call then becomes of it now, and the checksums tell if not.
        let room = &mut self.room;
        match *entry {
            Entry::Tick => {
                room.step();
                room.events().for_each(drop);
            }
            Entry::Input { player, head, game } => drop(room.input(player, &archived(&head), game)),
            Entry::Refused { player, count } => room.refuse_inputs(player, count),
            Entry::Join { features } => drop(room.join(features)),
            Entry::Leave { player } => room.leave(player),
            Entry::ConnectionLost { player } => drop(room.connection_lost(player)),
            Entry::Resume { player, features } => drop(room.resume(player, features)),
            Entry::TakeOver { player, features } => drop(room.take_over(player, features)),
            Entry::Checksum(recorded) => self.compare(recorded)?,
            Entry::End(_) => {}
        }
        Ok(())
    }

    fn compare(&mut self, recorded: u32) -> Result<(), Diverged> {
        let (tick, found) = (self.room.tick(), self.room.checksum(&mut self.scratch));
        self.digest.update(&found.to_le_bytes());
        if found != recorded {
            return Err(Diverged { tick, agreed: self.agreed, recorded, found });
        }
        self.verified += 1;
        self.agreed = tick;
        Ok(())
    }

    /// The room as it is now.
    #[must_use]
    pub fn room(&self) -> &Room<G> {
        &self.room
    }

    /// Checksums that agreed.
    #[must_use]
    pub fn verified(&self) -> u64 {
        self.verified
    }

    /// The CRC-32 of all checksums computed so far, each in four bytes, little-endian: what two runs must agree in.
    #[must_use]
    pub fn digest(&self) -> u32 {
        self.digest.clone().finalize()
    }
}

fn archived(head: &InputHead) -> ArchivedInputHead {
    ArchivedInputHead {
        sequence: head.sequence.into(),
        target_tick: head.target_tick.into(),
        view_tick: head.view_tick.into(),
        view_fraction: head.view_fraction,
        newest_snapshot_tick: head.newest_snapshot_tick.into(),
    }
}
