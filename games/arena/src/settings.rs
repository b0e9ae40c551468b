//! What an operator can set.

use std::sync::Arc;

use crate::map::Map;

/// How rough a match is. The rules of movement are no settings: clients predict with them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seconds between a death and the return to the field. Default 2.
    pub respawn_seconds: f32,
    /// Seconds until a taken pick-up lies there again. Default 8.
    pub pick_up_seconds: f32,
    /// Seconds a seat whose connection was lost is kept. Default 20.
    pub hold_seconds: u16,
    /// Damage of a rifle hit, of 100 health. Default 12.
    pub rifle_damage: u8,
    /// Damage of a rocket's direct hit; half of it at most by splash. Default 80.
    pub rocket_damage: u8,
    /// Another map than the one that follows from the room's seed and its number of seats. Default none, and
    /// best left so where clients come over the network: they are told the seed and the seats only.
    pub map: Option<Arc<Map>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            respawn_seconds: 2.0,
            pick_up_seconds: 8.0,
            hold_seconds: 20,
            rifle_damage: 12,
            rocket_damage: 80,
            map: None,
        }
    }
}

/// Whole ticks for a time in seconds, at least one.
#[must_use]
pub(crate) fn ticks_of(seconds: f32, tick_hz: u16) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float cast saturates: wanted"
    )]
    let ticks = (seconds * f32::from(tick_hz)).round() as u32;
    ticks.max(1)
}
