//! What spectators see while a delay is set: the room as it was some time ago, and nothing of what came after.
//!
//! ```text
//! the room's encoder ─► a moment: events and body of a tick ─► (it is old enough) ─► state ─► the spectators' encoder
//! ```
//!
//! Each snapshot is recorded once, as the body for somebody who sees the whole field and misses nothing: a few bytes
//! more than players are sent, and mostly the blocks that they need as well. When it is old enough it is read as a
//! client reads it, and the state it gives is encoded for the spectators. So whoever comes late or reads slowly gets
//! a keyframe or a delta like any reader, and there is one chain of bodies to keep.

use std::collections::VecDeque;

use tickring_protocol::ids::Tick;

use crate::events::To;
use crate::snapshot::{Encoder, View};
use crate::{Game, ReceivedState};

/// The recorded part of a room.
#[derive(Debug)]
pub(crate) struct Delayed<G: Game> {
    delay_ticks: u32,
    /// What does not fit is left out.
    bytes_max: usize,
    /// What is not old enough, oldest first.
    moments: VecDeque<Moment>,
    /// What that takes.
    bytes: usize,
    /// Moments that are over, for their memory.
    spare: Vec<Moment>,
    recorder: View,
    /// The recorder was never given what was prepared for it last.
    skipped: bool,
    left_out: u64,
    /// The room as it was.
    state: ReceivedState<G>,
    /// The state has changed since it was encoded.
    fresh: bool,
    /// The events that have just become old enough.
    heard: Messages,
    encoder: Encoder,
}

/// What happened in one tick.
#[derive(Debug, Default)]
struct Moment {
    tick: Tick,
    events: Messages,
    /// Whether the tick has a snapshot.
    has_body: bool,
    body: Vec<u8>,
}

/// Messages, one after the other.
#[derive(Debug, Default)]
struct Messages {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Messages {
    fn push(&mut self, message: &[u8]) {
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl Moment {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.events.bytes.len() + size_of_val(&self.events.ends[..])
    }
}

impl<G: Game> Delayed<G> {
    /// Nothing recorded yet. `delay_ticks` is at least 1.
    pub(crate) fn new(delay_ticks: u32, bytes_max: usize) -> Self {
        debug_assert!(delay_ticks > 0, "without a delay spectators see the room itself");
        Self {
            delay_ticks,
            bytes_max,
            moments: VecDeque::new(),
            bytes: 0,
            spare: Vec::new(),
            recorder: View::default(),
            skipped: false,
            left_out: 0,
            state: ReceivedState::default(),
            fresh: false,
            heard: Messages::default(),
            encoder: Encoder::new::<G>(None),
        }
    }

    /// The tick that spectators see when the room has completed `now`. Before the room is as old as the delay these are
    /// ticks before the first; they wrap.
    pub(crate) fn tick(&self, now: Tick) -> Tick {
        Tick(now.0.wrapping_sub(self.delay_ticks))
    }

    /// Snapshots and events that spectators will never see, the memory being full.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The tick `now` is complete: records its events, and lets out what is old enough.
    pub(crate) fn step<'a>(&mut self, now: Tick, events: impl Iterator<Item = (To, &'a [u8])>) {
        for (_, message) in events.filter(|(to, _)| !matches!(to, To::Player(_))) {
            if self.has_room_for(message.len() + size_of::<usize>()) {
                self.record(now, |moment| moment.events.push(message));
            } else {
                self.left_out += 1;
            }
        }
        self.heard.clear();
        while self.moments.front().is_some_and(|moment| self.tick(now).since(moment.tick) >= 0) {
            let mut moment = self.moments.pop_front().expect("there is a front");
            self.bytes -= moment.bytes();
            moment.events.iter().for_each(|message| self.heard.push(message));
            if moment.has_body {
                self.state
                    .decode_quantised(moment.tick, &moment.body)
                    .expect("a chain of bodies that was recorded without a gap can be read");
                self.fresh = true;
            }
            moment.events.clear();
            moment.body.clear();
            moment.has_body = false;
            self.spare.push(moment);
        }
    }

    /// Records the snapshot that `live` has just encoded of the tick `now`, and encodes what spectators see.
    pub(crate) fn encode(&mut self, now: Tick, live: &mut Encoder) {
        let bytes = live.prepare(&mut self.recorder, None, self.skipped, usize::MAX);
        self.skipped = !self.has_room_for(bytes);
        if self.skipped {
            self.left_out += 1;
        } else {
            let recorder = std::mem::take(&mut self.recorder);
            self.record(now, |moment| {
                moment.has_body = true;
                live.write_body(&recorder, &mut moment.body);
            });
            self.recorder = recorder;
        }
        if std::mem::take(&mut self.fresh) {
            let tick = self.state.tick().expect("a state was read");
            self.encoder.encode_received(tick, &self.state);
        }
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        self.bytes + size_of::<Moment>() + bytes <= self.bytes_max
    }

    /// Adds to what is kept of the tick `now`.
    fn record(&mut self, now: Tick, write: impl FnOnce(&mut Moment)) {
        if self.moments.back().is_none_or(|moment| moment.tick != now) {
            let spare = self.spare.pop().unwrap_or_default();
            self.moments.push_back(Moment { tick: now, ..spare });
            self.bytes += size_of::<Moment>();
        }
        let moment = self.moments.back_mut().expect("it was just put there");
        let before = moment.bytes();
        write(moment);
        self.bytes += moment.bytes() - before;
    }

    /// The events that spectators hear now.
    pub(crate) fn heard(&self) -> impl Iterator<Item = &[u8]> {
        self.heard.iter()
    }

    /// What encodes for spectators.
    pub(crate) fn encoder(&mut self) -> &mut Encoder {
        &mut self.encoder
    }
}
