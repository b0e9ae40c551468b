//! The overload ladder: what a worker leaves out when it does not keep up, and when it stops leaving it out.
//!
//! The rooms of a worker share its core, so the load is the worker's and so is the ladder: all its rooms are relieved
//! alike. Time is cut into windows. Two windows in a row in which many ticks began late move it a step up, and each
//! further one another, which may be one more than is needed while what has piled up is worked off. A step down takes
//! several windows with time to spare. One that had to be taken back makes the next one wait twice as long, so a load
//! that needs a step gets it nearly all the time.
//!
//! Pure: time, the processor time used and the ticks come in as arguments.

use tickring_protocol::message::TIME_DILATION_NONE;
use tickring_room::{Due, Relief};

/// Length of a window.
pub(super) const WINDOW_NS: u64 = 500_000_000;
/// Part of the ticks that begin late, or are given up, from which on a window is strained; percent.
const STRAINED_LATE: u64 = 25;
/// Strained windows in a row that it takes: a single hiccup is none of ours.
const STRAINED_WINDOWS: u32 = 2;
/// Up to this part of late ticks a window is calm, percent.
const CALM_LATE: u64 = 10;
/// And up to this part of the time spent working. The largest step of time dilation, from 0.5 to 0.6, makes 70% 84%,
/// so time is never sped up only to be slowed down again.
const CALM_BUSY: u64 = 70;
/// Calm windows for a step down, at first and at most.
const PATIENCE_MIN: u32 = 6;
const PATIENCE_MAX: u32 = 96;
/// Time is slowed down by so much a step, percent.
const DILATION_STEP: u8 = 10;

/// How many rungs there are.
pub(crate) const RUNGS: usize = 5;

/// What is done, each on top of those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rung {
    /// Nothing.
    Normal,
    /// What is far is sent less often.
    Far,
    /// Players are sent less.
    Budget,
    /// Time passes more slowly.
    Dilation,
    /// Nobody is taken in.
    Joins,
}

/// How far the ladder may go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Number of the highest rung, 0..=4; 0: the ladder is not used.
    pub(crate) rung_max: u8,
    /// The slowest that time may pass, in percent of the full rate, 50..=100; 100: it is not slowed.
    pub(crate) dilation_percent_min: u8,
}

/// One step of the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) rung: Rung,
    pub(crate) relief: Relief,
}

/// What a window was like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Part of the ticks that began late or were given up.
    pub(crate) late_percent: u64,
    /// Part of the time that the worker's thread had the processor.
    pub(crate) busy_percent: u64,
}

/// A move on the ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) up: bool,
    pub(crate) to: Step,
    /// Why.
    pub(crate) load: Load,
}

/// See above.
#[derive(Debug)]
pub(crate) struct Ladder {
    /// From none to the last, rising.
    steps: Vec<Step>,
    at: usize,
    /// From this lateness on a tick is late: half a tick.
    late_ns: u64,
    window: Window,
    strained: u32,
    calm: u32,
    patience: u32,
    /// The last move was a step down which has not lasted long enough to trust it.
    on_trial: bool,
    rung_ns: [u64; RUNGS],
}

/// What happened since a moment.
#[derive(Debug, Default)]
struct Window {
    since_ns: u64,
    /// Processor time used until then.
    worked_ns: u64,
    ticks: u64,
    late: u64,
}

impl Ladder {
    /// For rooms that tick at `tick_hz`. `thins`: the game limits what is in sight. Without that there is nothing to
    /// save by the lower two rungs, and they are left out.
    pub(crate) fn new(limits: Limits, tick_hz: u16, thins: bool) -> Self {
        Self {
            steps: steps(limits, thins),
            at: 0,
            late_ns: 500_000_000 / u64::from(tick_hz.max(1)),
            window: Window::default(),
            strained: 0,
            calm: 0,
            patience: PATIENCE_MIN,
            on_trial: false,
            rung_ns: [0; RUNGS],
        }
    }

    /// A room's ticks came up.
    pub(super) fn note(&mut self, due: Due) {
        let ticks = u64::from(due.steps) + due.missed;
        self.window.ticks += ticks;
        if due.lateness_ns > self.late_ns {
            self.window.late += ticks;
        }
    }

