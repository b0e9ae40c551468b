//! How far behind the newest snapshot others are shown.

use tickring_protocol::message::Welcome;

/// Mean deviations of the snapshots' arrival that the delay allows for.
const DEVIATIONS: f64 = 2.0;
/// What it allows for beside that, in ticks: snapshots leave with the ticks, and nobody reads at once.
const MARGIN_TICKS: f64 = 0.5;
/// How close to the edge of what the server accepts the delay may go, in ticks: both sides count whole ticks.
const EDGE_TICKS: f64 = 0.5;
/// Mean deviations that an input may be held up beyond the mean way and still be believed.
const HELD_UP_DEVIATIONS: f64 = 3.0;
/// The delay never changes faster, in ticks per tick: others move that much faster or slower meanwhile.
const SLEW: f64 = 0.02;
/// Part of what is missing that is made up for per tick.
const GAIN: f64 = 0.02;

/// The interpolation delay: follows the jitter of arrivals slowly and never jumps.
///
/// The aim is one snapshot interval, so that a snapshot later than the moment shown is there just in time, and 2
/// mean deviations of the arrivals. The server believes any delay from none to the one it was configured with, and a
/// snapshot interval or 2 ticks more, or on a rough way 1.5 times the deviation it measures itself; a declared view
/// farther off is moved. So the delay stays within that. The server sees a snapshot acknowledged by the next
/// input only and takes that wait for a part of the way, so there is less leeway towards a short delay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delay {
    /// Between two snapshots, in ticks.
    interval: f64,
    /// What the server expects at most, and the least it tolerates beyond.
    configured: f64,
    tolerance_min: f64,
    /// Between two inputs, in ticks.
    input_ticks: f64,
    /// At `position` of the view clock.
    ticks: f64,
    position: f64,
    rate: f64,
}

impl Delay {
    pub(crate) fn new(welcome: &Welcome, input_ticks: f64) -> Self {
        let interval = f64::from(welcome.tick_hz) / f64::from(welcome.snapshot_hz);
        let configured = f64::from(welcome.interpolation_ticks);
        Self {
            interval,
            configured,
            tolerance_min: interval.max(2.0),
            input_ticks,
            ticks: configured,
            position: 0.0,
            rate: 0.0,
        }
    }

    /// The delay at a time, in ticks; `position` is that time in ticks.
    pub(crate) fn at(&self, position: f64) -> f64 {
        let changed = (position - self.position).max(0.0) * self.rate;
        // Without news it goes no farther than it was on its way to within a few snapshots.
        self.ticks + changed.clamp(-self.tolerance_min, self.tolerance_min)
    }

    /// A snapshot arrived at `position`: heads for what the mean deviation of arrivals asks for.
    pub(crate) fn steer(&mut self, position: f64, jitter_ticks: f64) {
        self.ticks = self.at(position);
        self.position = position;
        self.rate = ((self.target(jitter_ticks) - self.ticks) * GAIN).clamp(-SLEW, SLEW);
    }

    /// The delay aimed at, in ticks.
    pub(crate) fn target(&self, jitter_ticks: f64) -> f64 {
        let wanted = self.interval + MARGIN_TICKS + DEVIATIONS * jitter_ticks;
        let shorter = self.shorter(jitter_ticks);
        wanted.clamp((self.configured - shorter).max(0.0), self.configured + self.longer(jitter_ticks))
    }

    /// How much shorter than the configured delay the server lets it be, also for inputs that jitter holds up.
    fn shorter(&self, jitter_ticks: f64) -> f64 {
        let taken = EDGE_TICKS + self.input_ticks + HELD_UP_DEVIATIONS * jitter_ticks;
        (self.tolerance_min.max(self.configured) - taken).max(0.0)
    }

    /// How much longer than the configured delay the server lets it be.
    fn longer(&self, jitter_ticks: f64) -> f64 {
        // The server's deviation is that of the way there and back, at least what is seen here of one way.
        self.tolerance_min.max(jitter_ticks.min(self.jitter_max())) - EDGE_TICKS
    }

