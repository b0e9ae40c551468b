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
    /// Whether the message belongs to the measuring window.
    pub(crate) fn is_measured(self, turn: &Turn<'_>) -> bool {
        let sent_ns = self.sent_ns.unwrap_or(turn.now_ns);
        turn.window.contains(self.intended_ns.unwrap_or(sent_ns))
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
