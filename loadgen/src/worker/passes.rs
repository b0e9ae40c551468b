//! What a worker does in a pass, besides sending: steps, attempts, timers, events, the end.

use std::time::Duration;

use tickring_ring::{ConnectionId, Event};

use super::core::Core;
use super::dial::is_port_taken;
use super::links::State;
use super::{CLOSE_EACH_NS, CLOSE_HURRIED_NS, CLOSES_PER_PASS, LEAVE_NS, Outcome, PATIENCE_NS};
use crate::clock;
use crate::drivers::Driver;
use crate::measure::errors::{Cause, Stage};
use crate::measure::health::RingCounters;
use crate::measure::tally::{Counters, Schedule, Window};
use crate::shared::Step;

/// How often a worker looks at its own CPU time during the window, ns.
const HEALTH_NS: u64 = 1_000_000_000;

impl<D: Driver> Core<D> {
    /// Looks at what the control thread wants and where the window is.
    pub(super) fn observe(&mut self, now_ns: u64) {
        self.window = self.shared.window();
        self.tally.counters.open_ns += self.tally.connections.open * (now_ns - self.observed_ns);
        self.observed_ns = now_ns;
        let step = self.shared.step().max(self.overdue_step(now_ns));
        if step > self.step {
            if self.step == Step::Traffic {
                // What was due in the window and has not been sent yet is sent late, and not forgotten.
                self.expire(now_ns);
            }
            self.enter(step, now_ns);
        }
        if self.at_start.is_none() && now_ns >= self.window.start_ns {
            self.at_start = Some(self.tally.counters);
            self.cpu.begin(now_ns, clock::thread_cpu_ns());
        }
        if self.at_start.is_some() && !self.measured {
            if now_ns >= self.window.end_ns {
                self.measured = true;
                self.tally.measured = self.tally.counters.since(self.at_start.unwrap_or_default());
                self.cpu.end(now_ns, clock::thread_cpu_ns());
            } else if now_ns - self.cpu.sampled_ns() >= HEALTH_NS {
                self.cpu.sample(now_ns, clock::thread_cpu_ns());
            }
        }
        if now_ns >= self.sampler.due_ns() {
            self.sample(now_ns);
        }
        let unanswered = self.driver.unanswered();
        self.live().show(&self.tally.connections, &self.tally.counters, unanswered);
        self.live().show_step(self.step);
        if self.dialer.is_done() && self.handshakes == 0 {
            self.live().finish_ramp();
        }
    }

    /// The step that should have begun by now, had the leading thread been able to say so.
    fn overdue_step(&self, now_ns: u64) -> Step {
        let settling_ns = self.window.end_ns.saturating_add(PATIENCE_NS);
        if self.window == Window::UNSET {
            if now_ns >= self.ramp_end_ns { Step::Closing } else { Step::Connecting }
        } else if now_ns >= settling_ns.saturating_add(self.settle_ns) {
            Step::Closing
        } else if now_ns >= settling_ns {
            Step::Settling
        } else {
            Step::Connecting
        }
    }

    /// Tells the leading thread what happened since it was last told.
    fn sample(&mut self, now_ns: u64) {
        let samples = &self.shared.live[self.index].samples;
        if !samples.is_full() {
            let sample = self.sampler.take(now_ns, clock::thread_cpu_ns(), &mut self.tally);
            // This thread is the only one that puts any in, and there was room.
            let _ = samples.push(sample);
        }
    }

    fn live(&self) -> &crate::shared::Live {
        &self.shared.live[self.index]
    }

    fn enter(&mut self, step: Step, now_ns: u64) {
        self.step = step;
        let never =
            self.dialer.give_up().filter(|local| !self.links.list[*local as usize].opened).count() as u64;
        if never > 0 {
            self.tally.connections.failed += never;
            self.tally.errors.add_many(Stage::Connect, Cause::NotAttempted, never);
        }
        if step == Step::Closing {
            self.close_deadline_ns = now_ns + self.close_ns;
            self.leave_ns = now_ns + self.close_ns + u64::from(self.plan.conns) * CLOSE_EACH_NS + LEAVE_NS;
        }
    }

    /// An attempt is on its way.
    pub(super) fn attempted(&mut self, local: u32, id: ConnectionId, now_ns: u64) {
        self.links.tie(local, id);
        let link = &mut self.links.list[local as usize];
        if link.ports_tried == 0 {
            self.tally.connections.attempted += 1;
        }
        link.state = State::Connecting;
        link.since_ns = now_ns;
        self.handshakes += 1;
        self.in_ring += 1;
        self.dialer.attempted(id, now_ns);
    }

    /// An attempt could not even be made.
    pub(super) fn attempt_failed(&mut self, local: u32, cause: Cause, now_ns: u64) {
        let link = &mut self.links.list[local as usize];
        if link.ports_tried == 0 {
            self.tally.connections.attempted += 1;
        }
        link.sequel = link.sequel.tried();
        self.tally.attempt_failed(link.opened);
        self.tally.errors.add(Stage::Connect, cause);
        self.follow(local, now_ns);
    }

