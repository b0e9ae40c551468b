//! The own player without the way to the server and back.

use tickring_protocol::ids::{Sequence, Tick};
use tickring_protocol::message::Welcome;
use tickring_room::{Predict, SENT_INPUTS_MAX, SentInputs, Vec3};

use crate::Connection;

/// Time in which what is left of a correction falls to 1/e, in nanoseconds.
const SMOOTHING_NS: f64 = 70e6;

/// The own player as it will be when the server has processed everything that was sent.
///
/// Made at the welcome, one per connection. Send inputs through [`Prediction::send`] and call
/// [`Prediction::follow`] after every [`Connection::receive`]: when a snapshot came in, the inputs it does not
/// cover yet are run again over the state it brought. [`Prediction::own`] is the result, [`Prediction::shown`] a
/// position to draw at any time, without steps and with corrections smoothed out.
///
/// At most 64 inputs are kept, a second at 60 Hz; a call costs one [`Predict::advance`] for each tick between the
/// newest snapshot and the newest input.
#[derive(Debug)]
pub struct Prediction<G: Predict> {
    ground: G::Ground,
    dt: f32,
    tick_ns: f64,
    sent: SentInputs<G::Input>,
    /// The newest snapshot's part; `None` before the first.
    base: Option<Base<G::Private>>,
    /// The ticks of the last two inputs, and when the last one was sent.
    target: Tick,
    target_before: Tick,
    sent_ns: u64,
    /// The state after the newest input, and the position after the one before.
    own: Option<G::Private>,
    before: Vec3,
    /// What is shown beside the predicted position at a time, to fade.
    offset: Vec3,
    offset_ns: u64,
}

/// What the server said.
#[derive(Clone, Debug)]
struct Base<P> {
    tick: Tick,
    last_input: Sequence,
    own: P,
}

/// What a snapshot did to the prediction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correction {
    /// The snapshot's tick.
    pub tick: Tick,
    /// How far the predicted position moved, in the game's units; 0 for the first snapshot and after a jump.
    pub distance: f32,
    /// The player jumped (a death, a respawn): nothing is smoothed.
    pub jumped: bool,
    /// Ticks from the snapshot to the newest input, which were run again.
    pub replayed_ticks: usize,
}

impl<G: Predict> Prediction<G> {
    /// Nothing predicted yet. Makes the ground, which may be expensive.
    #[must_use]
    pub fn new(welcome: &Welcome) -> Self {
        Self {
            ground: G::ground(welcome),
            dt: 1.0 / f32::from(welcome.tick_hz),
            tick_ns: 1e9 / f64::from(welcome.tick_hz),
            sent: SentInputs::default(),
            base: None,
            target: Tick(welcome.tick),
            target_before: Tick(welcome.tick),
            sent_ns: 0,
            own: None,
            before: Vec3::ZERO,
            offset: Vec3::ZERO,
            offset_ns: 0,
        }
    }

    /// Sends an input and predicts with it; `None` without a seat, and then the input is lost.
    pub fn send(
        &mut self,
        now_ns: u64,
        connection: &mut Connection<G>,
        input: &G::Input,
    ) -> Option<Sequence> {
        let target = connection.input_tick(now_ns)?;
        let sequence = connection.send_input(now_ns, input)?;
        self.tick_ns = connection.clock()?.tick_ns();
        self.sent.push(sequence, target, input);
        (self.target_before, self.target, self.sent_ns) = (self.target, target, now_ns);
        self.predict();
        Some(sequence)
    }

    /// Takes the connection's newest snapshot in, once: `None` when it is known.
    pub fn follow(&mut self, now_ns: u64, connection: &Connection<G>) -> Option<Correction> {
        let tick = connection.newest_tick()?;
        if self.base.as_ref().is_some_and(|base| tick.since(base.tick) <= 0) {
            return None;
        }
        let base = Base { tick, last_input: connection.last_input()?, own: connection.private()?.clone() };
        Some(self.correct(now_ns, base))
    }

