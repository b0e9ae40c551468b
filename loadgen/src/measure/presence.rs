//! Whether a worker gets to run when it wants to: what it measures while somebody else has its CPU, or while it is
//! stopped, is not the server's.

use super::latency::{Latency, microseconds};
use super::tally::Window;

/// So much time is looked at together, ns: reading how long a thread waited for a CPU takes about a microsecond.
const SLICE_NS: u64 = 1_000_000;
/// Points that stand for the moments of one absence.
const MOMENTS: u64 = 16;

/// What the kernel has counted for a thread so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// CPU time, ns.
    pub(crate) cpu_ns: u64,
    /// Time it could have run and had no CPU, ns; `None`: this kernel does not tell.
    pub(crate) queued_ns: Option<u64>,
}

/// Watches one worker from one end of a wait to the next.
#[derive(Clone, Debug)]
pub(crate) struct Presence {
    /// When the slice began.
    since_ns: u64,
    /// What had been spent by then.
    spent: Spent,
    /// When the last wait ended.
    woke_ns: u64,
    /// Of the slice: asleep because it wanted to be, ns.
    slept_ns: u64,
    /// Of the slice: waits.
    waits: u64,
    /// The process was stopped and continued within the slice, or just before it.
    was_stopped: bool,
    /// The slice before, not judged yet.
    last: Option<Slice>,
    window: Window,
    away: Away,
    away_before: Away,
}

/// What was seen of a slice.
#[derive(Clone, Copy, Debug)]
struct Slice {
    end_ns: u64,
    length_ns: u64,
    worked_ns: u64,
    slept_ns: u64,
    /// Time it waited for a CPU, ns.
    queued_ns: u64,
    /// The longest absence there can have been, ns, and how many there were.
    cycle_ns: u64,
    count: u64,
}

/// The time within the window that a worker was to run in and did not.
#[derive(Clone, Debug)]
pub(crate) struct Away {
    /// For every nanosecond of it, how much longer it took.
    remaining: Latency,
    /// All of it, ns.
    total_ns: u64,
}

impl Default for Away {
    fn default() -> Self {
        Self { remaining: Latency::coarse(), total_ns: 0 }
    }
}

impl Presence {
    /// Of a worker that begins now and has spent so much.
    pub(crate) fn new(now_ns: u64, spent: Spent) -> Self {
        Self {
            since_ns: now_ns,
            spent,
            woke_ns: now_ns,
            slept_ns: 0,
            waits: 0,
            was_stopped: false,
            last: None,
            window: Window::UNSET,
            away: Away::default(),
            away_before: Away::default(),
        }
    }

    /// The process was continued after a stop. Where in a wait the stop began nobody knows, and the word of it may come after
    /// the wait is over: so the time that this slice and the one before slept was not wanted.
    pub(crate) const fn continued(&mut self) {
        self.was_stopped = true;
    }

    /// A wait ended at `now_ns`, of which it wanted to sleep for `slept_ns`.
    pub(crate) fn woke(&mut self, now_ns: u64, slept_ns: u64, window: Window, spent: impl FnOnce() -> Spent) {
        self.window = window;
        let cycle_ns = now_ns.saturating_sub(self.woke_ns);
        self.woke_ns = now_ns;
        self.slept_ns += slept_ns;
        self.waits += 1;
        let length_ns = now_ns.saturating_sub(self.since_ns);
        if length_ns < SLICE_NS {
            return;
        }
        let (before, after) = (self.spent, spent());
        let queued_ns =
            after.queued_ns.zip(before.queued_ns).map(|(after, before)| after.saturating_sub(before));
        let mut slice = Slice {
            end_ns: now_ns,
            length_ns,
            worked_ns: after.cpu_ns.saturating_sub(before.cpu_ns),
            slept_ns: self.slept_ns,
            queued_ns: queued_ns.unwrap_or(0),
            cycle_ns: if cycle_ns >= SLICE_NS { cycle_ns } else { length_ns },
            count: if cycle_ns >= SLICE_NS { 1 } else { self.waits },
        };
        if std::mem::take(&mut self.was_stopped) {
            slice.slept_ns = 0;
            self.last.iter_mut().for_each(|last| last.slept_ns = 0);
        }
        (self.since_ns, self.spent, self.slept_ns, self.waits) = (now_ns, after, 0, 0);
        self.judge();
        self.last = Some(slice);
    }