    /// The source port is in use: the next one is tried.
    pub(super) fn port_taken(&mut self, local: u32, cause: Cause, now_ns: u64) {
        let link = &mut self.links.list[local as usize];
        if link.ports_tried == 0 {
            self.tally.connections.attempted += 1;
        }
        if self.dialer.try_again(local, &mut link.ports_tried) {
            self.tally.connections.ports_skipped += 1;
        } else {
            self.attempt_failed(local, cause, now_ns);
        }
    }

    /// An attempt's time is over; most are long done.
    pub(super) fn overdue(&mut self, id: ConnectionId, now_ns: u64) {
        let Some(local) = self.links.find(id) else { return };
        if matches!(self.links.list[local as usize].state, State::Connecting | State::Upgrading) {
            self.broken(local, Cause::Timeout, now_ns);
        }
    }

    /// Sends what is due.
    pub(super) fn expire(&mut self, now_ns: u64) {
        let mut expired = std::mem::take(&mut self.expired);
        self.wheel.expire(now_ns, &mut expired);
        let may_send = self.may_send();
        for (due_ns, local) in expired.drain(..) {
            if !may_send || self.links.list[local as usize].state != State::Open {
                continue;
            }
            self.with_driver(local, now_ns, |driver, peer, turn| {
                driver.due(peer, turn, due_ns);
                Ok(())
            });
        }
        self.expired = expired;
    }

    /// Tells the drivers of ready connections that traffic has begun.
    pub(super) fn begin_links(&mut self, now_ns: u64) {
        if self.step != Step::Traffic {
            return;
        }
        let mut ready = std::mem::take(&mut self.ready);
        for local in ready.drain(..) {
            if self.links.list[local as usize].state == State::Open {
                self.with_driver(local, now_ns, |driver, peer, turn| {
                    driver.begin(peer, turn);
                    Ok(())
                });
            }
        }
        self.ready = ready;
    }

    /// Begins closing handshakes, and ends those that take too long.
    pub(super) fn close_links(&mut self, now_ns: u64) {
        if self.step != Step::Closing {
            return;
        }
        let is_hurried = self.shared.is_hurried();
        if is_hurried && self.close_ns > CLOSE_HURRIED_NS {
            self.leave_ns -= self.close_ns - CLOSE_HURRIED_NS;
            self.close_ns = CLOSE_HURRIED_NS;
            self.close_deadline_ns = self.close_deadline_ns.min(now_ns + self.close_ns);
        }
        let last = (self.closed_to + CLOSES_PER_PASS).min(self.links.list.len());
        for at in self.closed_to..last {
            self.close_link(u32::try_from(at).expect("connections are counted in u32"), now_ns);
        }
        if last > self.closed_to {
            // Whose goodbye is said last has as long as the first.
            self.close_deadline_ns = now_ns + self.close_ns;
        }
        self.closed_to = last;
        if now_ns >= self.close_deadline_ns {
            self.close_deadline_ns = u64::MAX;
            for at in 0..self.links.list.len() {
                let local = u32::try_from(at).expect("connections are counted in u32");
                match self.links.list[at].state {
                    // Who cuts the wait short does not know what would have come.
                    State::Closing if !is_hurried => self.broken(local, Cause::Timeout, now_ns),
                    _ => self.doom(local),
                }
            }
        }
    }

    /// The server still answers goodbyes: the others have their time yet, but not for ever.
    fn keep_waiting(&mut self, now_ns: u64) {
        if self.step == Step::Closing && self.close_deadline_ns != u64::MAX {
            self.close_deadline_ns = (now_ns + self.close_ns).min(self.leave_ns - LEAVE_NS);
        }
    }

    /// Begins the closing handshake of a connection that is ready, ends one that is not.
    pub(super) fn close_link(&mut self, local: u32, now_ns: u64) {
        let state = self.links.list[local as usize].state;
        match state {
            State::Connecting | State::Upgrading => self.broken(local, Cause::Interrupted, now_ns),
            State::Open => {
                self.end_link(local, now_ns);
                self.with_driver(local, now_ns, |driver, peer, turn| {
                    driver.finish(peer, turn);
                    Ok(())
                });
                let link = &mut self.links.list[local as usize];
                if link.out.is_empty() && !link.sending {
                    self.doom(local);
                } else if link.state == State::Open {
                    self.begin_closing(local);
                }
            }
            State::Waiting | State::Closing | State::Gone => {}
        }
    }

    /// Whether everything is over.
    pub(super) fn is_over(&self, now_ns: u64) -> bool {
        let nothing_left = self.in_ring == 0 && self.closed_to == self.links.list.len();
        self.step == Step::Closing && (nothing_left || now_ns >= self.leave_ns)
    }

