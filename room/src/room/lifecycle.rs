//! The life of a seat: taken, held while its connection is lost, taken again or given up.
//!
//! ```text
//! join ─► taken ─► leave ─► free
//!         │  ▲ └── take_over (another connection)
//!  connection_lost
//!         ▼  │ resume
//!         held ─► (time is up) ─► free
//! ```

use thiserror::Error;
use tickring_protocol::ids::{EntityId, PlayerId, Tick};

use super::Room;
use crate::recording::Entry;
use crate::{Game, Hold, JoinRefusal};

/// A taken seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Who sits there.
    pub player: PlayerId,
    /// What they control.
    pub entity: EntityId,
}

/// Why nobody can join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum JoinError {
    /// All seats are taken.
    #[error("the room is full")]
    Full,
    /// The game says no.
    #[error("the game refuses: {0}")]
    Refused(JoinRefusal),
}

impl<G: Game> Room<G> {
    /// Takes a seat. `features` are the hello's.
    ///
    /// # Errors
    /// When all seats are taken or the game refuses.
    pub fn join(&mut self, features: u32) -> Result<Seat, JoinError> {
        self.note(&Entry::Join { features });
        let refused = if self.seats.is_full() {
            Err(JoinError::Full)
        } else {
            self.game.may_join(&self.world).map_err(JoinError::Refused)
        };
        if let Err(error) = refused {
            self.counters.joins_refused += 1;
            return Err(error);
        }
        let player = self.seats.take_free(features, self.tick).expect("a seat is free");
        let entity = self.game.joined(player, &mut self.world, &mut self.rng);
        self.world.set_entity_of(player, Some(entity));
        self.counters.joins += 1;
        Ok(Seat { player, entity })
    }

    /// Gives up a seat for good; without effect when nobody holds it.
    pub fn leave(&mut self, player: PlayerId) {
        self.note(&Entry::Leave { player });
        self.counters.holds_ended += u64::from(self.is_held(player));
        self.give_up(player);
    }

    fn give_up(&mut self, player: PlayerId) {
        if self.seats.get(player).is_some() {
            self.game.left(player, &mut self.world);
            self.world.set_entity_of(player, None);
            self.seats.free(player);
            self.counters.leaves += 1;
        }
    }

    /// The player's connection is lost: the game decides how long its seat is held. A seat held for no time is
    /// given up at once, as by [`Room::leave`]. Without effect on a seat that is held already or that nobody has.
    pub fn connection_lost(&mut self, player: PlayerId) -> Hold {
        self.note(&Entry::ConnectionLost { player });
        let Some(seat) = self.seats.get_mut(player).filter(|seat| seat.held_until.is_none()) else {
            return Hold::default();
        };
        let hold = self.game.dropped(player, &mut self.world);
        if hold.seconds == 0 {
            self.give_up(player);
            return hold;
        }
        let ticks = u32::from(hold.seconds) * u32::from(self.config.tick_hz);
        seat.held_until = Some(self.tick + ticks);
        seat.inputs.release();
        seat.encoded = None;
        self.counters.holds += 1;
        hold
    }

    /// Takes a held seat again; `None` when it is not held (any more).
    pub fn resume(&mut self, player: PlayerId, features: u32) -> Option<Seat> {
        self.note(&Entry::Resume { player, features });
        let seat = self.seats.get_mut(player).filter(|seat| seat.held_until.is_some())?;
        seat.change_connection(features, self.tick);
        self.game.resumed(player, &mut self.world);
        self.counters.resumes += 1;
        Some(Seat { player, entity: self.world.entity_of(player)? })
    }

    /// Another connection takes the seat of one that still lives; `None` when the seat is held or nobody has it. For
    /// the game nothing happens: the player was never away.
    pub fn take_over(&mut self, player: PlayerId, features: u32) -> Option<Seat> {
        self.note(&Entry::TakeOver { player, features });
        let seat = self.seats.get_mut(player).filter(|seat| seat.held_until.is_none())?;
        seat.change_connection(features, self.tick);
        self.counters.takeovers += 1;
        Some(Seat { player, entity: self.world.entity_of(player)? })
    }

    /// Whether the seat is kept for a player whose connection is lost.
    #[must_use]
    pub fn is_held(&self, player: PlayerId) -> bool {
        self.seats.get(player).is_some_and(|seat| seat.held_until.is_some())
    }

    /// Taken seats, held ones included.
    #[must_use]
    pub fn players(&self) -> usize {
        self.seats.taken().len()
    }

    /// Taken seats by rising id, held ones included.
    pub fn seats(&self) -> impl Iterator<Item = PlayerId> {
        self.seats.taken().iter().copied()
    }

    pub(super) fn give_up_held_seats(&mut self, tick: Tick) {
        let expired = |player: &PlayerId| {
            let held_until = self.seats.get(*player).and_then(|seat| seat.held_until);
            held_until.is_some_and(|until| tick.since(until) > 0)
        };
        // Holding is rare, and one seat per tick is soon enough.
        if let Some(player) = self.seats.taken().iter().copied().find(expired) {
            self.give_up(player);
            self.counters.holds_expired += 1;
        }
    }
}
