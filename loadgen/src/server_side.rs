//! The server's own figures: its admin endpoint's `/status`, and `/proc/PID`.

mod fetch;
mod limits;
mod listing;
mod process;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde::Deserialize;

use crate::doctor::Readings;

pub(crate) use fetch::{Admin, Unknown, fetch_all};
pub(crate) use limits::{StatusLimits, StatusWorker};
pub(crate) use listing::Listing;
pub(crate) use process::{Usage, process_exists};

/// The parts of `/status` that are used here. All optional: an older server says less.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    pub(crate) version: Option<String>,
    /// The process that answers.
    pub(crate) pid: Option<u32>,
    /// How long it has been running.
    pub(crate) uptime_s: Option<f64>,
    /// False while it is shutting down.
    pub(crate) ready: Option<bool>,
    pub(crate) game: Option<String>,
    /// Whether it has the path on which everything comes back.
    pub(crate) echo: Option<bool>,
    pub(crate) tick_hz: Option<f64>,
    pub(crate) snapshot_hz: Option<f64>,
    pub(crate) lag_compensation: Option<bool>,
    pub(crate) rewind_ms_max: Option<u64>,
    pub(crate) totals: StatusTotals,
    pub(crate) limits: StatusLimits,
    /// Those of its workers that answered; of several servers nobody's.
    pub(crate) workers: Vec<StatusWorker>,
    pub(crate) memory: StatusMemory,
    pub(crate) cpu_ns: Option<u64>,
    pub(crate) tick: StatusTick,
    /// The server's machine.
    pub(crate) machine: Option<Readings>,
    /// Its kernel's counters.
    pub(crate) tcp: StatusTcp,
    /// Of several servers each of those that answered.
    #[serde(skip)]
    pub(crate) parts: Vec<Part>,
}

/// One of several servers.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) status: Status,
    /// Where it was asked, and for which of the run's targets.
    pub(crate) admin: Admin,
}

/// Counters of the network namespace that the server is in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusTcp {
    /// Connections that found a listener's accept queue full.
    pub(crate) listen_overflows: Option<u64>,
    /// Connections a listener dropped, for that or another reason.
    pub(crate) listen_drops: Option<u64>,
}

/// Counters since the server started.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusTotals {
    /// Connections now, by state.
    pub(crate) connections: BTreeMap<String, u64>,
    pub(crate) inputs: Option<StatusViews>,
    /// Times accepting paused because descriptors or table places ran out.
    pub(crate) accept_pauses: u64,
    /// Connections dropped because a table had filled up first.
    pub(crate) ring_accepts_dropped: u64,
    /// Upgrades answered with an HTTP error.
    pub(crate) upgrades_refused: u64,
    /// Those of them that the worker of their room could not take, whose table is full.
    pub(crate) hand_overs_failed: u64,
    pub(crate) closes: Vec<StatusClose>,
}

/// How connections ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusClose {
    /// The WebSocket close code; 0 where there was none.
    pub(crate) code: u16,
    pub(crate) cause: String,
    pub(crate) count: u64,
}

impl StatusClose {
    /// Whether both are counters of the same end.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (self.code, &self.cause) == (other.code, &other.cause)
    }
}

impl StatusTotals {
    fn add(&mut self, other: &Self) {
        for (state, count) in &other.connections {
            let sum = self.connections.entry(state.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.accept_pauses = self.accept_pauses.saturating_add(other.accept_pauses);
        self.ring_accepts_dropped = self.ring_accepts_dropped.saturating_add(other.ring_accepts_dropped);
        self.upgrades_refused = self.upgrades_refused.saturating_add(other.upgrades_refused);
        self.hand_overs_failed = self.hand_overs_failed.saturating_add(other.hand_overs_failed);
        for close in &other.closes {
            match self.closes.iter_mut().find(|known| known.is_like(close)) {
                Some(known) => known.count = known.count.saturating_add(close.count),
                None => self.closes.push(close.clone()),
            }
        }
        self.inputs = self.inputs.zip(other.inputs).map(|(mut all, other)| {
            all.view_backwards = all.view_backwards.saturating_add(other.view_backwards);
            all.view_future = all.view_future.saturating_add(other.view_future);
            all.view_too_old = all.view_too_old.saturating_add(other.view_too_old);
            all.view_implausible = all.view_implausible.saturating_add(other.view_implausible);
            all
        });
    }
}

/// View times that were not believed, by what was wrong with them.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusViews {
    pub(crate) view_backwards: u64,
    pub(crate) view_future: u64,
    pub(crate) view_too_old: u64,
    pub(crate) view_implausible: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusMemory {
    pub(crate) rss_bytes: Option<u64>,
}

/// Tick counters since the server started.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusTick {
    pub(crate) steps: Option<u64>,
    pub(crate) missed: Option<u64>,
    /// How late ticks began, ns. On the wire: base64 of an HdrHistogram V2 serialisation.
    #[serde(rename = "lateness_hdr", deserialize_with = "histogram")]
    pub(crate) lateness: Option<Histogram<u64>>,
}

/// A histogram that cannot be read is one that is not there.
fn histogram<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Histogram<u64>>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let bytes = text.and_then(|text| STANDARD.decode(text).ok()).filter(|bytes| is_plain(bytes));
    Ok(bytes.and_then(|bytes| Deserializer::new().deserialize(&mut bytes.as_slice()).ok()))
}

