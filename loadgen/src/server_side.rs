//! The server's own figures: its admin endpoint's `/status`, and `/proc/PID`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use serde::Deserialize;

use crate::clock;
use crate::doctor::Readings;
use crate::machine::kilobytes;

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
    pub(crate) tick_hz: Option<f64>,
    pub(crate) snapshot_hz: Option<f64>,
    pub(crate) lag_compensation: Option<bool>,
    pub(crate) rewind_ms_max: Option<u64>,
    pub(crate) totals: StatusTotals,
    pub(crate) limits: StatusLimits,
    pub(crate) memory: StatusMemory,
    pub(crate) cpu_ns: Option<u64>,
    pub(crate) tick: StatusTick,
    /// The server's machine.
    pub(crate) machine: Option<Readings>,
    /// Its kernel's counters.
    pub(crate) tcp: StatusTcp,
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

/// What the server can hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusLimits {
    /// Soft RLIMIT_NOFILE of the server.
    pub(crate) descriptors: Option<u64>,
    pub(crate) connections_max: Option<u64>,
    pub(crate) connections_per_worker_max: Option<u64>,
    pub(crate) workers: Option<u64>,
    pub(crate) players_max_per_room: Option<u64>,
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
            *self.connections.entry(state.clone()).or_default() += count;
        }
        self.accept_pauses += other.accept_pauses;
        self.ring_accepts_dropped += other.ring_accepts_dropped;
        self.upgrades_refused += other.upgrades_refused;
        for close in &other.closes {
            match self.closes.iter_mut().find(|known| known.is_like(close)) {
                Some(known) => known.count += close.count,
                None => self.closes.push(close.clone()),
            }
        }
        self.inputs = self.inputs.zip(other.inputs).map(|(mut all, other)| {
            all.view_backwards += other.view_backwards;
            all.view_future += other.view_future;
            all.view_too_old += other.view_too_old;
            all.view_implausible += other.view_implausible;
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
    let bytes = text.and_then(|text| STANDARD.decode(text).ok());
    Ok(bytes.and_then(|bytes| Deserializer::new().deserialize(&mut bytes.as_slice()).ok()))
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks for `/status`.
///
/// # Errors
/// A sentence that names the URL and what happened.
pub(crate) fn fetch_status(admin: &str) -> Result<Status, String> {
    let url = format!("{admin}/status");
    let config = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).proxy(None);
    let agent = ureq::Agent::new_with_config(config.build());
    let told = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => format!("{url} did not answer within {} s", PATIENCE.as_secs()),
        ureq::Error::Io(error) => format!("{url}: {error}"),
        ureq::Error::Json(_) => {
            format!("{url} is not the admin endpoint of a Tickring server; check --admin")
        }
        error => format!("{url}: {error}"),
    };
    agent.get(&url).call().and_then(|mut response| response.body_mut().read_json()).map_err(told)
}

/// Asks all of them; what they say of themselves is added up.
///
/// # Errors
/// A sentence for the first that does not answer.
pub(crate) fn fetch_all(admins: &[String]) -> Result<Status, String> {
    let mut told: Vec<Status> = Vec::new();
    for admin in admins {
        let status = fetch_status(admin)?;
        // One server may listen at several addresses.
        if !told.iter().any(|other| other.is_same_process(&status)) {
            told.push(status);
        }
    }
    let all = told.into_iter().reduce(|mut all, other| {
        all.add(&other);
        all
    });
    all.ok_or_else(|| "no admin endpoint is known".to_owned())
}

/// A sum that is known where both parts are.
fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one? + other?)
}

impl Status {
    fn is_same_process(&self, other: &Self) -> bool {
        let host = |status: &Self| status.machine.as_ref().map(|machine| machine.hostname.clone());
        self.pid.is_some() && self.pid == other.pid && host(self) == host(other)
    }

    /// Takes another server's in. What is not a number is the first one's.
    fn add(&mut self, other: &Self) {
        // It stands for several processes now; the youngest tells whether one was restarted.
        self.pid = None;
        self.uptime_s = self.uptime_s.zip(other.uptime_s).map(|(one, other)| one.min(other));
        self.cpu_ns = sum(self.cpu_ns, other.cpu_ns);
        self.memory.rss_bytes = sum(self.memory.rss_bytes, other.memory.rss_bytes);
        self.tick.add(&other.tick);
        self.totals.add(&other.totals);
        self.limits.connections_max = sum(self.limits.connections_max, other.limits.connections_max);
        self.limits.workers = sum(self.limits.workers, other.limits.workers);
        if let Some((all, one)) =
            self.limits.connections_per_worker_max.as_mut().zip(other.limits.connections_per_worker_max)
        {
            *all = (*all).min(one);
        }
    }

    /// Connections that it holds now.
    pub(crate) fn open(&self) -> u64 {
        self.totals.connections.values().sum()
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

/// CPU and memory of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// When it was read (monotonic), ns.
    pub(crate) at_ns: u64,
    /// CPU time of all threads so far, ns.
    pub(crate) cpu_ns: Option<u64>,
    /// Resident memory, bytes.
    pub(crate) rss_bytes: Option<u64>,
}

impl Usage {
    /// Reads `/proc/PID`. Nanosecond CPU time comes from the scheduler statistics of every task; a
    /// kernel without them gives clock ticks (10 ms).
    pub(crate) fn of_process(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rss = kilobytes(&status, "VmRSS");
        Self {
            at_ns: clock::now_ns(),
            cpu_ns: tasks_cpu_ns(pid).or_else(|| ticks_cpu_ns(pid)),
            rss_bytes: (rss > 0).then_some(rss),
        }
    }

    /// Takes the figures of a status.
    pub(crate) fn of_status(status: &Status) -> Self {
        Self { at_ns: clock::now_ns(), cpu_ns: status.cpu_ns, rss_bytes: status.memory.rss_bytes }
    }
}

fn tasks_cpu_ns(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread may end while we read: it is not there any more, and does not count.
        if let Ok(text) = fs::read_to_string(task.path().join("schedstat")) {
            sum += crate::kernel::number(&text)?;
        }
    }
    (sum > 0).then_some(sum)
}

fn ticks_cpu_ns(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; after it utime and stime are fields 12 and 13.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// Whether there is such a process.
pub(crate) fn process_exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}/stat")).unwrap_or(false)
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
        assert_eq!((all.pid, all.cpu_ns, all.tick.steps), (None, Some(10), Some(3)));
        assert_eq!(all.tick.lateness.as_ref().unwrap().len(), 3);
        all.add(&Status::default());
        assert_eq!((all.cpu_ns, all.tick.lateness.is_none()), (None, true), "one that does not say");
    }

    #[test]
    fn a_histogram_that_is_none_is_missing() {
        for text in ["\"@@\"", "\"AAAA\"", "null"] {
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
        assert!(ticks_cpu_ns(std::process::id()).is_some());
        assert!(process_exists(std::process::id()));
    }

    #[test]
    fn nobody_listening_is_a_sentence() {
        let error = fetch_status("http://127.0.0.1:1").unwrap_err();
        assert!(error.contains("http://127.0.0.1:1/status"), "{error}");
    }
}
