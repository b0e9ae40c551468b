//! What a step emitted, already encoded as messages.

use glam::Vec3;
use tickring_protocol::ids::{PlayerId, Tick};
use tickring_protocol::message::EventHead;

use crate::GameEvent;

/// Who receives an event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum To {
    /// Every player of the room, and its spectators.
    All,
    /// One player.
    Player(PlayerId),
    /// Every player whose entity is near a place at the end of the tick, and the spectators. On a large field an event
    /// for everybody is sent to a thousand players for whom nothing happened.
    Near {
        /// The place.
        place: Vec3,
        /// How far it is heard, in the game's units.
        radius: f32,
    },
}

/// The encoded events of one step, one after the other. The memory is kept from tick to tick.
#[derive(Debug, Default)]
pub(crate) struct Events {
    bytes: Vec<u8>,
    /// Receiver and end of each message in `bytes`.
    ends: Vec<(To, usize)>,
}

impl Events {
    pub(crate) fn push(&mut self, tick: Tick, event: &impl GameEvent, to: To) {
        EventHead { tick: tick.0, kind: event.kind() }.write(&mut self.bytes);
        event.write(&mut self.bytes);
        self.ends.push((to, self.bytes.len()));
    }

    /// Forgets them: the next step begins.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// In the order in which they were emitted.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (To, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().map(|&(_, end)| end));
        starts.zip(&self.ends).map(|(start, &(to, end))| (to, &self.bytes[start..end]))
    }
}
