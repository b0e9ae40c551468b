//! Everything one worker counts.

use super::errors::ErrorTable;
use super::latency::Latency;
use super::sample::Recent;
use super::streams::Finding;

/// The measuring window: figures are of messages meant to be sent within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

impl Window {
    /// A window that has not been opened.
    pub(crate) const UNSET: Self = Self { start_ns: u64::MAX, end_ns: u64::MAX };

    /// Whether `at_ns` lies in it.
    pub(crate) const fn contains(self, at_ns: u64) -> bool {
        at_ns >= self.start_ns && at_ns < self.end_ns
    }

    /// Whether some of the time from `from_ns` to `to_ns` lies in it.
    pub(crate) const fn meets(self, from_ns: u64, to_ns: u64) -> bool {
        from_ns < self.end_ns && to_ns >= self.start_ns
    }

    /// Its length, seconds.
    #[expect(clippy::cast_precision_loss, reason = "a run is far shorter than 2^53 ns")]
    pub(crate) fn seconds(self) -> f64 {
        self.length_ns() as f64 / 1e9
    }

    /// Its length, ns.
    pub(crate) const fn length_ns(self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }
}

/// Monotonic counters since the start of the run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    /// Messages handed to the kernel or about to be.
    pub(crate) sent: u64,
    /// Messages that were due.
    pub(crate) due: u64,
    /// Of those due, not sent because the generator came to them too late.
    pub(crate) left_out: u64,
    /// Messages received.
    pub(crate) received: u64,
    /// Bytes received.
    pub(crate) bytes_down: u64,
    /// Bytes handed to the kernel.
    pub(crate) bytes_up: u64,
    /// Time that connections were open, of all together, ns: what figures per player and second refer to.
    pub(crate) open_ns: u64,
    /// Snapshots received.
    pub(crate) snapshots: u64,
    /// Those that said that the server lets time pass more slowly, because it does not keep up.
    pub(crate) snapshots_slow: u64,
    /// Game events received.
    pub(crate) events: u64,
    /// Connections that became ready.
    pub(crate) opened: u64,
    /// WebSocket pings answered, where no client of a game does it by itself.
    pub(crate) pings_answered: u64,
    /// Shots the bots fired.
    pub(crate) shots: u64,
    /// Shots whose aim was on a target as the shooter saw it.
    pub(crate) hits_expected: u64,
    /// Hits the server granted to the bots.
    pub(crate) hits_confirmed: u64,
    /// What the marksmen of the rewind probe found out.
    pub(crate) probe: Probe,
}

/// Shots of the rewind probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Shots fired.
    pub(crate) fired: u64,
    /// Shots of which the server said what it made of them. All below are of these.
    pub(crate) judged: u64,
    /// Aimed at the target as the marksman really saw it.
    pub(crate) aimed_true: u64,
    /// Of those aimed true: hits the server granted.
    pub(crate) granted: u64,
    /// Not aimed true, but at the target as it was within the server's tolerance of what the marksman saw.
    pub(crate) near: u64,
    /// Of those near, hits the server granted.
    pub(crate) near_granted: u64,
    /// Hits the server granted to shots that were aimed elsewhere.
    pub(crate) gained: u64,
    /// Shots that meet the target where it stood when the server judged them.
    pub(crate) present: u64,
}

impl Probe {
    const fn since(self, earlier: Self) -> Self {
        Self {
            fired: self.fired - earlier.fired,
            judged: self.judged - earlier.judged,
            aimed_true: self.aimed_true - earlier.aimed_true,
            granted: self.granted - earlier.granted,
            near: self.near - earlier.near,
            near_granted: self.near_granted - earlier.near_granted,
            gained: self.gained - earlier.gained,
            present: self.present - earlier.present,
        }
    }

    const fn add(&mut self, other: Self) {
        self.fired += other.fired;
        self.judged += other.judged;
        self.aimed_true += other.aimed_true;
        self.granted += other.granted;
        self.near += other.near;
        self.near_granted += other.near_granted;
        self.gained += other.gained;
        self.present += other.present;
    }
}

