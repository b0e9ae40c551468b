//! A worker: one pinned thread with one ring and its share of the connections.
//!
//! ```text
//! loop {
//!     observe   what the control thread asks for
//!     link      what was under way for long enough, where a link is modelled
//!     conduct   what the plan's phases do to connections
//!     dial      connections that are due
//!     timers    messages that are due
//!     flush     one send per connection that has something to say
//!     wait      until the next due time, or answers
//!     drain     answers to the drivers, which note what to send
//! }
//! ```

mod core;
mod crowd;
mod dial;
mod lines;
mod links;
mod passes;

use std::sync::Arc;

use tickring_ring::{Config, Receive, Ring, SetupError};

use self::core::Core;
use crate::clock;
use crate::drivers::Driver;
use crate::measure::errors::Cause;
use crate::measure::health::{Health, RingCounters};
use crate::measure::tally::Tally;
use crate::plan::{Plan, Preset};
use crate::shared::Shared;

/// Closing handshakes that may take this long, ns: more than the slowest link there and back.
const CLOSE_NS: u64 = 5_000_000_000;
/// The same after an interruption, ns: who waits at the terminal waits no longer for a server that answers nothing.
const CLOSE_HURRIED_NS: u64 = 500_000_000;
/// What each connection of the run adds to the time that all closing handshakes together may take, ns: as long as some are
/// answered, and none for [`CLOSE_NS`] ends it.
const CLOSE_EACH_NS: u64 = 1_000_000;
/// Time for the kernel to give the last sockets back, ns.
const LEAVE_NS: u64 = 2_000_000_000;
/// How long after its time a step lasts without a word from the leading thread, ns. It can be kept from
/// running, for instance by our own real-time priority; the run must end all the same.
const PATIENCE_NS: u64 = 3_000_000_000;
/// Connections whose closing handshake begins in one pass.
const CLOSES_PER_PASS: usize = 512;
/// Longest sleep: how late a worker notices what the control thread wants.
const SLEEP_MAX_NS: u64 = 10_000_000;
/// What a worker leaves behind.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) health: Health,
}

/// One thread's part of a run.
pub(crate) struct Worker<D: Driver> {
    ring: Ring,
    core: Core<D>,
}

/// How the ring waits.
#[derive(Clone, Copy, Debug)]
struct WaitPolicy {
    /// Answers worth waking for before the gathering is over.
    want: u32,
    /// How long answers may gather.
    gather_ns: u64,
    /// How long due messages may gather.
    gather_due_ns: u64,
}

/// Answers worth waking for where the kernel says when each came.
const WANT_LEFT: u32 = 256;

/// Whether the kernel is asked when answers come: then nobody has to wake up to know. In a closed loop each answer is
/// what the next message waits for.
fn asks_for_arrivals(plan: &Plan) -> bool {
    matches!(plan.preset, Preset::Echo { .. }) && plan.preset.is_open_loop()
}

impl WaitPolicy {
    fn of(plan: &Plan) -> Self {
        let want = match plan.preset {
            Preset::Game { .. } | Preset::Rewind { .. } => 128,
            Preset::Echo { .. } if plan.preset.is_open_loop() => 64,
            Preset::Echo { .. } => 32,
            Preset::Idle => 256,
        };
        let gather_ns = u64::from(plan.gather_us) * 1_000;
        Self { want, gather_ns, gather_due_ns: if plan.exact { 0 } else { gather_ns } }
    }
}

/// Sizes of a worker's ring for `conns` connections.
fn ring_config(plan: &Plan, conns: u32) -> Config {
    // Whoever says nothing hears little, and there may be a hundred thousand of them: nothing is kept ready for them.
    let (buffers, buffer_bytes) = match plan.preset {
        Preset::Idle => (512, 1_024),
        Preset::Echo { size, .. } if size <= 1_024 => (2_048, 2_048),
        Preset::Echo { .. } | Preset::Game { .. } | Preset::Rewind { .. } => (2_048, 8_192),
    };
    Config {
        connections_max: conns,
        completion_entries: 16_384,
        buffers,
        buffer_bytes,
        arrival_times: asks_for_arrivals(plan),
        ..Config::default()
    }
}

