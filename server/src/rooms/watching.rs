//! Spectators: who watches where, and what becomes of them when their room ends.

use tickring_protocol::message::Welcome;
use tickring_room::{Game, WatcherId};

use super::{Delivery, Entry, NOBODY, Rooms};

/// A spectator's place: which room of this worker, and which place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watch {
    pub(crate) room: u32,
    watcher: WatcherId,
}

/// Why nobody watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchError {
    /// Nobody plays in a room of that name.
    NoRoom,
    /// The worker does not keep up and takes nobody in.
    Overloaded,
    /// As many watch as may.
    Full,
}

impl<G: Game> Rooms<G> {
    /// Lets the connection in `slot` watch the room called `name`.
    pub(crate) fn watch(
        &mut self,
        name: &str,
        slot: u32,
        features: u32,
    ) -> Result<(Watch, Welcome), WatchError> {
        let room = *self.by_name.get(name).ok_or(WatchError::NoRoom)?;
        if self.turns_away() {
            return Err(WatchError::Overloaded);
        }
        let entry = self.entry(room);
        let watcher = entry.room.watch(features).ok_or(WatchError::Full)?;
        let at = usize::from(watcher.0);
        if entry.watchers.len() <= at {
            entry.watchers.resize(at + 1, NOBODY);
        }
        entry.watchers[at] = slot;
        Ok((Watch { room, watcher }, entry.room.watcher_welcome()))
    }

    /// The connection in `slot` watches no more.
    pub(crate) fn unwatch(&mut self, watch: Watch, slot: u32) {
        // A room that is gone has told its spectators, and this is one of them.
        let Some(entry) = &mut self.entries[watch.room as usize] else { return };
        debug_assert_eq!(
            entry.watchers[usize::from(watch.watcher.0)],
            slot,
            "a place belongs to one connection"
        );
        entry.watchers[usize::from(watch.watcher.0)] = NOBODY;
        entry.room.unwatch(watch.watcher);
    }

    /// See [`Rooms::pop_stranded`].
    pub(crate) fn any_stranded(&self) -> bool {
        !self.stranded.is_empty()
    }

    /// A connection whose room has ended while it watched, each once.
    pub(crate) fn pop_stranded(&mut self) -> Option<u32> {
        self.stranded.pop()
    }
}

impl<G: Game> Entry<G> {
    /// The connections that watch.
    pub(super) fn watchers(&self) -> impl Iterator<Item = u32> {
        self.watchers.iter().copied().filter(|slot| *slot != NOBODY)
    }

    /// Whether spectators have not seen the end of a room that has ended.
    pub(super) fn plays_on(&self) -> bool {
        self.ended.is_some_and(|ended| self.room.watched_tick().since(ended) < 0)
            && self.watchers().next().is_some()
    }

    /// Tells spectators what happened.
    pub(super) fn tell_watchers(&mut self, out: &mut impl Delivery) {
        for payload in self.room.watched_events() {
            for &slot in self.watchers.iter().filter(|slot| **slot != NOBODY) {
                self.bytes_out += payload.len() as u64;
                out.message(slot, payload);
            }
        }
    }

    /// Hands the newest snapshot to spectators.
    pub(super) fn show_watchers(&mut self, out: &mut impl Delivery) {
        for (watcher, &slot) in (0..).map(WatcherId).zip(&self.watchers) {
            if slot == NOBODY {
                continue;
            }
            let bytes = self.room.prepare_watched(watcher, out.snapshot_waits(slot));
            if bytes == 0 {
                continue;
            }
            self.bytes_out += bytes as u64;
            out.snapshot(slot, bytes, |dropped, buffer| self.room.write_watched(watcher, dropped, buffer));
        }
    }
}
