//! Where an entity stands and what of it can be hit.

use glam::{Quat, Vec3};
use parry3d::query::{Ray, intersection_test};
use parry3d::shape::{Capsule, Cuboid};

/// Where an entity stands at one tick. Units are the game's; the y axis points up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pose {
    /// The centre of the shape.
    pub position: Vec3,
    /// Orientation, a unit quaternion.
    pub rotation: Quat,
    /// What a ray can hit.
    pub shape: Shape,
    /// Changes whenever the entity jumps: a respawn, a teleport. Poses of different epochs are never blended.
    pub epoch: u16,
    /// A dead entity is recorded but never hit.
    pub alive: bool,
}

/// What a ray can hit, centred on the pose's position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Never hit.
    None,
    /// A ball.
    Sphere {
        /// Radius.
        radius: f32,
    },
    /// A cylinder along the local y axis with half balls on its ends.
    Capsule {
        /// Half the length of the straight part.
        half_height: f32,
        /// Radius.
        radius: f32,
    },
    /// A box.
    Cuboid {
        /// Half the side lengths.
        half: Vec3,
    },
}

impl Shape {
    /// Radius of the ball around the centre that holds the shape; negative when there is nothing to hit.
    #[must_use]
    pub fn bound_radius(&self) -> f32 {
        match self {
            Self::None => -1.0,
            Self::Sphere { radius } => *radius,
            Self::Capsule { half_height, radius } => half_height + radius,
            Self::Cuboid { half } => half.length(),
        }
    }

    fn exact(&self) -> Option<Exact> {
        match *self {
            Self::None => None,
            Self::Sphere { radius } => Some(Exact::Ball(parry3d::shape::Ball::new(radius))),
            Self::Capsule { half_height, radius } => {
                Some(Exact::Capsule(Capsule::new_y(half_height, radius)))
            }
            Self::Cuboid { half } => Some(Exact::Cuboid(Cuboid::new(half))),
        }
    }
}

impl Pose {
    /// Standing upright at `position`, turned by `yaw` radians about the y axis.
    #[must_use]
    pub fn upright(position: Vec3, yaw: f32, shape: Shape) -> Self {
        Self { position, rotation: Quat::from_rotation_y(yaw), shape, epoch: 0, alive: true }
    }

    /// The pose `fraction` (0..=1) of the way to `next`: position and orientation blended, the rest from `self`.
    /// Across an epoch, or when one of the two is dead, nothing is blended and `self` holds until `next`.
    #[must_use]
    pub fn towards(&self, next: &Self, fraction: f32) -> Self {
        if fraction >= 1.0 {
            return *next;
        }
        if self.epoch != next.epoch || self.alive != next.alive {
            return *self;
        }
        // The nearer of the two equal quaternions q and -q, so that blending takes the short way.
        let target = if self.rotation.dot(next.rotation) < 0.0 { -next.rotation } else { next.rotation };
        Self {
            position: self.position.lerp(next.position, fraction),
            rotation: (self.rotation * (1.0 - fraction) + target * fraction).normalize(),
            ..*self
        }
    }

    /// Distance along a ray to the shape, `direction` being a unit vector. `Some(0.0)` from inside.
    #[must_use]
    pub fn ray(&self, origin: Vec3, direction: Vec3, distance_max: f32) -> Option<f32> {
        if !self.alive || !self.bound().may_meet(origin, direction, distance_max) {
            return None;
        }
        self.meet(origin, direction, distance_max)
    }

    /// The ball that holds the shape.
    pub(crate) fn bound(&self) -> Ball {
        Ball { centre: self.position, radius: self.shape.bound_radius() }
    }

