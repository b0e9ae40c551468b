//! The moment a player was looking at, and whether to believe it.

use tickring_protocol::ids::Tick;

/// A moment between two ticks, in 1/256 tick. Wraps with the ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ViewTime {
    /// The tick at or before the moment.
    pub tick: Tick,
    /// How far past it, in 1/256 tick.
    pub fraction: u8,
}

/// 1/256 ticks in a tick.
const TICK: i64 = 256;

impl ViewTime {
    /// How far `self` lies after `other`, in 1/256 tick. Safe across wrapping.
    #[must_use]
    pub fn since(self, other: Self) -> i64 {
        i64::from(self.tick.since(other.tick)) * TICK + i64::from(self.fraction) - i64::from(other.fraction)
    }

    /// The moment `delta` 1/256 ticks later; earlier when negative.
    #[must_use]
    pub fn offset(self, delta: i64) -> Self {
        let sum = i64::from(self.fraction) + delta;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "ticks wrap at 32 bits")]
        let tick = Tick(self.tick.0.wrapping_add(sum.div_euclid(TICK) as u32));
        let fraction = u8::try_from(sum.rem_euclid(TICK)).expect("a remainder of 256 is below 256");
        Self { tick, fraction }
    }

    pub(crate) fn at(tick: Tick) -> Self {
        Self { tick, fraction: 0 }
    }
}

/// What was wrong with a declared view time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewFault {
    Backwards,
    Future,
    TooOld,
    Implausible,
}

/// What a player may claim to see, fixed for the room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ViewRules {
    /// How far behind the newest snapshot clients draw, in 1/256 tick.
    interpolation: i64,
    /// Least tolerance, in 1/256 tick.
    tolerance_min: i64,
}

/// How far a view may be from the expected one, in 1/256 tick.
#[derive(Clone, Copy, Debug)]
struct Tolerance {
    older: i64,
    fresher: i64,
}

impl ViewRules {
    /// Two ticks are always tolerated, and one snapshot interval: between two snapshots the view moves on while
    /// the acknowledged tick stands.
    pub(crate) fn new(interpolation_ticks: u8, tick_hz: u16, snapshot_hz: u16) -> Self {
        let interval = i64::from(tick_hz) * TICK / i64::from(snapshot_hz);
        Self { interpolation: i64::from(interpolation_ticks) * TICK, tolerance_min: interval.max(2 * TICK) }
    }

    /// Fresher is allowed down to no delay at all, the newest snapshot that the player can have: a shorter delay is a
    /// shorter look back, so nobody is hit who has been in cover for longer, and whoever claims one without having it
    /// aims at what it has not seen. Older is allowed no farther than jitter explains: a longer look back is what a cheat
    /// would want.
    fn tolerance(&self, jitter: i64) -> Tolerance {
        let older = self.tolerance_min.max(jitter * 3 / 2);
        Tolerance { older, fresher: older.max(self.interpolation) }
    }
}

/// One player's view times: the checks, and the round trip they are held against.
///
/// The round trip is measured in ticks and needs no clock: an input names the newest snapshot its sender has,
/// and the age of that snapshot is the way down plus the way up. A client can claim an older snapshot and so a
/// longer round trip, but then it only gets what a truly slow connection gets, and never more than the farthest
/// look back. A client that acknowledges nothing is taken to have no delay at all.
#[derive(Clone, Debug)]
pub(crate) struct ViewCheck {
    joined: Tick,
    /// Newest acknowledged snapshot.
    acknowledged: Option<Tick>,
    /// Smoothed age of snapshots at their acknowledgement, and its mean deviation, in 1/256 tick (RFC 6298).
    round_trip: i64,
    jitter: i64,
    /// The last accepted view time.
    last: Option<ViewTime>,
}

impl ViewCheck {
    /// For a player that joined after `tick`.
    pub(crate) fn new(tick: Tick) -> Self {
        Self { joined: tick, acknowledged: None, round_trip: 0, jitter: 0, last: None }
    }

