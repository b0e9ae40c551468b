//! Weighing the load, and relieving the rooms.

use tickring_room::{Game, RoomCounters};

use super::Rooms;
use super::overload::{Move, Rung};
use crate::report::Overload;

impl<G: Game> Rooms<G> {
    /// Whether it is time for [`Rooms::weigh`].
    pub(crate) fn load_is_due(&self, now_ns: u64) -> bool {
        self.ladder.is_due(now_ns)
    }

    /// Weighs what has been going on and relieves all rooms of more or of less. `worked_ns` is the processor time this
    /// worker has used so far. Not earlier than the last tick: time in the rooms changes its pace here.
    pub(crate) fn weigh(&mut self, now_ns: u64, worked_ns: u64) -> Option<Move> {
        let moved = self.ladder.weigh(now_ns, worked_ns)?;
        self.pace.set(now_ns, moved.to.relief.time_dilation);
        for entry in self.entries.iter_mut().flatten() {
            entry.room.relieve(moved.to.relief);
        }
        Some(moved)
    }

    /// Whether somebody who wants in is turned away, and counted.
    pub(super) fn turns_away(&mut self) -> bool {
        let refuses = self.ladder.step().rung == Rung::Joins;
        // Not `+= u64::from(refuses)`: rustc 1.95 loses that, see https://github.com/rust-lang/rust/issues/158206.
        if refuses {
            self.turned_away += 1;
        }
        refuses
    }

    /// How the ladder stands and what it has done.
    pub(crate) fn overload(&self, now_ns: u64, counters: &RoomCounters) -> Overload {
        let step = self.ladder.step();
        Overload {
            rung: step.rung as u8,
            time_dilation: step.relief.time_dilation,
            rung_ns: self.ladder.rung_ns(now_ns),
            joins_refused: self.turned_away,
            snapshots_thinned: counters.snapshots_thinned,
        }
    }
}
