//! The connections of a worker and what is noted about them, apart from the ring.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tickring_ring::{ConnectionId, Wait};

use super::crowd::Crowd;
use super::dial::Dialer;
use super::lines::Lines;
use super::links::{Links, Sequel, State};
use super::{CLOSE_NS, PATIENCE_NS, SLEEP_MAX_NS, WANT_LEFT, WaitPolicy};
use crate::clock;
use crate::drivers::{Driver, Next, Standing, Turn};
use crate::measure::errors::Cause;
use crate::measure::health::{CpuWatch, Health};
use crate::measure::presence::{Presence, Spent};
use crate::measure::sample::Sampler;
use crate::measure::stops::Stops;
use crate::measure::tally::{Counters, Tally, Window};
use crate::pacing::Wheel;
use crate::plan::{Plan, Preset};
use crate::shared::{Shared, Step};

/// Send buffers kept for the next message.
const SPARE_BUFFERS_MAX: usize = 4_096;
/// The same where connections say nothing but hello and goodbye.
const SPARE_BUFFERS_IDLE_MAX: usize = 256;
/// A buffer larger than this is not kept.
const SPARE_BYTES_MAX: usize = 64 * 1_024;

/// Everything but the ring: it can be changed while an event borrows the ring.
pub(super) struct Core<D: Driver> {
    pub(super) plan: Arc<Plan>,
    pub(super) shared: Arc<Shared>,
    /// The connections of the run that are this worker's.
    pub(super) share: Range<u32>,
    pub(super) crowd: Crowd,
    pub(super) index: usize,
    pub(super) driver: D,
    pub(super) links: Links<D::Peer>,
    pub(super) dialer: Dialer,
    pub(super) wheel: Wheel,
    pub(super) tally: Tally,
    pub(super) health: Health,
    pub(super) cpu: CpuWatch,
    /// Whether it gets to run.
    pub(super) presence: Presence,
    stops: Stops,
    pub(super) queue: clock::Queue,
    pub(super) sampler: Sampler,
    pub(super) window: Window,
    pub(super) step: Step,
    /// When the worker last looked around.
    pub(super) observed_ns: u64,
    /// Counters when the window began.
    pub(super) at_start: Option<Counters>,
    pub(super) measured: bool,
    /// Links with something to send.
    pub(super) dirty: Vec<u32>,
    /// Connections to begin receiving on.
    pub(super) fresh: Vec<ConnectionId>,
    /// Connections to stop receiving on.
    pub(super) deaf: Vec<ConnectionId>,
    /// Connections to close.
    pub(super) doomed: Vec<ConnectionId>,
    pub(super) spare: Vec<Vec<u8>>,
    spare_max: usize,
    pub(super) expired: Vec<(u64, u32)>,
    /// Attempts that are not ready yet.
    pub(super) handshakes: u64,
    /// Connections that the ring still has.
    pub(super) in_ring: u64,
    /// Ready connections whose drivers have not been told yet that traffic began.
    pub(super) ready: Vec<u32>,
    /// How far closing has come through the links.
    pub(super) closed_to: usize,
    /// How long goodbyes are waited for when none is answered, ns.
    pub(super) close_ns: u64,
    /// When closing handshakes are cut short.
    pub(super) close_deadline_ns: u64,
    /// When connecting is over even if nobody says so.
    pub(super) ramp_end_ns: u64,
    /// How long answers may take after the window.
    pub(super) settle_ns: u64,
    /// When the worker leaves whatever happens.
    pub(super) leave_ns: u64,
    pub(super) wait: WaitPolicy,
    /// The kernel said when the newest bytes arrived.
    pub(super) knows_arrivals: bool,
    /// The links between the connections and the server, where they are modelled.
    pub(super) lines: Option<Lines>,
}