    fn correct(&mut self, now_ns: u64, base: Base<G::Private>) -> Correction {
        let until = if self.target.since(base.tick) > 0 { self.target } else { base.tick };
        let expected = self.base.as_ref().map(|base| self.replay(base, until));
        let found = self.replay(&base, until);
        let replayed_ticks = ticks(base.tick, until);
        let mut correction = Correction { tick: base.tick, distance: 0.0, jumped: false, replayed_ticks };
        if let Some(expected) = expected {
            correction.jumped = G::epoch(&expected) != G::epoch(&found);
            let moved = G::position(&expected) - G::position(&found);
            if correction.jumped {
                self.offset = Vec3::ZERO;
            } else if moved != Vec3::ZERO {
                self.offset = self.offset_at(now_ns) + moved;
                self.offset_ns = now_ns;
                correction.distance = moved.length();
            }
        }
        self.base = Some(base);
        self.predict();
        correction
    }

    /// Brings what is shown up to the newest input.
    fn predict(&mut self) {
        let Some(base) = &self.base else { return };
        let own = self.replay(base, self.target);
        let before = self.replay(base, self.target_before);
        let is_same = G::epoch(&before) == G::epoch(&own);
        self.before = G::position(if is_same { &before } else { &own });
        self.own = Some(own);
    }

    /// The state after tick `until`, at the earliest the snapshot's.
    fn replay(&self, base: &Base<G::Private>, until: Tick) -> G::Private {
        let mut own = base.own.clone();
        for input in self.sent.foresee(base.tick, base.last_input).take(ticks(base.tick, until)) {
            G::advance(&mut own, &input, self.dt, &self.ground);
        }
        own
    }

    /// The own state after the newest input; `None` before the first snapshot.
    #[must_use]
    pub fn own(&self) -> Option<&G::Private> {
        self.own.as_ref()
    }

    /// What the rules run on.
    #[must_use]
    pub fn ground(&self) -> &G::Ground {
        &self.ground
    }

    /// Where to draw the own player: on its way from the last input but one to the last, and beside that by what
    /// is left of corrections. `None` before the first snapshot.
    #[must_use]
    pub fn shown(&self, now_ns: u64) -> Option<Vec3> {
        let after = G::position(self.own.as_ref()?);
        let span_ns = f64::from(self.target.since(self.target_before).max(1)) * self.tick_ns;
        let passed = (since(self.sent_ns, now_ns) / span_ns).min(1.0);
        #[expect(clippy::cast_possible_truncation, reason = "a fraction")]
        let passed = passed as f32;
        Some(self.before.lerp(after, passed) + self.offset_at(now_ns))
    }

    /// How far beside the prediction is shown: what is left of corrections.
    fn offset_at(&self, now_ns: u64) -> Vec3 {
        let left = (-since(self.offset_ns, now_ns) / SMOOTHING_NS).exp();
        #[expect(clippy::cast_possible_truncation, reason = "a fraction")]
        let left = left as f32;
        self.offset * left
    }
}

/// Ticks from one to a later one, as far as is predicted.
fn ticks(from: Tick, until: Tick) -> usize {
    usize::try_from(until.since(from)).unwrap_or(0).min(SENT_INPUTS_MAX)
}

fn since(from_ns: u64, now_ns: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "beyond 2⁵³ ns everything has faded")]
    let span = now_ns.saturating_sub(from_ns) as f64;
    span
}

#[cfg(test)]
mod tests {
    use tickring_arena::rules::{Body, RUN_SPEED};
    use tickring_arena::{Arena, ArenaInput, OwnState, Settings};
    use tickring_room::{Room, RoomConfig};

    use super::*;

    const TICK_NS: u64 = 1_000_000_000 / 60;

    /// A prediction of a body that has been told to run ahead in the inputs 1 ..= 10 for the ticks 1 ..= 10.
    fn running() -> Prediction<Arena> {
        let mut room = Room::<Arena>::new(RoomConfig::default(), Settings::default());
        let player = room.join(0).expect("seats are free").player;
        let mut prediction = Prediction::new(&room.welcome(player));
        for number in 1..=10 {
            let input = ArenaInput { ahead: 127, ..ArenaInput::default() };
            prediction.sent.push(Sequence(number), Tick(number), &input);
            (prediction.target_before, prediction.target) = (Tick(number - 1), Tick(number));
        }
        prediction.sent_ns = 10 * TICK_NS;
        prediction
    }

