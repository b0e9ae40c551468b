//! Leading a run through its steps: connecting, warm-up, measuring window, settling, closing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::clock;
use crate::diagnosis::Meanwhile;
use crate::kernel::KernelCounters;
use crate::machine::Machine;
use crate::measure::series::{Point, Series};
use crate::measure::tally::Window;
use crate::plan::{Plan, nanoseconds};
use crate::report::prometheus::Exporter;
use crate::server_side::{self, Status, Usage};
use crate::shared::{LiveReading, Shared, Step};
use crate::view::View;

/// How often the leading thread looks whether the workers are set up.
const READY_LOOK: Duration = Duration::from_millis(1);
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
    fn take(plan: &Plan, with_status: bool, interrupted: &AtomicBool) -> Self {
        // The process first: it answers at once, the status takes a request.
        let process = plan.server_pid.map(Usage::of_process);
        let status = with_status.then(|| server_side::fetch_all(&plan.admins, interrupted).ok()).flatten();
        let usage = process.or_else(|| status.as_ref().map(Usage::of_status)).unwrap_or_default();
        Self { usage, status }
    }
}

/// What the leading thread saw: the server and the kernel at the turning points.
#[derive(Debug)]
pub(crate) struct Timeline {
    /// When the first connection was attempted: what the course counts from.
    pub(crate) started_ns: u64,
    /// Memory of this process with its workers set up and before the first connection, bytes.
    pub(crate) rss_before: Option<u64>,
    /// The same at the end of the window, with the connections still there.
    pub(crate) rss_during: Option<u64>,
    pub(crate) window: Window,
    pub(crate) server_idle: ServerReading,
    /// At the start of the window, and at the end of each phase.
    pub(crate) server: Vec<ServerReading>,
    /// Why figures of the server are missing that were to be had at first, a sentence.
    pub(crate) server_gap: Option<String>,
    pub(crate) kernel_before: KernelCounters,
    pub(crate) kernel_during: KernelCounters,
    pub(crate) interrupted: bool,
    /// How late the leading thread was at the turning points, at worst: its readings of the server are
    /// off by that much.
    pub(crate) late_ns: u64,
    /// The course of the run.
    pub(crate) course: Vec<Point>,
}

impl Timeline {
    /// Notes why figures of the server cannot be had, and drops those of different processes: what lies between
    /// them is nobody's.
    fn mind_the_gap(&mut self, admin_works: bool) {
        let (Some(start), Some(end)) = (self.server.first(), self.server.last()) else { return };
        let read = std::iter::once(&self.server_idle).chain(&self.server);
        let told: Vec<&Status> = read.filter_map(|reading| reading.status.as_ref()).collect();
        let is_same = told.windows(2).all(|pair| pair[1].continues(pair[0]));
        let falls = told.windows(2).any(|pair| pair[1].falls_below(pair[0]));
        let unanswered = [(start, "start"), (end, "end")].into_iter().find(|(at, _)| at.status.is_none());
        self.server_gap = match unanswered.filter(|_| admin_works) {
            _ if !is_same => {
                self.server_idle.usage = Usage::default();
                self.server.fill(ServerReading::default());
                Some("the server was restarted during the run, or another process is in its place".to_owned())
            }
            Some((_, when)) => {
                Some(format!("the server's admin endpoint did not answer at the {when} of the window"))
            }
            None if start.usage.rss_bytes.is_some() && end.usage.rss_bytes.is_none() => {
                Some("the server's process ended during the run".to_owned())
            }
            None if falls => Some(
                "a counter of the server went backwards during the run: it was restarted, or did not tell everything"
                    .to_owned(),
            ),
            None => None,
        };
    }
}

/// Leads the workers through the steps.
pub(crate) struct Leader<'a> {
    plan: &'a Plan,
    shared: &'a Shared,
    interrupted: &'a AtomicBool,
    /// Whether the admin endpoint answered at the start.
    admin_works: bool,
    view: View,
    /// What it says of errors.
    meanwhile: Meanwhile,
    /// Answers Prometheus, if asked to.
    exporter: Option<Exporter>,
    series: Series,
    window_start_ns: Option<u64>,
    kernel_before: KernelCounters,
    server_idle: ServerReading,
}

