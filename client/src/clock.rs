//! When to send inputs for which tick, and which moment to show.

use tickring_protocol::ids::{Sequence, Tick};
use tickring_protocol::message::{INPUT_SLACK_PER_TICK, TIME_DILATION_MIN, TIME_DILATION_NONE, Welcome};
use tickring_room::ViewTime;

use crate::delay::Delay;

/// Error of the input clock beyond which it jumps instead of slewing, in ticks.
const SNAP_TICKS: f64 = 10.0;
/// Slowest and fastest rate of the input clock.
const RATE: std::ops::RangeInclusive<f64> = 0.95..=1.05;
/// Change of rate per tick of error.
const GAIN: f64 = 0.02;
/// The slack aimed at without jitter, in ticks.
const SLACK_TICKS: f64 = 1.0;
/// Slowest and fastest rate of the view clock, and its change per tick of error.
const VIEW_RATE: std::ops::RangeInclusive<f64> = 0.92..=1.08;
const VIEW_GAIN: f64 = 0.05;
/// Nothing is shown farther after the newest snapshot than this.
const EXTRAPOLATION_NS: f64 = 100e6;
/// How long after a jump reports about inputs from before it may still come in.
const SETTLE_NS: u64 = 500_000_000;

/// Two clocks, both steered by the snapshots that arrive.
///
/// The **input clock** names the tick that an input sent now is meant for. Snapshots report the slack, how many
/// ticks an input arrived before it was needed; the clock runs at 0.95 to 1.05 of the tick rate so that the
/// slack becomes 1 tick + 2 x the measured jitter, and jumps when it is more than 10 ticks off.
///
/// The **view clock** follows the newest snapshot smoothly; what is shown lies the interpolation delay behind,
/// which follows the jitter, never jumps and stays within what the server accepts. The moment shown runs on at 0.9
/// to 1.1 of the tick rate; 100 ms after the newest snapshot it stands still.
///
/// The tick rate is the one at which the room really runs: snapshots say how much slower than the welcome's that is
/// ([`Clock::time_dilation`]).
#[derive(Clone, Debug)]
pub struct Clock {
    /// Length of a tick at the room's full rate, and at the rate it runs at.
    tick_ns_full: f64,
    tick_ns: f64,
    /// In 1/255.
    time_dilation: u8,
    delay: Delay,
    /// Ticks' worth of time since the welcome.
    running: Line,
    /// Positions are ticks after this one.
    base: Tick,
    input: Line,
    view: Line,
    newest: Tick,
    /// When the newest snapshot arrived; `None` before the first.
    newest_ns: Option<u64>,
    jitter_ns: f64,
    /// Whether the input clock has been set from a first report.
    synchronised: bool,
    /// Until this input is processed or this time, reports are about inputs from before the last jump.
    settling: Option<(Sequence, u64)>,
    jumps: u32,
}

/// A position that grows evenly with time.
#[derive(Clone, Copy, Debug)]
struct Line {
    at_ns: u64,
    position: f64,
    rate: f64,
}

impl Line {
    fn position(&self, now_ns: u64, tick_ns: f64) -> f64 {
        self.position + elapsed(self.at_ns, now_ns) / tick_ns * self.rate
    }

    /// Starts anew at `now_ns` with another position and rate.
    fn turn(&mut self, now_ns: u64, position: f64, rate: f64) {
        *self = Self { at_ns: now_ns, position, rate };
    }
}

impl Clock {
    pub(crate) fn new(now_ns: u64, welcome: &Welcome, input_ticks: f64) -> Self {
        let line = |position| Line { at_ns: now_ns, position, rate: 1.0 };
        let tick_ns = 1e9 / f64::from(welcome.tick_hz);
        Self {
            tick_ns_full: tick_ns,
            tick_ns,
            time_dilation: TIME_DILATION_NONE,
            delay: Delay::new(welcome, input_ticks),
            running: line(0.0),
            base: Tick(welcome.tick),
            // The next tick, and the slack aimed at. The way there is not known yet; the first report corrects it.
            input: line(1.0 + SLACK_TICKS),
            view: line(0.0),
            newest: Tick(welcome.tick),
            newest_ns: None,
            jitter_ns: 0.0,
            synchronised: false,
            settling: None,
            jumps: 0,
        }
    }

