//! What a client may foresee of its own player.

use glam::Vec3;
use tickring_protocol::message::Welcome;

use crate::Game;

/// The part of a game's rules that a client can run ahead of the server: how the own player answers its inputs.
///
/// A game that implements this gives its clients prediction for nothing else: the client crate keeps the inputs
/// that are not acknowledged yet and runs [`Predict::advance`] over them, from the state of the newest snapshot to
/// the present. It is exact as long as [`Game::step`] does the same with the private state, and private states are
/// sent without rounding. What a client cannot foresee (other players in the way, an explosion) arrives as a
/// correction.
pub trait Predict: Game<Private: Clone> {
    /// What the rules need besides state and input and what does not change while the room lasts: the map.
    type Ground;

    /// The ground of a room, from what clients are told when they join. May be expensive: called once.
    fn ground(welcome: &Welcome) -> Self::Ground;

    /// Advances the own state by one tick of `dt` seconds, as [`Game::step`] does. Called for every unacknowledged
    /// input whenever a snapshot arrives or an input is sent, some tens of times per tick on a long way.
    fn advance(own: &mut Self::Private, input: &Self::Input, dt: f32, ground: &Self::Ground);

    /// Where the player is, to measure corrections and to smooth them.
    fn position(own: &Self::Private) -> Vec3;

    /// Changes whenever the player jumps (a death, a respawn): nothing is measured or smoothed across.
    fn epoch(own: &Self::Private) -> u16 {
        let _ = own;
        0
    }
}
