//! A copy of everything the worker counts.

use tickring_room::{Game, RoomCounters};

use super::Worker;
use crate::report::{RingReport, Seats, Withheld, WorkerReport};
use crate::rooms::Refusals;

impl<G: Game> Worker<G> {
    /// See [`WorkerReport`].
    pub(super) fn report(&self) -> WorkerReport {
        let ring = self.ring.counters();
        let stage = &self.stage;
        let counters = stage.rooms.counters();
        WorkerReport {
            worker: self.index,
            connections: stage.sessions.states(),
            rooms: stage.rooms.len() as u64,
            players: stage.rooms.players(),
            seats_held: stage.rooms.held(),
            seats: seats(&counters, stage.rooms.refused(), stage.ledger.kicks),
            overload: stage.rooms.overload(self.clock.now_ns(), &counters),
            traffic: stage.ledger.traffic,
            closes: stage.ledger.closes().to_vec(),
            inputs: inputs(&counters),
            withheld: Withheld {
                cells_put_off: counters.cells_put_off,
                spectator_left_out: counters.watched_left_out,
            },
            ring: RingReport {
                enters: ring.enters,
                completions: ring.completions,
                buffer_exhaustions: ring.buffer_exhaustions,
                overflows: ring.overflows,
                short_sends: ring.short_sends,
                fairness_pauses: ring.fairness_pauses,
                accepts_dropped: ring.accepts_dropped,
            },
            mailbox_depth: self.mailbox.depth() as u64,
            pool_bytes: self.pool_bytes,
            steps: stage.ticks.steps,
            steps_missed: stage.ticks.missed,
            lateness_ns: stage.ticks.lateness_ns.clone(),
            step_ns: stage.ticks.step_ns.clone(),
            encode_ns: stage.ticks.encode_ns.clone(),
        }
    }
}

fn seats(counters: &RoomCounters, refused: Refusals, kicks: u64) -> Seats {
    Seats {
        holds: counters.holds,
        holds_expired: counters.holds_expired,
        holds_ended: counters.holds_ended,
        resumes: counters.resumes,
        takeovers: counters.takeovers,
        kicks,
        tokens_used: refused.used,
        tokens_expired: refused.expired,
        tokens_unknown: refused.unknown,
    }
}

/// What became of inputs, by the label in the metrics.
fn inputs(counters: &RoomCounters) -> Vec<(&'static str, u64)> {
    vec![
        ("accepted", counters.inputs_accepted),
        ("late", counters.inputs_late),
        ("early", counters.inputs_early),
        ("duplicate", counters.inputs_duplicate),
        ("over_budget", counters.inputs_over_budget),
        ("malformed", counters.inputs_malformed),
        ("skipped", counters.inputs_skipped),
        ("starved_repeated", counters.starved_repeated),
        ("starved_neutral", counters.starved_neutral),
        ("view_backwards", counters.views_backwards),
        ("view_future", counters.views_future),
        ("view_too_old", counters.views_too_old),
        ("view_implausible", counters.views_implausible),
    ]
}
