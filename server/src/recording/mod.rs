//! How recordings get from the rooms that are recorded to the control thread that writes them.
//!
//! ```text
//! room ─► recorder ─► chunk ─► a channel of 16 places for each recording ─► control thread ─► file
//! ```
//!
//! A worker never waits: when a channel is full, its disk is too slow, and that recording stops. When writing fails,
//! the control thread lets go of its end, and the worker finds the channel closed with its next chunk. What is
//! waiting is bounded: by chunks for each recording, and a room's chunk is what came in within a second.

mod name;
mod tally;

use std::sync::Arc;

use tickring_room::{Chunk, End, Game, Header, Recorder, RoomConfig};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::clock::Clock;
use crate::logging::RateLimited;
pub(crate) use name::stamp;
pub(crate) use tally::{Stop, Tally};

/// Chunks of one recording that wait to be written: a room of 50 fills one in a third of a second.
const CHUNKS_WAITING_MAX: usize = 16;
/// Recordings that wait for their file.
const BEGINNINGS_WAITING_MAX: usize = 1_024;
/// A cause is logged at most this often; the line says how many were left out.
pub(crate) const LOG_INTERVAL_NS: u64 = 1_000_000_000;

/// A recording that wants a file.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// The name of its file.
    pub(crate) name: String,
    /// What to write, until the last chunk or until the sender lets go.
    pub(crate) chunks: Receiver<Chunk>,
}

/// The side of the control thread.
#[derive(Debug)]
pub(crate) struct Inlet {
    pub(crate) beginnings: Receiver<Beginning>,
    pub(crate) tally: Arc<Tally>,
}

/// The side of the workers, one clone each.
#[derive(Debug)]
pub(crate) struct Outlet {
    beginnings: Sender<Beginning>,
    tally: Arc<Tally>,
    bytes_max: u64,
    clock: Clock,
    limiter: RateLimited,
}

/// One room's way to its file.
#[derive(Debug)]
pub(crate) struct Track {
    chunks: Sender<Chunk>,
}

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    /// It will be written.
    Taken,
    /// Nobody writes it any more; why is told and counted by the control thread.
    Unwanted,
    /// The disk is too far behind.
    TooSlow,
}

/// Both sides, for recordings of at most `bytes_max` each.
pub(crate) fn connect(bytes_max: u64, clock: Clock) -> (Outlet, Inlet) {
    let (sender, beginnings) = channel(BEGINNINGS_WAITING_MAX);
    let tally = Arc::new(Tally::default());
    let outlet = Outlet {
        beginnings: sender,
        tally: Arc::clone(&tally),
        bytes_max,
        clock,
        limiter: RateLimited::new(LOG_INTERVAL_NS),
    };
    (outlet, Inlet { beginnings, tally })
}

impl Clone for Outlet {
    fn clone(&self) -> Self {
        Self {
            beginnings: self.beginnings.clone(),
            tally: Arc::clone(&self.tally),
            limiter: RateLimited::new(LOG_INTERVAL_NS),
            ..*self
        }
    }
}

impl Outlet {
    /// Begins to record a room that is about to be made; `None` when it cannot be, which is told and counted.
    pub(crate) fn begin<G: Game>(
        &mut self,
        room: &str,
        config: &RoomConfig,
        settings: &G::Settings,
    ) -> Option<(Recorder, Track)> {
        let unix_ms = self.clock.unix_ms();
        let recorder = Header::new::<G>(room, unix_ms, config, settings)
            .and_then(|header| Recorder::new(&header, self.bytes_max));
        let recorder = match recorder {
            Ok(recorder) => recorder,
            Err(error) => {
                self.stopped(Stop::Settings, room, &error.to_string());
                return None;
            }
        };
        let (chunks, receiver) = channel(CHUNKS_WAITING_MAX);
        let name = name::of(room, unix_ms, std::process::id(), self.tally.number());
        match self.beginnings.try_send(Beginning { name, chunks: receiver }) {
            Ok(()) => Some((recorder, Track { chunks })),
            Err(_) => {
                self.too_slow(room);
                None
            }
        }
    }