/// What the calling thread, which `queue` is of, has spent so far.
fn spent(queue: &clock::Queue) -> Spent {
    Spent { cpu_ns: clock::thread_cpu_ns(), queued_ns: queue.waited_ns() }
}

impl<D: Driver> Core<D> {
    /// Nothing connected yet; the rate of connecting counts from now.
    pub(super) fn new(plan: &Arc<Plan>, shared: Arc<Shared>, index: u32, mut driver: D, salt: u32) -> Self {
        let share = plan.share(index);
        let (now_ns, started_ns) = (clock::now_ns(), shared.started_ns);
        let count = share.len();
        let links = Links::new(share.clone().map(|connection| driver.peer(connection)), count);
        let wanted = plan.wanted(0, &share);
        let dialer = Dialer::new(plan, index, salt, now_ns, wanted);
        let queue = clock::Queue::of_this_thread();
        Self {
            plan: Arc::clone(plan),
            wait: WaitPolicy::of(plan),
            share,
            crowd: Crowd::new(wanted),
            shared,
            index: usize::try_from(index).expect("a u32 fits in usize"),
            driver,
            links,
            dialer,
            wheel: Wheel::new(count, now_ns),
            tally: Tally::default(),
            health: Health::default(),
            cpu: CpuWatch::default(),
            presence: Presence::new(now_ns, spent(&queue)),
            stops: Stops::watch(),
            queue,
            sampler: Sampler::new(started_ns, plan.sample_ns()),
            window: Window::UNSET,
            step: Step::Connecting,
            observed_ns: now_ns,
            at_start: None,
            measured: false,
            dirty: Vec::new(),
            fresh: Vec::new(),
            deaf: Vec::new(),
            doomed: Vec::new(),
            spare: Vec::new(),
            spare_max: match plan.preset {
                Preset::Idle => SPARE_BUFFERS_IDLE_MAX,
                Preset::Echo { .. } | Preset::Game { .. } | Preset::Rewind { .. } => SPARE_BUFFERS_MAX,
            },
            expired: Vec::new(),
            handshakes: 0,
            in_ring: 0,
            ready: Vec::new(),
            closed_to: 0,
            close_ns: CLOSE_NS,
            close_deadline_ns: u64::MAX,
            ramp_end_ns: now_ns + plan.ramp_ns_max() + PATIENCE_NS,
            settle_ns: plan.settle_ns(),
            leave_ns: u64::MAX,
            knows_arrivals: false,
            lines: Lines::of(plan, now_ns, index),
        }
    }

    /// Which of the targets a connection goes to.
    pub(super) fn target_index(&self, local: u32) -> u16 {
        self.plan.target_index(self.share.start + local)
    }

    /// A wait that began at `from_ns` and was to take `timeout` at most is over.
    pub(super) fn woke(&mut self, from_ns: u64, timeout: Option<Duration>, now_ns: u64) {
        let longest_ns = timeout.and_then(|timeout| u64::try_from(timeout.as_nanos()).ok());
        let slept_ns = now_ns.saturating_sub(from_ns).min(longest_ns.unwrap_or(u64::MAX));
        if self.stops.take() {
            self.presence.continued();
        }
        self.presence.woke(now_ns, slept_ns, self.window, || spent(&self.queue));
    }

