//! A room's settings, checked once.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tickring_protocol::limits::{INTERPOLATION_TICKS_MAX, TICK_HZ_MAX, TICK_HZ_MIN};

use crate::Relief;

/// Ticks of poses a room remembers.
pub const HISTORY_TICKS: u32 = 64;

/// How a room runs. Build it with [`RoomConfig::with_rates`] and change fields, then [`RoomConfig::validate`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoomConfig {
    /// Simulation steps per second, 20..=128.
    pub tick_hz: u16,
    /// Snapshots per second, 1..=`tick_hz`.
    pub snapshot_hz: u16,
    /// Seats, 1..=4096. A seat costs about 2.5 KiB while taken.
    pub players_max: u16,
    /// Spectators, 0..=4096. Each costs as much as a player to send to, and nothing to simulate.
    pub spectators_max: u16,
    /// How long after the players spectators see everything, 0..=120,000 ms, so that they cannot help anybody. The room
    /// keeps what it sends to one spectator in that time.
    pub spectator_delay_ms: u32,
    /// Bytes it keeps for that at most, 4,096..=1,073,741,824: snapshots and events beyond are never shown.
    pub spectator_bytes_max: u32,
    /// The room's seed: what clients are told, and what maps are made from.
    pub seed: u64,
    /// What is mixed into the room's random numbers and no client is told; with 0 whoever knows the seed foresees
    /// them.
    pub secret: u64,
    /// Whether `seen_by` shows the past a player saw; otherwise the present.
    pub lag_compensation: bool,
    /// The farthest look back, 1..=1000 ms. Also never beyond [`HISTORY_TICKS`] - 2 ticks.
    pub rewind_ms_max: u16,
    /// How far behind the newest snapshot clients draw, in ticks, 0..=32.
    pub interpolation_ticks: u8,
    /// Bytes of snapshots a player is sent per second, 1,000..=10,000,000, where the game limits what is in sight
    /// ([`Interest`]): what is far waits when this binds. The cell a player is in is always sent.
    pub snapshot_bytes_per_s: u32,
}

/// What players see of a large field: everything within `radius`, and some more, by square cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interest {
    /// Side of a cell, in the game's units, more than 0. A quarter to a half of the radius is a good choice.
    pub cell: f32,
    /// What is nearer than this is always in sight.
    pub radius: f32,
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self::with_rates(60, 30)
    }
}

impl RoomConfig {
    /// Defaults for these rates: 64 seats, lag compensation up to 250 ms, drawing two snapshots behind.
    #[must_use]
    pub fn with_rates(tick_hz: u16, snapshot_hz: u16) -> Self {
        let snapshot_ticks = tick_hz.div_ceil(snapshot_hz.max(1));
        Self {
            tick_hz,
            snapshot_hz,
            players_max: 64,
            spectators_max: 16,
            spectator_delay_ms: 0,
            spectator_bytes_max: 16 << 20,
            seed: 0,
            secret: 0,
            lag_compensation: true,
            rewind_ms_max: 250,
            interpolation_ticks: u8::try_from(2 * u32::from(snapshot_ticks))
                .unwrap_or(u8::MAX)
                .min(INTERPOLATION_TICKS_MAX),
            snapshot_bytes_per_s: 32_000,
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first setting out of range, with its value and what is allowed.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |setting, value: u32, min: u32, max: u32| {
            if (min..=max).contains(&value) { Ok(()) } else { Err(ConfigError { setting, value, min, max }) }
        };
        check("tick_hz", self.tick_hz.into(), TICK_HZ_MIN.into(), TICK_HZ_MAX.into())?;
        check("snapshot_hz", self.snapshot_hz.into(), 1, self.tick_hz.into())?;
        check("players_max", self.players_max.into(), 1, 4096)?;
        check("spectators_max", self.spectators_max.into(), 0, 4096)?;
        check("spectator_delay_ms", self.spectator_delay_ms, 0, 120_000)?;
        check("spectator_bytes_max", self.spectator_bytes_max, 4_096, 1 << 30)?;
        check("rewind_ms_max", self.rewind_ms_max.into(), 1, 1000)?;
        check("interpolation_ticks", self.interpolation_ticks.into(), 0, INTERPOLATION_TICKS_MAX.into())?;
        check("snapshot_bytes_per_s", self.snapshot_bytes_per_s, 1_000, 10_000_000)
    }

    /// The spectators' delay in ticks: whole snapshot intervals, so that each snapshot shows a new one, and never less
    /// than was asked for.
    #[must_use]
    pub fn spectator_delay_ticks(&self) -> u32 {
        let ticks = (self.spectator_delay_ms * u32::from(self.tick_hz)).div_ceil(1000);
        ticks.next_multiple_of(self.tick_hz.div_ceil(self.snapshot_hz).into())
    }

    /// Bytes of one snapshot to one player.
    pub(crate) fn snapshot_bytes_max(&self, relief: Relief) -> usize {
        let bytes =
            self.snapshot_bytes_per_s / u32::from(self.snapshot_hz) / u32::from(relief.budget_divisor.max(1));
        bytes as usize
    }

    /// The farthest look back in whole ticks.
    #[must_use]
    pub fn rewind_ticks_max(&self) -> u32 {
        let ticks = u32::from(self.rewind_ms_max) * u32::from(self.tick_hz) / 1000;
        ticks.clamp(1, HISTORY_TICKS - 2)
    }
}

/// A setting out of range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{setting} = {value} is out of range; allowed is {min}..={max}")]
pub struct ConfigError {
    /// The field of [`RoomConfig`].
    pub setting: &'static str,
    /// Its value.
    pub value: u32,
    /// Least allowed value.
    pub min: u32,
    /// Greatest allowed value.
    pub max: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_at_every_rate() {
        for tick_hz in 20..=128 {
            for snapshot_hz in 1..=tick_hz {
                let config = RoomConfig::with_rates(tick_hz, snapshot_hz);
                assert_eq!(config.validate(), Ok(()), "{tick_hz}/{snapshot_hz}");
                assert!(config.rewind_ticks_max() < HISTORY_TICKS);
            }
        }
    }

    #[test]
    fn errors_name_the_setting_and_the_range() {
        let error = RoomConfig::with_rates(200, 30).validate().unwrap_err();
        assert_eq!(error.to_string(), "tick_hz = 200 is out of range; allowed is 20..=128");
        let error = RoomConfig { snapshot_hz: 61, ..RoomConfig::default() }.validate().unwrap_err();
        assert_eq!((error.setting, error.max), ("snapshot_hz", 60));
    }
}
