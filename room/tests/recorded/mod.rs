//! A room of dots that is recorded into memory, and what plays it again.

#![allow(dead_code, reason = "each test uses its part")]

use tickring_room::{End, Entry, Header, Recorder, Recording, RecordingError, Replay, Room, RoomConfig};

use crate::dots::turmoil::Turmoil;
use crate::dots::{Dots, Settings};

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn config(seed: u64) -> RoomConfig {
    RoomConfig { seed, players_max: 16, ..RoomConfig::default() }
}

pub(crate) fn header(seed: u64) -> Header {
    Header::new::<Dots>("field", 1_700_000_000_123, &config(seed), &Settings::held(1))
        .expect("dots' settings are plain numbers")
}

/// A room that is recorded into memory.
pub(crate) struct Recorded {
    pub(crate) room: Room<Dots>,
    pub(crate) bytes: Vec<u8>,
    /// Where each chunk ends.
    pub(crate) ends: Vec<usize>,
    pub(crate) end: Option<End>,
}

impl Recorded {
    pub(crate) fn new(seed: u64, bytes_max: u64) -> Self {
        let mut room = Room::new(config(seed), Settings::held(1));
        room.record(Recorder::new(&header(seed), bytes_max).expect("the header is small"));
        Self { room, bytes: Vec::new(), ends: Vec::new(), end: None }
    }

    pub(crate) fn step(&mut self) {
        self.room.step();
        if let Some(chunk) = self.room.recorded() {
            self.keep(&chunk.bytes, chunk.end);
        }
        assert_eq!(self.room.recorded(), None, "one chunk a tick");
    }

    fn keep(&mut self, bytes: &[u8], end: Option<End>) {
        assert_eq!(self.end, None, "nothing follows the last chunk");
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.end = end;
    }

    pub(crate) fn finish(&mut self) {
        if let Some(chunk) = self.room.end_recording(End::RoomOver) {
            self.keep(&chunk.bytes, chunk.end);
        }
        assert!(self.end.is_some());
    }

    /// So many ticks of turmoil. Somebody is sent snapshots and somebody watches, which changes nothing.
    pub(crate) fn play(seed: u64, ticks: u32) -> Self {
        let mut recorded = Self::new(seed, 64 * MIB);
        let mut turmoil = Turmoil::new(seed + 100);
        let watcher = recorded.room.watch(0).expect("nobody else watches");
        for _ in 0..ticks {
            turmoil.disturb(&mut recorded.room);
            recorded.step();
            let room = &mut recorded.room;
            room.encode_snapshot();
            let first = room.seats().next();
            if let Some(player) = first {
                room.prepare_snapshot(player, false);
            }
            room.prepare_watched(watcher, false);
        }
        recorded.finish();
        recorded
    }
}

/// Plays a recording whose rooms must not differ.
pub(crate) fn replay(bytes: &[u8]) -> Result<(Replay<Dots>, Result<End, RecordingError>), RecordingError> {
    let mut recording = Recording::open(bytes)?;
    let mut replay = Replay::new(recording.header())?;
    let mut end = None;
    loop {
        match recording.next_entry() {
            Ok(Some(entry)) => {
                replay.play(&entry).expect("the room runs as it did");
                if let Entry::End(why) = entry {
                    end = Some(why);
                }
            }
            Ok(None) => return Ok((replay, Ok(end.expect("only the end mark ends a recording")))),
            Err(error) => return Ok((replay, Err(error))),
        }
    }
}

/// What stands before the first chunk of entries.
pub(crate) fn header_bytes(recording: &[u8]) -> usize {
    18 + u32::from_le_bytes([recording[10], recording[11], recording[12], recording[13]]) as usize
}