    fn base(tick: u32, position: Vec3, epoch: u8) -> Base<OwnState> {
        let body = Body { position, velocity: Vec3::ZERO };
        let own = OwnState { body, health: 100, epoch, ..OwnState::default() };
        Base { tick: Tick(tick), last_input: Sequence(tick), own }
    }

    fn far_from_walls(prediction: &Prediction<Arena>) -> Vec3 {
        prediction.ground().spawns()[0]
    }

    #[test]
    fn nothing_is_shown_before_the_first_snapshot() {
        let mut prediction = running();
        assert!(prediction.own().is_none() && prediction.shown(0).is_none());
        let start = far_from_walls(&prediction);
        let first = prediction.correct(10 * TICK_NS, base(2, start, 1));
        assert_eq!((first.distance, first.jumped, first.replayed_ticks), (0.0, false, 8));
        assert!(prediction.own().expect("a snapshot").body.position.distance(start) > 0.1);
    }

    #[test]
    fn what_was_foreseen_is_no_correction() {
        let mut prediction = running();
        let start = far_from_walls(&prediction);
        prediction.correct(10 * TICK_NS, base(2, start, 1));
        let mut own = base(2, start, 1).own;
        let input = ArenaInput { ahead: 127, ..ArenaInput::default() };
        for _ in 0..4 {
            Arena::advance(&mut own, &input, prediction.dt, &prediction.ground);
        }
        let before = *prediction.own().expect("a snapshot");
        let correction =
            prediction.correct(11 * TICK_NS, Base { tick: Tick(6), last_input: Sequence(6), own });
        assert_eq!((correction.distance, correction.replayed_ticks), (0.0, 4));
        assert_eq!(prediction.own(), Some(&before));
    }

    #[test]
    fn a_correction_is_shown_little_by_little() {
        let mut prediction = running();
        let start = far_from_walls(&prediction);
        prediction.correct(10 * TICK_NS, base(4, start, 1));
        let now_ns = 20 * TICK_NS;
        let shown = prediction.shown(now_ns).expect("a snapshot");
        let aside = Vec3::new(0.3, 0.0, 0.0);
        let correction = prediction.correct(now_ns, Base { tick: Tick(5), ..base(4, start + aside, 1) });
        // A tick less of running, and aside.
        assert!((0.3..0.3 + RUN_SPEED / 60.0).contains(&correction.distance), "{correction:?}");
        assert!(prediction.shown(now_ns).expect("a snapshot").distance(shown) < 1e-4, "no jump");
        let own = prediction.own().expect("a snapshot").body.position;
        let mut last = own.distance(shown);
        for step in 1..20 {
            let left = prediction.shown(now_ns + step * 20_000_000).expect("a snapshot").distance(own);
            assert!(left < last, "{left} {last}");
            last = left;
        }
        assert!(last < 0.01, "{last}");
    }

    #[test]
    fn a_jump_is_shown_at_once() {
        let mut prediction = running();
        let start = far_from_walls(&prediction);
        prediction.correct(10 * TICK_NS, base(4, start, 1));
        let away = prediction.ground().spawns()[1];
        let correction = prediction.correct(20 * TICK_NS, base(10, away, 2));
        assert_eq!((correction.jumped, correction.distance), (true, 0.0));
        assert_eq!(prediction.shown(20 * TICK_NS), Some(away));
    }

    #[test]
    fn between_two_inputs_the_way_is_even() {
        let mut prediction = running();
        let start = far_from_walls(&prediction);
        prediction.correct(10 * TICK_NS, base(4, start, 1));
        let at = |part: u64| prediction.shown(10 * TICK_NS + TICK_NS * part / 4).expect("a snapshot");
        let steps: Vec<f32> = (0..4).map(|part| at(part).distance(at(part + 1))).collect();
        assert!(steps[0] > 0.001 && steps.iter().all(|step| (step - steps[0]).abs() < 1e-4), "{steps:?}");
        assert_eq!(at(4), at(9), "after that it waits for the next input");
    }
}