    /// When to wake up again.
    pub(super) fn next_wait(&self, now_ns: u64) -> Wait {
        let WaitPolicy { want, gather_ns, gather_due_ns } = self.wait;
        let mut until_ns = now_ns + SLEEP_MAX_NS;
        if let Some(due_ns) = self.wheel.next_due_ns(now_ns, SLEEP_MAX_NS) {
            // Not at every single due time, but at most a gathering later.
            until_ns = until_ns.min(due_ns.max(now_ns + gather_due_ns));
        }
        let lines_ns = self.lines.as_ref().and_then(|lines| lines.next_due_ns(now_ns, SLEEP_MAX_NS));
        until_ns = until_ns.min(lines_ns.map_or(u64::MAX, |due_ns| due_ns.max(now_ns + gather_due_ns)));
        if self.step <= Step::Traffic && !self.dialer.is_done() {
            until_ns = until_ns.min(self.dialer.next_ns().max(now_ns + 500_000));
        }
        until_ns = until_ns.min(self.next_deed_ns().max(now_ns + gather_due_ns));
        let idle =
            self.dirty.is_empty() && self.fresh.is_empty() && self.deaf.is_empty() && self.doomed.is_empty();
        let timeout_ns = if idle { until_ns - now_ns } else { 0 };
        let (want, gather_ns) =
            if self.leaves_answers() { (WANT_LEFT, timeout_ns) } else { (want, gather_ns) };
        Wait {
            timeout: Some(Duration::from_nanos(timeout_ns)),
            want,
            gather: Duration::from_nanos(gather_ns),
        }
    }

    /// Whether answers may wait until there is something to send: when they came is known all the same, and nothing
    /// but traffic goes on.
    pub(super) fn leaves_answers(&self) -> bool {
        self.knows_arrivals && self.step == Step::Traffic && self.handshakes == 0
    }

    /// Whether traffic may be sent in this step.
    pub(super) fn may_send(&self) -> bool {
        let last = if D::SENDS_WHILE_SETTLING { Step::Settling } else { Step::Traffic };
        self.step <= last
    }