impl<'a> Leader<'a> {
    /// Reads what is to be compared with later. To be called before the first connection.
    pub(crate) fn new(
        (plan, machine): (&'a Plan, &Machine),
        shared: &'a Shared,
        interrupted: &'a AtomicBool,
        admin_works: bool,
    ) -> Self {
        let kernel_before = KernelCounters::read();
        let server_idle = ServerReading::take(plan, admin_works, interrupted);
        Self {
            plan,
            shared,
            interrupted,
            admin_works,
            view: View::open(plan, shared.started_ns),
            meanwhile: Meanwhile::new(plan, machine, kernel_before.clone(), server_idle.status.clone()),
            exporter: plan.outs.prom.as_ref().map(|listener| Exporter::start(listener, plan.sample_ns())),
            series: Series::new(shared.live.len(), plan.sample_ns()),
            window_start_ns: None,
            kernel_before,
            server_idle,
        }
    }

    /// Leads the workers to the end; `any_gone` and `all_gone` say whether a worker has left, and whether all have.
    pub(crate) fn lead(mut self, any_gone: impl Fn() -> bool, all_gone: impl Fn() -> bool) -> Timeline {
        let rss_before = self.let_begin(&any_gone);
        let ramp_end_ns = clock::now_ns() + self.plan.ramp_ns_max();
        self.watch("connecting", ramp_end_ns, |live| live.ramp_done);

        let is_anybody = self.shared.read().open > 0 || self.plan.phases.conns_at_start() == 0;
        let connected = is_anybody && !self.is_interrupted();
        let now_ns = clock::now_ns();
        let start_ns = now_ns + nanoseconds(self.plan.warmup);
        let mut window = Window { start_ns, end_ns: start_ns + self.plan.phases.length_ns() };
        let mut server = Vec::new();
        let mut late_ns = 0;
        if connected {
            self.window_start_ns = Some(window.start_ns);
            self.shared.set_window(window);
            self.shared.advance(Step::Traffic);
            (server, late_ns) = self.watch_phases(window, &all_gone);
            window.end_ns = window.end_ns.min(clock::now_ns());
            window.start_ns = window.start_ns.min(window.end_ns);
            self.shared.set_window(window);
        } else {
            window = Window { start_ns: now_ns, end_ns: now_ns };
        }
        let kernel_during = KernelCounters::read();
        let rss_during = Usage::of_process(std::process::id()).rss_bytes;
        self.shared.advance(Step::Settling);
        if connected && !self.is_interrupted() {
            self.watch("settling", clock::now_ns() + self.plan.settle_ns(), |live| {
                live.settling && (live.unanswered == 0 || live.open == 0)
            });
        }
        // Who cuts the wait for the last answers short does not know what would have come.
        let interrupted = self.is_interrupted();
        self.shared.advance(Step::Closing);
        // The workers have deadlines of their own.
        while !all_gone() {
            if self.is_interrupted() {
                self.shared.hurry();
            }
            self.look(clock::now_ns(), "closing", None);
            thread::sleep(LOOK);
        }
        self.collect();
        let course = self.finish_course();
        let mut timeline = Timeline {
            started_ns: self.shared.started_ns,
            rss_before,
            rss_during,
            window,
            server_idle: self.server_idle,
            server,
            server_gap: None,
            kernel_before: self.kernel_before,
            kernel_during,
            interrupted,
            late_ns,
            course,
        };
        if connected {
            timeline.mind_the_gap(self.admin_works);
        }
        timeline
    }

    /// Lets the workers connect once all are set up. Should one fail in that, there is nothing to connect for.
    fn let_begin(&self, any_gone: &impl Fn() -> bool) -> Option<u64> {
        while !self.shared.are_ready() && !any_gone() {
            thread::sleep(READY_LOOK);
        }
        if any_gone() {
            self.shared.advance(Step::Closing);
        }
        let rss = Usage::of_process(std::process::id()).rss_bytes;
        self.shared.begin();
        rss
    }

    /// Hears what the workers tell, and shows it.
    fn look(&mut self, now_ns: u64, what: &str, until_ns: Option<u64>) {
        self.collect();
        if !self.plan.is_trial {
            let interrupted = self.is_interrupted();
            let errors = || self.meanwhile.lines(self.series.errors(), &self.shared.read(), interrupted);
            self.view.tick(now_ns, what, until_ns, self.shared, &self.series, errors);
        }
    }

    /// Takes what the workers have told.
    fn collect(&mut self) {
        for (worker, live) in self.shared.live.iter().enumerate() {
            while let Some(sample) = live.samples.pop() {
                self.series.take(worker, sample, requested(self.plan, self.shared, self.window_start_ns));
            }
        }
        if let Some(exporter) = &self.exporter {
            exporter.publish(self.series.points());
        }
    }

    /// The course of the run, with what was told last.
    fn finish_course(&mut self) -> Vec<Point> {
        let series = std::mem::replace(&mut self.series, Series::new(0, 1));
        series.finish(requested(self.plan, self.shared, self.window_start_ns))
    }

    /// Waits through the warm-up and the phases. Returns the server's figures at the window's start and at the end of
    /// each phase that came to one, and how late this thread read them at worst, ns.
    fn watch_phases(&mut self, window: Window, all_gone: &impl Fn() -> bool) -> (Vec<ServerReading>, u64) {
        // Where connections come and go, there may be none for a while.
        let may_be_empty = self.plan.phases.disturbs();
        let nobody_left = |live: &LiveReading| (live.open == 0 && !may_be_empty) || all_gone();
        let phases = self.plan.phases.list();
        let (mut late_ns, mut answered_ns) = (0, 0);
        let mut readings = Vec::with_capacity(phases.len() + 1);
        for index in 0..=phases.len() {
            let end_ns = window.start_ns + self.plan.phases.start_ns(index);
            let what = match index.checked_sub(1) {
                None => "warming up",
                Some(_) if phases.len() == 1 => "measuring",
                Some(at) => &phases[at].name,
            };
            self.watch(what, end_ns, nobody_left);
            // A server that took its time to answer at the end of the last phase is not this thread's lateness.
            late_ns = late_ns.max(clock::now_ns().saturating_sub(end_ns.max(answered_ns)));
            readings.push(ServerReading::take(self.plan, self.admin_works, self.interrupted));
            self.meanwhile.hear(readings.last().and_then(|reading| reading.status.as_ref()));
            answered_ns = clock::now_ns();
            if clock::now_ns() < end_ns {
                // It was over early.
                break;
            }
        }
        if readings.len() == 1 {
            readings.push(readings[0].clone());
        }
        (readings, late_ns)
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
            self.look(now_ns, what, Some(until_ns));
            thread::sleep(LOOK.min(Duration::from_nanos(until_ns - now_ns)));
        }
    }
}

