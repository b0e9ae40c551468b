//! Spectators: they see the whole field and have no part in it.

use tickring_protocol::ids::Tick;
use tickring_protocol::message::{SPECTATOR_ENTITY, SPECTATOR_PLAYER, SnapshotHead, Welcome};

use super::Room;
use crate::Game;
use crate::snapshot::View;

/// A spectator's number. Unique within the room while it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatcherId(pub u16);

/// The spectators of a room, by number.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    places: Vec<Option<Watcher>>,
}

#[derive(Debug)]
struct Watcher {
    features: u32,
    /// The last completed tick when it came: what was encoded until then is not for it.
    since: Tick,
    /// What the connection has been sent.
    sight: View,
}

impl Watchers {
    fn get_mut(&mut self, watcher: WatcherId) -> Option<&mut Watcher> {
        self.places.get_mut(usize::from(watcher.0))?.as_mut()
    }
}

impl<G: Game> Room<G> {
    /// Lets somebody watch; `None` when as many do as may. `features` are the hello's. The game does not notice.
    pub fn watch(&mut self, features: u32) -> Option<WatcherId> {
        let places = &mut self.watchers.places;
        let at = places.iter().position(Option::is_none).unwrap_or(places.len());
        let watcher = WatcherId(u16::try_from(at).ok()?);
        if watcher.0 >= self.config.spectators_max {
            return None;
        }
        if at == places.len() {
            places.push(None);
        }
        places[at] = Some(Watcher { features, since: self.tick, sight: View::default() });
        Some(watcher)
    }

    /// A spectator goes; without effect when it does not watch.
    pub fn unwatch(&mut self, watcher: WatcherId) {
        if let Some(place) = self.watchers.places.get_mut(usize::from(watcher.0)) {
            *place = None;
        }
    }

    /// Spectators.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watchers.places.iter().flatten().count()
    }

    /// The answer to the hello of a spectator.
    #[must_use]
    pub fn watcher_welcome(&self) -> Welcome {
        self.welcome_as(SPECTATOR_PLAYER, SPECTATOR_ENTITY)
    }

    /// [`Room::prepare_snapshot`] for a spectator: all of the field, whatever players see of it and may be sent.
    pub fn prepare_watched(&mut self, watcher: WatcherId, replaced: bool) -> usize {
        let Some(watcher) = self.watchers.get_mut(watcher) else { return 0 };
        if self.encoder.tick().since(watcher.since) <= 0 {
            return 0;
        }
        let body_bytes = self.encoder.prepare(&mut watcher.sight, None, replaced, usize::MAX);
        self.counters.blocks_encoded = self.encoder.blocks_made();
        SnapshotHead::BYTES + body_bytes
    }

    /// [`Room::write_snapshot`] for a spectator: without a private block, and nothing of inputs.
    pub fn write_watched(&mut self, watcher: WatcherId, dropped: u16, out: &mut Vec<u8>) {
        let Some(watcher) = self.watchers.get_mut(watcher) else { return };
        self.encoder.head(&watcher.sight, watcher.features, dropped).write(out);
        self.encoder.write_body(&watcher.sight, out);
        self.counters.snapshots_written += 1;
    }
}