    /// The room runs at a rate of `time_dilation`/255 from about now on.
    ///
    /// Inputs are sent as much earlier than they are needed as the way there and back is long, and some slack. That
    /// way takes as long as before but is another number of ticks, so the input clock steps by the difference: waiting
    /// for the reports about it, inputs would be late for that long whenever the room speeds up.
    pub(crate) fn dilate(&mut self, now_ns: u64, time_dilation: u8) {
        let time_dilation = time_dilation.max(TIME_DILATION_MIN);
        if time_dilation == self.time_dilation {
            return;
        }
        let way = self.input.position(now_ns, self.tick_ns)
            - self.view.position(now_ns, self.tick_ns)
            - self.slack_target_ticks();
        for line in [&mut self.input, &mut self.view, &mut self.running] {
            line.turn(now_ns, line.position(now_ns, self.tick_ns), line.rate);
        }
        let before_ns = self.tick_ns;
        self.time_dilation = time_dilation;
        self.tick_ns = self.tick_ns_full * f64::from(TIME_DILATION_NONE) / f64::from(time_dilation);
        if self.synchronised {
            self.input.position += way.max(0.0) * (before_ns / self.tick_ns - 1.0);
        }
    }

    /// A snapshot newer than the others arrived. `slack` is its report in 1/16 ticks, if it is about an input
    /// that has not been reported before; `next` is the sequence number that the next input will have. Returns
    /// whether the input clock jumped.
    pub(crate) fn on_snapshot(
        &mut self,
        now_ns: u64,
        tick: Tick,
        slack: Option<i16>,
        last_input: Sequence,
        next: Sequence,
    ) -> bool {
        self.follow(now_ns, tick);
        if let Some((sequence, until_ns)) = self.settling {
            if last_input.since(sequence) < 0 && now_ns < until_ns {
                return false;
            }
            self.settling = None;
        }
        let position = self.input.position(now_ns, self.tick_ns);
        let Some(slack) = slack else {
            self.input.turn(now_ns, position, 1.0);
            return false;
        };
        // The server counts whole ticks, so on average half a tick more was left.
        let measured = f64::from(slack) / f64::from(INPUT_SLACK_PER_TICK) + 0.5;
        let error = self.slack_target_ticks() - measured;
        let jumps = error.abs() > SNAP_TICKS || !self.synchronised;
        if jumps {
            self.synchronised = true;
            self.input.turn(now_ns, position + error, 1.0);
            self.settling = Some((next, now_ns + SETTLE_NS));
            self.jumps += 1;
        } else {
            self.input.turn(now_ns, position, (1.0 + GAIN * error).clamp(*RATE.start(), *RATE.end()));
        }
        jumps
    }

    /// Steers the view clock and measures the jitter of arrivals (as RFC 3550 6.4.1 does, mean deviation / 16).
    fn follow(&mut self, now_ns: u64, tick: Tick) {
        let arrived = self.position_of(tick);
        if let Some(newest_ns) = self.newest_ns {
            let expected = f64::from(tick.since(self.newest)) * self.tick_ns;
            let deviation = (elapsed(newest_ns, now_ns) - expected).abs();
            self.jitter_ns += (deviation - self.jitter_ns) / 16.0;
        }
        let position = self.view.position(now_ns, self.tick_ns);
        let error = arrived - position;
        let first = self.newest_ns.is_none();
        if first || error.abs() > SNAP_TICKS {
            self.view.turn(now_ns, arrived, 1.0);
        } else {
            let rate = (1.0 + VIEW_GAIN * error).clamp(*VIEW_RATE.start(), *VIEW_RATE.end());
            self.view.turn(now_ns, position, rate);
        }
        let jitter_ticks = self.jitter_ns / self.tick_ns;
        self.delay.steer(self.running_ticks(now_ns), jitter_ticks);
        self.newest = tick;
        self.newest_ns = Some(now_ns);
    }

