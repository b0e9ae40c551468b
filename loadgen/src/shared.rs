//! What the control thread and the workers tell each other: a handful of atomics, no locks.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam::queue::ArrayQueue;

use crate::measure::sample::Sample;
use crate::measure::tally::{Connections, Counters, Window};

/// How often a worker looks whether the others are ready.
const READY_LOOK: Duration = Duration::from_millis(1);
/// Samples that may wait for the leading thread, which looks many times in an interval.
const SAMPLES_MAX: usize = 4;

/// How far the run is. Only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Step {
    /// Connections are made; games begin to play as soon as they are seated.
    Connecting = 0,
    /// Warm-up and measuring window: everybody sends.
    Traffic = 1,
    /// Nobody sends any more; what is under way may arrive.
    Settling = 2,
    /// Connections are closed.
    Closing = 3,
}

/// Shared by everybody in a run.
#[derive(Debug)]
pub(crate) struct Shared {
    /// When the run started: what intervals are counted from.
    pub(crate) started_ns: u64,
    step: AtomicU8,
    /// Workers whose rings are set up.
    ready: AtomicU32,
    /// Whether connections may be made.
    begun: AtomicBool,
    /// Whether goodbyes are not waited for any longer than they usually take.
    hurried: AtomicBool,
    window_start_ns: AtomicU64,
    window_end_ns: AtomicU64,
    /// One per worker.
    pub(crate) live: Vec<Live>,
}

/// What a worker shows of itself while it runs. Written by the worker alone, on a cache line of its
/// own, read by the leading thread.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Live {
    attempted: AtomicU64,
    connected: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    open: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
    unanswered: AtomicU64,
    ramp_done: AtomicBool,
    /// The step that everything above is at least as new as.
    step: AtomicU8,
    /// One an interval. The leading thread takes them out; when it does not, the next ones get longer.
    pub(crate) samples: ArrayQueue<Sample>,
}

/// A reading of [`Live`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LiveReading {
    pub(crate) attempted: u64,
    pub(crate) connected: u64,
    pub(crate) failed: u64,
    pub(crate) lost: u64,
    pub(crate) open: u64,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Messages whose answer is under way.
    pub(crate) unanswered: u64,
    /// Whether every worker has made, or given up, all its connections.
    pub(crate) ramp_done: bool,
    /// Whether every worker has stopped sending what would have to be waited for.
    pub(crate) settling: bool,
}

impl Shared {
    /// Of a run that starts now.
    pub(crate) fn new(workers: u32, started_ns: u64) -> Self {
        Self {
            started_ns,
            step: AtomicU8::new(Step::Connecting as u8),
            ready: AtomicU32::new(0),
            begun: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
            window_start_ns: AtomicU64::new(u64::MAX),
            window_end_ns: AtomicU64::new(u64::MAX),
            live: (0..workers).map(|_| Live::new()).collect(),
        }
    }

    pub(crate) fn step(&self) -> Step {
        match self.step.load(Ordering::Acquire) {
            0 => Step::Connecting,
            1 => Step::Traffic,
            2 => Step::Settling,
            _ => Step::Closing,
        }
    }

    /// A worker has its ring. Comes back when all have theirs, so that nobody connects in a run that cannot be.
    pub(crate) fn wait_for_the_others(&self) {
        self.ready.fetch_add(1, Ordering::AcqRel);
        while !self.begun.load(Ordering::Acquire) {
            thread::sleep(READY_LOOK);
        }
    }

    /// Whether every worker has its ring.
    pub(crate) fn are_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) as usize == self.live.len()
    }

    /// Lets the workers go on.
    pub(crate) fn begin(&self) {
        self.begun.store(true, Ordering::Release);
    }

    /// Goes on to `step`; going back is not possible.
    pub(crate) fn advance(&self, step: Step) {
        self.step.fetch_max(step as u8, Ordering::AcqRel);
    }

    /// Somebody waits for the end of the run: closing is cut short.
    pub(crate) fn hurry(&self) {
        self.hurried.store(true, Ordering::Release);
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.hurried.load(Ordering::Acquire)
    }

    pub(crate) fn window(&self) -> Window {
        Window {
            start_ns: self.window_start_ns.load(Ordering::Relaxed),
            end_ns: self.window_end_ns.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set_window(&self, window: Window) {
        self.window_end_ns.store(window.end_ns, Ordering::Relaxed);
        self.window_start_ns.store(window.start_ns, Ordering::Relaxed);
    }

    /// All workers together.
    pub(crate) fn read(&self) -> LiveReading {
        let mut sum = LiveReading { ramp_done: true, settling: true, ..LiveReading::default() };
        for live in &self.live {
            // First: what is read after it is no older.
            sum.settling &= live.step.load(Ordering::Acquire) >= Step::Settling as u8;
            let get = |value: &AtomicU64| value.load(Ordering::Relaxed);
            sum.attempted += get(&live.attempted);
            sum.connected += get(&live.connected);
            sum.failed += get(&live.failed);
            sum.lost += get(&live.lost);
            sum.open += get(&live.open);
            sum.sent += get(&live.sent);
            sum.received += get(&live.received);
            sum.unanswered += get(&live.unanswered);
            sum.ramp_done &= live.ramp_done.load(Ordering::Acquire);
        }
        sum
    }
}

impl Live {
    fn new() -> Self {
        let zero = AtomicU64::default;
        Self {
            attempted: zero(),
            connected: zero(),
            failed: zero(),
            lost: zero(),
            open: zero(),
            sent: zero(),
            received: zero(),
            unanswered: zero(),
            ramp_done: AtomicBool::default(),
            step: AtomicU8::new(Step::Connecting as u8),
            samples: ArrayQueue::new(SAMPLES_MAX),
        }
    }

    /// Shows the worker's counters.
    pub(crate) fn show(&self, connections: &Connections, counters: &Counters, unanswered: u64) {
        let set = |value: &AtomicU64, to| value.store(to, Ordering::Relaxed);
        set(&self.attempted, connections.attempted);
        set(&self.connected, connections.connected);
        set(&self.failed, connections.failed);
        set(&self.lost, connections.lost);
        set(&self.open, connections.open);
        set(&self.sent, counters.sent);
        set(&self.received, counters.received);
        set(&self.unanswered, unanswered);
    }

    /// What is shown was counted in this step.
    pub(crate) fn show_step(&self, step: Step) {
        self.step.store(step as u8, Ordering::Release);
    }

    /// Every connection of this worker is made or given up.
    pub(crate) fn finish_ramp(&self) {
        self.ramp_done.store(true, Ordering::Release);
    }
}
