//! Integers of any width, packed without gaps, least significant bit first.

/// Appends bits to a buffer of bytes.
#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u64,
    filled: u32,
}

impl<'a> BitWriter<'a> {
    /// Begins at a byte's border, behind what is in `out`.
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, pending: 0, filled: 0 }
    }

    /// The low `bits` of `value`, 0..=32; the others must be zero.
    #[inline]
    pub(super) fn put(&mut self, value: u32, bits: u32) {
        debug_assert!(bits <= 32 && u64::from(value) < 1 << bits, "{value} in {bits} bits");
        self.pending |= u64::from(value) << self.filled;
        self.filled += bits;
        if self.filled >= 32 {
            #[expect(clippy::cast_possible_truncation, reason = "the low half on purpose")]
            self.out.extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.filled -= 32;
        }
    }

    /// A count that is mostly small: Elias' gamma code of `count + 1` (Elias 1975).
    pub(super) fn put_count(&mut self, count: u16) {
        let value = u32::from(count) + 1;
        let low_bits = value.ilog2();
        self.put(1 << low_bits, low_bits + 1);
        self.put(value & ((1 << low_bits) - 1), low_bits);
    }

    /// Fills the last byte up with zeros.
    pub(super) fn finish(self) {
        let bytes = self.pending.to_le_bytes();
        self.out.extend_from_slice(&bytes[..self.filled.div_ceil(8) as usize]);
    }
}

/// Takes bits from bytes.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

/// The bytes end before what they must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Truncated;

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// At least the next 33 bits, with zeros behind the end.
    #[inline]
    fn peek(&self) -> u64 {
        let rest = &self.bytes[self.at / 8..];
        let word = match rest.first_chunk::<8>() {
            Some(word) => u64::from_le_bytes(*word),
            None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        word >> (self.at % 8)
    }

    /// The next `bits`, 0..=32.
    #[inline]
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, Truncated> {
        let word = self.peek();
        self.skip(bits)?;
        #[expect(clippy::cast_possible_truncation, reason = "at most 32 bits are left")]
        Ok((word & ((1 << bits) - 1)) as u32)
    }

    /// How many of the next `most` (at most 32) bits are ones before the first zero; the zero is taken too, if
    /// there is one among them.
    #[inline]
    pub(super) fn take_ones(&mut self, most: u32) -> Result<u32, Truncated> {
        let ones = self.peek().trailing_ones().min(most);
        self.skip(if ones < most { ones + 1 } else { ones })?;
        Ok(ones)
    }

    /// See [`BitWriter::put_count`].
    pub(super) fn take_count(&mut self) -> Result<u16, Truncated> {
        let zeros = self.peek().trailing_zeros();
        // 16 zeros begin 65,536 and more, one of which is the largest count.
        if zeros > 16 {
            return Err(Truncated);
        }
        self.skip(zeros + 1)?;
        let value = 1 << zeros | self.take(zeros)?;
        u16::try_from(value - 1).map_err(|_| Truncated)
    }

    fn skip(&mut self, bits: u32) -> Result<(), Truncated> {
        self.at += bits as usize;
        if self.at > self.bytes.len() * 8 { Err(Truncated) } else { Ok(()) }
    }

    /// What follows the byte of the last bit.
    pub(super) fn finish(self) -> &'a [u8] {
        &self.bytes[self.at.div_ceil(8)..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn what_is_put_is_taken(items in prop::collection::vec((any::<u32>(), 0u32..=32, any::<u16>()), 0..50)) {
            let mut bytes = vec![7];
            let mut writer = BitWriter::new(&mut bytes);
            let low = |value: u32, bits: u32| value & u32::MAX.checked_shr(32 - bits).unwrap_or(0);
            for &(value, bits, count) in &items {
                writer.put(low(value, bits), bits);
                writer.put_count(count);
            }
            writer.finish();
            bytes.extend([9; 3]);
            let mut reader = BitReader::new(&bytes[1..]);
            for &(value, bits, count) in &items {
                prop_assert_eq!(reader.take(bits), Ok(low(value, bits)));
                prop_assert_eq!(reader.take_count(), Ok(count));
            }
            prop_assert_eq!(reader.finish(), [9; 3]);
        }

        #[test]
        fn any_bytes_end_in_time(bytes in prop::collection::vec(any::<u8>(), 0..20), takes in prop::collection::vec(0u32..=33, 0..60)) {
            let mut reader = BitReader::new(&bytes);
            for bits in takes {
                let taken = match bits {
                    33 => reader.take_count().map(|_| ()),
                    32 => reader.take_ones(8).map(|_| ()),
                    _ => reader.take(bits).map(|_| ()),
                };
                if taken.is_err() {
                    return Ok(());
                }
            }
            reader.finish();
        }
    }

    #[test]
    fn ones_are_counted_up_to_a_bound() {
        let mut reader = BitReader::new(&[0b1111_0110, 0xff, 0]);
        let taken = [8, 8, 8, 8].map(|most| reader.take_ones(most));
        assert_eq!(taken, [Ok(0), Ok(2), Ok(8), Ok(4)]);
        assert_eq!(BitReader::new(&[0xff]).take_ones(9), Err(Truncated));
    }
}
