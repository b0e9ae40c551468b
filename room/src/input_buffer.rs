//! One player's inputs between their arrival and their tick.

use tickring_protocol::ids::{Sequence, Tick};

use crate::{Input, InputDrop, ViewTime};

/// Inputs a buffer holds.
pub(crate) const INPUTS_MAX: usize = 64;
/// How far beyond the next tick an input may be meant.
pub(crate) const WINDOW_TICKS: u32 = 16;
/// Ticks that a missing input is replaced by the last one.
pub(crate) const REPEATS_MAX: u8 = 4;
/// Due inputs above which two are consumed in one tick.
pub(crate) const BACKLOG_MAX: usize = 2;
/// Ticks in a row that a due input may be left waiting before two are consumed nevertheless. A player that sends
/// one input per tick would never work off a small queue, and each of its inputs would be late by it for good.
pub(crate) const STANDING_TICKS_MAX: u8 = 8;
/// Inputs a player may send per tick in the long run: what the room can consume.
const BUDGET_PER_TICK: u16 = 2;
/// Inputs a player may send at once: two seconds' worth at 60 Hz, which a stalled connection delivers in a burst.
const BUDGET_MAX: u16 = 128;

/// An input that waits for its tick.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waiting<I> {
    pub(crate) sequence: Sequence,
    pub(crate) target: Tick,
    pub(crate) view: Viewed,
    pub(crate) input: I,
}

/// What the player was looking at, as far as it was believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Viewed {
    pub(crate) at: ViewTime,
    /// The declared time was not allowed and has been moved.
    pub(crate) clamped: bool,
}

/// What a tick gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Taken<I> {
    pub(crate) input: I,
    pub(crate) from: Source,
}

/// Where a tick's input came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The player sent it.
    Fresh { view: Viewed, skipped: bool },
    /// The last one again, edges masked.
    Repeated,
    /// Nothing for too long, or released on purpose.
    Neutral,
    /// The player has never sent one.
    Never,
}

/// A ring in the order of sequence numbers. An input is due from its target tick on.
#[derive(Debug)]
pub(crate) struct InputBuffer<I> {
    ring: Box<[Waiting<I>; INPUTS_MAX]>,
    head: usize,
    len: usize,
    newest: Option<Sequence>,
    budget: u16,
    /// The last input consumed and for how many ticks it has been repeated.
    last: I,
    repeats: u8,
    /// Ticks in a row that a due input was left waiting.
    standing: u8,
    processed: Option<Sequence>,
}

impl<I: Input> InputBuffer<I> {
    pub(crate) fn new() -> Self {
        Self {
            ring: Box::new([Waiting::default(); INPUTS_MAX]),
            head: 0,
            len: 0,
            newest: None,
            budget: BUDGET_MAX,
            last: I::default(),
            repeats: 0,
            standing: 0,
            processed: None,
        }
    }

    /// Charges one input message. Called for everything that arrives.
    pub(crate) fn charge(&mut self) -> Result<(), InputDrop> {
        self.budget = self.budget.checked_sub(1).ok_or(InputDrop::OverBudget)?;
        Ok(())
    }

    /// Whether a new input may wait for its tick; `next` is the tick that runs next. Its sequence number is used
    /// up either way.
    pub(crate) fn admit(&mut self, next: Tick, sequence: Sequence, target: Tick) -> Result<(), InputDrop> {
        if self.newest.is_some_and(|newest| sequence.since(newest) <= 0) {
            return Err(InputDrop::Duplicate);
        }
        self.newest = Some(sequence);
        let ahead = target.since(next);
        if ahead < 0 {
            return Err(InputDrop::Late);
        }
        if ahead.unsigned_abs() > WINDOW_TICKS {
            return Err(InputDrop::Early);
        }
        if self.len == INPUTS_MAX {
            return Err(InputDrop::OverBudget);
        }
        Ok(())
    }

    /// Adds an admitted input.
    pub(crate) fn push(&mut self, waiting: Waiting<I>) {
        assert!(self.len < INPUTS_MAX, "an admitted input has room");
        self.ring[(self.head + self.len) % INPUTS_MAX] = waiting;
        self.len += 1;
    }

    /// The input for `tick`, and the refill of the budget. Call once per tick.
    pub(crate) fn take(&mut self, tick: Tick) -> Taken<I> {
        self.budget = (self.budget + BUDGET_PER_TICK).min(BUDGET_MAX);
        let due = self.due(tick);
        if due == 0 {
            self.standing = 0;
            return self.starve();
        }
        let first = self.pop();
        self.standing = if due > 1 { self.standing + 1 } else { 0 };
        let skipped = due > BACKLOG_MAX || self.standing > STANDING_TICKS_MAX;
        let mut taken = first;
        if skipped {
            self.standing = 0;
            taken = self.pop();
            taken.input = taken.input.with_edges_of(first.input);
        }
        self.last = taken.input;
        self.repeats = 0;
        self.processed = Some(taken.sequence);
        Taken { input: taken.input, from: Source::Fresh { view: taken.view, skipped } }
    }

