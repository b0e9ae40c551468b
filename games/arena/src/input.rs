//! What a player asks for in one tick: 8 bytes of quantised integers.

use tickring_room::{Input, Malformed};

use crate::rules::{Motion, Pitch, Yaw};

/// Fires the rifle. An edge: an input the server repeats because the next one is missing does not fire.
pub const BUTTON_RIFLE: u8 = 1 << 0;
/// Launches a rocket. An edge like [`BUTTON_RIFLE`].
pub const BUTTON_ROCKET: u8 = 1 << 1;
const BUTTONS_KNOWN: u8 = BUTTON_RIFLE | BUTTON_ROCKET;
/// An axis pushed fully.
pub const AXIS_FULL: i8 = 127;

/// The input in words, for the layout hash.
pub(crate) const LAYOUT: &str = "input: buttons u8, ahead i8, right i8, yaw u16, pitch i16, shot number u8";

/// One player's intent for one tick.
///
/// The default is neutral: stand still, look along +z, fire nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArenaInput {
    /// The buttons held, `BUTTON_*`.
    pub buttons: u8,
    /// -127 (back) ..= 127 (ahead), relative to `yaw`.
    pub ahead: i8,
    /// -127 (left) ..= 127 (right), relative to `yaw`.
    pub right: i8,
    /// Where the player looks in the plane.
    pub yaw: Yaw,
    /// How far above or below the horizon it looks.
    pub pitch: Pitch,
    /// The client's number for the shot this input may fire; comes back in the shot's audit, which so names
    /// exactly one pull of the trigger. Means nothing to the rules.
    pub shot_number: u8,
}

impl ArenaInput {
    /// Whether any of the buttons is held.
    #[must_use]
    pub fn holds(&self, buttons: u8) -> bool {
        self.buttons & buttons != 0
    }

    /// The part of the input that moves the body.
    #[must_use]
    pub fn motion(&self) -> Motion {
        let axis = |pushed: i8| f32::from(pushed) / f32::from(AXIS_FULL);
        Motion { yaw: self.yaw, ahead: axis(self.ahead), right: axis(self.right) }
    }
}

/// On the wire: buttons, ahead, right, yaw (2), pitch (2), shot number; little endian.
impl Input for ArenaInput {
    const BYTES: usize = 8;

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let &[buttons, ahead, right, yaw_low, yaw_high, pitch_low, pitch_high, shot_number] = bytes else {
            return Err(Malformed("an arena input is 8 bytes"));
        };
        Ok(Self {
            buttons,
            ahead: i8::from_le_bytes([ahead]),
            right: i8::from_le_bytes([right]),
            yaw: Yaw(u16::from_le_bytes([yaw_low, yaw_high])),
            pitch: Pitch(i16::from_le_bytes([pitch_low, pitch_high])),
            shot_number,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let [yaw_low, yaw_high] = self.yaw.0.to_le_bytes();
        let [pitch_low, pitch_high] = self.pitch.0.to_le_bytes();
        let ([ahead], [right]) = (self.ahead.to_le_bytes(), self.right.to_le_bytes());
        out.extend_from_slice(&[
            self.buttons,
            ahead,
            right,
            yaw_low,
            yaw_high,
            pitch_low,
            pitch_high,
            self.shot_number,
        ]);
    }

    /// Clears unknown buttons, makes the axes symmetric, and cuts the aim to the steepest the rules allow.
    fn sanitize(mut self) -> Self {
        self.buttons &= BUTTONS_KNOWN;
        self.ahead = self.ahead.max(-AXIS_FULL);
        self.right = self.right.max(-AXIS_FULL);
        self.pitch = Pitch(self.pitch.0.clamp(-Pitch::STEEPEST, Pitch::STEEPEST));
        self
    }

    /// Keeps running, but fires nothing.
    fn without_edges(mut self) -> Self {
        self.buttons = 0;
        self
    }

    /// A skipped shot is fired now, with the aim it was meant with.
    fn with_edges_of(mut self, skipped: Self) -> Self {
        if skipped.buttons != 0 && self.buttons == 0 {
            self.yaw = skipped.yaw;
            self.pitch = skipped.pitch;
            self.shot_number = skipped.shot_number;
        }
        self.buttons |= skipped.buttons;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_eight_bytes_round_trip_and_sanitise_into_range(bytes in any::<[u8; 8]>()) {
            let input = ArenaInput::read(&bytes).unwrap();
            let mut written = Vec::new();
            input.write(&mut written);
            prop_assert_eq!(&written, &bytes);
            let clean = input.sanitize();
            prop_assert_eq!(clean, clean.sanitize());
            let speed = clean.motion().velocity().length();
            prop_assert!(speed.is_finite() && speed <= crate::rules::RUN_SPEED * 1.001);
            prop_assert!(clean.pitch.0.abs() <= Pitch::STEEPEST && clean.buttons <= BUTTONS_KNOWN);
        }
    }

    #[test]
    fn other_lengths_are_no_input() {
        for length in [0, 1, 7, 9, 16] {
            assert!(ArenaInput::read(&vec![0; length]).is_err());
        }
    }

    #[test]
    fn a_repeated_input_runs_on_but_holds_its_fire() {
        let input = ArenaInput { buttons: BUTTON_RIFLE | BUTTON_ROCKET, ahead: 100, ..ArenaInput::default() };
        let repeated = input.without_edges();
        assert!(!repeated.holds(BUTTON_RIFLE | BUTTON_ROCKET));
        assert_eq!(repeated.ahead, 100);
    }

    #[test]
    fn a_skipped_shot_keeps_its_aim_and_number() {
        let skipped =
            ArenaInput { buttons: BUTTON_RIFLE, yaw: Yaw(500), shot_number: 7, ..ArenaInput::default() };
        let next = ArenaInput { ahead: 5, yaw: Yaw(900), shot_number: 8, ..ArenaInput::default() };
        let both = next.with_edges_of(skipped);
        assert_eq!((both.buttons, both.yaw, both.shot_number, both.ahead), (BUTTON_RIFLE, Yaw(500), 7, 5));
        assert_eq!(next.with_edges_of(ArenaInput::default()), next);
    }
}