    /// Whether the two shapes have a point in common. The dead overlap nobody.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.alive && other.alive && self.bound().may_touch(&other.bound()) && self.touches(other)
    }

    /// Narrow phase: the exact shapes.
    fn touches(&self, other: &Self) -> bool {
        let frame = |pose: &Self| parry3d::math::Pose3::from_parts(pose.position, pose.rotation);
        let (Some(one), Some(two)) = (self.shape.exact(), other.shape.exact()) else { return false };
        intersection_test(&frame(self), one.as_shape(), &frame(other), two.as_shape())
            .expect("every pair of these shapes is supported")
            .intersecting
    }

    /// Narrow phase: the exact shape.
    fn meet(&self, origin: Vec3, direction: Vec3, distance_max: f32) -> Option<f32> {
        let frame = parry3d::math::Pose3::from_parts(self.position, self.rotation);
        let ray = Ray::new(origin, direction);
        self.shape.exact()?.as_shape().cast_ray(&frame, &ray, distance_max, true)
    }
}

/// A shape as the geometry library has it.
enum Exact {
    Ball(parry3d::shape::Ball),
    Capsule(Capsule),
    Cuboid(Cuboid),
}

impl Exact {
    fn as_shape(&self) -> &dyn parry3d::shape::Shape {
        match self {
            Self::Ball(ball) => ball,
            Self::Capsule(capsule) => capsule,
            Self::Cuboid(cuboid) => cuboid,
        }
    }
}

/// A bounding ball: the broad phase of queries. With a negative radius it holds nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ball {
    pub(crate) centre: Vec3,
    pub(crate) radius: f32,
}

impl Ball {
    /// Whether the ray comes near enough that an exact test is needed. `direction` is a unit vector.
    #[inline]
    pub(crate) fn may_meet(&self, origin: Vec3, direction: Vec3, distance_max: f32) -> bool {
        let to_centre = self.centre - origin;
        let along = to_centre.dot(direction).clamp(0.0, distance_max);
        // A little slack, so that rounding here never overrules the exact test.
        let reach = self.radius * 1.001 + 1e-3;
        self.radius >= 0.0 && (to_centre - direction * along).length_squared() <= reach * reach
    }

