//! The search for the largest load that holds, apart from any load: it says what to try next, and is told what came
//! of it.
//!
//! From the lower bound the load is doubled until it misses; between the largest that held and the smallest that missed
//! it is bisected on a logarithmic scale; what is found is tried again as often as asked. A trial that does not hold is
//! tried once more before it counts: a machine that others use too has bad moments.

use serde::Serialize;

/// Where to search, in whole units of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// The first load tried, and the least.
    pub(crate) from: u64,
    /// No load beyond this is tried.
    pub(crate) to: u64,
    /// Loads are multiples of this.
    pub(crate) grain: u64,
    /// What held and what missed may be so far apart, in thousandths of the former.
    pub(crate) precision_permille: u64,
    /// How often the answer must hold again.
    pub(crate) confirm: u32,
}

/// What a trial showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The load holds.
    Held,
    /// It does not.
    Missed,
    /// The instrument itself failed: nothing is known of the load.
    Blind,
}

/// Why a load is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    /// To find one that misses.
    Double,
    /// To narrow down what was found.
    Bisect,
    /// To see whether the answer holds again.
    Confirm,
}

/// A load to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) load: u64,
    pub(crate) purpose: Purpose,
    /// The same load did not hold just before.
    pub(crate) again: bool,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Try(Attempt),
    Over(End),
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// `load` holds, `missed` does not.
    Found { load: u64, missed: u64 },
    /// The upper bound holds.
    AtLeast { load: u64 },
    /// Not even the lower bound holds.
    Nothing,
    /// The instrument failed at `at`; `held` is the largest load that held before.
    Blind { held: Option<u64>, at: u64 },
}

/// A search under way. [`next`](Self::next) and [`tell`](Self::tell) take turns.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    bounds: Bounds,
    /// Loads that held, ascending, all below `missed`.
    held: Vec<u64>,
    /// The smallest load that missed.
    missed: Option<u64>,
    /// How often the largest of `held` has held again.
    confirmed: u32,
    /// The last trial did not hold and is to be repeated.
    again: bool,
    /// Where the instrument failed.
    blind: Option<u64>,
}

impl Search {
    /// A search within bounds that are multiples of the grain, the lower one not above the upper one.
    pub(crate) fn new(bounds: Bounds) -> Self {
        let Bounds { from, to, grain, .. } = bounds;
        assert!(grain > 0 && from > 0 && from <= to, "the bounds of a search are in order: {bounds:?}");
        assert!(from.is_multiple_of(grain) && to.is_multiple_of(grain), "and multiples: {bounds:?}");
        Self { bounds, held: Vec::new(), missed: None, confirmed: 0, again: false, blind: None }
    }

    /// What to try, or how it ended. Says the same until told.
    pub(crate) fn next(&self) -> Step {
        let Self { bounds, again, .. } = *self;
        let attempt = |load, purpose| Step::Try(Attempt { load, purpose, again });
        if let Some(at) = self.blind {
            return Step::Over(End::Blind { held: self.held(), at });
        }
        match (self.held(), self.missed) {
            (None, Some(_)) => Step::Over(End::Nothing),
            (None, None) => attempt(bounds.from, Purpose::Double),
            (Some(held), None) if held < bounds.to => {
                attempt(held.saturating_mul(2).min(bounds.to), Purpose::Double)
            }
            (Some(held), Some(missed)) if !self.is_close(held, missed) => {
                attempt(self.between(held, missed), Purpose::Bisect)
            }
            (Some(held), _) if self.confirmed < bounds.confirm => attempt(held, Purpose::Confirm),
            (Some(load), Some(missed)) => Step::Over(End::Found { load, missed }),
            (Some(load), None) => Step::Over(End::AtLeast { load }),
        }
    }

