//! What the phases of a plan do to a worker's connections: some come, some leave and are followed by others, some are
//! dropped and come back, some stop reading.
//!
//! Every worker reckons its part from the window's start and the plan, so nobody has to tell it anything.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use tickring_client::{Reconnect, Retry};

use super::core::Core;
use super::links::{Sequel, State};
use crate::drivers::{Driver, Standing};
use crate::measure::tally::{Counters, PhaseTally, Window};
use crate::pacing::Pacer;
use crate::plan::Backoff;
use crate::shared::Step;

/// Without a backoff, the time between two attempts to come back, ns.
const AGAIN_NS: u64 = 1_000_000_000;

/// A departure that the worker comes to later than this is its own fault if nobody is there to leave, ns.
const LATE_NS: u64 = 50_000_000;

/// What a worker remembers of the phases.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    /// The phase that has begun.
    phase: Option<usize>,
    /// What had been counted when it did.
    counted: Counters,
    /// When connections leave.
    leaves: Option<Pacer>,
    /// Who is asked first to leave.
    cursor: usize,
    /// Connections wanted: those with a lower index.
    pub(super) wanted: u32,
    /// When who tries again, the earliest first.
    returns: BinaryHeap<Reverse<(u64, u32)>>,
    /// Of those that come back: how long they wait.
    backoffs: BTreeMap<u32, Reconnect>,
    /// Who does not read.
    stalled: Vec<u32>,
}

impl Crowd {
    /// At first so many connections are wanted.
    pub(super) fn new(wanted: u32) -> Self {
        Self { wanted, ..Self::default() }
    }
}

impl<D: Driver> Core<D> {
    /// Does what the plan's phases ask for by now.
    pub(super) fn conduct(&mut self, now_ns: u64) {
        if self.window == Window::UNSET || now_ns < self.window.start_ns {
            return;
        }
        if self.step > Step::Traffic || now_ns >= self.window.end_ns {
            return self.end_phase(now_ns);
        }
        let after_ns = now_ns - self.window.start_ns;
        let phase = self.plan.phases.index_at(after_ns);
        if self.crowd.phase != Some(phase) {
            self.end_phase(now_ns);
            self.begin_phase(phase, now_ns);
        }
        if self.plan.phases.is_staged() {
            let wanted = self.plan.wanted(after_ns, &self.share);
            self.want(wanted, now_ns);
        }
        self.let_leave(now_ns, now_ns);
        self.let_return(now_ns);
    }

    /// When the next one leaves or returns.
    pub(super) fn next_deed_ns(&self) -> u64 {
        let leaves_ns = self.crowd.leaves.as_ref().map_or(u64::MAX, Pacer::due_ns);
        let returns_ns = self.crowd.returns.peek().map_or(u64::MAX, |Reverse((at_ns, _))| *at_ns);
        leaves_ns.min(returns_ns)
    }

    fn begin_phase(&mut self, index: usize, now_ns: u64) {
        self.crowd.phase = Some(index);
        self.crowd.counted = self.tally.counters;
        self.tally.phases.resize_with(index + 1, PhaseTally::default);
        let phase = &self.plan.phases.list()[index];
        let (drop, stall, leave) = (phase.drop, phase.stall_share, phase.leave_rate_hz);
        let start_ns = self.window.start_ns + self.plan.phases.start_ns(index);
        self.crowd.leaves = leave.map(|rate_hz| {
            let worker = u32::try_from(self.index).expect("there are at most 1,024 workers");
            Pacer::new(start_ns, rate_hz / f64::from(self.plan.workers), worker, self.plan.workers)
        });
        for local in 0..self.links.count() {
            if self.links.list[local as usize].state != State::Open {
                continue;
            }
            let connection = self.share.start + local;
            if drop.is_some_and(|share| self.plan.picks(connection, share)) {
                self.drop_link(local, now_ns);
            } else if stall.is_some_and(|share| self.plan.picks(connection, share)) {
                self.stall(local);
            }
        }
    }