impl Counters {
    /// What has been added since `earlier`.
    pub(crate) const fn since(self, earlier: Self) -> Self {
        Self {
            sent: self.sent - earlier.sent,
            due: self.due - earlier.due,
            left_out: self.left_out - earlier.left_out,
            received: self.received - earlier.received,
            bytes_down: self.bytes_down - earlier.bytes_down,
            bytes_up: self.bytes_up - earlier.bytes_up,
            open_ns: self.open_ns - earlier.open_ns,
            snapshots: self.snapshots - earlier.snapshots,
            snapshots_slow: self.snapshots_slow - earlier.snapshots_slow,
            events: self.events - earlier.events,
            opened: self.opened - earlier.opened,
            pings_answered: self.pings_answered - earlier.pings_answered,
            shots: self.shots - earlier.shots,
            hits_expected: self.hits_expected - earlier.hits_expected,
            hits_confirmed: self.hits_confirmed - earlier.hits_confirmed,
            probe: self.probe.since(earlier.probe),
        }
    }

    /// Takes those of another worker in.
    pub(crate) const fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.due += other.due;
        self.left_out += other.left_out;
        self.received += other.received;
        self.bytes_down += other.bytes_down;
        self.bytes_up += other.bytes_up;
        self.open_ns += other.open_ns;
        self.snapshots += other.snapshots;
        self.snapshots_slow += other.snapshots_slow;
        self.events += other.events;
        self.opened += other.opened;
        self.pings_answered += other.pings_answered;
        self.shots += other.shots;
        self.hits_expected += other.hits_expected;
        self.hits_confirmed += other.hits_confirmed;
        self.probe.add(other.probe);
    }
}

/// Messages of the window by the time they were meant to be sent at, whenever the worker came to them. Those without such
/// a time count by when they were sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Schedule {
    pub(crate) sent: u64,
    pub(crate) due: u64,
    /// Of those due, not sent because the generator came to them too late.
    pub(crate) left_out: u64,
}

/// What must be zero; counted over the whole run, warm-up and settling included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Correctness {
    /// Stream findings: gaps, declared drops, duplicates, reorders.
    pub(crate) stream: Finding,
    /// Echoes whose content is not what was sent.
    pub(crate) corrupted: u64,
    /// Snapshots whose state does not match the server's checksum, or does not decode.
    pub(crate) mismatches: u64,
}

impl Correctness {
    /// Takes a stream's finding in.
    pub(crate) const fn note(&mut self, finding: Finding) {
        self.stream.gaps += finding.gaps;
        self.stream.presumed += finding.presumed;
        self.stream.declared += finding.declared;
        self.stream.duplicates += finding.duplicates;
        self.stream.reordered += finding.reordered;
    }

    /// Takes those of another worker in.
    pub(crate) const fn add(&mut self, other: Self) {
        self.note(other.stream);
        self.corrupted += other.corrupted;
        self.mismatches += other.mismatches;
    }
}

/// What became of the connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Connections {
    /// Attempts made.
    pub(crate) attempted: u64,
    /// Ready for traffic at some time: connected, upgraded, seated.
    pub(crate) connected: u64,
    /// Never became ready.
    pub(crate) failed: u64,
    /// Became ready and ended before the run did.
    pub(crate) lost: u64,
    /// Ready now.
    pub(crate) open: u64,
    /// Left in order because the plan said so.
    pub(crate) left: u64,
    /// Cut off without a goodbye because the plan said so.
    pub(crate) dropped: u64,
    /// Of those dropped: ready again.
    pub(crate) returned: u64,
    /// Attempts of those that come back, or take somebody's place, that failed and were tried again.
    pub(crate) retried: u64,
    /// Stopped reading because the plan said so.
    pub(crate) stalled: u64,
    /// Ended by the server while they did not read, because the plan said so.
    pub(crate) shed: u64,
    /// Departures that were due when nobody was left to go.
    pub(crate) not_left: u64,
    /// Departures that were due and not made because the generator came to them too late.
    pub(crate) left_out: u64,
    /// Local ports that were taken and skipped.
    pub(crate) ports_skipped: u64,
}

