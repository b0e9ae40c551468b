//! What a player saw.

use glam::Vec3;
use tickring_protocol::ids::EntityId;

use crate::history::History;
use crate::{Pose, Shape, ViewTime};

/// A read-only view of the past as one player saw it when it gave its input.
///
/// Positions and orientations lie between the two ticks around the view time, never blended across an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub(crate) history: &'a History,
    pub(crate) view: ViewTime,
    pub(crate) clamped: bool,
}

/// What a ray met first, with what an audit needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Who.
    pub entity: EntityId,
    /// Distance from the ray's origin.
    pub distance: f32,
    /// Where.
    pub point: Vec3,
    /// How far the view was behind the last completed tick, in ticks.
    pub rewind_ticks: f32,
    /// Whether the declared view time was not allowed and had to be moved.
    pub clamped: bool,
    /// The target as seen.
    pub seen: Pose,
    /// The target at the last completed tick; `None` when it is gone.
    pub present: Option<Pose>,
}

impl Seen<'_> {
    /// The first thing a ray meets within `distance_max`, other than `ignoring`. `direction` is a unit vector;
    /// a ray that starts inside a shape meets it at distance 0. Of two at the same distance the lower id is met.
    ///
    /// Walls are the game's: test them first and pass the distance to the nearest as `distance_max`.
    #[must_use]
    pub fn ray(&self, origin: Vec3, direction: Vec3, distance_max: f32, ignoring: EntityId) -> Option<Hit> {
        let mut nearest: Option<(EntityId, Pose, f32)> = None;
        let reach =
            |nearest: &Option<(EntityId, Pose, f32)>| nearest.map_or(distance_max, |(_, _, best)| best);
        self.history.candidates(
            self.view,
            &mut nearest,
            |nearest, ball| ball.may_meet(origin, direction, reach(nearest)),
            |nearest, id, pose| {
                if id != ignoring
                    && let Some(distance) = pose.ray(origin, direction, reach(nearest))
                    && nearest.is_none_or(|(_, _, best)| distance < best)
                {
                    *nearest = Some((id, pose, distance));
                }
            },
        );
        let (entity, seen, distance) = nearest?;
        Some(Hit {
            entity,
            distance,
            point: origin + direction * distance,
            rewind_ticks: self.rewind_ticks(),
            clamped: self.clamped,
            seen,
            present: self.history.pose(entity, ViewTime::at(self.history.newest())),
        })
    }

    /// Everything seen that has a point in common with `volume`, other than `ignoring`, by rising id: `on` is called
    /// with each and its pose as seen. `volume` must be alive, as poses are that nobody killed.
    ///
    /// For a blast, a sword's sweep, a zone. Walls are the game's.
    pub fn overlap(&self, volume: &Pose, ignoring: EntityId, mut on: impl FnMut(EntityId, &Pose)) {
        let bound = volume.bound();
        self.history.candidates(
            self.view,
            &mut on,
            |_, ball| ball.may_touch(&bound),
            |on, id, pose| {
                if id != ignoring && pose.overlaps(volume) {
                    on(id, &pose);
                }
            },
        );
    }

    /// [`Seen::overlap`] with a ball.
    pub fn sphere(&self, centre: Vec3, radius: f32, ignoring: EntityId, on: impl FnMut(EntityId, &Pose)) {
        self.overlap(&Pose::upright(centre, 0.0, Shape::Sphere { radius }), ignoring, on);
    }

    /// Where an entity was seen; `None` when it was not there.
    #[must_use]
    pub fn pose(&self, entity: EntityId) -> Option<Pose> {
        self.history.pose(entity, self.view)
    }

    /// The moment seen.
    #[must_use]
    pub fn view_time(&self) -> ViewTime {
        self.view
    }

    /// How far the view lies behind the last completed tick, in ticks.
    #[must_use]
    pub fn rewind_ticks(&self) -> f32 {
        let behind = ViewTime::at(self.history.newest()).since(self.view);
        #[expect(clippy::cast_precision_loss, reason = "at most 64 x 256")]
        let ticks = behind as f32 / 256.0;
        ticks
    }
}