/// Whether the bytes are an uncompressed V2 histogram as long as it says and with counts that can be: the decoder
/// makes room for whatever length it is told, and negates whatever count.
fn is_plain(bytes: &[u8]) -> bool {
    let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let says = word(4).and_then(|length| usize::try_from(length).ok()).map(|length| length + V2_HEAD_BYTES);
    // Eight bytes that each announce another make a number beyond 2^56.
    let is_huge = |count: &[u8]| count.iter().all(|byte| *byte >= 0x80);
    word(0) == Some(V2_COOKIE) && says == Some(bytes.len()) && !bytes[V2_HEAD_BYTES..].windows(8).any(is_huge)
}

/// First word of an uncompressed V2 histogram, and bytes before its counts (HdrHistogram V2 encoding).
const V2_COOKIE: u32 = 0x1c84_9303 | 0x10;
const V2_HEAD_BYTES: usize = 40;

/// A sum that is known where both parts are.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.saturating_add(other?))
}

impl Status {
    fn is_same_process(&self, other: &Self) -> bool {
        let host = |status: &Self| status.machine.as_ref().map(|machine| machine.hostname.clone());
        self.pid.is_some() && self.pid == other.pid && host(self) == host(other)
    }

    /// Takes another server's in, but for the limits. What is not a number is the first one's.
    fn add(&mut self, other: &Self) {
        // Who comes to the one without it is refused.
        self.echo = if other.echo == Some(false) { other.echo } else { self.echo };
        // The youngest tells whether one was restarted.
        self.uptime_s = self.uptime_s.zip(other.uptime_s).map(|(one, other)| one.min(other));
        self.cpu_ns = sum(self.cpu_ns, other.cpu_ns);
        self.memory.rss_bytes = sum(self.memory.rss_bytes, other.memory.rss_bytes);
        self.tick.add(&other.tick);
        self.totals.add(&other.totals);
    }

    /// It stands for several processes, which share these limits.
    fn of_several(self, limits: StatusLimits, parts: Vec<Part>) -> Self {
        Self { pid: None, workers: Vec::new(), limits, parts, ..self }
    }

    /// Connections that it holds now.
    pub(crate) fn open(&self) -> u64 {
        self.totals.connections.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What of its limits is taken.
    pub(crate) fn taken(&self) -> u64 {
        self.limits.taken.unwrap_or_else(|| self.open())
    }

    /// Whether it has held connections before that are gone, more than a hundredth of `conns`: it keeps their memory, and
    /// what `conns` more take of that does not show.
    pub(crate) fn keeps_memory_for(&self, conns: u64) -> bool {
        let ended = self.totals.closes.iter().fold(0, |sum: u64, close| sum.saturating_add(close.count));
        ended > conns / 100
    }

    /// Whether one of the counters behind the figures is below that of `earlier`: what happened between the two is not
    /// known then.
    pub(crate) fn falls_below(&self, earlier: &Self) -> bool {
        let counters: [fn(&Self) -> Option<u64>; 3] =
            [|status| status.tick.steps, |status| status.tick.missed, |status| status.cpu_ns];
        counters.iter().any(|told| told(self).zip(told(earlier)).is_some_and(|(now, before)| now < before))
    }

    /// Whether this is of the same process as `earlier`, as far as both tell.
    pub(crate) fn continues(&self, earlier: &Self) -> bool {
        self.pid.zip(earlier.pid).is_none_or(|(now, before)| now == before)
            && self.uptime_s.zip(earlier.uptime_s).is_none_or(|(now_s, before_s)| now_s >= before_s)
    }
}

impl StatusTick {
    /// What happened between `earlier` and this.
    pub(crate) fn lateness_since(&self, earlier: &Self) -> Option<Histogram<u64>> {
        let mut window = self.lateness.clone()?;
        // The counts from before the window do not belong to it: "max" would be a stale one.
        window.subtract(earlier.lateness.as_ref()?).ok()?;
        Some(window)
    }

