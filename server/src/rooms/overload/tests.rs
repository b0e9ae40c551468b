//! The ladder under simulated loads that react to each step.

use proptest::prelude::*;
use tickring_protocol::message::TIME_DILATION_MIN;

use super::*;

const ALL: Limits = Limits { rung_max: 4, dilation_percent_min: 50 };
const TICK_HZ: u16 = 100;

/// A worker that is asked for `demand` times what it can do, of which each step of the ladder leaves over a part.
struct Worker {
    ladder: Ladder,
    /// By step, falling from 1.
    left_over: Vec<f64>,
    now_ns: u64,
    worked_ns: u64,
}

impl Worker {
    /// Time dilation leaves over as much as it says; whoever is refused cost nothing yet; the rest is `thinned` at
    /// each step.
    fn new(ladder: Ladder, thinned: f64) -> Self {
        let mut left = 1.0;
        let mut left_over = Vec::new();
        for step in &ladder.steps {
            if matches!(step.rung, Rung::Far | Rung::Budget) {
                left *= thinned;
            }
            left_over.push(left * f64::from(step.relief.time_dilation) / 255.0);
        }
        Self { ladder, left_over, now_ns: 0, worked_ns: 0 }
    }

    fn all(thinned: f64) -> Self {
        Self::new(Ladder::new(ALL, TICK_HZ, true), thinned)
    }

    fn load(&self, demand: f64) -> f64 {
        demand * self.left_over[self.ladder.at]
    }

    /// One window, in which `late` percent of the ticks are late for no reason of ours.
    fn window(&mut self, demand: f64, late: u8) -> Option<Move> {
        let load = self.load(demand);
        let late = if load > 1.0 { 100 } else { late };
        for tick in 0..100 {
            let lateness_ns = if tick < late { 5_000_001 } else { 5_000_000 };
            self.ladder.note(Due { steps: 1, missed: 0, lateness_ns });
        }
        self.now_ns += WINDOW_NS;
        self.worked_ns += nanoseconds(load);
        assert!(self.ladder.is_due(self.now_ns) && !self.ladder.is_due(self.now_ns - 1));
        self.ladder.weigh(self.now_ns, self.worked_ns)
    }

    fn moves(&mut self, windows: u32, demand: f64) -> u32 {
        (0..windows).map(|_| u32::from(self.window(demand, 0).is_some())).sum()
    }

    fn last(&self) -> usize {
        self.ladder.steps.len() - 1
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a window"
)]
fn nanoseconds(load: f64) -> u64 {
    (load.min(1.0) * WINDOW_NS as f64) as u64
}

#[test]
fn the_steps_go_from_the_least_to_the_most() {
    let ladder = Ladder::new(ALL, 60, true);
    let told: Vec<_> = ladder
        .steps
        .iter()
        .map(|step| {
            let Relief { far_every, budget_divisor, time_dilation } = step.relief;
            (step.rung as u8, far_every, budget_divisor, time_dilation)
        })
        .collect();
    let expected = [
        (0, 1, 1, 255),
        (1, 2, 1, 255),
        (1, 4, 1, 255),
        (2, 4, 2, 255),
        (2, 4, 4, 255),
        (3, 4, 4, 230),
        (3, 4, 4, 204),
        (3, 4, 4, 179),
        (3, 4, 4, 153),
        (3, 4, 4, TIME_DILATION_MIN),
        (4, 4, 4, TIME_DILATION_MIN),
    ];
    assert_eq!(told, expected);
}

#[test]
fn limits_leave_steps_out() {
    let rungs = |rung_max, dilation_percent_min, thins| -> Vec<_> {
        let limits = Limits { rung_max, dilation_percent_min };
        let steps = Ladder::new(limits, 60, thins).steps;
        steps.iter().map(|step| (step.rung as u8, step.relief.time_dilation)).collect()
    };
    assert_eq!(rungs(0, 50, true), [(0, 255)]);
    assert_eq!(rungs(2, 50, true), [(0, 255), (1, 255), (1, 255), (2, 255), (2, 255)]);
    assert_eq!(rungs(4, 75, false), [(0, 255), (3, 230), (3, 204), (3, 191), (4, 191)], "nothing is far");
    assert_eq!(rungs(4, 100, false), [(0, 255), (4, 255)], "time is never slowed");
}

#[test]
fn one_hiccup_is_no_overload() {
    let mut worker = Worker::all(0.9);
    for _ in 0..200 {
        assert_eq!(worker.window(9.0, 0), None);
        assert_eq!(worker.window(0.5, 24), None);
    }
}

#[test]
fn the_way_up_is_quick_and_says_why() {
    let mut worker = Worker::all(0.9);
    assert_eq!(worker.window(9.0, 0), None);
    for step in 1..=10 {
        let moved = worker.window(9.0, 0).expect("a step for each window");
        assert_eq!((moved.up, worker.ladder.at), (true, step));
        assert_eq!(moved.load, Load { late_percent: 100, busy_percent: 100 });
    }
    assert_eq!(worker.moves(1_000, 9.0), 0, "it stays at the end, and nothing is killed");
}