    /// An input says that its sender has the snapshot of tick `snapshot`, the welcome counting as one; `now` is
    /// the last completed tick. Only the first mention of a snapshot is a measurement; impossible ones are none.
    pub(crate) fn acknowledge(&mut self, now: Tick, snapshot: Tick) {
        let is_new = self.acknowledged.is_none_or(|newest| snapshot.since(newest) > 0);
        if !is_new || snapshot.since(self.joined) < 0 || snapshot.since(now) > 0 {
            return;
        }
        let age = middle_of(now).since(ViewTime::at(snapshot));
        if self.acknowledged.replace(snapshot).is_none() {
            self.round_trip = age;
        } else {
            let deviation = age - self.round_trip;
            self.round_trip += deviation / 8;
            self.jitter += (deviation.abs() - self.jitter) / 4;
        }
    }

    /// The view time to use for a declared one, and the first thing that was wrong with it. Never after `now`,
    /// never before an earlier answer.
    pub(crate) fn accept(
        &mut self,
        rules: &ViewRules,
        now: Tick,
        declared: ViewTime,
    ) -> (ViewTime, Option<ViewFault>) {
        let expected = middle_of(now).offset(-(self.round_trip + rules.interpolation));
        let Tolerance { older, fresher } = rules.tolerance(self.jitter);
        let (mut view, mut fault) = (declared, None);
        if view.since(ViewTime::at(now)) > 0 {
            (view, fault) = (ViewTime::at(now), Some(ViewFault::Future));
        }
        let distance = view.since(expected);
        if !(-older..=fresher).contains(&distance) {
            view = expected.offset(distance.clamp(-older, fresher));
            fault = fault.or(Some(ViewFault::Implausible));
        }
        if let Some(last) = self.last
            && view.since(last) < 0
        {
            view = last;
            fault = fault.or(Some(ViewFault::Backwards));
        }
        self.last = Some(view);
        (view, fault.filter(|_| view != declared))
    }
}

/// Inputs that arrive after tick n was completed arrive on average in the middle of the next.
fn middle_of(now: Tick) -> ViewTime {
    ViewTime { tick: now, fraction: 128 }
}

