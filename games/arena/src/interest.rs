//! How far soldiers see on a field that is too large to send whole.

use tickring_room::Interest;

use crate::rules::{BODY_RADIUS, RUN_SPEED};
use crate::weapons::RIFLE_RANGE;

/// A shot is judged this long after the snapshot that its shooter aimed by was made, at most, seconds; the shooter has
/// run on meanwhile.
const AIMED_BEFORE_SECONDS: f32 = 0.5;
/// Whoever can be shot at is seen, metres.
pub const SIGHT: f32 = RIFLE_RANGE + BODY_RADIUS + AIMED_BEFORE_SECONDS * RUN_SPEED;
/// Side of a cell, metres: three cells in each direction are in sight. With more and smaller ones players see less of
/// what is too far away, but the heads of their blocks cost more than that.
const CELL: f32 = 24.0;
/// On smaller fields nearly everything is in sight of nearly everybody: there one block for all costs less than many.
const FIELD_SIDE_MIN: f32 = 2.0 * SIGHT;

/// What players see of a field with sides of `field_side` metres; `None`: all of it.
pub(crate) fn of_field(field_side: f32) -> Option<Interest> {
    (field_side > FIELD_SIDE_MIN).then_some(Interest { cell: CELL, radius: SIGHT })
}
