//! Is anything missing, doubled or out of order?

/// What one element of a stream told about those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Elements that are missing and that nobody declared dropped.
    pub(crate) gaps: u64,
    /// Elements the sender declared dropped (latest wins).
    pub(crate) declared: u64,
    /// 1 when this element had been seen.
    pub(crate) duplicates: u64,
    /// 1 when this element is older than the last.
    pub(crate) reordered: u64,
}

/// A connection's echoes: they come back in the order they were sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct EchoStream {
    expected: u64,
}

impl EchoStream {
    /// The number the next echo should have.
    pub(crate) const fn expected(&self) -> u64 {
        self.expected
    }

    /// Looks at the echo of message `sequence` (counted from 0).
    pub(crate) fn check(&mut self, sequence: u64) -> Finding {
        if sequence < self.expected {
            let duplicates = u64::from(sequence + 1 == self.expected);
            return Finding { duplicates, reordered: 1 - duplicates, ..Finding::default() };
        }
        let gaps = sequence - self.expected;
        self.expected = sequence + 1;
        Finding { gaps, ..Finding::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn echoes_are_counted() {
        let mut stream = EchoStream::default();
        assert_eq!(stream.check(0), Finding::default());
        assert_eq!(stream.check(3), Finding { gaps: 2, ..Finding::default() });
        assert_eq!(stream.check(3), Finding { duplicates: 1, ..Finding::default() });
        assert_eq!(stream.check(1), Finding { reordered: 1, ..Finding::default() });
        assert_eq!(stream.check(4), Finding::default());
    }

    proptest! {
        #[test]
        fn every_loss_is_found(kept in prop::collection::vec(any::<bool>(), 1..200)) {
            let mut stream = EchoStream::default();
            let (mut gaps, mut pending, mut lost) = (0, 0, 0);
            for (sequence, kept) in kept.iter().enumerate() {
                if *kept {
                    gaps += stream.check(sequence as u64).gaps;
                    lost += pending;
                    pending = 0;
                } else {
                    pending += 1;
                }
            }
            prop_assert_eq!(gaps, lost);
        }
    }
}
