//! Are snapshots missing?

use tickring_protocol::ids::Tick;

/// How a snapshot follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// The first, or the next one, or later because the server declared that it skipped those between.
    InOrder,
    /// That many snapshots are missing and not declared.
    Gap {
        /// How many.
        missing: u32,
    },
    /// The same tick again.
    Duplicate,
    /// An earlier tick than the newest.
    Reordered,
}

/// Follows the ticks of one connection's snapshots.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequencer {
    tick_hz: u16,
    snapshot_hz: u16,
    /// The newest snapshot's tick and the skips declared up to it.
    last: Option<(Tick, u16)>,
}

impl Sequencer {
    pub(crate) fn new(tick_hz: u16, snapshot_hz: u16) -> Self {
        Self { tick_hz, snapshot_hz, last: None }
    }

    /// Judges a snapshot by its tick and the declared skips so far. Also returns the newly declared ones.
    pub(crate) fn observe(&mut self, tick: Tick, dropped: u16) -> (Continuity, u16) {
        let Some((last, last_dropped)) = self.last else {
            self.last = Some((tick, dropped));
            return (Continuity::InOrder, 0);
        };
        match tick.since(last) {
            0 => return (Continuity::Duplicate, 0),
            ..0 => return (Continuity::Reordered, 0),
            _ => self.last = Some((tick, dropped)),
        }
        let declared = dropped.wrapping_sub(last_dropped);
        // When ticks wrap, after years, the numbering of snapshots begins again.
        let skipped = self.index(tick).saturating_sub(self.index(last) + 1);
        let missing = skipped.saturating_sub(u64::from(declared));
        let missing = u32::try_from(missing).unwrap_or(u32::MAX);
        (if missing == 0 { Continuity::InOrder } else { Continuity::Gap { missing } }, declared)
    }

    /// Number of the snapshot due at a tick: the server sends one whenever this grows.
    fn index(&self, tick: Tick) -> u64 {
        u64::from(tick.0) * u64::from(self.snapshot_hz) / u64::from(self.tick_hz)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn due(tick: u32, tick_hz: u16, snapshot_hz: u16) -> bool {
        let sent_by = |tick: u64| tick * u64::from(snapshot_hz) / u64::from(tick_hz);
        sent_by(u64::from(tick)) != sent_by(u64::from(tick) - 1)
    }

    proptest! {
        /// Snapshots are sent whenever due, some skipped and declared, some lost: exactly the lost are missing.
        #[test]
        fn counts_what_was_lost(tick_hz in 20u16..=128, rate in 1u16..=128, start in 1u32..1_000_000,
                                fates in prop::collection::vec(0u8..6, 200)) {
            let snapshot_hz = rate.min(tick_hz);
            let mut sequencer = Sequencer::new(tick_hz, snapshot_hz);
            let (mut dropped, mut lost, mut missing, mut first) = (0u16, 0u32, 0u32, true);
            let mut fates = fates.into_iter();
            for tick in (start..).filter(|tick| due(*tick, tick_hz, snapshot_hz)) {
                let Some(fate) = fates.next() else { break };
                match fate {
                    0 if !first => lost += 1,
                    1 if !first => dropped = dropped.wrapping_add(1),
                    _ => {
                        first = false;
                        let (continuity, _) = sequencer.observe(Tick(tick), dropped);
                        let found = if let Continuity::Gap { missing } = continuity { missing } else { 0 };
                        missing += found;
                        prop_assert_eq!(missing, lost);
                    }
                }
            }
        }
    }

    #[test]
    fn repeated_and_earlier_ticks_are_named() {
        let mut sequencer = Sequencer::new(60, 30);
        assert_eq!(sequencer.observe(Tick(10), 3), (Continuity::InOrder, 0));
        assert_eq!(sequencer.observe(Tick(10), 3), (Continuity::Duplicate, 0));
        assert_eq!(sequencer.observe(Tick(8), 3), (Continuity::Reordered, 0));
        assert_eq!(sequencer.observe(Tick(16), 4), (Continuity::Gap { missing: 1 }, 1));
    }
}
