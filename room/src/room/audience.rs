//! Events and for whom they are.

use tickring_protocol::ids::PlayerId;

use super::Room;
use crate::events::To;
use crate::{Game, Replicated};

impl<G: Game> Room<G> {
    /// The events of the last step, as encoded messages. Call after every step: the next one forgets them.
    pub fn events(&self) -> impl Iterator<Item = (To, &[u8])> {
        self.events.iter()
    }

    /// Whether an event is for this player.
    #[must_use]
    pub fn hears(&self, player: PlayerId, to: To) -> bool {
        let Some(entity) = self.world.entity_of(player) else { return false };
        match to {
            To::All => true,
            To::Player(one) => one == player,
            To::Near { place, radius } => self
                .world
                .get(entity)
                .is_some_and(|entity| entity.pose().position.distance_squared(place) <= radius * radius),
        }
    }
}