    /// Inputs at the front that may run, as far as the policy needs to count.
    fn due(&self, tick: Tick) -> usize {
        (0..self.len.min(BACKLOG_MAX + 1))
            .take_while(|at| self.ring[(self.head + at) % INPUTS_MAX].target.since(tick) <= 0)
            .count()
    }

    fn pop(&mut self) -> Waiting<I> {
        let waiting = self.ring[self.head];
        self.len -= 1;
        // An empty ring begins at its start again: a player with few inputs under way then uses the same few
        // cache lines all the time instead of walking through the whole ring.
        self.head = if self.len == 0 { 0 } else { (self.head + 1) % INPUTS_MAX };
        waiting
    }

    fn starve(&mut self) -> Taken<I> {
        if self.processed.is_none() {
            return Taken { input: I::default(), from: Source::Never };
        }
        if self.repeats < REPEATS_MAX {
            self.repeats += 1;
            return Taken { input: self.last.without_edges(), from: Source::Repeated };
        }
        Taken { input: I::default(), from: Source::Neutral }
    }

    /// Forgets what waits and lets go of what is held: the connection is gone.
    pub(crate) fn release(&mut self) {
        self.len = 0;
        self.last = I::default();
        self.repeats = REPEATS_MAX;
    }

    /// Sequence numbers start again: a new connection has taken the seat.
    pub(crate) fn restart(&mut self) {
        self.release();
        self.newest = None;
        self.processed = None;
    }

