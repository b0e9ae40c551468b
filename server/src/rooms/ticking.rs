//! Running the ticks that are due.

use std::cmp::Reverse;

use hdrhistogram::Histogram;
use tickring_protocol::ids::PlayerId;
use tickring_room::{Game, Pace, To};

use super::overload::Ladder;
use super::{Delivery, Entry, NOBODY, Rooms};
use crate::recording::Outlet;

/// A tick this near is run at once: sleeping until it would cost a wake-up, and more than it brings.
const EARLY_NS_MAX: u64 = 250_000;

/// What ticking cost and how punctual it was, since start.
#[derive(Debug)]
pub(crate) struct TickStats {
    pub(crate) steps: u64,
    pub(crate) missed: u64,
    pub(crate) lateness_ns: Histogram<u64>,
    pub(crate) step_ns: Histogram<u64>,
    pub(crate) encode_ns: Histogram<u64>,
}

impl TickStats {
    /// Empty histograms from 1 ns to 60 s at two significant digits: about 25 KiB each, fixed.
    pub(crate) fn new() -> Self {
        let histogram =
            || Histogram::new_with_bounds(1, 60_000_000_000, 2).expect("constant bounds are valid");
        Self { steps: 0, missed: 0, lateness_ns: histogram(), step_ns: histogram(), encode_ns: histogram() }
    }
}

impl<G: Game> Rooms<G> {
    /// When the next room wants to tick or the ladder to be looked at, ns; `None` when there is nothing to do.
    pub(crate) fn next_deadline_ns(&mut self) -> Option<u64> {
        let tick_ns = self.next_tick_ns().map(|room_ns| self.pace.real_ns(room_ns));
        tick_ns.into_iter().chain(self.ladder.next_ns()).min()
    }

    /// In room time.
    fn next_tick_ns(&mut self) -> Option<u64> {
        while let Some(&Reverse((deadline_ns, index, serial))) = self.deadlines.peek() {
            if self.lives(index, serial) {
                return Some(deadline_ns);
            }
            self.deadlines.pop();
        }
        None
    }

    fn lives(&self, index: u32, serial: u64) -> bool {
        self.entries[index as usize].as_ref().is_some_and(|entry| entry.serial == serial)
    }

    /// Ticks every room whose deadline has passed, or all but, and hands what it says to `out`.
    pub(crate) fn tick_due(
        &mut self,
        now_ns: impl Fn() -> u64,
        stats: &mut TickStats,
        out: &mut impl Delivery,
    ) {
        // Rooms that come due while others tick wait for the next pass: a pass is finite.
        let pass_ns = self.pace.room_ns(now_ns() + EARLY_NS_MAX);
        while let Some(&Reverse((deadline_ns, index, serial))) = self.deadlines.peek() {
            if deadline_ns > pass_ns {
                break;
            }
            self.deadlines.pop();
            if !self.lives(index, serial) {
                continue;
            }
            let entry = self.entries[index as usize].as_mut().expect("it lives");
            entry.tick(&now_ns, &self.pace, &mut self.ladder, stats, &mut self.outlet, out);
            entry.forget_expired();
            let next_ns = entry.schedule.deadline_ns();
            if !self.remove_if_empty(index) {
                self.deadlines.push(Reverse((next_ns, index, serial)));
            }
        }
    }
}

impl<G: Game> Entry<G> {
    fn tick(
        &mut self,
        now_ns: &impl Fn() -> u64,
        pace: &Pace,
        ladder: &mut Ladder,
        stats: &mut TickStats,
        outlet: &mut Option<Outlet>,
        out: &mut impl Delivery,
    ) {
        // Started early is on time.
        let due = self.schedule.due(pace.room_ns(now_ns()).max(self.schedule.deadline_ns()));
        ladder.note(due);
        stats.lateness_ns.saturating_record(pace.lasts_ns(due.lateness_ns));
        stats.missed += due.missed;
        stats.steps += u64::from(due.steps);
        for _ in 0..due.steps {
            let before_ns = now_ns();
            self.room.step();
            let stepped_ns = now_ns();
            stats.step_ns.saturating_record(stepped_ns - before_ns);
            self.hand_over(outlet);
            self.deliver_events(out);
            // While catching up, each snapshot replaces the one before in the outbox and is counted
            // there as skipped, so a client can tell it from a lost one.
            if self.room.snapshot_due() {
                self.deliver_snapshots(out);
                stats.encode_ns.saturating_record(now_ns() - stepped_ns);
            }
        }
    }

    fn deliver_events(&mut self, out: &mut impl Delivery) {
        for (to, payload) in self.room.events() {
            let candidates = match to {
                To::Player(PlayerId(player)) => player..player.saturating_add(1),
                To::All | To::Near { .. } => {
                    0..u16::try_from(self.slots.len()).expect("seats are at most 4,096")
                }
            };
            for player in candidates {
                let Some(&slot) = self.slots.get(usize::from(player)) else { continue };
                if slot != NOBODY && self.room.hears(PlayerId(player), to) {
                    self.bytes_out += payload.len() as u64;
                    out.message(slot, payload);
                }
            }
        }
        self.tell_watchers(out);
    }

    fn deliver_snapshots(&mut self, out: &mut impl Delivery) {
        self.room.encode_snapshot();
        for (player, &slot) in (0..).map(PlayerId).zip(&self.slots) {
            if slot == NOBODY {
                continue;
            }
            let bytes = self.room.prepare_snapshot(player, out.snapshot_waits(slot));
            self.bytes_out += bytes as u64;
            out.snapshot(slot, bytes, |dropped, buffer| self.room.write_snapshot(player, dropped, buffer));
        }
        self.show_watchers(out);
    }
}
