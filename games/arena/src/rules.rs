//! How a body moves: pure functions of state, intent, time and map.
//!
//! The server runs them once per player and tick; a predicting client replays the same functions over its
//! unacknowledged inputs (see [`Predict`](tickring_room::Predict)). Nothing here knows a room, a seat or a packet.
//!
//! The world is 3D with `y` up; bodies stand on the plane `y = 0`. Lengths are metres, times seconds.

use glam::Vec3;

use crate::map::Map;

/// Radius of a player's body (an upright capsule).
pub const BODY_RADIUS: f32 = 0.4;
/// Height of a player's body from the ground to the top of the capsule.
pub const BODY_HEIGHT: f32 = 1.8;
/// Height of the eye, where rifle shots and rockets begin.
pub const EYE_HEIGHT: f32 = 1.6;
/// Running speed that a full push of the movement axes reaches.
pub const RUN_SPEED: f32 = 7.0;
/// How fast the velocity turns towards what the player wants, m/s².
pub const ACCELERATION: f32 = 45.0;
/// How fast a body slows down when its player wants nothing, m/s².
pub const FRICTION: f32 = 30.0;
/// No body is ever faster than this, whatever pushes it; bounds the sub-steps of a tick.
pub const SPEED_MAX: f32 = 20.0;
/// Contacts shallower than this count as touching, not as overlap.
pub const CONTACT_SLOP: f32 = 1e-3;

/// Height at which walls are felt: below the top of the lowest wall, so walls act as in the plane.
const FEELER_HEIGHT: f32 = 0.5;
/// Pushes out of walls per sub-step before the sub-step is given up.
const RESOLVE_ROUNDS: usize = 4;
/// No sub-step is longer than this, so a body cannot pass a wall between two of them.
const SUB_STEP_MAX: f32 = BODY_RADIUS * 0.5;

// A body's centre never reaches a wall within one sub-step, so every push points back to the side it came from.
const _: () = assert!(SUB_STEP_MAX < BODY_RADIUS);
const _: () = assert!(EYE_HEIGHT < BODY_HEIGHT && FEELER_HEIGHT < crate::map::WALL_HEIGHT_MIN);

/// A direction in the plane in 1/65,536 of a turn. 0 looks along +z, a quarter turn along +x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Yaw(pub u16);

impl Yaw {
    /// Steps of a full turn.
    pub const STEPS: f32 = 65_536.0;

    /// The nearest yaw to an angle in radians.
    #[must_use]
    pub fn from_radians(angle: f32) -> Self {
        let steps = (angle / core::f32::consts::TAU).rem_euclid(1.0) * Self::STEPS;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "0 ..= 65,536 fits u32, and the full turn wraps to 0 on purpose"
        )]
        let steps = steps.round() as u32 as u16;
        Self(steps)
    }

    /// The yaw that looks along `direction` (its height is ignored; the zero vector looks along +z).
    #[must_use]
    pub fn along(direction: Vec3) -> Self {
        Self::from_radians(direction.x.atan2(direction.z))
    }

    /// The angle in radians, in 0 .. 2π.
    #[must_use]
    pub fn radians(self) -> f32 {
        f32::from(self.0) / Self::STEPS * core::f32::consts::TAU
    }

    /// The unit vector in the plane this yaw looks along.
    #[must_use]
    pub fn forward(self) -> Vec3 {
        let (sin, cos) = self.radians().sin_cos();
        Vec3::new(sin, 0.0, cos)
    }
}

/// The elevation of an aim in 1/65,536 of a turn; positive looks up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pitch(pub i16);

impl Pitch {
    /// Steepest aim either way: 80 degrees.
    pub const STEEPEST: i16 = 14_564;

    /// The nearest pitch to an angle in radians, cut to the steepest aim.
    #[must_use]
    pub fn from_radians(angle: f32) -> Self {
        let steepest = f32::from(Self::STEEPEST);
        let steps = (angle / core::f32::consts::TAU * Yaw::STEPS).round().clamp(-steepest, steepest);
        #[expect(clippy::cast_possible_truncation, reason = "clamped to the range of an i16; NaN becomes 0")]
        let steps = steps as i16;
        Self(steps)
    }