    /// The worker's figures.
    pub(super) fn finish(mut self, ring: RingCounters) -> Outcome {
        if !self.measured {
            let since = self.at_start.unwrap_or(self.tally.counters);
            self.tally.measured = self.tally.counters.since(since);
        }
        let Schedule { sent, due, left_out } = self.tally.schedule;
        self.tally.measured = Counters { sent, due, left_out, ..self.tally.measured };
        self.sample(clock::now_ns());
        self.health.cpu_percent = self.cpu.percent();
        self.health.busy_seconds = self.cpu.busy_seconds();
        self.health.ring = ring;
        (self.health.away, self.health.away_before) = self.presence.take();
        self.live().show(&self.tally.connections, &self.tally.counters, 0);
        self.live().show_step(Step::Closing);
        self.live().finish_ramp();
        Outcome { tally: self.tally, health: self.health }
    }

    /// One event of the ring.
    pub(super) fn handle(&mut self, event: Event<'_>, now_ns: u64) {
        match event {
            Event::Received { id, bytes, arrived } => {
                let local = self.links.find(id);
                self.received(local, bytes, arrived, now_ns);
            }
            // That a send failed is told by the receive too, after what the server may have said before.
            Event::Sent { id, buffer, result: _ } => self.sent(id, buffer),
            Event::Connected { id } => self.connected(id, now_ns),
            Event::ConnectFailed { id, error } => self.connect_failed(id, &error, now_ns),
            Event::ReceiveEnded { id, error } => {
                if let Some(local) = self.links.find(id) {
                    self.down_ended(local, error.as_ref().map_or(Cause::EndOfStream, Cause::of), now_ns);
                }
            }
            Event::Closed { id } => {
                self.in_ring = self.in_ring.saturating_sub(1);
                self.keep_waiting(now_ns);
                if let Some(local) = self.links.find(id) {
                    let target = self.target_index(local);
                    let link = &mut self.links.list[local as usize];
                    link.id = None;
                    self.dialer.give_back(target, link.pair);
                    self.follow(local, now_ns);
                }
            }
            Event::Accepted { .. }
            | Event::AcceptPaused { .. }
            | Event::AcceptResumed
            | Event::Adopted { .. }
            | Event::HandedOver { .. }
            | Event::HandOverFailed { .. }
            | Event::Bell => {}
        }
    }

    /// Bytes that are fetched now, and which arrived when the kernel says.
    pub(super) fn received(
        &mut self,
        local: Option<u32>,
        bytes: &mut [u8],
        arrived: Option<Duration>,
        now_ns: u64,
    ) {
        self.knows_arrivals = arrived.is_some();
        self.tally.counters.bytes_down += bytes.len() as u64;
        let arrived_ns = arrived.and_then(|at| u64::try_from(at.as_nanos()).ok()).unwrap_or(now_ns);
        if let Some(local) = local.filter(|at| self.links.list[*at as usize].state != State::Gone) {
            self.down(local, bytes, arrived_ns);
        }
    }

    fn connected(&mut self, id: ConnectionId, now_ns: u64) {
        let Some(local) = self.links.find(id) else { return };
        let link = &mut self.links.list[local as usize];
        if link.state != State::Connecting {
            return;
        }
        self.tally.connect.record(now_ns.saturating_sub(link.since_ns));
        link.state = State::Upgrading;
        link.since_ns = now_ns;
        self.fresh.push(id);
        self.with_driver(local, now_ns, |driver, peer, turn| {
            driver.connected(peer, turn);
            Ok(())
        });
    }

    fn connect_failed(&mut self, id: ConnectionId, error: &std::io::Error, now_ns: u64) {
        self.in_ring = self.in_ring.saturating_sub(1);
        let Some(local) = self.links.find(id) else { return };
        let target = self.target_index(local);
        let link = &mut self.links.list[local as usize];
        link.id = None;
        self.dialer.give_back(target, link.pair);
        if link.state != State::Connecting {
            return self.follow(local, now_ns);
        }
        if is_port_taken(error) && self.step <= Step::Traffic {
            link.state = State::Waiting;
            self.handshakes -= 1;
            self.port_taken(local, Cause::of(error), now_ns);
        } else {
            self.broken(local, Cause::of(error), now_ns);
        }
    }

    /// Nothing more comes from the server.
    pub(super) fn ended(&mut self, local: u32, cause: Cause, now_ns: u64) {
        if self.links.list[local as usize].state == State::Closing {
            // Both sides have said goodbye, or the server was told why: the order of the last packets
            // does not matter any more.
            return self.doom(local);
        }
        self.broken(local, cause, now_ns);
    }

    fn sent(&mut self, id: ConnectionId, buffer: Vec<u8>) {
        self.recycle(buffer);
        let Some(local) = self.links.find(id) else { return };
        let link = &mut self.links.list[local as usize];
        link.sending = false;
        self.line_is_free(local);
        let link = &mut self.links.list[local as usize];
        if !link.out.is_empty() && !link.dirty {
            link.dirty = true;
            self.dirty.push(local);
        }
    }
}