    /// Notes the absence in the slice before.
    fn judge(&mut self) {
        let Some(slice) = self.last.take() else { return };
        // A thread that is stopped waits for no CPU, and one that waits for a CPU was often to be woken earlier than it had
        // asked for: each shows what the other does not.
        let missing_ns = slice.length_ns.saturating_sub(slice.worked_ns + slice.slept_ns);
        let away_ns = missing_ns.max(slice.queued_ns).min(slice.length_ns).min(slice.cycle_ns);
        let before = Window { start_ns: 0, end_ns: self.window.start_ns };
        self.away.note(self.window, slice.end_ns, away_ns, slice.count);
        self.away_before.note(before, slice.end_ns, away_ns, slice.count);
    }

    /// What it has seen: within the window, and before it.
    pub(crate) fn take(&mut self) -> (Away, Away) {
        self.judge();
        (std::mem::take(&mut self.away), std::mem::take(&mut self.away_before))
    }
}

impl Away {
    /// Absences of `length_ns` together and equal lengths, the last of which ended at `end_ns`; as far as they lie in the
    /// window.
    fn note(&mut self, window: Window, end_ns: u64, length_ns: u64, count: u64) {
        let from_ns = end_ns.saturating_sub(length_ns).max(window.start_ns);
        let to_ns = end_ns.min(window.end_ns);
        if from_ns >= to_ns {
            return;
        }
        let within_ns = to_ns - from_ns;
        self.total_ns += within_ns;
        let (least_ns, each_ns) = (end_ns - to_ns, within_ns / count.max(1));
        for moment in 0..MOMENTS {
            let remaining_ns = least_ns + each_ns * (2 * moment + 1) / (2 * MOMENTS);
            self.remaining.record_many(remaining_ns, within_ns / MOMENTS);
        }
    }