    /// The angle in radians.
    #[must_use]
    pub fn radians(self) -> f32 {
        f32::from(self.0) / Yaw::STEPS * core::f32::consts::TAU
    }
}

/// The unit vector of an aim.
#[must_use]
pub fn aim_direction(yaw: Yaw, pitch: Pitch) -> Vec3 {
    let (sin, cos) = pitch.radians().sin_cos();
    yaw.forward() * cos + Vec3::Y * sin
}

/// The aim that looks from `eye` at `point`.
#[must_use]
pub fn aim_at(eye: Vec3, point: Vec3) -> (Yaw, Pitch) {
    let offset = point - eye;
    let along_ground = offset.with_y(0.0).length();
    (Yaw::along(offset), Pitch::from_radians(offset.y.atan2(along_ground)))
}

/// Where a body stands and how it moves. `y` of both stays 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Body {
    /// The point of the ground under the body's centre.
    pub position: Vec3,
    /// Metres per second.
    pub velocity: Vec3,
}

impl Body {
    /// Where this body's eye is.
    #[must_use]
    pub fn eye(&self) -> Vec3 {
        self.position + Vec3::Y * EYE_HEIGHT
    }
}

/// What a player wants of its body for one tick: the part of an input that moves it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Motion {
    /// Where the body looks; the axes are relative to it.
    pub yaw: Yaw,
    /// -1 (back) ..= 1 (ahead).
    pub ahead: f32,
    /// -1 (left) ..= 1 (right).
    pub right: f32,
}

impl Motion {
    /// The wanted velocity; never faster than [`RUN_SPEED`], also on the diagonal.
    #[must_use]
    pub fn velocity(&self) -> Vec3 {
        let forward = self.yaw.forward();
        let right = Vec3::new(-forward.z, 0.0, forward.x);
        (forward * self.ahead + right * self.right).clamp_length_max(1.0) * RUN_SPEED
    }
}

/// Moves a body for `dt` seconds: accelerate or brake, then move and slide along walls.
///
/// A body that begins outside all walls ends outside all walls (to [`CONTACT_SLOP`]).
#[must_use]
pub fn advance(body: Body, motion: &Motion, dt: f32, map: &Map) -> Body {
    let wanted = motion.velocity();
    let rate = if wanted == Vec3::ZERO { FRICTION } else { ACCELERATION };
    let velocity = body.velocity.move_towards(wanted, rate * dt).clamp_length_max(SPEED_MAX);
    slide(Body { position: body.position, velocity }, dt, map)
}

/// Moves a body along its velocity in sub-steps, giving up the part of the velocity that walls take.
fn slide(mut body: Body, dt: f32, map: &Map) -> Body {
    let distance = body.velocity.length() * dt;
    if distance == 0.0 {
        return body;
    }
    let sub_steps = (distance / SUB_STEP_MAX).ceil().max(1.0);
    let sub_dt = dt / sub_steps;
    let mut done = 0.0;
    while done < sub_steps {
        let moved = Body { position: body.position + body.velocity * sub_dt, velocity: body.velocity };
        match push_out(moved, map) {
            Some(free) => body = free,
            None => return Body { position: body.position, velocity: Vec3::ZERO },
        }
        done += 1.0;
    }
    body
}

/// Pushes a body that may overlap walls out of them and takes the velocity that points into them.
///
/// `None` when it is wedged: no free place was found within a few pushes.
#[must_use]
pub fn push_out(mut body: Body, map: &Map) -> Option<Body> {
    for _ in 0..RESOLVE_ROUNDS {
        let Some(contact) = map.deepest_contact(body.position + Vec3::Y * FEELER_HEIGHT, BODY_RADIUS) else {
            return Some(body);
        };
        body.position += contact.normal * contact.depth;
        body.velocity -= contact.normal * body.velocity.dot(contact.normal).min(0.0);
        if contact.depth <= CONTACT_SLOP {
            return Some(body);
        }
    }
    is_free(body.position, map).then_some(body)
}

