//! Spectators: they see the whole field, now or some time later, and have no part in it.

use tickring_protocol::ids::Tick;
use tickring_protocol::message::{SPECTATOR_ENTITY, SPECTATOR_PLAYER, SnapshotHead, Welcome};

use super::Room;
use crate::Game;
use crate::delayed::Delayed;
use crate::events::To;
use crate::snapshot::{Encoder, View};

/// A spectator's number. Unique within the room while it watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatcherId(pub u16);

/// The spectators of a room, by number, and what they see.
#[derive(Debug)]
pub(super) struct Watchers<G: Game> {
    places: Vec<Option<Watcher>>,
    /// `None`: the room as it is.
    pub(super) delayed: Option<Delayed<G>>,
}

#[derive(Debug)]
struct Watcher {
    features: u32,
    /// Number of the last snapshot that was prepared for it, or was the newest when it came.
    prepared: u32,
    /// What the connection has been sent.
    sight: View,
}

impl<G: Game> Watchers<G> {
    pub(super) fn new(delayed: Option<Delayed<G>>) -> Self {
        Self { places: Vec::new(), delayed }
    }

    /// A spectator, and what encodes for it.
    fn served<'a>(
        &'a mut self,
        watcher: WatcherId,
        live: &'a mut Encoder,
    ) -> Option<(&'a mut Watcher, &'a mut Encoder)> {
        let watcher = self.places.get_mut(usize::from(watcher.0))?.as_mut()?;
        Some((watcher, self.delayed.as_mut().map_or(live, Delayed::encoder)))
    }
}

impl<G: Game> Room<G> {
    /// Lets somebody watch; `None` when as many do as may. `features` are the hello's. The game does not notice.
    pub fn watch(&mut self, features: u32) -> Option<WatcherId> {
        let Watchers { places, delayed } = &mut self.watchers;
        let at = places.iter().position(Option::is_none).unwrap_or(places.len());
        let watcher = WatcherId(u16::try_from(at).ok()?);
        if watcher.0 >= self.config.spectators_max {
            return None;
        }
        if at == places.len() {
            places.push(None);
        }
        let prepared = delayed.as_mut().map_or(&mut self.encoder, Delayed::encoder).number();
        places[at] = Some(Watcher { features, prepared, sight: View::default() });
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

    /// The tick that spectators see: [`Room::tick`] less the delay ([`RoomConfig`](crate::RoomConfig)). They are never
    /// told of a later one. In a room younger than the delay these are ticks before the first; they wrap.
    #[must_use]
    pub fn watched_tick(&self) -> Tick {
        self.watchers.delayed.as_ref().map_or(self.tick, |delayed| delayed.tick(self.tick))
    }

    /// The answer to the hello of a spectator.
    #[must_use]
    pub fn watcher_welcome(&self) -> Welcome {
        Welcome { tick: self.watched_tick().0, ..self.welcome_as(SPECTATOR_PLAYER, SPECTATOR_ENTITY) }
    }

    /// The events that spectators hear after this step, as encoded messages: those for more than one player.
    pub fn watched_events(&self) -> impl Iterator<Item = &[u8]> {
        let delayed = self.watchers.delayed.as_ref();
        let live = self.events.iter().filter(|(to, _)| !matches!(to, To::Player(_)));
        let live = live.filter(move |_| delayed.is_none()).map(|(_, message)| message);
        delayed.into_iter().flat_map(Delayed::heard).chain(live)
    }

    /// [`Room::prepare_snapshot`] for a spectator: all of the field, whatever players see of it and may be sent. 0 when
    /// there is nothing new.
    pub fn prepare_watched(&mut self, watcher: WatcherId, replaced: bool) -> usize {
        let Some((watcher, encoder)) = self.watchers.served(watcher, &mut self.encoder) else { return 0 };
        let newest = encoder.number();
        if std::mem::replace(&mut watcher.prepared, newest) == newest {
            return 0;
        }
        let body_bytes = encoder.prepare(&mut watcher.sight, None, replaced, usize::MAX);
        self.count_blocks();
        SnapshotHead::BYTES + body_bytes
    }

    /// [`Room::write_snapshot`] for a spectator: without a private block, and nothing of inputs.
    pub fn write_watched(&mut self, watcher: WatcherId, dropped: u16, out: &mut Vec<u8>) {
        let Some((watcher, encoder)) = self.watchers.served(watcher, &mut self.encoder) else { return };
        encoder.head(&watcher.sight, watcher.features, dropped).write(out);
        encoder.write_body(&watcher.sight, out);
        self.counters.snapshots_written += 1;
    }

    /// Brings the counters up to date after something was prepared.
    pub(super) fn count_blocks(&mut self) {
        let delayed = self.watchers.delayed.as_mut();
        let (made, needed) = delayed
            .map_or((0, 0), |delayed| (delayed.encoder().blocks_made(), delayed.encoder().blocks_needed()));
        self.counters.blocks_encoded = self.encoder.blocks_made() + made;
        self.counters.blocks_needed = self.encoder.blocks_needed() + needed;
        self.counters.cells_put_off = self.encoder.put_off();
    }
}