/// How many connections are asked for, by ns since the start of the run.
fn requested<'a>(
    plan: &'a Plan,
    shared: &'a Shared,
    window_start_ns: Option<u64>,
) -> impl Fn(u64) -> u64 + use<'a> {
    move |after_ns| {
        let in_window =
            window_start_ns.and_then(|start_ns| (shared.started_ns + after_ns).checked_sub(start_ns));
        in_window.map_or_else(|| plan.requested(after_ns), |after_ns| plan.phases.conns_at(after_ns).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reading of a process that has been running for so long.
    fn reading(pid: u32, uptime_s: f64) -> ServerReading {
        let status = Status { pid: Some(pid), uptime_s: Some(uptime_s), ..Status::default() };
        let usage = Usage { cpu_ns: Some(1), rss_bytes: Some(1), ..Usage::default() };
        ServerReading { usage, status: Some(status) }
    }

    fn judged(idle: ServerReading, start: ServerReading, end: ServerReading) -> Timeline {
        let mut timeline = Timeline {
            started_ns: 0,
            rss_before: None,
            rss_during: None,
            window: Window::UNSET,
            server_idle: idle,
            server: vec![start, end],
            server_gap: None,
            kernel_before: KernelCounters::default(),
            kernel_during: KernelCounters::default(),
            interrupted: false,
            late_ns: 0,
            course: Vec::new(),
        };
        timeline.mind_the_gap(true);
        timeline
    }

    #[test]
    fn figures_of_different_processes_are_dropped() {
        for (idle, start, end) in [
            ((7, 1.0), (7, 5.0), (8, 35.0)),
            ((7, 1.0), (7, 5.0), (7, 4.0)),
            ((7, 10.0), (7, 5.0), (7, 35.0)),
        ] {
            let of = |(pid, uptime_s)| reading(pid, uptime_s);
            let timeline = judged(of(idle), of(start), of(end));
            let gap = timeline.server_gap.unwrap();
            assert!(gap.contains("restarted"), "{gap}");
            for reading in std::iter::once(&timeline.server_idle).chain(&timeline.server) {
                assert_eq!((reading.usage.cpu_ns, reading.usage.rss_bytes), (None, None));
            }
            assert!(timeline.server.iter().all(|reading| reading.status.is_none()));
        }
    }

    #[test]
    fn one_process_has_its_figures_and_a_silent_one_is_named() {
        let timeline = judged(reading(7, 1.0), reading(7, 5.0), reading(7, 35.0));
        assert_eq!(timeline.server_gap, None);
        assert!(timeline.server[1].status.is_some());
        let timeline = judged(reading(7, 1.0), reading(7, 5.0), ServerReading::default());
        assert!(timeline.server_gap.unwrap().contains("did not answer at the end"));
        let ticks = |steps, mut of: ServerReading| {
            of.status.as_mut().unwrap().tick.steps = Some(steps);
            of
        };
        let idle = reading(7, 1.0);
        let timeline = judged(idle, ticks(9, reading(7, 5.0)), ticks(8, reading(7, 35.0)));
        assert!(timeline.server_gap.unwrap().contains("went backwards"));
        let dead = ServerReading { usage: Usage::default(), ..reading(7, 35.0) };
        let timeline = judged(reading(7, 1.0), reading(7, 5.0), dead);
        assert!(timeline.server_gap.unwrap().contains("process ended"));
    }
}