#[test]
fn the_way_down_is_slow_and_leads_to_the_start() {
    let mut worker = Worker::all(0.9);
    worker.moves(20, 9.0);
    assert_eq!(worker.ladder.at, worker.last());
    for step in (0..worker.last()).rev() {
        assert_eq!(worker.moves(PATIENCE_MIN - 1, 0.3), 0);
        let moved = worker.window(0.3, 0).expect("a step down");
        assert_eq!((moved.up, worker.ladder.at, moved.load.late_percent), (false, step, 0));
    }
    assert_eq!(worker.moves(1_000, 0.3), 0);
    assert_eq!(worker.ladder.next_ns(), None, "nothing to wake up for");
}

#[test]
fn without_rooms_it_comes_down_too() {
    let mut worker = Worker::all(0.9);
    worker.moves(20, 9.0);
    while let Some(next_ns) = worker.ladder.next_ns() {
        worker.ladder.weigh(next_ns, worker.worked_ns);
    }
    assert_eq!(worker.ladder.step().rung, Rung::Normal);
}

#[test]
fn time_on_each_rung_adds_up() {
    let mut worker = Worker::all(1.0);
    worker.moves(40, 1.35);
    worker.moves(200, 0.2);
    let rung_ns = worker.ladder.rung_ns(worker.now_ns + 5);
    assert_eq!(rung_ns.iter().sum::<u64>(), worker.now_ns + 5);
    assert!(rung_ns[..4].iter().all(|ns| *ns >= WINDOW_NS) && rung_ns[4] == 0, "{rung_ns:?}");
}

#[test]
fn a_relapse_makes_it_wait_longer_and_calm_makes_it_forget() {
    // The step needs more than half of what it saves, so each attempt to do without it fails.
    let mut worker = Worker::all(0.5);
    let mut waited = Vec::new();
    let mut windows = 0;
    while waited.len() < 8 {
        windows += 1;
        if worker.window(1.1, 0).is_some_and(|moved| !moved.up) {
            waited.push(windows);
            windows = 0;
        }
    }
    assert!(waited.windows(2).all(|pair| pair[1] >= pair[0]), "{waited:?}");
    assert!(waited[7] >= 90 && waited[1] < 20, "{waited:?}");
    worker.moves(2_000, 0.1);
    assert_eq!((worker.ladder.at, worker.ladder.patience), (0, PATIENCE_MIN));
}

proptest! {
    /// Under any constant load it soon stands where the worker keeps up, or at the end, and hardly ever moves again.
    #[test]
    fn a_constant_load_is_answered_once(demand in 0.0f64..4.0, thinned in 0.5f64..=1.0, noise in 0u8..25) {
        let mut worker = Worker::all(thinned);
        let answered = (0..worker.last() + 2).any(|_| {
            worker.window(demand, noise);
            worker.load(demand) <= 1.0 || worker.ladder.at == worker.last()
        });
        prop_assert!(answered);
        // It tries to do with less now and then, each time after a longer wait.
        let (mut moves, mut strained) = (0, 0);
        for _ in 0..5_000 {
            let before = worker.ladder.at;
            moves += u32::from(worker.window(demand, noise).is_some());
            prop_assert!(worker.ladder.at.abs_diff(before) <= 1);
            strained += u32::from(worker.load(demand) > 1.0 && worker.ladder.at < worker.last());
        }
        prop_assert!(moves <= 125, "{moves} moves");
        prop_assert!(strained <= moves + 2, "{strained} strained windows of 5,000");
    }

    /// Time that was slowed is not sped up to be slowed again: no move at all once it stands.
    #[test]
    fn time_dilation_does_not_flap(demand in 1.0f64..2.0, noise in 0u8..25) {
        let mut worker = Worker::new(Ladder::new(ALL, TICK_HZ, false), 1.0);
        for _ in 0..worker.last() + 2 {
            worker.window(demand, noise);
        }
        let at = worker.ladder.at;
        for _ in 0..2_000 {
            worker.window(demand, noise);
        }
        prop_assert!(worker.ladder.at == at || worker.last() == at, "{} instead of {at}", worker.ladder.at);
    }

    /// Whatever went before, a load that goes leaves nothing behind.
    #[test]
    fn every_load_ends(loads in prop::collection::vec((0.0f64..4.0, 0u8..100, 1u32..40), 0..30), thinned in 0.5f64..=1.0) {
        let mut worker = Worker::all(thinned);
        for (demand, noise, windows) in loads {
            (0..windows).for_each(|_| { worker.window(demand, noise); });
        }
        let windows = PATIENCE_MAX * u32::try_from(worker.last()).expect("ten");
        worker.moves(windows, 0.3);
        prop_assert_eq!(worker.ladder.step(), Step { rung: Rung::Normal, relief: Relief::NONE });
    }
}