    /// Whether the other ball comes near enough that an exact test is needed.
    #[inline]
    pub(crate) fn may_touch(&self, other: &Self) -> bool {
        let reach = (self.radius + other.radius) * 1.001 + 1e-3;
        self.radius >= 0.0
            && other.radius >= 0.0
            && self.centre.distance_squared(other.centre) <= reach * reach
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::{FRAC_PI_2, PI};

    use proptest::prelude::*;

    use super::*;

    fn near(found: Option<f32>, expected: f32) -> bool {
        found.is_some_and(|found| (found - expected).abs() < 1e-4)
    }

    #[test]
    fn every_shape_is_met_where_it_ends() {
        let at = Vec3::new(10.0, 0.0, 0.0);
        let ray = |shape, yaw| Pose::upright(at, yaw, shape).ray(Vec3::ZERO, Vec3::X, 100.0);
        assert!(near(ray(Shape::Sphere { radius: 2.0 }, 0.0), 8.0));
        assert!(near(ray(Shape::Capsule { half_height: 5.0, radius: 1.5 }, 0.0), 8.5));
        let plank = Shape::Cuboid { half: Vec3::new(1.0, 1.0, 4.0) };
        assert!(near(ray(plank, 0.0), 9.0));
        assert!(near(ray(plank, FRAC_PI_2), 6.0), "turned by a quarter");
        assert_eq!(ray(Shape::None, 0.0), None);
    }

    #[test]
    fn dead_far_and_surrounding_shapes() {
        let ball = Pose::upright(Vec3::new(10.0, 0.0, 0.0), 0.0, Shape::Sphere { radius: 2.0 });
        assert_eq!(ball.ray(Vec3::ZERO, Vec3::X, 7.9), None);
        assert_eq!(ball.ray(Vec3::ZERO, -Vec3::X, 100.0), None, "behind");
        assert_eq!(ball.ray(ball.position, Vec3::Y, 100.0), Some(0.0), "from inside");
        assert_eq!(Pose { alive: false, ..ball }.ray(Vec3::ZERO, Vec3::X, 100.0), None);
    }

    #[test]
    fn nothing_is_blended_across_an_epoch_or_a_death() {
        let here = Pose::upright(Vec3::ZERO, 0.0, Shape::None);
        let there = Pose { position: Vec3::X, ..here };
        assert_eq!(here.towards(&there, 0.25).position, Vec3::X * 0.25);
        for jump in [Pose { epoch: 1, ..there }, Pose { alive: false, ..there }] {
            assert_eq!(here.towards(&jump, 0.999), here);
            assert_eq!(here.towards(&jump, 1.0), jump);
        }
    }

    #[test]
    fn turning_takes_the_short_way() {
        let left = Pose::upright(Vec3::ZERO, PI - 0.1, Shape::None);
        let right = Pose::upright(Vec3::ZERO, PI + 0.1, Shape::None);
        let facing = left.towards(&right, 0.5).rotation * Vec3::X;
        assert!((facing + Vec3::X).length() < 1e-4, "{facing}");
    }

    #[test]
    fn shapes_overlap_where_they_touch() {
        let at = |x: f32, shape| Pose::upright(Vec3::new(x, 0.0, 0.0), 0.0, shape);
        let ball = at(0.0, Shape::Sphere { radius: 1.0 });
        assert!(ball.overlaps(&at(2.9, Shape::Sphere { radius: 2.0 })));
        assert!(!ball.overlaps(&at(3.1, Shape::Sphere { radius: 2.0 })));
        let tall = Shape::Capsule { half_height: 5.0, radius: 0.5 };
        assert!(ball.overlaps(&at(1.4, tall)) && !ball.overlaps(&at(1.6, tall)), "its bound reaches farther");
        let plank = Shape::Cuboid { half: Vec3::new(0.5, 1.0, 4.0) };
        assert!(at(0.0, plank).overlaps(&at(0.9, plank)) && !at(0.0, plank).overlaps(&at(1.1, plank)));
        let turned = Pose::upright(Vec3::new(4.0, 0.0, 0.0), FRAC_PI_2, plank);
        assert!(at(0.0, plank).overlaps(&turned));
        assert!(!ball.overlaps(&Pose { alive: false, ..ball }) && !ball.overlaps(&at(0.0, Shape::None)));
    }

    proptest! {
        /// Nor what it would touch.
        #[test]
        fn the_broad_phase_of_overlaps_hides_nothing(
            centre in prop::array::uniform3(-6.0f32..6.0), yaw in 0.0f32..6.0, a in 0.1f32..3.0, b in 0.1f32..3.0,
        ) {
            let shapes = [Shape::Sphere { radius: a }, Shape::Capsule { half_height: a, radius: b },
                          Shape::Cuboid { half: Vec3::new(a, b, a) }];
            for one in shapes {
                for two in shapes {
                    let (one, two) = (Pose::upright(Vec3::ZERO, 1.0, one), Pose::upright(Vec3::from(centre), yaw, two));
                    prop_assert_eq!(one.overlaps(&two), one.touches(&two));
                    // Where they only just touch, rounding decides, and each way by itself.
                    if one.overlaps(&two) != two.overlaps(&one) {
                        let moved = |factor: f32| Pose { position: two.position * factor, ..two };
                        prop_assert!(one.overlaps(&moved(0.999)) && !one.overlaps(&moved(1.001)));
                    }
                }
            }
        }

        /// The broad phase never hides what the exact shape would meet.
        #[test]
        fn the_broad_phase_hides_nothing(
            centre in prop::array::uniform3(-20.0f32..20.0), aim in prop::array::uniform3(-1.0f32..1.0),
            yaw in 0.0f32..6.0, a in 0.1f32..3.0, b in 0.1f32..3.0, reach in 1.0f32..60.0,
        ) {
            let direction = Vec3::from(aim).normalize_or(Vec3::X);
            for shape in [Shape::Sphere { radius: a }, Shape::Capsule { half_height: a, radius: b },
                          Shape::Cuboid { half: Vec3::new(a, b, a) }] {
                let pose = Pose::upright(Vec3::from(centre), yaw, shape);
                let exact = pose.meet(Vec3::ZERO, direction, reach);
                prop_assert_eq!(pose.ray(Vec3::ZERO, direction, reach), exact);
            }
        }
    }
}
