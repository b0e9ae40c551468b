//! Where the own body will be when an input is processed: the server's rules over the inputs on their way.

use glam::Vec3;
use tickring_protocol::message::Welcome;
use tickring_room::{Predict, SentInputs, Sequence, Tick};

use crate::game::Arena;
use crate::input::ArenaInput;
use crate::map::Map;
use crate::own_state::OwnState;
use crate::rules::{Body, advance};

/// Ticks predicted at most; further ahead nothing sensible can be said.
const TICKS_MAX: usize = 64;

/// A client foresees how its own body runs and slides along walls. That bodies push each other apart, explosions
/// and whatever else others do comes as a correction; weapons and health wait for the server.
impl Predict for Arena {
    type Ground = Map;

    fn ground(welcome: &Welcome) -> Map {
        Map::generate(welcome.seed, welcome.room_players_max)
    }

    fn advance(own: &mut OwnState, input: &ArenaInput, dt: f32, map: &Map) {
        if own.alive() {
            own.body = advance(own.body, &input.motion(), dt, map);
        }
    }

    fn position(own: &OwnState) -> Vec3 {
        own.body.position
    }

    fn epoch(own: &OwnState) -> u16 {
        own.epoch.into()
    }
}

/// The inputs a bot has sent lately, to predict its own body with.
///
/// For clients with a connection of their own, the client crate's prediction does the same and more.
#[derive(Clone, Debug, Default)]
pub struct Predictor {
    sent: SentInputs<ArenaInput>,
}

impl Predictor {
    /// Remembers an input that was sent for tick `target`. Sequences rise.
    pub fn sent(&mut self, sequence: Sequence, target: Tick, input: &ArenaInput) {
        self.sent.push(sequence, target, input);
    }

    /// The own body just before the input for tick `until` is processed.
    ///
    /// `own` is the state after tick `own_tick`, when `last_input` was the last input processed.
    #[must_use]
    pub fn predict(
        &self,
        own: &OwnState,
        own_tick: Tick,
        last_input: Sequence,
        until: Tick,
        dt: f32,
        map: &Map,
    ) -> Body {
        let ticks = usize::try_from(until.since(own_tick) - 1).unwrap_or(0).min(TICKS_MAX);
        let mut own = *own;
        for input in self.sent.foresee(own_tick, last_input).take(ticks) {
            Arena::advance(&mut own, &input, dt, map);
        }
        own.body
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Yaw;

    const DT: f32 = 1.0 / 60.0;

    fn running(yaw: u16) -> ArenaInput {
        ArenaInput { ahead: 127, yaw: Yaw(yaw), ..ArenaInput::default() }
    }

    fn alive() -> OwnState {
        OwnState { health: 100, ..OwnState::default() }
    }

    #[test]
    fn replays_what_is_on_its_way_and_nothing_else() {
        let map = Map::with_walls(64.0, Vec::new());
        let mut predictor = Predictor::default();
        for step in 1..=40_u16 {
            predictor.sent(Sequence(step.into()), Tick(100 + u32::from(step)), &running(step * 500));
        }
        // After tick 136 the input of tick 136 is processed; those of 137 ..= 139 are on their way.
        let predicted = predictor.predict(&alive(), Tick(136), Sequence(36), Tick(140), DT, &map);
        let mut expected = Body::default();
        for step in [37, 38, 39] {
            expected = advance(expected, &running(step * 500).motion(), DT, &map);
        }
        assert_eq!(predicted, expected);
    }

    #[test]
    fn gaps_are_filled_as_the_room_fills_them() {
        let map = Map::with_walls(64.0, Vec::new());
        let mut predictor = Predictor::default();
        predictor.sent(Sequence(1), Tick(10), &running(0));
        // One tick processed at 10, four repeats, then neutral: the body brakes.
        let moving = predictor.predict(&alive(), Tick(9), Sequence(0), Tick(15), DT, &map);
        let braking = predictor.predict(&alive(), Tick(9), Sequence(0), Tick(16), DT, &map);
        assert!(braking.velocity.length() < moving.velocity.length());
    }

    #[test]
    fn the_dead_stay_where_they_are() {
        let map = Map::with_walls(64.0, Vec::new());
        let mut predictor = Predictor::default();
        predictor.sent(Sequence(1), Tick(1), &running(0));
        let own = OwnState::default();
        assert_eq!(predictor.predict(&own, Tick(0), Sequence(0), Tick(9), DT, &map), own.body);
    }
}
