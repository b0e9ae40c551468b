//! How fast time passes in rooms.

use tickring_protocol::message::{TIME_DILATION_MIN, TIME_DILATION_NONE};

/// Room time beside real time: a clock that may go slower than the one it is read from, and never stands or jumps.
///
/// A [`Schedule`](crate::Schedule) that is asked by room time keeps its rate while time is dilated, only that a second
/// of it lasts longer; rooms that take turns keep their distances. Both times are nanoseconds of the caller's choice.
/// At the full rate from the start on both are the same.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// When the present rate began, in both times.
    real_ns: u64,
    room_ns: u64,
    /// In 1/255 of the full rate, [`TIME_DILATION_MIN`]..=[`TIME_DILATION_NONE`].
    rate: u8,
}

impl Default for Pace {
    fn default() -> Self {
        Self { real_ns: 0, room_ns: 0, rate: TIME_DILATION_NONE }
    }
}

impl Pace {
    /// Room time at a real time, rounded down; times before the last [`Pace::set`] count as that one.
    #[must_use]
    pub fn room_ns(&self, real_ns: u64) -> u64 {
        let passed = u128::from(real_ns.saturating_sub(self.real_ns));
        self.room_ns + narrow(passed * u128::from(self.rate) / u128::from(TIME_DILATION_NONE))
    }

    /// The first real time at which it is `room_ns` in the rooms, if the rate stays.
    #[must_use]
    pub fn real_ns(&self, room_ns: u64) -> u64 {
        self.real_ns.saturating_add(self.lasts_ns(room_ns.saturating_sub(self.room_ns)))
    }

    /// How long a span of room time really lasts, rounded up.
    #[must_use]
    pub fn lasts_ns(&self, span_ns: u64) -> u64 {
        narrow((u128::from(span_ns) * u128::from(TIME_DILATION_NONE)).div_ceil(u128::from(self.rate)))
    }

    /// The rate from `real_ns` on, in 1/255; brought into [`TIME_DILATION_MIN`]..=[`TIME_DILATION_NONE`].
    pub fn set(&mut self, real_ns: u64, rate: u8) {
        let room_ns = self.room_ns(real_ns);
        *self = Self { real_ns: real_ns.max(self.real_ns), room_ns, rate: rate.max(TIME_DILATION_MIN) };
    }
}

fn narrow(ns: u128) -> u64 {
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn at_the_full_rate_both_times_are_one() {
        let mut pace = Pace::default();
        pace.set(5, TIME_DILATION_NONE);
        for ns in [5, 6, 1_000_000_007, u64::MAX / 2] {
            assert_eq!((pace.room_ns(ns), pace.real_ns(ns)), (ns, ns));
        }
    }

    #[test]
    fn a_slow_second_lasts_longer() {
        let mut pace = Pace::default();
        pace.set(1_000_000_000, 204);
        assert_eq!(pace.room_ns(3_500_000_000), 3_000_000_000, "2.5 s at 0.8");
        assert_eq!(pace.lasts_ns(16_000_000), 20_000_000);
        pace.set(3_500_000_000, 0);
        assert_eq!(pace.lasts_ns(128), 255, "no slower than that");
    }

    proptest! {
        /// Room time never runs back and never faster than real time, whatever is set, and a moment that is asked for
        /// is neither reached too early nor missed.
        #[test]
        fn times_agree(changes in prop::collection::vec((0u64..3_000_000_000, any::<u8>()), 1..20), ahead in 0u64..1 << 40) {
            let mut pace = Pace::default();
            let (mut real_ns, mut room_ns) = (0, 0);
            for (passed, rate) in changes {
                let now = pace.room_ns(real_ns + passed);
                prop_assert!(now >= room_ns && now - room_ns <= passed);
                (real_ns, room_ns) = (real_ns + passed, now);
                pace.set(real_ns, rate);
                prop_assert_eq!(pace.room_ns(real_ns), room_ns, "no jump");
                let wanted = room_ns + ahead;
                let at = pace.real_ns(wanted);
                prop_assert!(pace.room_ns(at) >= wanted);
                prop_assert!(at == real_ns || pace.room_ns(at - 1) < wanted);
            }
        }
    }
}