    /// A room's chunk found its channel full.
    pub(crate) fn too_slow(&mut self, room: &str) {
        self.stopped(Stop::Slow, room, "the disk is too far behind: a faster one, or fewer rooms recorded");
    }

    fn stopped(&mut self, why: Stop, room: &str, text: &str) {
        self.tally.stopped(why);
        if let Some(left_out) = self.limiter.allow(why.label(), self.clock.now_ns()) {
            tracing::warn!(room, reason = why.label(), left_out, "a room is not recorded any more: {text}");
        }
    }
}

impl Track {
    /// Hands a chunk over, without waiting.
    pub(crate) fn push(&self, chunk: Chunk) -> Pushed {
        match self.chunks.try_send(chunk) {
            Ok(()) => Pushed::Taken,
            Err(TrySendError::Closed(_)) => Pushed::Unwanted,
            Err(TrySendError::Full(_)) => Pushed::TooSlow,
        }
    }
}

/// What a recording's end says about it: whether it was stopped, and why.
pub(crate) const fn stop_of(end: End) -> Option<Stop> {
    match end {
        End::RoomOver | End::Drained => None,
        End::Limit => Some(Stop::Limit),
        End::Burst => Some(Stop::Burst),
    }
}

#[cfg(test)]
mod tests {
    use tickring_arena::{Arena, Settings, Skirmish};
    use tickring_room::RoomConfig;

    use super::*;

    fn begin(outlet: &mut Outlet) -> Option<(Recorder, Track)> {
        outlet.begin::<Arena>("room", &RoomConfig::default(), &Settings::default())
    }

    #[test]
    fn a_full_channel_is_too_slow_and_a_closed_one_unwanted() {
        let (mut outlet, mut inlet) = connect(1 << 20, Clock::start());
        let (_, track) = begin(&mut outlet).unwrap();
        let chunk = Chunk { bytes: vec![1; 10], end: None };
        for _ in 0..CHUNKS_WAITING_MAX {
            assert_eq!(track.push(chunk.clone()), Pushed::Taken);
        }
        assert_eq!(track.push(chunk.clone()), Pushed::TooSlow);
        let mut beginning = inlet.beginnings.try_recv().unwrap();
        assert_eq!(beginning.chunks.try_recv().unwrap(), chunk);
        assert_eq!(track.push(chunk.clone()), Pushed::Taken, "there is a place again");
        drop(beginning);
        assert_eq!(track.push(chunk), Pushed::Unwanted);
    }

    #[test]
    fn rooms_that_nobody_takes_in_are_not_recorded_and_counted() {
        let (mut outlet, mut inlet) = connect(1 << 20, Clock::start());
        let begun = (0..BEGINNINGS_WAITING_MAX + 3).filter(|_| begin(&mut outlet).is_some()).count();
        assert_eq!((begun, inlet.tally.stops(Stop::Slow)), (BEGINNINGS_WAITING_MAX, 3));
        let first = inlet.beginnings.try_recv().unwrap().name;
        assert_ne!(first, inlet.beginnings.try_recv().unwrap().name);
    }

    #[test]
    fn settings_that_cannot_be_written_down_are_told_and_counted() {
        let skirmish = Skirmish::new(RoomConfig::default(), Settings::default(), 1, 0).unwrap();
        let map = Some(Arc::clone(skirmish.room().game().map()));
        let (mut outlet, inlet) = connect(1 << 20, Clock::start());
        let settings = Settings { map, ..Settings::default() };
        assert!(outlet.begin::<Arena>("room", &RoomConfig::default(), &settings).is_none());
        assert_eq!(inlet.tally.stops(Stop::Settings), 1);
    }
}