impl Connections {
    /// Takes those of another worker in.
    pub(crate) const fn add(&mut self, other: Self) {
        self.attempted += other.attempted;
        self.connected += other.connected;
        self.failed += other.failed;
        self.lost += other.lost;
        self.open += other.open;
        self.left += other.left;
        self.dropped += other.dropped;
        self.returned += other.returned;
        self.retried += other.retried;
        self.stalled += other.stalled;
        self.shed += other.shed;
        self.not_left += other.not_left;
        self.left_out += other.left_out;
        self.ports_skipped += other.ports_skipped;
    }
}

/// What happened in one phase of the window.
#[derive(Clone, Debug)]
pub(crate) struct PhaseTally {
    pub(crate) counters: Counters,
    /// Of the connections that nothing has befallen: from the intended send time, or in a closed loop from the real
    /// one.
    pub(crate) latency: Latency,
    /// Of the same: between snapshots of one player.
    pub(crate) interval: Latency,
    /// Of those that dropped in this phase: until they were ready again.
    pub(crate) recovery: Latency,
    pub(crate) dropped: u64,
    pub(crate) left: u64,
    /// Ready at its end.
    pub(crate) open: u64,
}

impl Default for PhaseTally {
    fn default() -> Self {
        Self {
            counters: Counters::default(),
            latency: Latency::coarse(),
            interval: Latency::coarse(),
            recovery: Latency::coarse(),
            dropped: 0,
            left: 0,
            open: 0,
        }
    }
}

impl PhaseTally {
    fn merge(&mut self, other: &Self) {
        self.counters.add(other.counters);
        self.latency.merge(&other.latency);
        self.interval.merge(&other.interval);
        self.recovery.merge(&other.recovery);
        self.dropped += other.dropped;
        self.left += other.left;
        self.open += other.open;
    }
}

/// One worker's figures; [`Tally::merge`] makes those of the run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Since the start of the run.
    pub(crate) counters: Counters,
    /// Within the measuring window.
    pub(crate) measured: Counters,
    /// Of it, what goes by the schedule; part of `measured` when the worker is done.
    pub(crate) schedule: Schedule,
    pub(crate) correctness: Correctness,
    pub(crate) connections: Connections,
    pub(crate) errors: ErrorTable,
    /// From the intended send time to the answer.
    pub(crate) intended: Latency,
    /// From the real send to the answer.
    pub(crate) service: Latency,
    /// How long after its intended time the generator came to a message, sent or not.
    pub(crate) send_lag: Latency,
    /// Between snapshots of one player.
    pub(crate) interval: Latency,
    /// Round trips of the game protocol's pings.
    pub(crate) ping: Latency,
    /// TCP connect.
    pub(crate) connect: Latency,
    /// From connected to ready for traffic.
    pub(crate) upgrade: Latency,
    /// From dropping to being ready again.
    pub(crate) recovery: Latency,
    /// The phases that have begun.
    pub(crate) phases: Vec<PhaseTally>,
    /// Since the last sample.
    pub(crate) recent: Recent,
    /// Messages of the window that were never answered. They stand in the latencies with the time
    /// waited for them.
    pub(crate) unanswered: u64,
    /// Messages that were due and not sent, whoever was the cause.
    pub(crate) withheld: u64,
}

impl Tally {
    /// An attempt to connect failed; whoever `was_open` before tries again.
    pub(crate) const fn attempt_failed(&mut self, was_open: bool) {
        if was_open {
            self.connections.retried += 1;
        } else {
            self.connections.failed += 1;
        }
    }

    /// Takes another worker's figures in.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.counters.add(other.counters);
        self.measured.add(other.measured);
        self.correctness.add(other.correctness);
        self.connections.add(other.connections);
        self.errors.merge(&other.errors);
        self.intended.merge(&other.intended);
        self.service.merge(&other.service);
        self.send_lag.merge(&other.send_lag);
        self.interval.merge(&other.interval);
        self.ping.merge(&other.ping);
        self.connect.merge(&other.connect);
        self.upgrade.merge(&other.upgrade);
        self.recovery.merge(&other.recovery);
        if self.phases.len() < other.phases.len() {
            self.phases.resize_with(other.phases.len(), PhaseTally::default);
        }
        self.phases.iter_mut().zip(&other.phases).for_each(|(phase, other)| phase.merge(other));
        self.unanswered += other.unanswered;
        self.withheld += other.withheld;
    }
}
