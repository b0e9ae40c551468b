//! What only a player itself is told: the exact state its client predicts from.

use glam::Vec3;
use tickring_room::{Malformed, PrivateState};

use crate::rules::Body;

/// The state in words, for the layout hash.
pub(crate) const LAYOUT: &str = "own: x f32, z f32, vx f32, vz f32, health u8, rounds u8, rockets u8, \
     rifle wait u8, rocket wait u8, respawn wait u16, epoch u8";

/// A player's own state after the last input the server processed.
///
/// The body is exact (not quantised), so a client that replays its unacknowledged inputs on it with the same
/// rules lands where the server will.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct OwnState {
    /// Where the body is and how it moves.
    pub body: Body,
    /// 0 ..= 100; 0 while dead.
    pub health: u8,
    /// Rifle rounds left.
    pub rounds: u8,
    /// Rockets left.
    pub rockets: u8,
    /// Ticks until the rifle may fire again.
    pub rifle_wait_ticks: u8,
    /// Ticks until the next rocket may be launched.
    pub rocket_wait_ticks: u8,
    /// Ticks until the body appears again; 0 while alive.
    pub respawn_wait_ticks: u16,
    /// Changes with every death and every respawn: a client must not predict or interpolate across it.
    pub epoch: u8,
}

impl OwnState {
    /// Bytes on the wire.
    pub const BYTES: usize = 24;

    /// Whether the player has a body that can move and shoot.
    #[must_use]
    pub fn alive(&self) -> bool {
        self.health > 0
    }
}

/// On the wire: position x, z and velocity x, z as f32, then the other fields in order; little endian.
impl PrivateState for OwnState {
    fn write(&self, out: &mut Vec<u8>) {
        let Body { position, velocity } = self.body;
        for value in [position.x, position.z, velocity.x, velocity.z] {
            out.extend_from_slice(&value.to_le_bytes());
        }
        out.extend_from_slice(&[
            self.health,
            self.rounds,
            self.rockets,
            self.rifle_wait_ticks,
            self.rocket_wait_ticks,
        ]);
        out.extend_from_slice(&self.respawn_wait_ticks.to_le_bytes());
        out.push(self.epoch);
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        const WRONG_LENGTH: Malformed = Malformed("an own state is 24 bytes");
        let (floats, rest) = bytes.split_first_chunk::<16>().ok_or(WRONG_LENGTH)?;
        let float = |index: usize| {
            let at = index * 4;
            f32::from_le_bytes([floats[at], floats[at + 1], floats[at + 2], floats[at + 3]])
        };
        let body = Body {
            position: Vec3::new(float(0), 0.0, float(1)),
            velocity: Vec3::new(float(2), 0.0, float(3)),
        };
        let &[health, rounds, rockets, rifle_wait_ticks, rocket_wait_ticks, wait_low, wait_high, epoch] =
            rest
        else {
            return Err(WRONG_LENGTH);
        };
        if !body.position.is_finite() || !body.velocity.is_finite() {
            return Err(Malformed("an own state with a coordinate that is no number"));
        }
        let respawn_wait_ticks = u16::from_le_bytes([wait_low, wait_high]);
        Ok(Self {
            body,
            health,
            rounds,
            rockets,
            rifle_wait_ticks,
            rocket_wait_ticks,
            respawn_wait_ticks,
            epoch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> OwnState {
        OwnState {
            body: Body { position: Vec3::new(1.25, 0.0, -80.5), velocity: Vec3::new(-3.0, 0.0, 0.125) },
            health: 77,
            rounds: 12,
            rockets: 3,
            rifle_wait_ticks: 5,
            rocket_wait_ticks: 40,
            respawn_wait_ticks: 260,
            epoch: 9,
        }
    }

    #[test]
    fn the_bytes_restore_the_state_exactly() {
        let mut bytes = Vec::new();
        example().write(&mut bytes);
        assert_eq!(bytes.len(), OwnState::BYTES);
        assert_eq!(OwnState::read(&bytes), Ok(example()));
    }

    #[test]
    fn wrong_lengths_and_numbers_that_are_none_are_refused() {
        let mut bytes = Vec::new();
        example().write(&mut bytes);
        assert!(OwnState::read(&bytes[..23]).is_err());
        bytes[..4].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(OwnState::read(&bytes).is_err());
    }
}