/// Where in the history to look at the start of the step after `newest`, for an accepted view.
///
/// Never after `newest`, never more than `ticks_max` before it, never before `oldest`.
pub(crate) fn bounded(
    view: ViewTime,
    oldest: Tick,
    newest: Tick,
    ticks_max: u32,
) -> (ViewTime, Option<ViewFault>) {
    let newest = ViewTime::at(newest);
    let depth = newest.since(ViewTime::at(oldest)).clamp(0, i64::from(ticks_max) * TICK);
    match view.since(newest) {
        ahead if ahead > 0 => (newest, Some(ViewFault::Future)),
        behind if behind < -depth => (newest.offset(-depth), Some(ViewFault::TooOld)),
        _ => (view, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn view(tick: u32, fraction: u8) -> ViewTime {
        ViewTime { tick: Tick(tick), fraction }
    }

    proptest! {
        #[test]
        fn offset_and_since_are_inverse(tick: u32, fraction: u8, delta in -(1i64 << 38)..1 << 38) {
            let start = view(tick, fraction);
            prop_assert_eq!(start.offset(delta).since(start), delta);
            prop_assert_eq!(start.offset(delta).offset(-delta), start);
        }

        /// Whatever is declared, the answer keeps the promises, also while ticks wrap.
        #[test]
        fn accepted_views_are_monotone_and_never_in_the_future(
            start: u32,
            inputs in prop::collection::vec((any::<u32>(), any::<u8>(), any::<u32>(), 0u32..3, any::<bool>()), 1..200),
        ) {
            let rules = ViewRules::new(4, 60, 30);
            let mut check = ViewCheck::new(Tick(start));
            let (mut now, mut last) = (Tick(start), None);
            for (tick, fraction, snapshot, ticks, wild) in inputs {
                now = now + ticks;
                // Half the values are near what a client would say.
                let tick = if wild { tick } else { now.0.wrapping_sub(tick % 24) };
                let snapshot = if wild { snapshot } else { now.0.wrapping_sub(snapshot % 24) };
                check.acknowledge(now, Tick(snapshot));
                let declared = view(tick, fraction);
                let (answer, fault) = check.accept(&rules, now, declared);
                prop_assert!(answer.since(ViewTime::at(now)) <= 0);
                prop_assert!(last.is_none_or(|last| answer.since(last) >= 0));
                prop_assert_eq!(fault.is_none(), answer == declared, "moved and told, or neither");
                last = Some(answer);
            }
        }

        /// What a delay may be: from none to the configured one and the tolerance. What is outside becomes the nearest
        /// inside, and never looks back farther than an honest player with the configured delay may.
        #[test]
        fn shorter_delays_are_believed_and_longer_ones_are_not(
            start in 0u32..1_000_000, interpolation_ticks in 0u8..=32, round_trip in 0u32..30,
            delay_256ths in -4_000i64..20_000,
        ) {
            let rules = ViewRules::new(interpolation_ticks, 60, 30);
            let mut check = ViewCheck::new(Tick(start));
            let mut now = Tick(start);
            for _ in 0..200 {
                now = now + 1;
                if now.since(Tick(start + round_trip)) >= 0 {
                    check.acknowledge(now, Tick(now.0 - round_trip));
                }
            }
            // The newest snapshot that the player has, half a tick after it was acknowledged.
            let has = middle_of(Tick(now.0 - round_trip)).offset(-128);
            let declared = has.offset(-delay_256ths);
            let (answer, fault) = check.accept(&rules, now, declared);
            let delay = has.since(answer);
            let configured = i64::from(interpolation_ticks) * TICK;
            prop_assert!(delay <= configured + 2 * TICK + 130, "looks back {delay}");
            prop_assert!(answer.since(ViewTime::at(now)) <= 0);
            if (0..=configured).contains(&delay_256ths) {
                prop_assert_eq!((answer, fault), (declared, None));
            }
            if delay_256ths < -2 * TICK - 130 || delay_256ths > configured + 2 * TICK + 130 {
                prop_assert!(fault.is_some() && answer != declared);
            }
        }

        /// Against walking back tick by tick.
        #[test]
        fn bounds_agree_with_the_ring(newest in 0u32..1000, recorded in 1u32..64, ticks_max in 1u32..62, back in -600i64..20_000) {
            let oldest = Tick(newest.wrapping_sub(recorded - 1));
            let wanted = ViewTime::at(Tick(newest)).offset(-back);
            let (answer, fault) = bounded(wanted, oldest, Tick(newest), ticks_max);
            let allowed = i64::from(ticks_max.min(recorded - 1)) * 256;
            prop_assert_eq!(ViewTime::at(Tick(newest)).since(answer), back.clamp(0, allowed));
            prop_assert_eq!(fault, if back < 0 { Some(ViewFault::Future) } else if back > allowed { Some(ViewFault::TooOld) } else { None });
        }
    }

    #[test]
    fn the_round_trip_follows_the_acknowledgements() {
        let mut check = ViewCheck::new(Tick(0));
        for now in 10..400 {
            check.acknowledge(Tick(now), Tick(now - if now < 200 { 4 } else { 10 }));
            // Saying it again later does not make the way longer.
            check.acknowledge(Tick(now + 3), Tick(now - 10));
        }
        assert!((check.round_trip - (10 * 256 + 128)).abs() < 8, "{}", check.round_trip);
        assert!(check.jitter < 16);
    }

    #[test]
    fn impossible_acknowledgements_are_ignored() {
        let mut check = ViewCheck::new(Tick(100));
        check.acknowledge(Tick(110), Tick(99));
        check.acknowledge(Tick(110), Tick(111));
        assert_eq!(check.acknowledged, None);
        check.acknowledge(Tick(110), Tick(105));
        assert_eq!((check.acknowledged, check.round_trip), (Some(Tick(105)), 5 * 256 + 128));
    }
}