impl<D: Driver> Worker<D> {
    /// Sets a worker up on the calling thread, where it must stay, and waits until all others are set up, too.
    ///
    /// # Errors
    /// When this machine does not let us have the ring.
    pub(crate) fn new(
        plan: &Arc<Plan>,
        shared: Arc<Shared>,
        index: u32,
        driver: D,
        salt: u32,
    ) -> Result<Self, SetupError> {
        let share = plan.share(index);
        let conns = share.end - share.start;
        let ring = Ring::new(&ring_config(plan, conns))?;
        shared.wait_for_the_others();
        let core = Core::new(plan, shared, index, driver, salt);
        Ok(Self { ring, core })
    }

    /// Runs to the end of the run.
    ///
    /// # Errors
    /// When the ring fails, or the thread's share cannot go on.
    pub(crate) fn run(mut self) -> std::io::Result<Outcome> {
        loop {
            let now_ns = clock::now_ns();
            self.core.observe(now_ns);
            self.core.release(now_ns);
            self.core.conduct(now_ns);
            self.dial(now_ns);
            self.core.expire(now_ns);
            self.core.begin_links(now_ns);
            self.core.close_links(now_ns);
            self.flush();
            if self.core.is_over(now_ns) {
                return Ok(self.core.finish(RingCounters::of(self.ring.counters())));
            }
            let asleep_ns = clock::now_ns();
            let wait = self.core.next_wait(asleep_ns);
            self.ring.wait(&wait)?;
            let awake_ns = clock::now_ns();
            self.core.woke(asleep_ns, wait.timeout, awake_ns);
            self.drain(awake_ns);
        }
    }

    /// Attempts the connections that are due.
    fn dial(&mut self, now_ns: u64) {
        let mut this_pass = 0;
        while let Some(local) = self.core.dialer.due(now_ns, self.core.handshakes, this_pass) {
            this_pass += 1;
            let target = self.core.target_index(local);
            let pair = &mut self.core.links.list[local as usize].pair;
            match self.core.dialer.socket(target, pair) {
                Ok((socket, target)) => match self.ring.connect(socket, target) {
                    Ok(id) => self.core.attempted(local, id, now_ns),
                    Err(error) => self.core.attempt_failed(local, Cause::of(&error), now_ns),
                },
                Err(dial::DialError::PortTaken(cause)) => self.core.port_taken(local, cause, now_ns),
                Err(dial::DialError::Failed(cause)) => self.core.attempt_failed(local, cause, now_ns),
            }
        }
        while let Some(id) = self.core.dialer.overdue(now_ns) {
            self.core.overdue(id, now_ns);
        }
    }

    /// Hands everything written to the kernel, and does what was noted during the drain.
    fn flush(&mut self) {
        for id in self.core.fresh.drain(..) {
            self.ring.receive(id, Receive::Many);
        }
        for id in self.core.deaf.drain(..) {
            self.ring.pause_receive(id);
        }
        let now_ns = clock::now_ns();
        let mut dirty = std::mem::take(&mut self.core.dirty);
        for local in dirty.drain(..) {
            if let Some((id, bytes)) = self.core.take_out(local, now_ns) {
                self.ring.send_quietly(id, bytes);
            }
        }
        self.core.dirty = dirty;
        while let Some(local) = self.core.lines.as_mut().and_then(|lines| lines.ready.pop()) {
            if let Some((id, bytes)) = self.core.take_through(local) {
                self.ring.send_quietly(id, bytes);
            }
        }
        for id in self.core.doomed.drain(..) {
            self.ring.close(id);
        }
    }

    /// Gives every event to its connection.
    fn drain(&mut self, now_ns: u64) {
        while let Some(event) = self.ring.next_event() {
            self.core.handle(event, now_ns);
        }
    }
}

#[cfg(test)]
mod tests;
