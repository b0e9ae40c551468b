//! What comes back on a connection that is to be echoed: every message is told once, as answered, as answered wrongly,
//! or as missing.

use std::collections::VecDeque;

use super::flight::{Departure, Flight};
use super::{Turn, UNDER_WAY_MAX};
use crate::measure::streams::Finding;

/// Messages that are remembered after later ones have been answered; of more, the oldest is told as missing. Bounds what a
/// server that loses messages makes us keep: some 200 KiB a connection.
const BEHIND_MAX: usize = UNDER_WAY_MAX;

/// A connection's echoes: they come back in the order they were sent.
///
/// Invariant: until [`Echoes::end`] the oldest message of the flight is the one with the number `expected`.
#[derive(Debug, Default)]
pub(crate) struct Echoes {
    expected: u64,
    /// By rising number.
    behind: VecDeque<Behind>,
    /// Of the messages before this one some were told as missing while the stream went on: what still comes of them is
    /// not told again.
    judged_below: u64,
    /// Nobody waits any more.
    over: bool,
}

/// A message that the stream has gone on from without its own echo.
#[derive(Debug)]
struct Behind {
    number: u64,
    departure: Departure,
    /// Something came in its place that is no message's echo.
    spoiled: bool,
}

impl Echoes {
    /// The number the next echo should have.
    pub(crate) const fn expected(&self) -> u64 {
        self.expected
    }

    /// The unchanged echo of message `number` (counted from 0) arrived. Returns how many messages are under way no
    /// more: its own, and those it has overtaken.
    pub(crate) fn arrived(&mut self, flight: &mut Flight, turn: &mut Turn<'_>, number: u64) -> u64 {
        if number < self.expected {
            self.arrived_behind(turn, number);
            return 0;
        }
        let mut landed = 0;
        for overtaken in self.expected..number {
            let Some(departure) = flight.land() else { break };
            self.leave_behind(turn, Behind { number: overtaken, departure, spoiled: false });
            landed += 1;
        }
        self.expected = number + 1;
        if let Some(departure) = flight.land() {
            departure.record(turn);
            landed += 1;
        }
        landed
    }

    /// What arrived is no message's echo: it stands for the one that was next, or that others have overtaken. Returns
    /// how many messages are under way no more.
    pub(crate) fn spoiled(&mut self, flight: &mut Flight, turn: &mut Turn<'_>) -> u64 {
        turn.tally.correctness.corrupted += 1;
        if let Some(departure) = flight.land() {
            departure.record(turn);
            self.leave_behind(turn, Behind { number: self.expected, departure, spoiled: true });
            self.expected += 1;
            return 1;
        }
        self.spoil_behind(turn);
        0
    }

    /// The connection is over, or the answers have had their time: judges what has not come. Returns how many messages
    /// are under way no more.
    ///
    /// What comes afterwards was judged here.
    pub(crate) fn end(&mut self, flight: &mut Flight, turn: &mut Turn<'_>) -> u64 {
        self.over = true;
        std::mem::take(&mut self.behind).iter().for_each(|behind| behind.judge(turn, false));
        let mut given_up = 0;
        while let Some(departure) = flight.land() {
            departure.give_up(turn);
            given_up += 1;
        }
        given_up
    }

    /// The echo of a message that the stream has gone on from.
    fn arrived_behind(&mut self, turn: &mut Turn<'_>, number: u64) {
        if self.over {
            return;
        }
        let mut finding = Finding::default();
        match self.behind.binary_search_by_key(&number, |behind| behind.number) {
            Err(_) => finding.duplicates = u64::from(number >= self.judged_below),
            Ok(at) if self.behind[at].spoiled => {
                // What came in its place was another's answer, or nobody's, and has been told.
                self.behind.remove(at);
                self.spoil_behind(turn);
            }
            Ok(at) => {
                self.behind[at].departure.record(turn);
                self.behind.remove(at);
                finding.reordered = 1;
            }
        }
        turn.tally.correctness.note(finding);
    }

    /// Something that is no message's echo stands for the oldest that others have overtaken.
    fn spoil_behind(&mut self, turn: &mut Turn<'_>) {
        if let Some(behind) = self.behind.iter_mut().find(|behind| !behind.spoiled) {
            behind.departure.record(turn);
            behind.spoiled = true;
        }
    }

