//! A slow link between a bot and its server, as TCP shows it: everything arrives, in order, and late.
//!
//! Each direction of each connection is a [`DelayLine`]. What enters at time t leaves at
//! `t + latency + jitter`, the jitter drawn anew for every parcel between zero and its bound, and never
//! before what entered earlier. Once a period, at a drawn moment, the line **stalls**: what would have left
//! meanwhile leaves at the end of the stall, all at once, as after a lost packet that had to be sent again.
//!
//! The model starts above the kernel's socket: TCP's own handshake is not delayed. It is pure: seeded,
//! without a clock. The same seed and the same parcels leave at the same times.

use std::collections::VecDeque;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde::Serialize;

/// Bytes one line may hold. More than any bot is sent within the longest delay; it bounds memory against a
/// server that floods.
pub(crate) const HELD_BYTES_MAX: usize = 8 << 20;

/// What the link does to a parcel, one way; the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct LinkModel {
    /// Least delay.
    #[serde(rename = "latency_us", serialize_with = "micros")]
    pub(crate) latency_ns: u64,
    /// Most that is added to it, evenly distributed.
    #[serde(rename = "jitter_us", serialize_with = "micros")]
    pub(crate) jitter_ns: u64,
    /// How long a stall lasts; 0: there are none.
    #[serde(rename = "stall_us", serialize_with = "micros")]
    pub(crate) stall_ns: u64,
    /// In each span of this length lies one stall.
    #[serde(rename = "stall_period_us", serialize_with = "micros")]
    pub(crate) stall_period_ns: u64,
}

fn micros<S: serde::Serializer>(ns: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(ns / 1_000)
}

impl LinkModel {
    /// A link with these figures; `None` when all are zero, which is no link at all.
    ///
    /// # Panics
    /// When the stalls do not fit into their period: the caller checks.
    pub(crate) fn new(latency: Duration, jitter: Duration, stall: Stall) -> Option<Self> {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).expect("the command line allows seconds");
        assert!(stall.length <= stall.period, "a stall fits into its period");
        let model = Self {
            latency_ns: ns(latency),
            jitter_ns: ns(jitter),
            stall_ns: ns(stall.length),
            stall_period_ns: ns(stall.period),
        };
        (model.delay_ns_max() > 0).then_some(model)
    }

    /// No parcel is delayed longer than this.
    pub(crate) const fn delay_ns_max(&self) -> u64 {
        self.latency_ns + self.jitter_ns + self.stall_ns
    }
}

/// How long a line stalls, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stall {
    pub(crate) length: Duration,
    /// One stall in every such span, at a drawn moment.
    pub(crate) period: Duration,
}

impl Stall {
    /// No stalls.
    pub(crate) const NONE: Self = Self { length: Duration::ZERO, period: Duration::ZERO };
}

/// The line is full: see [`HELD_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// One direction of one connection. `T` marks the end of the stream and comes out in its turn.
///
/// Invariant: parcels leave in the order they entered, so their release times never fall.
#[derive(Debug)]
pub(crate) struct DelayLine<T> {
    model: LinkModel,
    rng: Pcg64Mcg,
    seed: u64,
    /// The span looked at last, by its number, and where in it the stall begins.
    stall: Option<(u64, u64)>,
    held: VecDeque<(u64, Parcel<T>)>,
    held_bytes: usize,
    /// When the last parcel leaves.
    last_ns: u64,
}

/// Something under way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parcel<T> {
    /// Bytes of the stream.
    Bytes(Vec<u8>),
    /// The stream ends.
    End(T),
}

impl<T> DelayLine<T> {
    /// An empty line.
    pub(crate) fn new(model: LinkModel, seed: u64) -> Self {
        Self {
            model,
            rng: Pcg64Mcg::seed_from_u64(seed),
            seed,
            stall: None,
            held: VecDeque::new(),
            held_bytes: 0,
            last_ns: 0,
        }
    }

