//! What a step emitted, already encoded as messages.

use tickring_protocol::ids::{PlayerId, Tick};
use tickring_protocol::message::EventHead;

use crate::GameEvent;

/// Who receives an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Every player of the room, and its spectators.
    All,
    /// One player.
    Player(PlayerId),
}

/// Encoded events, one after the other. The memory is kept from tick to tick.
#[derive(Debug, Default)]
pub(crate) struct Events {
    bytes: Vec<u8>,
    /// Receiver and end of each message in `bytes`.
    ends: Vec<(To, usize)>,
    /// Whether the messages have been handed out and the next one starts afresh.
    drained: bool,
}

impl Events {
    pub(crate) fn push(&mut self, tick: Tick, event: &impl GameEvent, to: To) {
        if std::mem::take(&mut self.drained) {
            self.bytes.clear();
            self.ends.clear();
        }
        EventHead { tick: tick.0, kind: event.kind() }.write(&mut self.bytes);
        event.write(&mut self.bytes);
        self.ends.push((to, self.bytes.len()));
    }

    /// Hands out each message once.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (To, &[u8])> {
        let Self { bytes, ends, drained } = self;
        let ends = if std::mem::replace(drained, true) { &[] } else { ends.as_slice() };
        let starts = std::iter::once(0).chain(ends.iter().map(|&(_, end)| end));
        starts.zip(ends).map(|(start, &(to, end))| (to, &bytes[start..end]))
    }
}
