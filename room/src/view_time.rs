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
    fn tolerance(&self, way: Way) -> Tolerance {
        let older = self.tolerance_min.max(way.jitter * 3 / 2);
        Tolerance { older, fresher: older.max(self.interpolation) }
    }
}

/// The way to a player and back as its views are held against it, in 1/256 tick.
#[derive(Clone, Copy, Debug)]
struct Way {
    round_trip: i64,
    jitter: i64,
}

/// Ticks after which the least age of acknowledged snapshots is looked for anew.
const LEAST_TICKS: i32 = 32;

/// The least of the ages noted in the last [`LEAST_TICKS`] to twice as many ticks.
#[derive(Clone, Copy, Debug)]
struct Least {
    since: Tick,
    now: i64,
    before: i64,
}

impl Least {
    fn new(tick: Tick) -> Self {
        Self { since: tick, now: i64::MAX, before: i64::MAX }
    }

    fn note(&mut self, tick: Tick, age: i64) {
        if tick.since(self.since) >= LEAST_TICKS {
            *self = Self { since: tick, now: i64::MAX, before: self.now };
        }
        self.now = self.now.min(age);
    }

    /// `i64::MAX` before anything is noted.
    fn get(&self) -> i64 {
        self.now.min(self.before)
    }
}

/// One player's view times: the checks, and the round trip they are held against.
///
/// The round trip is measured in ticks and needs no clock: an input names the newest snapshot its sender has,
/// and the age of that snapshot is the way down plus the way up. A client can claim an older snapshot and so a
/// longer round trip, but not a newer one than it has. So the least age of the last second is what counts, and the
/// mean and the deviation only within a quarter of it: whoever once shows how fast its connection is cannot claim a slow
/// one for its next shot. Who claims it all the time gets what a truly slow connection gets, the delay of its own hits
/// included, and never more than the farthest look back. A client that acknowledges nothing is taken to have no delay at
/// all.
#[derive(Clone, Debug)]
pub(crate) struct ViewCheck {
    joined: Tick,
    /// Newest acknowledged snapshot.
    acknowledged: Option<Tick>,
    /// Smoothed age of snapshots at their acknowledgement, and its mean deviation, in 1/256 tick (RFC 6298).
    round_trip: i64,
    jitter: i64,
    least: Least,
    /// The last accepted view time.
    last: Option<ViewTime>,
}

impl ViewCheck {
    /// For a player that joined after `tick`.
    pub(crate) fn new(tick: Tick) -> Self {
        Self {
            joined: tick,
            acknowledged: None,
            round_trip: 0,
            jitter: 0,
            least: Least::new(tick),
            last: None,
        }
    }

    /// An input says that its sender has the snapshot of tick `snapshot`, the welcome counting as one; `now` is
    /// the last completed tick. Only the first mention of a snapshot is a measurement; impossible ones are none.
    pub(crate) fn acknowledge(&mut self, now: Tick, snapshot: Tick) {
        let is_new = self.acknowledged.is_none_or(|newest| snapshot.since(newest) > 0);
        if !is_new || snapshot.since(self.joined) < 0 || snapshot.since(now) > 0 {
            return;
        }
        let age = middle_of(now).since(ViewTime::at(snapshot));
        self.least.note(now, age);
        if self.acknowledged.replace(snapshot).is_none() {
            self.round_trip = age;
        } else {
            let deviation = age - self.round_trip;
            self.round_trip += deviation / 8;
            self.jitter += (deviation.abs() - self.jitter) / 4;
        }
    }

    /// What the acknowledgements show. Jitter is what is above the least age, and more than a quarter of it, or than a
    /// tick, is not believed.
    fn way(&self) -> Way {
        let least = self.least.get();
        if least == i64::MAX {
            return Way { round_trip: 0, jitter: 0 };
        }
        let spread_max = TICK.max(least / 4);
        Way { round_trip: self.round_trip.min(least + spread_max), jitter: self.jitter.min(spread_max) }
    }

    /// The view time to use for a declared one, and the first thing that was wrong with it. Never after `now`,
    /// never before an earlier answer.
    pub(crate) fn accept(
        &mut self,
        rules: &ViewRules,
        now: Tick,
        declared: ViewTime,
    ) -> (ViewTime, Option<ViewFault>) {
        let way = self.way();
        let expected = middle_of(now).offset(-(way.round_trip + rules.interpolation));
        let Tolerance { older, fresher } = rules.tolerance(way);
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
mod tests;