    fn leave_behind(&mut self, turn: &mut Turn<'_>, behind: Behind) {
        if self.behind.len() == BEHIND_MAX
            && let Some(oldest) = self.behind.pop_front()
        {
            oldest.judge(turn, true);
            self.judged_below = oldest.number + 1;
        }
        self.behind.push_back(behind);
    }
}

impl Behind {
    /// Its echo never came. Later ones did, so it is missing, not only unanswered; it stands in the latencies with the
    /// time waited for it. With `more_to_come` it may be so late only that it is waited for no more.
    fn judge(&self, turn: &mut Turn<'_>, more_to_come: bool) {
        if !self.spoiled {
            let presumed = more_to_come.into();
            turn.tally.correctness.note(Finding { gaps: 1, presumed, ..Finding::default() });
            self.departure.record(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::{Next, Standing};
    use crate::measure::tally::{Tally, Window};
    use proptest::prelude::*;

    /// A connection whose echoes come as `steps` say.
    #[derive(Default)]
    struct Stream {
        echoes: Echoes,
        flight: Flight,
        tally: Tally,
        landed: u64,
    }

    /// What arrives: the echo of a message, or something else (`None`).
    type Arrival = Option<u64>;

    impl Stream {
        fn sending(messages: u64) -> Self {
            let mut stream = Self::default();
            (0..messages).for_each(|_| stream.flight.depart(Some(0)));
            stream.flight.flushed(0);
            stream
        }

        fn turn(&mut self, call: impl FnOnce(&mut Echoes, &mut Flight, &mut Turn<'_>) -> u64) {
            let (mut out, next) = (Vec::new(), Next::default());
            let window = Window { start_ns: 0, end_ns: u64::MAX };
            let (standing, tally) = (Standing::Bystander, &mut self.tally);
            let mut turn =
                Turn { now_ns: 1_000, window, standing, may_send: true, out: &mut out, tally, next };
            self.landed += call(&mut self.echoes, &mut self.flight, &mut turn);
        }

        fn hears(mut self, arrivals: &[Arrival]) -> Self {
            for arrival in arrivals {
                self.turn(|echoes, flight, turn| match arrival {
                    Some(number) => echoes.arrived(flight, turn, *number),
                    None => echoes.spoiled(flight, turn),
                });
            }
            self
        }

        fn ends(mut self) -> Self {
            self.turn(Echoes::end);
            self
        }

        /// Gaps, duplicates, reordered, corrupted, unanswered.
        fn told(&self) -> [u64; 5] {
            let (correctness, stream) = (self.tally.correctness, self.tally.correctness.stream);
            let Finding { gaps, duplicates, reordered, .. } = stream;
            [gaps, duplicates, reordered, correctness.corrupted, self.tally.unanswered]
        }
    }

    fn told(messages: u64, arrivals: &[Arrival]) -> [u64; 5] {
        let stream = Stream::sending(messages).hears(arrivals).ends();
        assert_eq!(stream.landed, messages, "{arrivals:?}: nobody waits for any of them");
        assert_eq!(stream.tally.intended.histogram().len(), messages, "{arrivals:?}: each has one latency");
        stream.told()
    }

    #[test]
    fn each_message_is_told_once() {
        let echo = Some;
        assert_eq!(told(3, &[echo(0), echo(1), echo(2)]), [0; 5]);
        assert_eq!(told(3, &[echo(0), echo(2)]), [1, 0, 0, 0, 0], "one is missing, and others came later");
        assert_eq!(told(3, &[echo(0), echo(1)]), [0, 0, 0, 0, 1], "nothing came after it");
        assert_eq!(told(3, &[echo(1), echo(0), echo(2)]), [0, 0, 1, 0, 0], "two swapped");
        assert_eq!(told(3, &[echo(2), echo(1), echo(0)]), [0, 0, 2, 0, 0]);
        assert_eq!(told(3, &[echo(0), echo(0), echo(1), echo(2), echo(1)]), [0, 2, 0, 0, 0], "twice");
        assert_eq!(told(2, &[echo(1), echo(0), echo(0)]), [0, 1, 1, 0, 0], "late, and twice");
    }

    #[test]
    fn a_changed_echo_is_no_missing_one_too() {
        let (echo, changed) = (Some, None);
        assert_eq!(told(3, &[echo(0), changed, echo(2)]), [0, 0, 0, 1, 0]);
        assert_eq!(told(3, &[echo(0), echo(1), changed]), [0, 0, 0, 1, 0], "the last");
        assert_eq!(told(3, &[changed; 3]), [0, 0, 0, 3, 0], "all");
        assert_eq!(told(3, &[echo(0), echo(2), changed]), [0, 0, 0, 1, 0], "the one that was overtaken");
        assert_eq!(told(3, &[echo(0), changed, echo(1), echo(2)]), [0, 0, 0, 1, 0], "nobody's");
        assert_eq!(told(3, &[echo(1), changed, echo(2)]), [0, 0, 0, 1, 0], "so it was another's");
        assert_eq!(told(1, &[changed, changed, changed]), [0, 0, 0, 3, 0], "more than there were messages");
    }

    #[test]
    fn what_comes_when_all_is_judged_is_not_told_again() {
        let late = Stream::sending(4).hears(&[Some(2)]).ends().hears(&[Some(1), Some(3), Some(0)]);
        assert_eq!(late.told(), [2, 0, 0, 0, 1]);
        assert_eq!(late.landed, 4);
    }

    #[test]
    fn who_loses_much_is_judged_early_and_fills_no_memory() {
        let messages = 3 * BEHIND_MAX as u64;
        let lossy: Vec<Arrival> = (0..messages).filter(|number| number % 2 == 1).map(Some).collect();
        let stream = Stream::sending(messages).hears(&lossy);
        assert_eq!(stream.echoes.behind.len(), BEHIND_MAX);
        assert_eq!(stream.told()[0], messages / 2 - BEHIND_MAX as u64);
        let late = stream.hears(&[Some(0), Some(2)]);
        assert_eq!(late.told()[1], 0, "told as missing, and not as coming twice too");
        let presumed = messages / 2 - BEHIND_MAX as u64;
        assert_eq!(late.tally.correctness.stream.presumed, presumed, "two of them were late only");
        let ended = late.ends();
        assert_eq!(ended.told(), [messages / 2, 0, 0, 0, 0]);
        assert_eq!(ended.tally.correctness.stream.presumed, presumed, "the others never came");
    }

    #[test]
    fn all_that_may_be_under_way_may_come_back_in_any_order() {
        let messages = UNDER_WAY_MAX as u64;
        let backwards: Vec<Arrival> = (0..messages).rev().map(Some).collect();
        assert_eq!(told(messages, &backwards), [0, 0, messages - 1, 0, 0]);
    }

    proptest! {
        /// Whatever is lost, changed and moved: every message is in one count at most, and the honest ones in none.
        #[test]
        fn every_message_is_in_one_count(fates in prop::collection::vec((0_u8..4, 0_usize..3), 1..200)) {
            let mut arrivals: Vec<Arrival> = Vec::new();
            let mut lost = 0;
            for (number, (fate, back)) in fates.iter().enumerate() {
                match fate {
                    0 => lost += 1,
                    1 => arrivals.push(None),
                    _ => arrivals.insert(arrivals.len().saturating_sub(*back), Some(number as u64)),
                }
            }
            let [gaps, duplicates, reordered, corrupted, unanswered] = told(fates.len() as u64, &arrivals);
            let changed = fates.iter().filter(|(fate, _)| *fate == 1).count() as u64;
            prop_assert_eq!((duplicates, corrupted), (0, changed));
            prop_assert!(gaps + unanswered <= lost);
            prop_assert!(gaps + unanswered + reordered + corrupted <= fates.len() as u64);
        }

        #[test]
        fn every_loss_is_found(kept in prop::collection::vec(any::<bool>(), 1..200)) {
            let numbered = kept.iter().zip(0_u64..);
            let arrivals: Vec<Arrival> = numbered.filter(|(kept, _)| **kept).map(|(_, at)| Some(at)).collect();
            let last = kept.iter().rposition(|kept| *kept).map_or(0, |at| at + 1);
            let lost_before = kept[..last].iter().filter(|kept| !**kept).count() as u64;
            let after = (kept.len() - last) as u64;
            prop_assert_eq!(told(kept.len() as u64, &arrivals), [lost_before, 0, 0, 0, after]);
        }
    }
}
