//! What an operator can set.

use std::sync::Arc;

use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};

use crate::map::Map;

/// How rough a match is. The rules of movement are no settings: clients predict with them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    ///
    /// A room with such a map cannot be recorded.
    #[serde(skip_deserializing, serialize_with = "no_map", skip_serializing_if = "Option::is_none")]
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

/// A recording without its map would be another match.
fn no_map<S: Serializer>(_map: &Option<Arc<Map>>, _to: S) -> Result<S::Ok, S::Error> {
    Err(S::Error::custom("a map of its own is not written down"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_and_read_as_they_are_but_not_with_a_map() {
        let settings = Settings {
            respawn_seconds: 0.1,
            pick_up_seconds: 16_777.217,
            hold_seconds: 7,
            ..Settings::default()
        };
        let json = serde_json::to_string(&settings).unwrap();
        let read: Settings = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!((read.respawn_seconds, read.pick_up_seconds), (0.1, 16_777.217));
        let map = Some(Arc::new(Map::generate(1, 4)));
        assert!(serde_json::to_string(&Settings { map, ..settings }).is_err());
    }
}