    /// Does nothing when none has begun.
    fn end_phase(&mut self, now_ns: u64) {
        let Some(index) = self.crowd.phase.take() else { return };
        self.finish_leaving(index, now_ns);
        let counters = self.tally.counters.since(self.crowd.counted);
        if let Some(phase) = self.tally.phases.last_mut() {
            phase.counters = counters;
            phase.open = self.tally.connections.open;
        }
        self.crowd.leaves = None;
        for local in std::mem::take(&mut self.crowd.stalled) {
            let link = &self.links.list[local as usize];
            self.fresh.extend(link.id.filter(|_| link.state == State::Open));
        }
    }

    /// Cuts a connection off.
    fn drop_link(&mut self, local: u32, now_ns: u64) {
        let link = &mut self.links.list[local as usize];
        link.standing = Standing::Disturbed;
        link.sequel = Sequel::Return { dropped_ns: now_ns, tried: false };
        self.tally.connections.dropped += 1;
        if let Some(phase) = self.tally.phases.last_mut() {
            phase.dropped += 1;
        }
        self.end_link(local, now_ns);
        self.doom(local);
    }

    /// Stops reading. What the connection says of the server does not count any more, not even when it reads again.
    fn stall(&mut self, local: u32) {
        let link = &mut self.links.list[local as usize];
        link.standing = Standing::Disturbed;
        self.deaf.extend(link.id);
        self.crowd.stalled.push(local);
        self.tally.connections.stalled += 1;
    }

    /// Makes `wanted` connections of those there are.
    fn want(&mut self, wanted: u32, now_ns: u64) {
        let before = std::mem::replace(&mut self.crowd.wanted, wanted);
        for local in before..wanted {
            let link = &mut self.links.list[local as usize];
            match (link.state, link.id) {
                (State::Waiting, _) => self.dialer.add(local),
                (State::Gone, None) => {
                    self.renew(local, false);
                    self.dialer.add(local);
                }
                (State::Gone | State::Closing, _) => link.sequel = Sequel::Successor { tried: false },
                (State::Connecting | State::Upgrading | State::Open, _) => {}
            }
        }
        for local in wanted..before {
            if self.links.list[local as usize].state == State::Open {
                self.depart(local, Sequel::None, now_ns);
            }
        }
    }

    /// A connection leaves in order.
    pub(super) fn depart(&mut self, local: u32, sequel: Sequel, now_ns: u64) {
        let link = &mut self.links.list[local as usize];
        (link.standing, link.sequel) = (Standing::Disturbed, sequel);
        self.tally.connections.left += 1;
        if let Some(phase) = self.tally.phases.last_mut() {
            phase.left += 1;
        }
        self.close_link(local, now_ns);
    }

    /// Lets those leave that were to by `until_ns`.
    fn let_leave(&mut self, until_ns: u64, now_ns: u64) {
        while let Some(leaves) = self.crowd.leaves.as_mut().filter(|leaves| leaves.due_ns() <= until_ns) {
            let due_ns = leaves.due_ns();
            leaves.advance();
            match self.next_to_leave() {
                // After the window nobody comes any more.
                Some(local) if now_ns >= self.window.end_ns => self.depart(local, Sequel::None, now_ns),
                Some(local) => self.depart(local, Sequel::Successor { tried: false }, now_ns),
                // Others would have come for them, had those before left in time.
                None if now_ns - due_ns > LATE_NS => self.tally.connections.left_out += 1,
                None => self.tally.connections.not_left += 1,
            }
        }
    }

    /// Those that were to leave before the end of a phase that is over, and have not yet. When the worker was away for long
    /// they stay: so many at once would be another load than the one asked for.
    fn finish_leaving(&mut self, index: usize, now_ns: u64) {
        let phase_end_ns = self.window.start_ns + self.plan.phases.start_ns(index + 1);
        let end_ns = phase_end_ns.min(self.window.end_ns);
        if now_ns.saturating_sub(end_ns) <= LATE_NS {
            // A nanosecond earlier: what is due at the end itself is the next phase's.
            return self.let_leave(end_ns - 1, now_ns);
        }
        while let Some(leaves) = self.crowd.leaves.as_mut().filter(|leaves| leaves.due_ns() < end_ns) {
            leaves.advance();
            self.tally.connections.left_out += 1;
        }
    }