    /// The position of the input clock in ticks: its whole part is the tick an input sent now is meant for.
    pub(crate) fn input_position(&self, now_ns: u64) -> f64 {
        self.input.position(now_ns, self.tick_ns)
    }

    /// When the input clock reaches a position.
    pub(crate) fn input_time_ns(&self, position: f64) -> u64 {
        let ahead_ns = (position - self.input.position) * self.tick_ns / self.input.rate;
        // A nanosecond late rather than early, so that the clock then really is there.
        let ahead_ns = (ahead_ns + 1.0).max(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not negative; saturates"
        )]
        let ahead_ns = ahead_ns as u64;
        self.input.at_ns.saturating_add(ahead_ns)
    }

    /// The moment to show: the interpolation delay behind the view clock, at most 100 ms after the newest snapshot.
    #[must_use]
    pub fn view_time(&self, now_ns: u64) -> ViewTime {
        let last = self.position_of(self.newest) + EXTRAPOLATION_NS / self.tick_ns;
        let position = (self.view.position(now_ns, self.tick_ns) - self.delay_ticks(now_ns)).min(last);
        #[expect(clippy::cast_possible_truncation, reason = "positions are far below 2⁵³ / 256")]
        let parts = (position * 256.0).floor() as i64;
        ViewTime { tick: self.base, fraction: 0 }.offset(parts)
    }

    /// How far behind the view clock others are shown now, in ticks.
    #[must_use]
    pub fn delay_ticks(&self, now_ns: u64) -> f64 {
        self.delay.at(self.running_ticks(now_ns))
    }

    /// The most it will ever be.
    pub(crate) fn delay_ticks_max(&self) -> f64 {
        self.delay.max()
    }

    /// Ticks' worth of time since the welcome.
    fn running_ticks(&self, now_ns: u64) -> f64 {
        self.running.position(now_ns, self.tick_ns)
    }

    /// The slack aimed at, in ticks.
    #[must_use]
    pub fn slack_target_ticks(&self) -> f64 {
        SLACK_TICKS + 2.0 * self.jitter_ns / self.tick_ns
    }

    /// Mean deviation of the snapshots' arrival from their even spacing, in nanoseconds.
    #[must_use]
    pub fn jitter_ns(&self) -> f64 {
        self.jitter_ns
    }

    /// How fast time passes in the room, in 1/255 of its full rate: 255 unless the server is overloaded.
    #[must_use]
    pub fn time_dilation(&self) -> u8 {
        self.time_dilation
    }

    /// Length of a tick at the rate the room runs at, in nanoseconds.
    #[must_use]
    pub fn tick_ns(&self) -> f64 {
        self.tick_ns
    }

    /// Rate of the input clock beside that, 0.95 to 1.05.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.input.rate
    }

    /// How often the input clock jumped, the first setting included.
    #[must_use]
    pub fn jumps(&self) -> u32 {
        self.jumps
    }

    /// Tick of the newest snapshot; the welcome's before the first.
    #[must_use]
    pub fn newest(&self) -> Tick {
        self.newest
    }

    /// When the newest snapshot arrived.
    pub(crate) fn newest_ns(&self) -> Option<u64> {
        self.newest_ns
    }

    /// A whole position as a tick.
    pub(crate) fn tick_at(&self, position: f64) -> Tick {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ticks wrap at 32 bits")]
        let ticks = position.floor() as i64 as u32;
        Tick(self.base.0.wrapping_add(ticks))
    }

    fn position_of(&self, tick: Tick) -> f64 {
        f64::from(tick.since(self.base))
    }
}

fn elapsed(from_ns: u64, to_ns: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "2⁵³ ns are 104 days")]
    let span = to_ns.saturating_sub(from_ns) as f64;
    span
}