    /// Whether the window is over.
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.window.since_ns) >= WINDOW_NS
    }

    /// When to call [`Ladder::weigh`] at the latest; `None` when it makes no difference.
    pub(super) fn next_ns(&self) -> Option<u64> {
        (self.at > 0).then(|| self.window.since_ns + WINDOW_NS)
    }

    /// Ends the window and begins another. `worked_ns` is the processor time that the worker has used since it
    /// started. Moves one step at most.
    pub(super) fn weigh(&mut self, now_ns: u64, worked_ns: u64) -> Option<Move> {
        let ended =
            std::mem::replace(&mut self.window, Window { since_ns: now_ns, worked_ns, ..Window::default() });
        self.rung_ns[self.step().rung as usize] += now_ns.saturating_sub(ended.since_ns);
        let load = ended.load(now_ns, worked_ns);
        if load.late_percent >= STRAINED_LATE {
            self.strained += 1;
            self.calm = 0;
        } else {
            self.strained = 0;
            self.calm += u32::from(load.late_percent <= CALM_LATE && load.busy_percent <= CALM_BUSY);
        }
        let before = self.at;
        if self.strained >= STRAINED_WINDOWS {
            self.climb();
        } else if self.calm >= self.patience {
            self.descend();
        }
        (self.at != before).then(|| Move { up: self.at > before, to: self.step(), load })
    }

    fn climb(&mut self) {
        if self.at + 1 == self.steps.len() {
            return;
        }
        self.at += 1;
        if std::mem::take(&mut self.on_trial) {
            self.patience = (self.patience * 2).min(PATIENCE_MAX);
        }
    }

    fn descend(&mut self) {
        self.calm = 0;
        if self.on_trial || self.at == 0 {
            // The last step down has lasted.
            self.patience = (self.patience / 2).max(PATIENCE_MIN);
        }
        self.on_trial = self.at > 0;
        self.at = self.at.saturating_sub(1);
    }

    /// Where it stands.
    pub(crate) fn step(&self) -> Step {
        self.steps[self.at]
    }

    /// How long it has stood on each rung until `now_ns`.
    pub(super) fn rung_ns(&self, now_ns: u64) -> [u64; RUNGS] {
        let mut rung_ns = self.rung_ns;
        rung_ns[self.step().rung as usize] += now_ns.saturating_sub(self.window.since_ns);
        rung_ns
    }
}

impl Window {
    fn load(&self, now_ns: u64, worked_ns: u64) -> Load {
        let percent = |part: u64, of: u64| part.saturating_mul(100).checked_div(of).unwrap_or(0);
        Load {
            late_percent: percent(self.late, self.ticks),
            busy_percent: percent(
                worked_ns.saturating_sub(self.worked_ns),
                now_ns.saturating_sub(self.since_ns),
            ),
        }
    }
}

/// The steps within the limits. The rungs that save most for what they cost players come first.
fn steps(limits: Limits, thins: bool) -> Vec<Step> {
    let mut steps = vec![Step { rung: Rung::Normal, relief: Relief::NONE }];
    let mut add = |rung: Rung, change: &dyn Fn(&mut Relief)| {
        let mut relief = steps[steps.len() - 1].relief;
        change(&mut relief);
        if rung as u8 <= limits.rung_max {
            steps.push(Step { rung, relief });
        }
    };
    if thins {
        for far_every in [2, 4] {
            add(Rung::Far, &|relief| relief.far_every = far_every);
        }
        for budget_divisor in [2, 4] {
            add(Rung::Budget, &|relief| relief.budget_divisor = budget_divisor);
        }
    }
    let slowest = limits.dilation_percent_min.clamp(50, 100);
    let mut percent = 100;
    while percent > slowest {
        percent = (percent - DILATION_STEP).max(slowest);
        add(Rung::Dilation, &|relief| relief.time_dilation = of_full_rate(percent));
    }
    add(Rung::Joins, &|_| {});
    steps
}

/// A percentage in 1/255, to the nearest: 50% is the protocol's least, 128.
fn of_full_rate(percent: u8) -> u8 {
    let rate = (u32::from(percent) * u32::from(TIME_DILATION_NONE) + 50) / 100;
    u8::try_from(rate).unwrap_or(TIME_DILATION_NONE)
}

#[cfg(test)]
mod tests;