    /// Sequence of the last input consumed.
    pub(crate) fn processed(&self) -> Option<Sequence> {
        self.processed
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Malformed;

    /// One held bit (1) and one press (2), and a number to tell inputs apart.
    #[derive(Clone, Copy, Debug, Default, PartialEq)]
    pub(crate) struct Keys {
        pub(crate) number: u16,
        pub(crate) bits: u8,
    }

    impl Input for Keys {
        const BYTES: usize = 3;

        fn read(_bytes: &[u8]) -> Result<Self, Malformed> {
            Err(Malformed("not sent in these tests"))
        }

        fn write(&self, _out: &mut Vec<u8>) {}

        fn sanitize(self) -> Self {
            self
        }

        fn without_edges(self) -> Self {
            Self { bits: self.bits & 1, ..self }
        }

        fn with_edges_of(self, skipped: Self) -> Self {
            Self { bits: self.bits | skipped.bits & 2, ..self }
        }
    }

    /// The policy in plain words: a growing list, nothing clever.
    #[derive(Default)]
    struct Model {
        waiting: Vec<(u64, u64, Keys)>,
        newest: Option<u64>,
        starved: u64,
        /// Ticks in a row with more than one due.
        crowded: u64,
        last: Option<(u64, Keys)>,
    }

    impl Model {
        fn push(&mut self, next: u64, sequence: u64, target: u64, keys: Keys) -> Result<(), InputDrop> {
            if self.newest.is_some_and(|newest| sequence <= newest) {
                return Err(InputDrop::Duplicate);
            }
            self.newest = Some(sequence);
            if target < next {
                Err(InputDrop::Late)
            } else if target > next + 16 {
                Err(InputDrop::Early)
            } else if self.waiting.len() == 64 {
                Err(InputDrop::OverBudget)
            } else {
                self.waiting.push((sequence, target, keys));
                Ok(())
            }
        }

        fn take(&mut self, tick: u64) -> Keys {
            let due = self.waiting.iter().take_while(|waiting| waiting.1 <= tick).count();
            let mut presses = 0;
            self.crowded = if due > 1 { self.crowded + 1 } else { 0 };
            if due > 2 || self.crowded == 9 {
                self.crowded = 0;
                presses = self.waiting.remove(0).2.bits & 2;
            }
            if due > 0 {
                let (sequence, _, mut keys) = self.waiting.remove(0);
                keys.bits |= presses;
                self.starved = 0;
                self.last = Some((sequence, keys));
                return keys;
            }
            self.starved += 1;
            match self.last {
                Some((_, keys)) if self.starved <= 4 => Keys { bits: keys.bits & 1, ..keys },
                _ => Keys::default(),
            }
        }
    }

    #[derive(Clone, Copy, Debug)]
    enum Action {
        Send { sequence_step: i8, ahead: i8, bits: u8 },
        Tick,
    }

    fn action() -> impl Strategy<Value = Action> {
        let send = |steps: std::ops::Range<i8>, ahead: std::ops::Range<i8>| {
            (steps, ahead, 0u8..4).prop_map(|(sequence_step, ahead, bits)| Action::Send {
                sequence_step,
                ahead,
                bits,
            })
        };
        prop_oneof![4 => send(1..2, 0..4), 1 => send(-3..4, -3..20), 4 => Just(Action::Tick)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Against the model, with ticks and sequence numbers starting anywhere, so also across their wrap.
        #[test]
        fn follows_the_policy(
            actions in prop::collection::vec(action(), 1..400),
            tick_base in prop_oneof![Just(0u32), Just(u32::MAX - 20), any::<u32>()],
            sequence_base in prop_oneof![Just(0u32), Just(u32::MAX - 20), any::<u32>()],
        ) {
            // The model counts from here, far from its own ends.
            const ORIGIN: u64 = 1 << 20;
            let tick_of = |model: u64| Tick(wire(tick_base, model, ORIGIN));
            let mut buffer = InputBuffer::<Keys>::new();
            let mut model = Model::default();
            let (mut next, mut sequence, mut budget) = (ORIGIN, ORIGIN, 128u32);
            for (number, action) in (0u16..).zip(actions) {
                match action {
                    Action::Tick => {
                        let expected = model.take(next);
                        let taken = buffer.take(tick_of(next));
                        prop_assert_eq!(taken.input, expected);
                        let processed = model.last.map(|(sequence, _)| wire(sequence_base, sequence, ORIGIN));
                        prop_assert_eq!(buffer.processed().map(|sequence| sequence.0), processed);
                        next += 1;
                        budget = (budget + 2).min(128);
                    }
                    Action::Send { sequence_step, ahead, bits } => {
                        sequence = sequence.checked_add_signed(sequence_step.into()).unwrap();
                        let target = next.checked_add_signed(ahead.into()).unwrap();
                        let input = Keys { number, bits };
                        let charged = buffer.charge();
                        prop_assert_eq!(charged.is_ok(), budget > 0);
                        if charged.is_err() { continue; }
                        budget -= 1;
                        let expected = model.push(next, sequence, target, input);
                        let on_wire = Sequence(wire(sequence_base, sequence, ORIGIN));
                        let admitted = buffer.admit(tick_of(next), on_wire, tick_of(target));
                        prop_assert_eq!(admitted, expected);
                        if admitted.is_ok() {
                            buffer.push(Waiting { sequence: on_wire, target: tick_of(target), view: Viewed::default(), input });
                        }
                    }
                }
            }
        }
    }

    /// A model number on the wire, which wraps.
    fn wire(base: u32, model: u64, origin: u64) -> u32 {
        let bytes = (u64::from(base) + (1 << 32) + model - origin).to_le_bytes();
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    #[test]
    fn a_standing_queue_is_worked_off() {
        let mut buffer = InputBuffer::<Keys>::new();
        let send = |buffer: &mut InputBuffer<Keys>, sequence: u16, target: u32, bits| {
            let sequence_on_wire = Sequence(sequence.into());
            buffer.admit(Tick(target), sequence_on_wire, Tick(target)).unwrap();
            let input = Keys { number: sequence, bits };
            buffer.push(Waiting {
                sequence: sequence_on_wire,
                target: Tick(target),
                view: Viewed::default(),
                input,
            });
        };
        // Two inputs for the first tick, then one per tick: each is a tick behind, but not for long.
        send(&mut buffer, 0, 1, 0);
        let mut skipped = Vec::new();
        for tick in 1..40u16 {
            send(&mut buffer, tick, tick.into(), if tick == 8 { 2 } else { 0 });
            let taken = buffer.take(Tick(tick.into()));
            if taken.from == (Source::Fresh { view: Viewed::default(), skipped: true }) {
                skipped.push((tick, taken.input));
            }
            let behind = if skipped.is_empty() { 1 } else { 0 };
            assert_eq!(taken.input.number, tick - behind);
        }
        assert_eq!(skipped, [(9, Keys { number: 9, bits: 2 })], "the skipped input's press is kept");
    }

    #[test]
    fn a_flood_gets_no_more_than_its_budget() {
        let mut buffer = InputBuffer::<Keys>::new();
        let accepted = (0..1000).filter(|_| buffer.charge().is_ok()).count();
        assert_eq!(accepted, 128);
        let _ = buffer.take(Tick(1));
        assert_eq!((0..1000).filter(|_| buffer.charge().is_ok()).count(), 2);
    }
}
