//! Where the own body will be when an input is processed: the server's rules over the inputs on their way.

use tickring_room::{Sequence, Tick};

use crate::input::ArenaInput;
use crate::map::Map;
use crate::own_state::OwnState;
use crate::rules::{Body, Motion, advance};

/// Inputs remembered: more than can be on their way.
const SENT_MAX: usize = 32;
/// Ticks a room repeats the last input while the next one is missing.
const REPEATS_MAX: u32 = 4;
/// Ticks predicted at most; further ahead nothing sensible can be said.
const TICKS_MAX: u32 = 64;

/// The inputs a client has sent lately, to predict its own body with.
///
/// It goes by the same queue as the room: an input is processed at its target tick or, when more are due than
/// ticks pass, one per tick in order.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// A ring; `next` is where the next one goes.
    sent: [Option<Sent>; SENT_MAX],
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    sequence: Sequence,
    target: Tick,
    motion: Motion,
}

impl Default for Predictor {
    fn default() -> Self {
        Self { sent: [None; SENT_MAX], next: 0 }
    }
}

impl Predictor {
    /// Remembers an input that was sent for tick `target`. Sequences rise.
    pub fn sent(&mut self, sequence: Sequence, target: Tick, input: &ArenaInput) {
        self.sent[self.next] = Some(Sent { sequence, target, motion: input.motion() });
        self.next = (self.next + 1) % SENT_MAX;
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
        let ticks = u32::try_from(until.since(own_tick) - 1).unwrap_or(0).min(TICKS_MAX);
        if !own.alive() {
            return own.body;
        }
        let mut waiting = self.in_order().filter(|sent| sent.sequence.since(last_input) > 0).peekable();
        let processed = self.in_order().find(|sent| sent.sequence == last_input);
        let mut motion = processed.map_or_else(Motion::default, |sent| sent.motion);
        let mut repeats = processed.map_or(0, |sent| u32::try_from(own_tick.since(sent.target)).unwrap_or(0));
        let mut body = own.body;
        for tick in (1..=ticks).map(|ahead| own_tick + ahead) {
            if let Some(due) = waiting.next_if(|sent| sent.target.since(tick) <= 0) {
                (motion, repeats) = (due.motion, 0);
            } else {
                repeats += 1;
                if repeats > REPEATS_MAX {
                    motion = Motion::default();
                }
            }
            body = advance(body, &motion, dt, map);
        }
        body
    }

    /// Oldest first.
    fn in_order(&self) -> impl Iterator<Item = &Sent> {
        self.sent[self.next..].iter().chain(&self.sent[..self.next]).flatten()
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