    /// Takes another worker's in.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.remaining.merge(&other.remaining);
        self.total_ns += other.total_ns;
    }

    /// The share of so many ns.
    #[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^53 ns")]
    pub(crate) fn share(&self, of_ns: u64) -> f64 {
        if of_ns > 0 { self.total_ns as f64 / of_ns as f64 } else { 0.0 }
    }

    /// At this part of the moments of so many ns, below 1: how long it took until it ran, us.
    pub(crate) fn quantile_us(&self, quantile: f64, of_ns: u64) -> f64 {
        let (share, beyond) = (self.share(of_ns), 1.0 - quantile);
        if share <= beyond {
            return 0.0;
        }
        // At all other moments it was there.
        microseconds(self.remaining.quantile_ns(1.0 - beyond / share))
    }

    /// The longest it took, us.
    pub(crate) fn max_us(&self) -> f64 {
        microseconds(self.remaining.quantile_ns(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const WINDOW: Window = Window { start_ns: 1_000 * MS, end_ns: 2_000 * MS };
    const LENGTH_NS: u64 = 1_000 * MS;

    /// A worker that lives as told until long after the window.
    struct Life {
        now_ns: u64,
        spent: Spent,
        presence: Presence,
    }

    impl Life {
        fn begins() -> Self {
            let spent = Spent { cpu_ns: 0, queued_ns: Some(0) };
            Self { now_ns: 0, spent, presence: Presence::new(0, spent) }
        }

        /// A pass of work, then a sleep that it wanted, then time it wanted to run in.
        fn lives(&mut self, work_ns: u64, sleep_ns: u64, late_ns: u64) {
            self.now_ns += work_ns + sleep_ns + late_ns;
            self.spent.cpu_ns += work_ns;
            let spent = self.spent;
            self.presence.woke(self.now_ns, sleep_ns, WINDOW, || spent);
        }

        fn until(&mut self, end_ns: u64, mut live: impl FnMut(&mut Self)) {
            while self.now_ns < end_ns {
                live(self);
            }
        }

        fn ends(mut self) -> (f64, f64) {
            let (away, _) = self.presence.take();
            (away.share(LENGTH_NS), away.quantile_us(0.99, LENGTH_NS))
        }
    }

    #[test]
    fn who_works_or_sleeps_is_there() {
        let mut busy = Life::begins();
        busy.until(3_000 * MS, |life| life.lives(20_000, 0, 0));
        assert_eq!(busy.ends(), (0.0, 0.0));
        let mut heavy = Life::begins();
        heavy.until(3_000 * MS, |life| life.lives(40 * MS, 0, 0));
        assert_eq!(heavy.ends(), (0.0, 0.0), "a long pass is its own work");
        let mut idle = Life::begins();
        idle.until(3_000 * MS, |life| life.lives(5_000, 10 * MS, 0));
        assert_eq!(idle.ends(), (0.0, 0.0));
    }

    #[test]
    fn small_delays_do_not_add_up_to_a_large_one() {
        let mut life = Life::begins();
        life.until(3_000 * MS, |life| life.lives(30_000, 60_000, 10_000));
        let (share, p99_us) = life.ends();
        assert!((share - 0.1).abs() < 0.01, "{share}");
        assert!((5.0..=11.0).contains(&p99_us), "{p99_us}");
    }

    #[test]
    fn a_stop_is_an_absence_as_far_as_it_lies_in_the_window() {
        for (from_ms, to_ms, share, p99_ms) in [
            (1_200, 1_700, 0.5, 490.0),
            (0, 1_100, 0.1, 90.0),
            (1_900, 9_000, 0.1, 7_090.0),
            (100, 900, 0.0, 0.0),
        ] {
            let mut life = Life::begins();
            life.until(from_ms * MS, |life| life.lives(MS, 9 * MS, 0));
            life.lives(0, 10 * MS, (to_ms - from_ms - 10) * MS);
            life.until(10_000 * MS, |life| life.lives(MS, 9 * MS, 0));
            let (measured, p99_us) = life.ends();
            assert!((measured - share).abs() < 0.02, "{from_ms}: {measured}");
            assert!((p99_us / 1e3 - p99_ms).abs() <= p99_ms * 0.06, "{from_ms}: {p99_us}");
        }
    }

    #[test]
    fn who_waits_for_a_cpu_is_away_though_it_never_slept_too_long() {
        let mut life = Life::begins();
        life.until(3_000 * MS, |life| {
            // An answer wakes it after a millisecond of ten; it runs when the others have had their turn.
            life.spent.queued_ns = life.spent.queued_ns.map(|ns| ns + 8 * MS);
            life.lives(MS, 9 * MS, 0);
        });
        let (share, p99_us) = life.ends();
        assert!((share - 0.8).abs() < 0.02, "{share}");
        assert!((7_000.0..=8_100.0).contains(&p99_us), "{p99_us}");
    }

    #[test]
    fn what_it_slept_while_it_was_stopped_was_not_wanted() {
        // Stopped for 9 ms of 10, always in a wait that might have lasted as long: only the word of it tells.
        for (is_told_late, least) in [(false, 0.85), (true, 0.85)] {
            let mut life = Life::begins();
            let mut is_told = false;
            life.until(3_000 * MS, |life| {
                (0..10).for_each(|_| {
                    if std::mem::take(&mut is_told) {
                        life.presence.continued();
                    }
                    life.lives(90_000, 10_000, 0);
                });
                if is_told_late {
                    is_told = true;
                } else {
                    life.presence.continued();
                }
                life.lives(0, 9 * MS, 0);
            });
            let (share, p99_us) = life.ends();
            assert!((least..=0.95).contains(&share), "{is_told_late}: {share}");
            assert!((8_000.0..=9_500.0).contains(&p99_us), "{is_told_late}: {p99_us}");
        }
    }

    #[test]
    fn one_word_of_a_stop_is_no_long_absence() {
        let mut life = Life::begins();
        life.until(1_500 * MS, |life| life.lives(MS, 9 * MS, 0));
        life.presence.continued();
        life.until(3_000 * MS, |life| life.lives(MS, 9 * MS, 0));
        let (share, p99_us) = life.ends();
        assert!(share <= 0.02 && p99_us <= 9_500.0, "{share} {p99_us}");
    }

    #[test]
    fn what_was_before_the_window_is_told_apart() {
        let mut life = Life::begins();
        life.lives(0, 10 * MS, 490 * MS);
        life.until(3_000 * MS, |life| life.lives(MS, 9 * MS, 0));
        let (within, before) = life.presence.take();
        assert!(within.share(LENGTH_NS) <= 0.0 && within.max_us() <= 0.0);
        assert!((before.share(1_000 * MS) - 0.49).abs() < 0.01);
        assert!((before.max_us() / 1e3 - 480.0).abs() < 30.0, "{}", before.max_us());
    }

    #[test]
    fn workers_are_taken_together() {
        let mut life = Life::begins();
        life.until(1_500 * MS, |life| life.lives(MS, 9 * MS, 0));
        life.lives(0, 10 * MS, 200 * MS);
        let mut all = Away::default();
        all.merge(&life.presence.take().0);
        all.merge(&Away::default());
        assert!((all.share(2 * LENGTH_NS) - 0.1).abs() < 0.01);
        assert!((all.quantile_us(0.99, 2 * LENGTH_NS) / 1e3 - 180.0).abs() < 12.0);
    }
}
