//! Messages on their way: when each was meant to be sent, and when it was.

use std::collections::VecDeque;

use super::{Standing, Turn};

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// When it was meant to be sent; `None` in a closed loop, where nothing is meant.
    pub(crate) intended_ns: Option<u64>,
    /// When it was handed to the kernel; `None` until then.
    pub(crate) sent_ns: Option<u64>,
}

/// A connection's messages whose answers are under way, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    departures: VecDeque<Departure>,
    /// How many at the back have not been handed to the kernel.
    waiting: usize,
}

impl Flight {
    /// A message was written.
    pub(crate) fn depart(&mut self, intended_ns: Option<u64>) {
        self.departures.push_back(Departure { intended_ns, sent_ns: None });
        self.waiting += 1;
    }

    /// Everything written so far goes to the kernel now.
    pub(crate) fn flushed(&mut self, now_ns: u64) {
        for departure in self.departures.iter_mut().rev().take(self.waiting) {
            departure.sent_ns = Some(now_ns);
        }
        self.waiting = 0;
    }

    /// The oldest message was answered.
    pub(crate) fn land(&mut self) -> Option<Departure> {
        let departure = self.departures.pop_front();
        self.waiting = self.waiting.min(self.departures.len());
        departure
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.departures.len()
    }
}

impl Departure {
    /// Whether the message belongs to the measuring window: it was meant to be sent within it. In a closed loop it was
    /// under way in it, for a part of the time at least: what keeps a loop from going on in the window was mostly sent
    /// before, and who looked only at what is sent in it would not see a server that has fallen silent.
    pub(crate) fn is_measured(self, turn: &Turn<'_>) -> bool {
        match self.intended_ns {
            Some(intended_ns) => turn.window.contains(intended_ns),
            None => turn.window.meets(self.sent_ns.unwrap_or(turn.now_ns), turn.now_ns),
        }
    }

    /// Records the latency of an answer that arrived at `turn.now_ns`, if the message belongs to the
    /// measuring window.
    pub(crate) fn record(self, turn: &mut Turn<'_>) {
        if turn.standing == Standing::Disturbed {
            return;
        }
        let sent_ns = self.sent_ns.unwrap_or(turn.now_ns);
        let from_ns = self.intended_ns.unwrap_or(sent_ns);
        let latency_ns = turn.now_ns.saturating_sub(from_ns);
        turn.tally.recent.latency.record(latency_ns);
        if !self.is_measured(turn) {
            return;
        }
        if let Some(phase) = turn.bystanders() {
            phase.latency.record(latency_ns);
        }
        turn.tally.service.record(turn.now_ns.saturating_sub(sent_ns));
        if let Some(intended_ns) = self.intended_ns {
            turn.tally.intended.record(turn.now_ns.saturating_sub(intended_ns));
        }
    }

    /// Records a message that was never answered: it stands with the time waited for it, so that the
    /// worst answers are not left out of the figures.
    pub(crate) fn give_up(self, turn: &mut Turn<'_>) {
        if self.is_measured(turn) && turn.standing != Standing::Disturbed {
            turn.tally.unanswered += 1;
            self.record(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::Next;
    use crate::measure::tally::{Tally, Window};

    /// What is told of a message of a closed loop sent at `sent_ns`, with a window from 100 to 200, when `call` comes at
    /// `now_ns`: how many latencies, the longest, how many unanswered.
    fn told(sent_ns: u64, now_ns: u64, call: impl FnOnce(Departure, &mut Turn<'_>)) -> (u64, u64, u64) {
        const MS: u64 = 1_000_000;
        let (mut out, mut tally, next) = (Vec::new(), Tally::default(), Next::default());
        let window = Window { start_ns: 100 * MS, end_ns: 200 * MS };
        let standing = Standing::Bystander;
        let tally_of = &mut tally;
        let mut turn = Turn {
            now_ns: now_ns * MS,
            window,
            standing,
            may_send: true,
            out: &mut out,
            tally: tally_of,
            next,
        };
        call(Departure { intended_ns: None, sent_ns: Some(sent_ns * MS) }, &mut turn);
        (tally.service.histogram().len(), tally.service.quantile_ns(1.0) / MS, tally.unanswered)
    }

    #[test]
    fn what_a_closed_loop_waits_for_in_the_window_counts_with_the_whole_wait() {
        let answered = |sent, at| told(sent, at, Departure::record);
        assert_eq!(answered(50, 99), (0, 0, 0), "answered before it began");
        assert_eq!(answered(50, 150), (1, 100, 0), "under way when it began");
        assert_eq!(answered(50, 250), (1, 200, 0), "all through it");
        assert_eq!(answered(150, 250), (1, 100, 0), "under way when it ended");
        assert_eq!(answered(200, 250), (0, 0, 0), "sent after it");
        let given_up = |sent, at| told(sent, at, Departure::give_up);
        assert_eq!(given_up(50, 250), (1, 200, 1), "silent since the warm-up");
        assert_eq!(given_up(150, 250), (1, 100, 1));
        assert_eq!(given_up(50, 99), (0, 0, 0), "its connection ended before");
        assert_eq!(given_up(200, 250), (0, 0, 0));
    }
}