    /// Calls the driver for a link and does what follows from it.
    pub(super) fn with_driver(
        &mut self,
        local: u32,
        now_ns: u64,
        call: impl FnOnce(&mut D, &mut D::Peer, &mut Turn<'_>) -> Result<(), Cause>,
    ) {
        let link = &mut self.links.list[local as usize];
        if link.out.capacity() == 0 {
            link.out = self.spare.pop().unwrap_or_default();
        }
        let (result, next) = self.turn(local, now_ns, call);
        let link = &mut self.links.list[local as usize];
        if link.out.is_empty() {
            self.spare.push(std::mem::take(&mut link.out));
        } else if !link.dirty {
            link.dirty = true;
            self.dirty.push(local);
        }
        if next.opened {
            self.opened(local, now_ns);
        }
        if let Some(at_ns) = next.wake_at_ns {
            self.wheel.arm(local, at_ns);
        }
        match result {
            Ok(()) if next.closed => self.doom(local),
            Ok(()) => {}
            Err(cause) => self.refused(local, cause, now_ns),
        }
    }

    /// Calls the driver for a link; what it wants next is left to the caller.
    fn turn<R>(
        &mut self,
        local: u32,
        now_ns: u64,
        call: impl FnOnce(&mut D, &mut D::Peer, &mut Turn<'_>) -> R,
    ) -> (R, Next) {
        let may_send = self.may_send();
        let link = &mut self.links.list[local as usize];
        let mut turn = Turn {
            now_ns,
            window: self.window,
            standing: link.standing,
            may_send,
            out: &mut link.out,
            tally: &mut self.tally,
            next: Next::default(),
        };
        let result = call(&mut self.driver, &mut link.peer, &mut turn);
        (result, turn.next)
    }

    /// What a dirty link has to send now, unless a send is under way.
    pub(super) fn take_out(&mut self, local: u32, now_ns: u64) -> Option<(ConnectionId, Vec<u8>)> {
        let link = &mut self.links.list[local as usize];
        link.dirty = false;
        // A modelled link takes everything at once; the socket behind it takes one send at a time.
        let is_free = self.lines.is_some() || !link.sending;
        let can = is_free && !link.out.is_empty() && !matches!(link.state, State::Gone | State::Waiting);
        let id = link.id.filter(|_| can)?;
        let bytes = std::mem::take(&mut link.out);
        self.tally.counters.bytes_up += bytes.len() as u64;
        self.turn(local, now_ns, |driver, peer, turn| driver.flushed(peer, turn));
        let bytes = self.up(local, bytes, now_ns)?;
        self.links.list[local as usize].sending = true;
        Some((id, bytes))
    }

    /// Keeps a buffer for another message.
    pub(super) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < self.spare_max && buffer.capacity() <= SPARE_BYTES_MAX {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// A connection is ready for traffic.
    fn opened(&mut self, local: u32, now_ns: u64) {
        let link = &mut self.links.list[local as usize];
        if link.state != State::Upgrading {
            return;
        }
        self.tally.upgrade.record(now_ns.saturating_sub(link.since_ns));
        link.state = State::Open;
        link.since_ns = now_ns;
        let is_first = !std::mem::replace(&mut link.opened, true);
        self.handshakes -= 1;
        self.tally.connections.connected += u64::from(is_first);
        self.tally.connections.open += 1;
        self.tally.counters.opened += 1;
        self.ready.push(local);
        if !is_first {
            self.came_back(local, now_ns);
        }
        if local >= self.crowd.wanted {
            // Its time was over before it came.
            self.depart(local, Sequel::None, now_ns);
        }
    }

    /// A connection is of no use any more, and nobody waits for what it still had to say.
    pub(super) fn broken(&mut self, local: u32, cause: Cause, now_ns: u64) {
        self.fail(local, cause, now_ns, State::Gone);
    }

    /// The driver does not go on with a connection. What it wrote, such as the answer to a close, is
    /// still sent; the server then ends the connection.
    fn refused(&mut self, local: u32, cause: Cause, now_ns: u64) {
        let link = &self.links.list[local as usize];
        let answers = !link.out.is_empty() && matches!(link.state, State::Upgrading | State::Open);
        self.fail(local, cause, now_ns, if answers { State::Closing } else { State::Gone });
    }

    /// Counts a failure by the stage it came in; the connection goes on to `to`.
    fn fail(&mut self, local: u32, cause: Cause, now_ns: u64, to: State) {
        let link = &mut self.links.list[local as usize];
        let state = link.state;
        match state {
            State::Waiting | State::Gone => return,
            State::Connecting | State::Upgrading => {
                self.handshakes -= 1;
                self.tally.attempt_failed(link.opened);
                link.sequel = link.sequel.tried();
            }
            State::Open if link.standing == Standing::Disturbed => self.tally.connections.shed += 1,
            State::Open => self.tally.connections.lost += 1,
            State::Closing => {}
        }
        let has_socket = link.id.is_some();
        self.tally.errors.add(state.stage(), cause);
        match to {
            State::Closing => self.begin_closing(local),
            _ => self.doom(local),
        }
        if state == State::Open {
            self.end_link(local, now_ns);
        }
        if !has_socket {
            // Nothing will be closed that the next attempt waits for.
            self.follow(local, now_ns);
        }
    }

    /// Lets the driver judge what is missing.
    pub(super) fn end_link(&mut self, local: u32, now_ns: u64) {
        self.with_driver(local, now_ns, |driver, peer, turn| {
            driver.end(peer, turn);
            Ok(())
        });
    }

    /// Nothing more is sent but the goodbye.
    pub(super) fn begin_closing(&mut self, local: u32) {
        self.leave(local, State::Closing);
    }

    /// Closes the socket at the end of this pass.
    pub(super) fn doom(&mut self, local: u32) {
        if self.leave(local, State::Gone) != State::Gone {
            let link = &mut self.links.list[local as usize];
            link.out = Vec::new();
            self.doomed.extend(link.id);
            self.cut(local);
        }
    }

    /// The end of a connection's use; returns the state it was in.
    fn leave(&mut self, local: u32, to: State) -> State {
        let before = std::mem::replace(&mut self.links.list[local as usize].state, to);
        if before == State::Open {
            self.tally.connections.open -= 1;
            self.tally.recent.are_left(self.tally.connections.open);
        }
        before
    }
}
