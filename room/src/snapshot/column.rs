//! One field of many entities, coded together.
//!
//! What is left of a value when the prediction is taken off is mostly zero or small. A column of such residuals
//! is one bit when all are zero; else a Rice code (Rice 1979) whose parameter is the best one for this column,
//! found by trying all. A residual that would be long is written plainly.

use super::bits::{BitReader, BitWriter, Truncated};

/// Bits of the Rice parameter.
const PARAMETER_BITS: u32 = 4;
/// A quotient of this many and more is not written in unary: the residual follows in full width.
const UNARY_MAX: u32 = 8;

/// Appends residuals, each below 2^`width`.
pub(super) fn write_column(bits: &mut BitWriter<'_>, residuals: &[u32], width: u32) {
    let all = residuals.iter().fold(0, |all, residual| all | residual);
    bits.put(u32::from(all != 0), 1);
    if all == 0 {
        return;
    }
    let parameter = best_parameter(residuals, width, all);
    bits.put(parameter, PARAMETER_BITS);
    for &residual in residuals {
        let quotient = residual >> parameter;
        if quotient < UNARY_MAX {
            bits.put((1 << quotient) - 1, quotient + 1);
            bits.put(residual & ((1 << parameter) - 1), parameter);
        } else {
            bits.put((1 << UNARY_MAX) - 1, UNARY_MAX);
            bits.put(residual, width);
        }
    }
}

/// The parameter that makes the column shortest. `all` has every bit set that a residual has set.
fn best_parameter(residuals: &[u32], width: u32, all: u32) -> u32 {
    let useful = (u32::BITS - all.leading_zeros()).min((1 << PARAMETER_BITS) - 1);
    let cost = |parameter: u32| -> u32 {
        let bits = |residual: &u32| {
            let quotient = residual >> parameter;
            if quotient < UNARY_MAX { quotient + 1 + parameter } else { UNARY_MAX + width }
        };
        residuals.iter().map(bits).sum()
    };
    (0..=useful).min_by_key(|parameter| cost(*parameter)).expect("0 is one of them")
}

/// Reads as many residuals as `residuals` has places.
pub(super) fn read_column(
    bits: &mut BitReader<'_>,
    residuals: &mut [u32],
    width: u32,
) -> Result<(), Truncated> {
    residuals.fill(0);
    if bits.take(1)? == 0 {
        return Ok(());
    }
    let parameter = bits.take(PARAMETER_BITS)?;
    // A residual of fewer bits than the parameter has is not written that way.
    let low_bits = parameter.min(width);
    for residual in residuals {
        let quotient = bits.take_ones(UNARY_MAX)?;
        *residual = if quotient < UNARY_MAX {
            quotient << parameter | bits.take(low_bits)?
        } else {
            bits.take(width)?
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn columns() -> impl Strategy<Value = (u32, Vec<u32>)> {
        (1u32..=32, 0u32..=32).prop_flat_map(|(width, small)| {
            let mask = u32::try_from((1u64 << width) - 1).unwrap();
            let residual = (any::<u32>(), 0u32..8).prop_map(move |(value, rare)| {
                if rare == 0 { value & mask } else { value.checked_shr(small).unwrap_or(0) & mask }
            });
            prop::collection::vec(residual, 0..80).prop_map(move |column| (width, column))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn columns_come_back((width, column) in columns()) {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            write_column(&mut writer, &column, width);
            writer.finish();
            let mut reader = BitReader::new(&bytes);
            let mut back = vec![1; column.len()];
            read_column(&mut reader, &mut back, width).unwrap();
            prop_assert_eq!(&back, &column);
            prop_assert!(reader.finish().is_empty());
            // Never much longer than plain.
            prop_assert!(bytes.len() <= (column.len() * (width as usize + 8) + 5).div_ceil(8));
        }
    }

    #[test]
    fn a_quiet_column_is_a_bit_and_a_jittery_one_two_bits_each() {
        let bytes_of = |column: &[u32]| {
            let mut bytes = Vec::new();
            let mut writer = BitWriter::new(&mut bytes);
            write_column(&mut writer, column, 16);
            writer.finish();
            bytes.len()
        };
        assert_eq!(bytes_of(&[0; 1000]), 1);
        let jitter: Vec<u32> = (0..1000).map(|n| [0, 0, 1, 2][n % 4]).collect();
        assert!(bytes_of(&jitter) < 225, "{}", bytes_of(&jitter));
    }
}