    /// Takes in what the trial showed that [`next`](Self::next) asked for.
    pub(crate) fn tell(&mut self, shown: Shown) {
        let Step::Try(Attempt { load, purpose, again }) = self.next() else {
            unreachable!("nobody tries when the search is over")
        };
        self.again = shown != Shown::Held && !again;
        match shown {
            _ if self.again => {}
            Shown::Held if purpose == Purpose::Confirm => self.confirmed += 1,
            Shown::Held => self.held.push(load),
            Shown::Missed => {
                self.missed = Some(load);
                if purpose == Purpose::Confirm {
                    // It held by luck: what held below it is the next to be looked at.
                    self.held.pop();
                    self.confirmed = 0;
                }
            }
            Shown::Blind => self.blind = Some(load),
        }
    }

    /// The largest load that held so far.
    pub(crate) fn held(&self) -> Option<u64> {
        self.held.last().copied()
    }

    /// The smallest load that missed so far.
    pub(crate) const fn missed(&self) -> Option<u64> {
        self.missed
    }

    /// Whether nothing is to be gained between the two any more.
    const fn is_close(&self, held: u64, missed: u64) -> bool {
        let Bounds { grain, precision_permille, .. } = self.bounds;
        let apart = (missed - held) as u128;
        apart <= grain as u128 || apart * 1_000 <= held as u128 * precision_permille as u128
    }

