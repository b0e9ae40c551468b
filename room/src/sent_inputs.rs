//! What a room does with inputs that are on their way: a client's copy of its queue.

use tickring_protocol::ids::{Sequence, Tick};

use crate::Input;
use crate::input_buffer::{BACKLOG_MAX, INPUTS_MAX, REPEATS_MAX, STANDING_TICKS_MAX};

/// Inputs that are remembered: as many as a room's queue holds.
pub const SENT_INPUTS_MAX: usize = INPUTS_MAX;
/// Ticks that an input may wait behind its target. One that is not processed by then came too late.
const OVERDUE_TICKS_MAX: i32 = 2;

/// The inputs a client has sent lately, and which of them the room uses for which tick.
///
/// The room processes an input at its target tick, one per tick in order, two when they pile up, and fills gaps
/// with the last one; this foresees the same. It is exact when inputs arrive in time and one per tick, and
/// otherwise right again as soon as the next snapshot says what was processed.
#[derive(Clone, Debug)]
pub struct SentInputs<I> {
    /// A ring; `next` is where the next one goes.
    ring: Box<[Option<Sent<I>>; SENT_INPUTS_MAX]>,
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Sent<I> {
    sequence: Sequence,
    target: Tick,
    input: I,
}

impl<I: Input> Default for SentInputs<I> {
    fn default() -> Self {
        Self { ring: Box::new([None; SENT_INPUTS_MAX]), next: 0 }
    }
}

impl<I: Input> SentInputs<I> {
    /// Remembers an input that was sent for tick `target`, as the room will see it. Sequences rise; the oldest is
    /// forgotten when there are too many.
    pub fn push(&mut self, sequence: Sequence, target: Tick, input: &I) {
        self.ring[self.next] = Some(Sent { sequence, target, input: input.sanitize() });
        self.next = (self.next + 1) % SENT_INPUTS_MAX;
    }

    /// The inputs the room uses for the ticks after `done`, one by one and without end, when `last_input` is the
    /// last one it processed up to there.
    pub fn foresee(&self, done: Tick, last_input: Sequence) -> impl Iterator<Item = I> {
        let processed = self.in_order().find(|sent| sent.sequence == last_input);
        // The room does not say when it processed the input; in a steady stream that was at its target.
        let repeats = processed.map_or(u32::MAX, |sent| u32::try_from(done.since(sent.target)).unwrap_or(0));
        let mut queue = Queue {
            waiting: self
                .in_order()
                .filter(move |sent| sent.sequence.since(last_input) > 0)
                .filter(move |sent| done.since(sent.target) <= OVERDUE_TICKS_MAX),
            last: processed.map_or_else(I::default, |sent| sent.input),
            repeats,
            standing: 0,
        };
        (1..).map(move |ahead| queue.take(done + ahead))
    }

    /// Oldest first.
    fn in_order(&self) -> impl Iterator<Item = &Sent<I>> + Clone {
        self.ring[self.next..].iter().chain(&self.ring[..self.next]).flatten()
    }
}

/// [`InputBuffer`](crate::input_buffer::InputBuffer) over inputs that lie elsewhere.
struct Queue<W, I> {
    waiting: W,
    last: I,
    repeats: u32,
    standing: u8,
}

impl<'a, I: Input, W: Iterator<Item = &'a Sent<I>> + Clone> Queue<W, I> {
    fn take(&mut self, tick: Tick) -> I {
        let due = self.waiting.clone().take(BACKLOG_MAX + 1);
        let due = due.take_while(|sent| sent.target.since(tick) <= 0).count();
        self.standing = if due > 1 { self.standing + 1 } else { 0 };
        let Some(first) = (if due > 0 { self.waiting.next() } else { None }) else {
            return self.starve();
        };
        self.last = first.input;
        if (due > BACKLOG_MAX || self.standing > STANDING_TICKS_MAX)
            && let Some(second) = self.waiting.next()
        {
            self.standing = 0;
            self.last = second.input.with_edges_of(first.input);
        }
        self.repeats = 0;
        self.last
    }