    /// Jitter beyond this is not allowed for.
    fn jitter_max(&self) -> f64 {
        self.configured + self.tolerance_min
    }

    /// The delay never exceeds this, in ticks.
    pub(crate) fn max(&self) -> f64 {
        self.configured + self.longer(f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tickring_protocol::limits::{INTERPOLATION_TICKS_MAX, TICK_HZ_MAX, TICK_HZ_MIN};

    use super::*;

    fn delay(tick_hz: u16, snapshot_hz: u16, interpolation_ticks: u8) -> Delay {
        let welcome = Welcome {
            player: 0,
            entity: 0,
            tick: 0,
            tick_hz,
            snapshot_hz,
            interpolation_ticks,
            resume: [0; 16],
            message_bytes_max: 4096,
            input_window_ticks: 16,
            room_players_max: 64,
            seed: 0,
        };
        Delay::new(&welcome, 1.0)
    }

    proptest! {
        /// Whatever arrives, the delay stays within its bounds and moves no faster than it may.
        #[test]
        fn never_jumps(
            tick_hz in 20u16..=128, rate in 1u16..=128, interpolation_ticks in 0u8..=32,
            arrivals in prop::collection::vec((0.0f64..40.0, 0.0f64..60.0), 1..200),
        ) {
            let mut delay = delay(tick_hz, rate.min(tick_hz), interpolation_ticks);
            let (mut position, mut shown) = (0.0, delay.at(0.0));
            for (wait, jitter) in arrivals {
                for part in 1..=8 {
                    let now = position + wait * f64::from(part) / 8.0;
                    let next = delay.at(now);
                    prop_assert!((next - shown).abs() <= SLEW * wait / 8.0 + 1e-9);
                    prop_assert!((0.0..=delay.max() + delay.tolerance_min).contains(&next), "{}", next);
                    shown = next;
                }
                position += wait;
                delay.steer(position, jitter);
                prop_assert!((delay.at(position) - shown).abs() < 1e-9);
                prop_assert!((0.0..=delay.max()).contains(&delay.target(jitter)));
            }
        }
    }

    /// What `session::check_timing` lets through makes a client keep few states.
    #[test]
    fn the_longest_delay_is_some_tens_of_snapshots() {
        let snapshots = |tick_hz, snapshot_hz, interpolation_ticks| {
            let delay = delay(tick_hz, snapshot_hz, interpolation_ticks);
            delay.max() / delay.interval
        };
        let all = (TICK_HZ_MIN..=TICK_HZ_MAX).flat_map(|tick_hz| (1..=tick_hz).map(move |hz| (tick_hz, hz)));
        let most =
            all.map(|(tick_hz, hz)| snapshots(tick_hz, hz, INTERPOLATION_TICKS_MAX)).fold(0.0, f64::max);
        assert!((60.0..=66.0).contains(&most), "{most}");
    }

    fn settled(mut delay: Delay, jitter_ticks: f64) -> f64 {
        (0..2000).for_each(|snapshot| delay.steer(f64::from(snapshot) * delay.interval, jitter_ticks));
        delay.at(2000.0 * delay.interval)
    }

    #[test]
    fn follows_the_jitter_as_far_as_the_server_lets_it() {
        let at = |jitter_ticks| settled(delay(60, 20, 6), jitter_ticks);
        // One interval is 3 ticks; the server tolerates 3 more than the 6 it was configured with.
        assert!((at(0.0) - 3.5).abs() < 0.01, "{}", at(0.0));
        assert!((at(0.2) - 3.9).abs() < 0.01, "{}", at(0.2));
        assert!((at(1.0) - 5.5).abs() < 0.01, "{}", at(1.0));
        assert!((at(2.5) - 8.5).abs() < 0.01, "{}", at(2.5));
        assert!((at(6.0) - 11.5).abs() < 0.01, "a rough way is tolerated more: {}", at(6.0));
    }

    #[test]
    fn a_server_without_a_delay_is_not_contradicted() {
        assert!(settled(delay(60, 60, 0), 3.0) <= 2.0);
    }
}
