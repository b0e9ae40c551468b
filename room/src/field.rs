//! How one replicated field becomes an integer of few bits.

use std::f32::consts::TAU;

/// One row of an entity's field table.
///
/// ```
/// use tickring_room::Field;
/// const X: Field = Field::position("x", 16, 100.0); // 16 bits, 1 cm
/// assert_eq!(X.quantise(1.234), 123);
/// assert_eq!(X.restore(123), 1.23);
/// assert_eq!(X.quantise(1e9), X.max());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// The name in documentation and error messages.
    pub name: &'static str,
    /// Width in bits: 1..=32, for unsigned scales 1..=31.
    pub bits: u8,
    /// What the integer means.
    pub scale: Scale,
}

/// What a field's integer means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// Signed, so many steps to the unit.
    Signed {
        /// Steps per unit.
        per_unit: f32,
    },
    /// Not negative, so many steps to the unit.
    Unsigned {
        /// Steps per unit.
        per_unit: f32,
    },
    /// An angle in radians; the full turn is divided into 2^bits steps and wraps.
    Angle,
    /// A plain integer (counter, discriminant, flags): not negative.
    Integer,
}

impl Field {
    /// A signed coordinate, speed or the like.
    #[must_use]
    pub const fn position(name: &'static str, bits: u8, per_unit: f32) -> Self {
        Self::new(name, bits, Scale::Signed { per_unit })
    }

    /// A quantity that is never negative.
    #[must_use]
    pub const fn amount(name: &'static str, bits: u8, per_unit: f32) -> Self {
        Self::new(name, bits, Scale::Unsigned { per_unit })
    }

    /// An angle in radians.
    #[must_use]
    pub const fn angle(name: &'static str, bits: u8) -> Self {
        Self::new(name, bits, Scale::Angle)
    }

    /// A plain integer that is never negative.
    #[must_use]
    pub const fn integer(name: &'static str, bits: u8) -> Self {
        Self::new(name, bits, Scale::Integer)
    }

    const fn new(name: &'static str, bits: u8, scale: Scale) -> Self {
        let widest = match scale {
            Scale::Signed { .. } => 32,
            Scale::Unsigned { .. } | Scale::Angle | Scale::Integer => 31,
        };
        assert!(bits >= 1 && bits <= widest, "a field's width is 1..=32 bits, unsigned 1..=31");
        Self { name, bits, scale }
    }

    /// Whether negative values exist.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        matches!(self.scale, Scale::Signed { .. })
    }

    /// The least integer of this width.
    #[must_use]
    pub const fn min(&self) -> i32 {
        if self.is_signed() { i32::MIN >> (32 - self.bits) } else { 0 }
    }

    /// The greatest integer of this width.
    #[must_use]
    pub const fn max(&self) -> i32 {
        if self.is_signed() { i32::MAX >> (32 - self.bits) } else { i32::MAX >> (31 - self.bits) }
    }

    /// Bytes in a body that rounds widths up to whole bytes: 1..=4.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bits.div_ceil(8) as usize
    }

    /// The nearest integer, clamped to the width; NaN gives 0.
    #[must_use]
    pub fn quantise(&self, value: f32) -> i32 {
        let steps = match self.scale {
            Scale::Signed { per_unit } | Scale::Unsigned { per_unit } => value * per_unit,
            Scale::Angle => {
                // `rem_euclid` may round up to the full turn, which is the same angle as zero.
                let steps = nearest(value.rem_euclid(TAU) / TAU * self.steps_per_turn());
                return steps & self.max();
            }
            Scale::Integer => value,
        };
        nearest(steps).clamp(self.min(), self.max())
    }

    /// The value an integer stands for.
    #[must_use]
    pub fn restore(&self, steps: i32) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "beyond 24 bits a float has no finer step to give")]
        let steps = steps as f32;
        match self.scale {
            Scale::Signed { per_unit } | Scale::Unsigned { per_unit } => steps / per_unit,
            Scale::Angle => steps / self.steps_per_turn() * TAU,
            Scale::Integer => steps,
        }
    }

    fn steps_per_turn(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "a power of two is exact")]
        let steps = (1u64 << self.bits) as f32;
        steps
    }
}

fn nearest(value: f32) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float cast saturates and turns NaN into 0: wanted"
    )]
    let nearest = value.round() as i32;
    nearest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_of_the_widths() {
        assert_eq!(
            (Field::position("s", 32, 1.0).min(), Field::position("s", 32, 1.0).max()),
            (i32::MIN, i32::MAX)
        );
        assert_eq!((Field::position("s", 1, 1.0).min(), Field::position("s", 1, 1.0).max()), (-1, 0));
        assert_eq!((Field::integer("u", 31).min(), Field::integer("u", 31).max()), (0, i32::MAX));
        assert_eq!(Field::integer("u", 1).max(), 1);
        assert_eq!([1, 8, 9, 24, 25].map(|bits| Field::position("s", bits, 1.0).bytes()), [1, 1, 2, 3, 4]);
    }

    #[test]
    fn odd_values_are_clamped() {
        let field = Field::position("s", 10, 10.0);
        assert_eq!(field.quantise(f32::NAN), 0);
        assert_eq!(field.quantise(f32::INFINITY), field.max());
        assert_eq!(field.quantise(f32::NEG_INFINITY), field.min());
        assert_eq!(Field::angle("a", 8).quantise(f32::NAN), 0);
        assert_eq!(Field::amount("u", 8, 1.0).quantise(-3.0), 0);
    }

    proptest! {
        #[test]
        fn a_restored_value_quantises_to_itself(bits in 1u8..=16, per_unit in 1.0f32..1000.0, raw: i32) {
            for field in [Field::position("s", bits, per_unit), Field::amount("u", bits, per_unit),
                          Field::angle("a", bits), Field::integer("i", bits)] {
                let steps = raw.clamp(field.min(), field.max());
                prop_assert_eq!(field.quantise(field.restore(steps)), steps);
            }
        }

        #[test]
        fn the_error_is_at_most_half_a_step(value in -300.0f32..300.0) {
            let field = Field::position("x", 16, 100.0);
            prop_assert!((field.restore(field.quantise(value)) - value).abs() <= 0.005 + 1e-4);
        }

        #[test]
        fn angles_wrap(turns in -3i8..=3, angle in 0.0f32..TAU) {
            let field = Field::angle("yaw", 12);
            let distance = (field.quantise(angle + f32::from(turns) * TAU) - field.quantise(angle)).rem_euclid(4096);
            prop_assert!(distance <= 1 || distance == 4095, "{distance}");
        }
    }
}