    /// The geometric mean, as a multiple of the grain and strictly between the two.
    fn between(&self, held: u64, missed: u64) -> u64 {
        let grain = self.bounds.grain;
        let mean = (u128::from(held) * u128::from(missed)).isqrt();
        let mean = u64::try_from(mean).expect("a mean is not above the larger one");
        (mean / grain * grain).clamp(held + grain, missed - grain)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    const BOUNDS: Bounds = Bounds { from: 100, to: 100_000, grain: 1, precision_permille: 50, confirm: 2 };

    /// Trials after which a search counts as endless. Far above what even bad luck needs.
    const TRIALS_MAX: usize = 5_000;

    /// Searches with a server that `answer`s; every load tried, and the end.
    fn search(bounds: Bounds, mut answer: impl FnMut(u64) -> Shown) -> (Vec<Attempt>, End) {
        let mut search = Search::new(bounds);
        let mut tried = Vec::new();
        while tried.len() < TRIALS_MAX {
            match search.next() {
                Step::Over(end) => return (tried, end),
                Step::Try(attempt) => {
                    tried.push(attempt);
                    search.tell(answer(attempt.load));
                }
            }
        }
        panic!("no end after {TRIALS_MAX} trials: {search:?}");
    }

    fn up_to(threshold: u64) -> impl FnMut(u64) -> Shown {
        move |load| if load <= threshold { Shown::Held } else { Shown::Missed }
    }

    #[test]
    fn it_doubles_then_bisects_then_confirms() {
        let (tried, end) = search(BOUNDS, up_to(730));
        let loads: Vec<u64> = tried.iter().map(|attempt| attempt.load).collect();
        assert_eq!(loads, [100, 200, 400, 800, 800, 565, 672, 733, 733, 701, 701, 701]);
        assert_eq!(end, End::Found { load: 701, missed: 733 });
        assert!(tried[4].again && !tried[3].again && tried[11].purpose == Purpose::Confirm);
    }

    #[test]
    fn the_bounds_are_answers_too() {
        let (_, end) = search(BOUNDS, up_to(u64::MAX));
        assert_eq!(end, End::AtLeast { load: 100_000 });
        let (tried, end) = search(BOUNDS, up_to(99));
        assert_eq!((tried.len(), end), (2, End::Nothing));
    }

    #[test]
    fn one_bad_moment_is_forgiven_and_luck_is_not() {
        let mut trials = 0;
        let (_, end) = search(BOUNDS, |load| {
            trials += 1;
            if trials == 2 { Shown::Missed } else { up_to(730)(load) }
        });
        assert_eq!(end, End::Found { load: 701, missed: 733 });
        let mut lucky = true;
        let (_, end) = search(BOUNDS, |load| match load {
            800 if std::mem::take(&mut lucky) => Shown::Held,
            load => up_to(730)(load),
        });
        let End::Found { load, missed } = end else { panic!("{end:?}") };
        assert!(load <= 730 && missed > 730 && missed <= 800, "{end:?}");
        let mut once = true;
        let (_, end) = search(Bounds { to: 800, ..BOUNDS }, |load| match load {
            800 if std::mem::take(&mut once) => Shown::Held,
            load => up_to(500)(load),
        });
        let End::Found { load, missed } = end else { panic!("{end:?}") };
        assert!(load <= 500 && missed > 500, "a refuted upper bound is a miss: {end:?}");
    }

    #[test]
    fn a_blind_instrument_ends_it_at_the_second_time() {
        let (tried, end) = search(BOUNDS, |load| if load > 300 { Shown::Blind } else { Shown::Held });
        assert_eq!(end, End::Blind { held: Some(200), at: 400 });
        assert_eq!(tried.len(), 4);
        let (_, end) = search(BOUNDS, |_| Shown::Blind);
        assert_eq!(end, End::Blind { held: None, at: 100 });
    }

    /// A random search: bounds that go together, and a threshold anywhere.
    fn any_bounds() -> impl Strategy<Value = (Bounds, u64)> {
        let parts = (1_u64..5_000, 0_u64..400_000, 1_u64..5, 1_u64..500, 0_u32..4, 0_u64..500_000);
        parts.prop_map(|(from, more, grain, precision_permille, confirm, threshold)| {
            let (from, to) = (from * grain, (from + more) * grain);
            (Bounds { from, to, grain, precision_permille, confirm }, threshold)
        })
    }

    proptest! {
        /// A server with a sharp threshold: it is found within the precision, in about as many trials as there are
        /// doublings and halvings, and nothing outside of the bounds is tried.
        #[test]
        fn a_threshold_is_found((bounds, threshold) in any_bounds()) {
            let (tried, end) = search(bounds, up_to(threshold));
            prop_assert!(tried.iter().all(|attempt| (bounds.from..=bounds.to).contains(&attempt.load)));
            prop_assert!(tried.iter().all(|attempt| attempt.load.is_multiple_of(bounds.grain)));
            prop_assert!(tried.len() <= 80, "{} trials", tried.len());
            match end {
                End::Found { load, missed } => {
                    prop_assert!(load <= threshold && threshold < missed);
                    let apart = missed - load;
                    prop_assert!(apart <= bounds.grain || apart * 1_000 <= load * bounds.precision_permille);
                }
                End::AtLeast { load } => prop_assert!(load == bounds.to && load <= threshold),
                End::Nothing => prop_assert!(threshold < bounds.from),
                End::Blind { .. } => prop_assert!(false, "nothing was blind"),
            }
        }

        /// A server and an instrument of many moods: whatever they say, it ends, within the bounds, and the answer has
        /// held as often as asked.
        #[test]
        fn noise_does_not_keep_it_from_ending((bounds, threshold) in any_bounds(), seed: u64, percent in 0_u32..=100) {
            let mut rng = Pcg64Mcg::seed_from_u64(seed);
            let mut shown = Vec::new();
            let (tried, end) = search(bounds, |load| {
                let noisy = rng.random_range(0..100) < percent;
                let lie = if rng.random_range(0..20) == 0 { Shown::Blind } else { [Shown::Held, Shown::Missed][rng.random_range(0..2)] };
                let answer = if noisy { lie } else { up_to(threshold)(load) };
                shown.push(answer);
                answer
            });
            prop_assert!(tried.iter().all(|attempt| (bounds.from..=bounds.to).contains(&attempt.load)));
            if let End::Found { load, .. } | End::AtLeast { load } = end {
                let held = tried.iter().zip(&shown).filter(|(attempt, shown)| attempt.load == load && **shown == Shown::Held);
                prop_assert!(held.count() > usize::try_from(bounds.confirm).unwrap());
            }
        }
    }
}