    /// Takes another server's in.
    fn add(&mut self, other: &Self) {
        self.steps = sum(self.steps, other.steps);
        self.missed = sum(self.missed, other.missed);
        self.lateness = match (self.lateness.take(), &other.lateness) {
            (Some(mut all), Some(other)) => {
                // The other server may have been later than this one ever was.
                all.auto(true);
                all.add(other).is_ok().then_some(all)
            }
            _ => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::serialization::{Serializer, V2Serializer};

    fn status_with(values: &[u64]) -> StatusTick {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        let mut bytes = Vec::new();
        V2Serializer::new().serialize(&histogram, &mut bytes).unwrap();
        let text = serde_json::json!({ "lateness_hdr": STANDARD.encode(bytes), "steps": values.len() });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_memory_of_those_that_are_gone_is_kept() {
        let close = |code, count| StatusClose { code, cause: String::new(), count };
        let mut status = Status::default();
        status.totals.connections.insert("playing".to_owned(), 500);
        assert!(!status.keeps_memory_for(0), "whoever is still there gives nothing back");
        status.totals.closes = vec![close(1000, 7), close(1001, 3)];
        assert!(status.keeps_memory_for(999));
        assert!(!status.keeps_memory_for(1_000), "a hundredth is nothing to speak of");
    }

    #[test]
    fn only_the_window_counts() {
        let before = status_with(&[1_000, 9_000_000]);
        let after = status_with(&[1_000, 9_000_000, 2_000, 3_000]);
        let window = after.lateness_since(&before).unwrap();
        assert_eq!(window.len(), 2);
        assert!(window.value_at_quantile(1.0) < 3_100, "{}", window.value_at_quantile(1.0));
        assert!(StatusTick::default().lateness_since(&before).is_none());
    }

    #[test]
    fn servers_are_added_up() {
        let server = |pid, values: &[u64]| Status {
            pid: Some(pid),
            cpu_ns: Some(5),
            tick: status_with(values),
            ..Status::default()
        };
        let (mut all, other) = (server(1, &[1_000]), server(2, &[2_000, 3_000]));
        assert!(!all.is_same_process(&other) && all.is_same_process(&all.clone()));
        all.add(&other);
        assert_eq!((all.cpu_ns, all.tick.steps), (Some(10), Some(3)));
        assert_eq!(all.tick.lateness.as_ref().unwrap().len(), 3);
        all.add(&Status::default());
        assert_eq!((all.cpu_ns, all.tick.lateness.is_none()), (None, true), "one that does not say");
    }

    #[test]
    fn a_histogram_that_is_none_is_missing() {
        let mut long = vec![0; 60];
        long[..8].copy_from_slice(&[0x1c, 0x84, 0x93, 0x13, 0x40, 0, 0, 0]);
        let mut huge = vec![0x1c, 0x84, 0x93, 0x13, 0, 0, 0, 9];
        huge.resize(V2_HEAD_BYTES, 0);
        huge.extend([0xff; 9]);
        let texts = ["@@".to_owned(), "AAAA".to_owned(), STANDARD.encode(long), STANDARD.encode(huge)];
        for text in texts.map(|text| format!("\"{text}\"")).iter().map(String::as_str).chain(["null"]) {
            let tick: StatusTick = serde_json::from_str(&format!("{{\"lateness_hdr\":{text}}}")).unwrap();
            assert!(tick.lateness.is_none(), "{text}");
        }
    }

    #[test]
    fn an_incomplete_status_is_enough() {
        let status: Status = serde_json::from_str(r#"{"version":"1","unknown":[1],"limits":{}}"#).unwrap();
        assert_eq!(status.version.as_deref(), Some("1"));
        assert_eq!(status.limits.connections_max, None);
    }

    #[test]
    fn this_process_has_cpu_time_and_memory() {
        let usage = Usage::of_process(std::process::id());
        assert!(usage.cpu_ns.unwrap() > 0 && usage.rss_bytes.unwrap() > 0);
        assert!(process_exists(std::process::id()));
    }
}
