//! The numbers of the two weapons and of what refills them; clients and bots go by them too.

use crate::rules::{BODY_HEIGHT, BODY_RADIUS};

/// How far a rifle shot reaches, metres. On large fields it is also how far players see: see [`crate::SIGHT`].
pub const RIFLE_RANGE: f32 = 60.0;
/// Seconds between two rifle shots.
pub const RIFLE_INTERVAL_SECONDS: f32 = 0.125;
/// Rounds at a soldier's appearance.
pub const RIFLE_ROUNDS_START: u8 = 40;
/// The most rounds a soldier carries.
pub const RIFLE_ROUNDS_MAX: u8 = 90;

/// A rocket's speed, m/s.
pub const ROCKET_SPEED: f32 = 18.0;
/// Radius of a rocket.
pub const ROCKET_RADIUS: f32 = 0.1;
/// Seconds a rocket flies at most.
pub const ROCKET_SECONDS: f32 = 4.0;
/// Seconds between two rockets of a soldier.
pub const ROCKET_INTERVAL_SECONDS: f32 = 0.8;
/// Rockets at a soldier's appearance.
pub const ROCKETS_START: u8 = 4;
/// The most rockets a soldier carries.
pub const ROCKETS_MAX: u8 = 10;
/// How far from an explosion bodies still feel it, metres from the middle of the body.
pub const SPLASH_RADIUS: f32 = 3.0;
/// Speed an explosion gives a body next to it, m/s.
pub const SPLASH_PUSH: f32 = 9.0;

/// How near a soldier must come to take a pick-up, metres.
pub const PICK_UP_REACH: f32 = 0.9;
/// Health in a pick-up.
pub const PICK_UP_HEALTH: u8 = 40;
/// Rifle rounds in a pick-up.
pub const PICK_UP_ROUNDS: u8 = 30;
/// Rockets in a pick-up.
pub const PICK_UP_ROCKETS: u8 = 2;

// A splash that reaches no body next to it would make rockets blanks.
const _: () = assert!(SPLASH_RADIUS > BODY_HEIGHT * 0.5 + BODY_RADIUS);
// Waits are told to the player in a byte, at the highest tick rate of 128 Hz.
const _: () =
    assert!(ROCKET_INTERVAL_SECONDS * 128.0 < 255.0 && RIFLE_INTERVAL_SECONDS < ROCKET_INTERVAL_SECONDS);
