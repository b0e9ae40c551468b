//! Leading a run through its phases: connecting, warm-up, measuring window, settling, closing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::kernel::KernelCounters;
use crate::measure::tally::Window;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::server_side::{self, Status, Usage};
use crate::shared::{LiveReading, Phase, Shared};

/// How often the leading thread looks up.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// The server's figures at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerReading {
    pub(crate) usage: Usage,
    pub(crate) status: Option<Status>,
}

impl ServerReading {
    /// CPU and memory of `--server-pid` if given, else of the status.
    fn take(plan: &Plan, with_status: bool) -> Self {
        // The process first: it answers at once, the status takes a request.
        let process = plan.server_pid.map(Usage::of_process);
        let admin = plan.admin.as_deref().filter(|_| with_status);
        let status = admin.and_then(|admin| server_side::fetch_status(admin).ok());
        let usage = process.or_else(|| status.as_ref().map(Usage::of_status)).unwrap_or_default();
        Self { usage, status }
    }
}

/// What the leading thread saw: the server and the kernel at the turning points.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) window: Window,
    pub(crate) server_idle: ServerReading,
    pub(crate) server_start: ServerReading,
    pub(crate) server_end: ServerReading,
    pub(crate) kernel_before: KernelCounters,
    pub(crate) kernel_during: KernelCounters,
    pub(crate) interrupted: bool,
    /// How late the leading thread was at the turning points, at worst: its readings of the server are
    /// off by that much.
    pub(crate) late_ns: u64,
}

/// Leads the workers through the phases.
pub(crate) struct Leader<'a> {
    plan: &'a Plan,
    shared: &'a Shared,
    interrupted: &'a AtomicBool,
    /// Whether the admin endpoint answered at the start.
    admin_works: bool,
    progress: Progress,
    kernel_before: KernelCounters,
    server_idle: ServerReading,
}

impl<'a> Leader<'a> {
    /// Reads what is to be compared with later. To be called before the first connection.
    pub(crate) fn new(
        plan: &'a Plan,
        shared: &'a Shared,
        interrupted: &'a AtomicBool,
        admin_works: bool,
    ) -> Self {
        Self {
            plan,
            shared,
            interrupted,
            admin_works,
            progress: Progress::new(plan.conns, clock::now_ns()),
            kernel_before: KernelCounters::read(),
            server_idle: ServerReading::take(plan, admin_works),
        }
    }

    /// Leads the workers to the end; `all_gone` says whether every worker has left.
    pub(crate) fn lead(mut self, all_gone: impl Fn() -> bool) -> Timeline {
        let ramp_end_ns = clock::now_ns() + self.plan.ramp_ns_max();
        self.watch("connecting", ramp_end_ns, |live| live.ramp_done);

        let connected = self.shared.read().open > 0 && !self.is_interrupted();
        let now_ns = clock::now_ns();
        let start_ns = now_ns + nanoseconds(self.plan.warmup);
        let mut window = Window { start_ns, end_ns: start_ns + nanoseconds(self.plan.duration) };
        let (mut server_start, mut server_end) = (ServerReading::default(), ServerReading::default());
        let mut late_ns = 0;
        if connected {
            self.shared.set_window(window);
            self.shared.advance(Phase::Traffic);
            let nobody_left = |live: &LiveReading| live.open == 0 || all_gone();
            self.watch("warming up", window.start_ns, nobody_left);
            late_ns = clock::now_ns().saturating_sub(window.start_ns);
            server_start = ServerReading::take(self.plan, self.admin_works);
            self.watch("measuring", window.end_ns, nobody_left);
            late_ns = late_ns.max(clock::now_ns().saturating_sub(window.end_ns));
            window.end_ns = window.end_ns.min(clock::now_ns());
            window.start_ns = window.start_ns.min(window.end_ns);
            self.shared.set_window(window);
            server_end = ServerReading::take(self.plan, self.admin_works);
        } else {
            window = Window { start_ns: now_ns, end_ns: now_ns };
        }
        let kernel_during = KernelCounters::read();
        let interrupted = self.is_interrupted();
        self.shared.advance(Phase::Settling);
        if connected && !interrupted {
            self.watch("settling", clock::now_ns() + self.plan.settle_ns(), |live| {
                live.unanswered == 0 || live.open == 0
            });
        }
        self.shared.advance(Phase::Closing);
        // The workers have deadlines of their own.
        while !all_gone() {
            self.progress.tick(clock::now_ns(), "closing", self.shared);
            thread::sleep(LOOK);
        }
        Timeline {
            window,
            server_idle: self.server_idle,
            server_start,
            server_end,
            kernel_before: self.kernel_before,
            kernel_during,
            interrupted,
            late_ns,
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Waits until `until_ns`, or until `done`, or for an interruption.
    fn watch(&mut self, what: &str, until_ns: u64, done: impl Fn(&LiveReading) -> bool) {
        loop {
            let now_ns = clock::now_ns();
            if now_ns >= until_ns || self.is_interrupted() || done(&self.shared.read()) {
                return;
            }
            self.progress.tick(now_ns, what, self.shared);
            thread::sleep(LOOK.min(Duration::from_nanos(until_ns - now_ns)));
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("the plan allows at most a day")
}
