//! Where somebody was, moment by moment, for a little while.

use std::collections::VecDeque;

use tickring_room::{Pose, ViewTime};

/// Moments remembered: more than a second of inputs or snapshots at 60 Hz.
const MOMENTS_MAX: usize = 96;
/// Moments between the two that a speed is taken from.
const SPEED_OVER: usize = 6;

/// Poses by moment, oldest first, moments rising.
#[derive(Clone, Debug, Default)]
pub(super) struct Track {
    moments: VecDeque<(ViewTime, Pose)>,
}

impl Track {
    /// Adds a moment; one that is not later than the last is left out.
    pub(super) fn push(&mut self, at: ViewTime, pose: Pose) {
        if self.newest().is_some_and(|newest| at.since(newest) <= 0) {
            return;
        }
        if self.moments.len() == MOMENTS_MAX {
            self.moments.pop_front();
        }
        self.moments.push_back((at, pose));
    }

    /// The last moment.
    pub(super) fn newest(&self) -> Option<ViewTime> {
        self.moments.back().map(|(at, _)| *at)
    }

    /// The pose at a moment between the first and the last, between the two around it.
    pub(super) fn at(&self, view: ViewTime) -> Option<Pose> {
        let after = self.moments.partition_point(|(at, _)| at.since(view) < 0);
        let (later_at, later) = self.moments.get(after)?;
        if later_at.since(view) == 0 {
            return Some(*later);
        }
        let (earlier_at, earlier) = self.moments.get(after.checked_sub(1)?)?;
        Some(earlier.towards(later, part(view.since(*earlier_at), later_at.since(*earlier_at))))
    }

    /// The pose at a moment after the last, if everything goes on as it did.
    pub(super) fn beyond(&self, view: ViewTime) -> Option<Pose> {
        let (last_at, last) = self.moments.back().filter(|(last_at, _)| view.since(*last_at) > 0)?;
        let (first_at, first) = self.moments.get(self.moments.len().checked_sub(1 + SPEED_OVER)?)?;
        let steps = part(view.since(*last_at), last_at.since(*first_at));
        (first.epoch == last.epoch)
            .then(|| Pose { position: last.position + (last.position - first.position) * steps, ..*last })
    }
}

#[expect(clippy::cast_precision_loss, reason = "spans of seconds in 1/256 tick are exact")]
fn part(passed: i64, span: i64) -> f32 {
    passed as f32 / span as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickring_arena::ArenaEntity;
    use tickring_protocol::ids::Tick;
    use tickring_room::Replicated;

    fn at(tick: u32) -> ViewTime {
        ViewTime { tick: Tick(tick), fraction: 0 }
    }

    /// Somebody who runs a metre a tick.
    fn runner(ticks: std::ops::Range<u32>) -> Track {
        let mut track = Track::default();
        for tick in ticks {
            let mut entity = ArenaEntity { health: 100, ..ArenaEntity::soldier(Default::default()) };
            entity.position.x = f32::from(u16::try_from(tick).unwrap());
            track.push(at(tick), entity.pose());
        }
        track
    }

    fn x(pose: Option<Pose>) -> Option<f32> {
        pose.map(|pose| pose.position.x)
    }

    #[test]
    fn moments_between_are_between_and_those_outside_are_not_known() {
        let track = runner(100..110);
        assert_eq!(x(track.at(at(100))), Some(100.0));
        assert_eq!(x(track.at(ViewTime { tick: Tick(104), fraction: 64 })), Some(104.25));
        assert_eq!(x(track.at(at(109))), Some(109.0));
        assert!(track.at(at(99)).is_none() && track.at(ViewTime { tick: Tick(109), fraction: 1 }).is_none());
    }

    #[test]
    fn beyond_the_last_it_goes_on() {
        assert_eq!(x(runner(100..110).beyond(at(115))), Some(115.0));
        assert!(runner(100..110).beyond(at(105)).is_none(), "that is not beyond");
        assert!(runner(100..103).beyond(at(110)).is_none(), "too little is known");
    }

    #[test]
    fn the_past_is_bounded_and_moments_rise() {
        let mut track = runner(0..500);
        assert_eq!(track.moments.len(), MOMENTS_MAX);
        let pose = track.at(at(499)).unwrap();
        track.push(at(499), pose);
        track.push(at(3), pose);
        assert_eq!((track.newest(), track.moments.len()), (Some(at(499)), MOMENTS_MAX));
    }
}