    /// Everybody in turn, so that each stays about as long as the others.
    fn next_to_leave(&mut self) -> Option<u32> {
        let count = self.links.list.len();
        if self.tally.connections.open == 0 {
            return None;
        }
        let may_leave = |at: &usize| {
            let link = &self.links.list[*at];
            link.state == State::Open && link.standing != Standing::Disturbed
        };
        let found = (0..count).map(|step| (self.crowd.cursor + step) % count).find(may_leave)?;
        self.crowd.cursor = (found + 1) % count;
        u32::try_from(found).ok()
    }

    fn let_return(&mut self, now_ns: u64) {
        while let Some(Reverse((at_ns, local))) = self.crowd.returns.peek().copied() {
            if at_ns > now_ns {
                return;
            }
            self.crowd.returns.pop();
            if local < self.crowd.wanted {
                self.dialer.add(local);
            }
        }
    }

    /// A connection's socket is closed, or was never made: what the plan wants to come next begins.
    pub(super) fn follow(&mut self, local: u32, now_ns: u64) {
        let sequel = self.links.list[local as usize].sequel;
        if self.step > Step::Traffic || sequel == Sequel::None {
            return;
        }
        let at_ns = match sequel {
            Sequel::Successor { tried: false } => Some(now_ns),
            Sequel::Successor { tried: true } => self.wait(local, now_ns),
            Sequel::Return { dropped_ns, tried } => match self.backoff() {
                Backoff::Jitter => self.wait(local, now_ns),
                Backoff::None if tried => {
                    let periods = (now_ns - dropped_ns) / AGAIN_NS + 1;
                    Some(dropped_ns + periods * AGAIN_NS)
                }
                Backoff::None => Some(now_ns),
            },
            Sequel::None => None,
        };
        if let Some(at_ns) = at_ns {
            self.renew(local, matches!(sequel, Sequel::Return { .. }));
            self.crowd.returns.push(Reverse((at_ns, local)));
        }
    }

    /// How those come back that dropped.
    fn backoff(&self) -> Backoff {
        let phases = self.plan.phases.list().iter().take(self.tally.phases.len());
        phases.rev().find_map(|phase| phase.backoff).unwrap_or(Backoff::Jitter)
    }

    /// When a connection tries again, as the client crate would; `None`: never.
    fn wait(&mut self, local: u32, now_ns: u64) -> Option<u64> {
        let connection = u64::from(self.share.start + local);
        let seed = self.plan.seed ^ connection.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let backoff = self.crowd.backoffs.entry(local).or_insert_with(|| Reconnect::new(seed));
        match backoff.ended(now_ns, None) {
            Retry::At { ns } => Some(ns),
            Retry::Never(_) => None,
        }
    }

    /// Makes a connection that is over one that has not been attempted.
    fn renew(&mut self, local: u32, returns: bool) {
        let link = &mut self.links.list[local as usize];
        link.peer = self.driver.again(self.share.start + local, &link.peer, returns);
        link.state = State::Waiting;
        link.out = Vec::new();
        link.sending = false;
        link.ports_tried = 0;
        self.wheel.disarm(local);
    }

    /// A connection is ready that was ready before, or came in place of one that was.
    pub(super) fn came_back(&mut self, local: u32, now_ns: u64) {
        let link = &mut self.links.list[local as usize];
        link.standing = Standing::Back;
        if let Sequel::Return { dropped_ns, .. } = std::mem::take(&mut link.sequel) {
            let away_ns = now_ns.saturating_sub(dropped_ns);
            self.tally.connections.returned += 1;
            self.tally.recovery.record(away_ns);
            if let Some(phase) = self.tally.phases.last_mut() {
                phase.recovery.record(away_ns);
            }
        }
        self.crowd.backoffs.remove(&local);
    }
}