    fn starve(&mut self) -> I {
        self.repeats = self.repeats.saturating_add(1);
        if self.repeats <= REPEATS_MAX.into() { self.last.without_edges() } else { I::default() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input_buffer::tests::Keys;
    use crate::input_buffer::{InputBuffer, Viewed, Waiting};

    /// A room's queue and a client's copy that are told the same.
    #[derive(Default)]
    struct Pair {
        room: Option<InputBuffer<Keys>>,
        client: SentInputs<Keys>,
        sent: u16,
    }

    impl Pair {
        fn room(&mut self) -> &mut InputBuffer<Keys> {
            self.room.get_or_insert_with(InputBuffer::new)
        }

        fn send(&mut self, next: Tick, target: Tick, bits: u8) {
            self.sent += 1;
            let (sequence, input) = (Sequence(self.sent.into()), Keys { number: self.sent, bits });
            self.client.push(sequence, target, &input);
            if self.room().admit(next, sequence, target).is_ok() {
                self.room().push(Waiting { sequence, target, view: Viewed::default(), input });
            }
        }
    }

    proptest! {
        /// Inputs in time, at most one per tick, with gaps: foreseen exactly from any moment.
        #[test]
        fn a_steady_stream_is_foreseen(
            base in prop_oneof![Just(0u32), Just(u32::MAX - 30), any::<u32>()],
            fates in prop::collection::vec((0u8..4, 0u8..4), 10..60),
            ahead in 1u32..8,
            from in 0usize..50,
        ) {
            let mut pair = Pair::default();
            let mut next = Tick(base);
            let from = from % fates.len();
            for (fate, bits) in &fates[..from] {
                if *fate > 0 {
                    pair.send(next, next + ahead, *bits);
                }
                pair.room().take(next);
                next = next + 1;
            }
            let done = Tick(next.0.wrapping_sub(1));
            let last_input = pair.room().processed().unwrap_or_default();
            let foreseen: Vec<_> = pair.client.foresee(done, last_input).take(20).collect();
            for expected in foreseen {
                prop_assert_eq!(pair.room().take(next).input, expected);
                next = next + 1;
            }
        }

        /// Whatever waits at the start is worked off in the same order, also when it piles up.
        #[test]
        fn a_pile_is_foreseen(targets in prop::collection::vec((0u32..3, 0u8..4), 0..30)) {
            let mut pair = Pair::default();
            let mut target = Tick(101);
            for (step, bits) in targets {
                target = target + step.min(u32::try_from(Tick(116).since(target)).unwrap_or(0));
                pair.send(Tick(101), target, bits);
            }
            let foreseen: Vec<_> = pair.client.foresee(Tick(100), Sequence(0)).take(40).collect();
            for (tick, expected) in (101..).zip(foreseen) {
                prop_assert_eq!(pair.room().take(Tick(tick)).input, expected, "{}", tick);
            }
        }
    }

    #[test]
    fn what_came_too_late_is_not_waited_for() {
        let mut sent = SentInputs::default();
        for number in 1..=20u16 {
            sent.push(Sequence(number.into()), Tick(u32::from(number)), &Keys { number, bits: 2 });
        }
        // Nothing after input 3 has arrived by tick 15: it is the turn of those that still can.
        let inputs: Vec<u16> = sent.foresee(Tick(15), Sequence(3)).take(10).map(|keys| keys.number).collect();
        assert_eq!(inputs, [14, 16, 17, 18, 19, 20, 20, 20, 20, 20]);
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut sent = SentInputs::default();
        for number in 1..=100u16 {
            sent.push(Sequence(number.into()), Tick(200), &Keys { number, bits: 0 });
        }
        let first = sent.foresee(Tick(199), Sequence(0)).next();
        assert_eq!(first.map(|keys| keys.number), Some(38), "37 and 38 of the last 64 are taken in one tick");
    }
}
