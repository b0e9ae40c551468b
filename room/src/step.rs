//! What a game sees of one tick.

use tickring_protocol::ids::{PlayerId, Tick};

use crate::events::{Events, To};
use crate::history::History;
use crate::seat::Seats;
use crate::{Game, Rng, Seen, ViewTime, World};

/// One tick in the making.
#[derive(Debug)]
pub struct Step<'a, G: Game> {
    pub(crate) tick: Tick,
    pub(crate) dt: f32,
    pub(crate) seats: &'a Seats<G::Input>,
    pub(crate) world: &'a mut World<G>,
    pub(crate) history: &'a History,
    pub(crate) events: &'a mut Events,
    pub(crate) emitted: &'a mut u64,
    pub(crate) rng: &'a mut Rng,
}

impl<'a, G: Game> Step<'a, G> {
    /// The tick being stepped.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// Length of a tick in seconds, the same for every tick of a room.
    #[must_use]
    pub fn dt(&self) -> f32 {
        self.dt
    }

    /// All players, in the order of their seats. The slice outlives the borrow of `self`, so a loop over it may
    /// change the world.
    #[must_use]
    pub fn players(&self) -> &'a [PlayerId] {
        self.seats.taken()
    }

    /// The player's input for this tick: already sanitised; neutral for an empty seat.
    #[must_use]
    pub fn input(&self, player: PlayerId) -> G::Input {
        self.seats.get(player).map(|seat| seat.input).unwrap_or_default()
    }

    /// The world as left by the step so far.
    #[must_use]
    pub fn world(&self) -> &World<G> {
        self.world
    }

    /// The world, to change it.
    pub fn world_mut(&mut self) -> &mut World<G> {
        self.world
    }

    /// The past as that player saw it when it gave this tick's input. Without lag compensation, and for an empty
    /// seat, the end of the last tick. The view outlives the borrow of `self`.
    #[must_use]
    pub fn seen_by(&self, player: PlayerId) -> Seen<'a> {
        let (view, clamped) = self
            .seats
            .get(player)
            .map_or((ViewTime::at(self.history.newest()), false), |seat| (seat.looks_at, seat.clamped));
        Seen { history: self.history, view, clamped }
    }

    /// Sorts players by the moment they were looking at, then by seat: the fair order for their shots.
    pub fn sort_by_view(&self, players: &mut [PlayerId]) {
        let newest = ViewTime::at(self.history.newest());
        players.sort_unstable_by_key(|player| {
            let view = self.seats.get(*player).map_or(newest, |seat| seat.looks_at);
            (view.since(newest), *player)
        });
    }

    /// Sends an event at the end of the tick.
    pub fn emit(&mut self, event: &G::Event, to: To) {
        self.events.push(self.tick, event, to);
        *self.emitted += 1;
    }

    /// Both at once, for what is made at random.
    pub fn world_and_rng(&mut self) -> (&mut World<G>, &mut Rng) {
        (self.world, self.rng)
    }

    /// The room's random numbers.
    pub fn rng(&mut self) -> &mut Rng {
        self.rng
    }
}