/// Whether a body may stand at `position`: outside all walls.
#[must_use]
pub fn is_free(position: Vec3, map: &Map) -> bool {
    map.deepest_contact(position + Vec3::Y * FEELER_HEIGHT, BODY_RADIUS)
        .is_none_or(|contact| contact.depth <= CONTACT_SLOP)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Wall;

    const DT: f32 = 1.0 / 60.0;
    const AHEAD: Motion = Motion { yaw: Yaw(0), ahead: 1.0, right: 0.0 };

    fn run(mut body: Body, motion: &Motion, ticks: u32, map: &Map) -> Body {
        for _ in 0..ticks {
            body = advance(body, motion, DT, map);
        }
        body
    }

    #[test]
    fn a_body_speeds_up_to_running_and_brakes_to_a_stop() {
        let map = Map::with_walls(64.0, Vec::new());
        let running = run(Body::default(), &AHEAD, 30, &map);
        assert!((running.velocity - Vec3::Z * RUN_SPEED).length() < 1e-3, "{running:?}");
        let first = advance(Body::default(), &AHEAD, DT, &map);
        assert!(first.velocity.length() < RUN_SPEED * 0.5, "reaching full speed takes time");
        let stopped = run(running, &Motion::default(), 30, &map);
        assert_eq!(stopped.velocity, Vec3::ZERO);
    }

    #[test]
    fn the_diagonal_is_not_faster() {
        let diagonal = Motion { ahead: 1.0, right: 1.0, ..AHEAD };
        assert!(diagonal.velocity().length() <= RUN_SPEED + 1e-4);
    }

    #[test]
    fn a_wall_stops_and_lets_slide() {
        let wall = Wall::new(-10.0, 2.0, 10.0, 3.0, 2.0);
        let map = Map::with_walls(64.0, vec![wall]);
        let stopped = run(Body::default(), &AHEAD, 120, &map);
        assert!((stopped.position.z - (2.0 - BODY_RADIUS)).abs() < 0.01, "{stopped:?}");
        let slanted = Motion { yaw: Yaw::from_radians(0.8), ..AHEAD };
        let slid = run(Body::default(), &slanted, 60, &map);
        assert!(slid.position.x > 2.0, "slides along the wall: {slid:?}");
        assert!(slid.position.z <= 2.0 - BODY_RADIUS + CONTACT_SLOP, "{slid:?}");
    }

    #[test]
    fn a_corner_holds() {
        let walls = vec![Wall::new(-5.0, 2.0, 5.0, 3.0, 2.0), Wall::new(2.0, -5.0, 3.0, 5.0, 2.0)];
        let map = Map::with_walls(64.0, walls);
        let into_corner = Motion { yaw: Yaw::from_radians(core::f32::consts::FRAC_PI_4), ..AHEAD };
        let held = run(Body::default(), &into_corner, 240, &map);
        let corner = 2.0 - BODY_RADIUS;
        assert!((held.position - Vec3::new(corner, 0.0, corner)).length() < 0.02, "{held:?}");
        assert!(held.velocity.length() < 1.0, "{held:?}");
    }

    #[test]
    fn aims_point_where_they_were_told() {
        let eye = Vec3::new(1.0, EYE_HEIGHT, -3.0);
        for point in [Vec3::new(9.0, 0.9, 4.0), Vec3::new(-20.0, 3.0, -7.0), Vec3::new(1.0, 0.5, 8.0)] {
            let (yaw, pitch) = aim_at(eye, point);
            let missed_by = (eye + aim_direction(yaw, pitch) * point.distance(eye)).distance(point);
            assert!(missed_by < 0.005, "{point}: off by {missed_by} m");
        }
    }

    #[test]
    fn yaw_wraps_at_the_full_turn() {
        assert_eq!(Yaw::from_radians(core::f32::consts::TAU), Yaw(0));
        assert_eq!(Yaw::from_radians(-core::f32::consts::FRAC_PI_2), Yaw(49_152));
        assert_eq!(Yaw::from_radians(f32::NAN), Yaw(0));
    }
}
