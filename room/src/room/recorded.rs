//! What of a room is recorded, and the checksum that a replay is held against.

use rand_pcg::rand_core::Rng as _;
use tickring_protocol::ids::PlayerId;

use super::Room;
use crate::recording::{Chunk, End, Entry, Recorder};
use crate::snapshot::FIELDS_MAX;
use crate::{Game, Input, PrivateState, Replicated, RoomCounters};

impl<G: Game> Room<G> {
    /// Records everything that happens from now on. A recording begins with the room: whatever happened before
    /// would be missing.
    ///
    /// # Panics
    /// When something has happened already.
    pub fn record(&mut self, recorder: Recorder) {
        assert_eq!(self.counters, RoomCounters::default(), "a recording begins with the room");
        self.recorder = Some(Box::new(recorder));
    }

    /// A piece of the recording, to be written now; `None` when there is none. Call after every step. Behind the
    /// last one, nothing is recorded any more.
    pub fn recorded(&mut self) -> Option<Chunk> {
        let chunk = self.recorder.as_mut()?.take()?;
        if chunk.end.is_some() {
            self.recorder = None;
        }
        Some(chunk)
    }

    /// Ends the recording and gives the rest of it; `None` when nothing is recorded.
    pub fn end_recording(&mut self, why: End) -> Option<Chunk> {
        let mut recorder = self.recorder.take()?;
        recorder.end(why, |scratch| self.checksum(scratch));
        recorder.take()
    }

    /// Records no more. What has been handed over is a recording without its end mark.
    pub fn abandon_recording(&mut self) {
        self.recorder = None;
    }

    /// Something happens that the state follows from.
    pub(super) fn note(&mut self, entry: &Entry<'_>) {
        if let Some(recorder) = &mut self.recorder {
            recorder.note(entry);
        }
    }

    pub(super) fn note_tick(&mut self) {
        if let Some(mut recorder) = self.recorder.take() {
            recorder.tick(self.tick, |scratch| self.checksum(scratch));
            self.recorder = Some(recorder);
        }
    }

    /// A CRC-32 over all of the state that can be seen from outside the game: tick, random numbers, entities with
    /// their quantised fields and the uses of their ids, seats with their entity, input, view and private block, and
    /// what was counted. What only the game value knows shows as soon as it has an effect. `scratch` is overwritten.
    #[must_use]
    pub fn checksum(&self, scratch: &mut Vec<u8>) -> u32 {
        scratch.clear();
        let mut put = |number: u64| scratch.extend_from_slice(&number.to_le_bytes());
        put(self.tick.0.into());
        put(self.rng.clone().next_u64());
        self.counters.simulated().for_each(&mut put);
        put(self.world.len() as u64);
        for (id, life, entity) in self.world.lives() {
            scratch.extend_from_slice(&id.0.to_le_bytes());
            scratch.extend_from_slice(&life.to_le_bytes());
            let mut values = [0; FIELDS_MAX];
            let values = &mut values[..G::Entity::FIELDS.len()];
            entity.quantise(values);
            for (field, value) in G::Entity::FIELDS.iter().zip(values) {
                let value = (*value).clamp(field.min(), field.max());
                scratch.extend_from_slice(&value.to_le_bytes()[..field.bytes()]);
            }
        }
        for &player in self.seats.taken() {
            self.put_seat(player, scratch);
        }
        crc32fast::hash(scratch)
    }

    fn put_seat(&self, player: PlayerId, out: &mut Vec<u8>) {
        let Some(seat) = self.seats.get(player) else { return };
        let entity = self.world.entity_of(player).map_or(u16::MAX, |entity| entity.0);
        out.extend_from_slice(&player.0.to_le_bytes());
        out.extend_from_slice(&entity.to_le_bytes());
        out.push(u8::from(seat.clamped) | u8::from(seat.held_until.is_some()) << 1);
        for number in [
            seat.features,
            seat.looks_at.tick.0,
            seat.looks_at.fraction.into(),
            seat.held_until.unwrap_or_default().0,
            seat.inputs.processed().unwrap_or_default().0,
            seat.slack_ticks.unwrap_or(i32::MIN).cast_unsigned(),
        ] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        seat.input.write(out);
        self.game.private(player, &self.world).write(out);
    }
}