    /// Takes a parcel in at `now_ns`.
    ///
    /// # Errors
    /// [`Full`]: the parcel is lost, and with it the stream.
    pub(crate) fn push(&mut self, now_ns: u64, parcel: Parcel<T>) -> Result<(), Full> {
        if let Parcel::Bytes(bytes) = &parcel {
            if self.held_bytes + bytes.len() > HELD_BYTES_MAX {
                return Err(Full);
            }
            self.held_bytes += bytes.len();
        }
        let jitter_ns = self.rng.random_range(0..=self.model.jitter_ns);
        let release_ns = self.after_stall(now_ns + self.model.latency_ns + jitter_ns).max(self.last_ns);
        self.last_ns = release_ns;
        self.held.push_back((release_ns, parcel));
        Ok(())
    }

    /// When the next parcel leaves; `None` when the line is empty.
    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.held.front().map(|(release_ns, _)| *release_ns)
    }

    /// The next parcel, if it has left by `now_ns`.
    pub(crate) fn pop(&mut self, now_ns: u64) -> Option<Parcel<T>> {
        self.next_ns().filter(|release_ns| *release_ns <= now_ns)?;
        let (_, parcel) = self.held.pop_front()?;
        if let Parcel::Bytes(bytes) = &parcel {
            self.held_bytes -= bytes.len();
        }
        Some(parcel)
    }

    /// Loses everything: the connection is gone.
    pub(crate) fn clear(&mut self) {
        self.held = VecDeque::new();
        self.held_bytes = 0;
    }

    /// `at_ns`, or the end of the stall that it falls into.
    fn after_stall(&mut self, at_ns: u64) -> u64 {
        let LinkModel { stall_ns, stall_period_ns, .. } = self.model;
        if stall_ns == 0 {
            return at_ns;
        }
        let span = at_ns / stall_period_ns;
        let begins_ns = match self.stall {
            Some((known, begins_ns)) if known == span => begins_ns,
            _ => self.draw_stall(span),
        };
        let ends_ns = begins_ns + stall_ns;
        if (begins_ns..ends_ns).contains(&at_ns) { ends_ns } else { at_ns }
    }

    /// Where the stall of a span begins: by seed and span alone, whatever is sent.
    fn draw_stall(&mut self, span: u64) -> u64 {
        let LinkModel { stall_ns, stall_period_ns, .. } = self.model;
        // Neighbouring seeds would give neighbouring streams.
        let seed = self.seed ^ (span + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let offset_ns = Pcg64Mcg::seed_from_u64(seed).random_range(0..=stall_period_ns - stall_ns);
        let begins_ns = span * stall_period_ns + offset_ns;
        self.stall = Some((span, begins_ns));
        begins_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    fn model(latency_ns: u64, jitter_ns: u64, stall_ns: u64, stall_period_ns: u64) -> LinkModel {
        LinkModel { latency_ns, jitter_ns, stall_ns, stall_period_ns }
    }

    fn parcel(number: u32) -> Parcel<()> {
        Parcel::Bytes(number.to_le_bytes().to_vec())
    }

    /// Sends one parcel after each gap; returns (sent, left) of each in the order they left.
    fn journey(model: LinkModel, seed: u64, gaps_ns: &[u64]) -> Vec<(u64, u64)> {
        let mut line = DelayLine::new(model, seed);
        let (mut now_ns, mut sent) = (7 * MS, Vec::new());
        for (number, gap_ns) in (0..).zip(gaps_ns) {
            now_ns += gap_ns;
            sent.push(now_ns);
            line.push(now_ns, parcel(number)).unwrap();
        }
        let mut journeys = Vec::new();
        for (number, sent_ns) in (0..).zip(sent) {
            let left_ns = line.next_ns().unwrap();
            assert_eq!(line.pop(left_ns - 1), None, "not early");
            assert_eq!(line.pop(left_ns), Some(parcel(number)), "in order");
            journeys.push((sent_ns, left_ns));
        }
        assert_eq!((line.next_ns(), line.held_bytes), (None, 0));
        journeys
    }

    proptest! {
        #[test]
        fn nothing_overtakes_and_no_delay_leaves_its_bounds(
            latency_ns in 0..200 * MS, jitter_ns in 0..50 * MS, stall_ns in 0..500 * MS, spare_ns in 0..2_000 * MS,
            seed: u64, gaps_ns in prop::collection::vec(0..40 * MS, 1..200),
        ) {
            let model = model(latency_ns, jitter_ns, stall_ns, stall_ns + spare_ns);
            let journeys = journey(model, seed, &gaps_ns);
            for (sent_ns, left_ns) in &journeys {
                let delay_ns = left_ns - sent_ns;
                prop_assert!((latency_ns..=model.delay_ns_max()).contains(&delay_ns), "{delay_ns}");
            }
            prop_assert!(journeys.is_sorted_by_key(|(_, left_ns)| *left_ns));
            prop_assert_eq!(&journey(model, seed, &gaps_ns), &journeys, "the same seed, the same times");
        }

        #[test]
        fn nothing_leaves_during_a_stall(seed: u64, gaps_ns in prop::collection::vec(0..9 * MS, 200..400)) {
            // Without jitter every delay beyond the latency is the stall's.
            let model = model(20 * MS, 0, 100 * MS, 400 * MS);
            let held = journey(model, seed, &gaps_ns).into_iter().filter(|(sent, left)| left - sent > 20 * MS);
            let mut ends: Vec<u64> = held.map(|(_, left)| left).collect();
            ends.dedup();
            for pair in ends.windows(2) {
                prop_assert!(pair[1] - pair[0] >= 100 * MS, "what a stall held leaves at once: {ends:?}");
            }
        }
    }

    #[test]
    fn seeds_differ_and_jitter_is_spread() {
        let gaps = [20 * MS; 400];
        let delays = |seed| -> Vec<u64> {
            journey(model(50 * MS, 10 * MS, 0, 0), seed, &gaps)
                .iter()
                .map(|(sent, left)| left - sent)
                .collect()
        };
        let (first, other) = (delays(1), delays(2));
        assert_ne!(first, other);
        let mean_ns = first.iter().sum::<u64>() / 400;
        assert!((54 * MS..56 * MS).contains(&mean_ns), "evenly between 50 and 60 ms: {mean_ns}");
    }

    #[test]
    fn stalls_come_once_a_period() {
        let journeys = journey(model(0, 0, 100 * MS, 1_000 * MS), 3, &[MS; 10_000]);
        let held = journeys.iter().filter(|(sent, left)| left > sent).count();
        assert!((900..=1_000).contains(&held), "a tenth of the time: {held} of 10,000 ms");
    }

    #[test]
    fn the_end_comes_after_what_was_said_before_it() {
        let mut line = DelayLine::new(model(5 * MS, 0, 0, 0), 1);
        line.push(0, parcel(1).map_end()).unwrap();
        line.push(MS, Parcel::End("over")).unwrap();
        assert_eq!(line.pop(5 * MS), Some(parcel(1).map_end()));
        assert_eq!(line.pop(5 * MS), None);
        assert_eq!(line.pop(6 * MS), Some(Parcel::End("over")));
    }

    impl Parcel<()> {
        fn map_end(self) -> Parcel<&'static str> {
            match self {
                Self::Bytes(bytes) => Parcel::Bytes(bytes),
                Self::End(()) => Parcel::End("over"),
            }
        }
    }

    #[test]
    fn a_line_is_full_at_its_bound_and_empty_when_cleared() {
        let mut line = DelayLine::<()>::new(model(MS, 0, 0, 0), 1);
        line.push(0, Parcel::Bytes(vec![0; HELD_BYTES_MAX])).unwrap();
        assert_eq!(line.push(0, Parcel::Bytes(vec![0])), Err(Full));
        line.clear();
        assert_eq!(line.next_ns(), None);
        line.push(0, Parcel::Bytes(vec![0])).unwrap();
    }

    #[test]
    fn a_link_that_does_nothing_is_none() {
        assert_eq!(LinkModel::new(Duration::ZERO, Duration::ZERO, Stall::NONE), None);
        let some = LinkModel::new(Duration::from_millis(1), Duration::ZERO, Stall::NONE).unwrap();
        assert_eq!(serde_json::to_value(some).unwrap()["latency_us"], 1_000);
    }
}
