//! What a field will be, from what it was and how it changed: linear extrapolation on quantised integers.
//!
//! Both sides compute it from the same integers, so there is no rounding to disagree about. All arithmetic wraps
//! at the field's width: an angle passes the full turn, and whatever comes from the wire gives a value in range.

use crate::{Field, Scale};

/// A change of more than this part of the field's range from one snapshot to the next is a jump, and not
/// expected to go on.
const JUMP_PART: i32 = 16;

/// Whether the field is expected to go on changing as it did. Counters and flags are not.
pub(super) fn moves(field: &Field) -> bool {
    !matches!(field.scale, Scale::Integer)
}

/// The value `steps` snapshots after one of `value` that changed by `velocity` per snapshot; not yet wrapped.
#[inline]
pub(super) fn extrapolate(value: i32, velocity: i32, steps: i32) -> i32 {
    value.wrapping_add(velocity.wrapping_mul(steps))
}

/// The change from one snapshot to the next, as far as it is expected to go on.
#[inline]
pub(super) fn velocity(field: &Field, before: i32, now: i32) -> i32 {
    if !moves(field) {
        return 0;
    }
    let change = centred(field, now.wrapping_sub(before));
    let jump = (1i32 << (field.bits - 1).min(30)) / JUMP_PART;
    if change.unsigned_abs() > jump.unsigned_abs() { 0 } else { change }
}

/// The difference to a prediction, small for small differences of either sign, below 2^bits.
#[inline]
pub(super) fn residual(field: &Field, value: i32, predicted: i32) -> u32 {
    zigzag(centred(field, value.wrapping_sub(predicted)))
}

/// Takes a residual off again.
#[inline]
pub(super) fn restore(field: &Field, residual: u32, predicted: i32) -> i32 {
    let value = predicted.wrapping_add(unzigzag(residual));
    if field.is_signed() { centred(field, value) } else { value & field.max() }
}

/// Takes the residual of a velocity off again.
#[inline]
pub(super) fn restore_velocity(field: &Field, residual: u32, before: i32) -> i32 {
    centred(field, before.wrapping_add(unzigzag(residual)))
}

/// The integer of the field's width that is congruent to `value` and nearest to zero.
#[inline]
pub(super) fn centred(field: &Field, value: i32) -> i32 {
    let unused = 32 - u32::from(field.bits);
    value << unused >> unused
}

/// 0, -1, 1, -2, … become 0, 1, 2, 3, …
pub(super) fn zigzag(value: i32) -> u32 {
    (value << 1 ^ value >> 31).cast_unsigned()
}

pub(super) fn unzigzag(value: u32) -> i32 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn residuals_come_off_again(bits in 1u8..=32, value: i32, predicted: i32) {
            let mut fields = vec![Field::position("s", bits, 1.0)];
            if bits < 32 {
                fields.extend([Field::amount("u", bits, 1.0), Field::angle("a", bits), Field::integer("i", bits)]);
            }
            for field in fields {
                let value = value.clamp(field.min(), field.max());
                let residual = residual(&field, value, predicted);
                prop_assert!(u64::from(residual) < 1 << bits);
                prop_assert_eq!(restore(&field, residual, predicted), value);
            }
        }

        #[test]
        fn whatever_comes_is_in_range(bits in 1u8..=31, residual: u32, predicted: i32) {
            for field in [Field::position("s", bits, 1.0), Field::amount("u", bits, 1.0), Field::angle("a", bits)] {
                let value = restore(&field, residual, predicted);
                prop_assert!((field.min()..=field.max()).contains(&value));
            }
        }
    }

    #[test]
    fn an_even_motion_is_foreseen_also_past_the_full_turn() {
        let yaw = Field::angle("yaw", 12);
        let speed = velocity(&yaw, 4_000, 4_050);
        assert_eq!(speed, 50);
        assert_eq!(residual(&yaw, 4, extrapolate(4_050, speed, 1)), 0);
        let x = Field::position("x", 16, 100.0);
        assert_eq!(residual(&x, -30, extrapolate(-10, velocity(&x, 10, -10), 1)), 0);
        assert_eq!(velocity(&x, -20_000, 20_000), 0, "a jump is not expected to go on");
        assert_eq!(velocity(&Field::integer("kills", 10), 3, 4), 0);
    }
}
