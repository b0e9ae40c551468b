//! The course of a run as plain lines, one a second.

use crate::measure::series::Point;
use crate::shared::LiveReading;

const SECOND_NS: u64 = 1_000_000_000;

/// Makes a line once a second.
#[derive(Debug)]
pub(super) struct Lines {
    requested: u32,
    started_ns: u64,
    last: Option<(u64, LiveReading)>,
}

impl Lines {
    /// Of a run that began at `started_ns`.
    pub(super) const fn new(requested: u32, started_ns: u64) -> Self {
        Self { requested, started_ns, last: None }
    }

    /// A line if the last one is a second old.
    pub(super) fn tick(
        &mut self,
        now_ns: u64,
        what: &str,
        reading: &LiveReading,
        newest: Option<&Point>,
    ) -> Option<String> {
        let (last_ns, last) = self.last.unwrap_or((self.started_ns, LiveReading::default()));
        if now_ns.saturating_sub(last_ns) < SECOND_NS {
            return None;
        }
        let mut line = self.line(now_ns, what, reading, last_ns, &last);
        if let Some(latency) = newest.and_then(|point| point.latency_us) {
            line.push_str(&format!(" · p99 {:.2} ms", latency.p99 / 1e3));
        }
        self.last = Some((now_ns, *reading));
        Some(line)
    }

    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    fn line(&self, now_ns: u64, what: &str, now: &LiveReading, last_ns: u64, last: &LiveReading) -> String {
        let seconds = (now_ns - last_ns) as f64 / 1e9;
        let rate = |now: u64, last: u64| now.saturating_sub(last) as f64 / seconds;
        let mut line = format!(
            "{:>5.0}s {what:<10} {} of {} connected",
            (now_ns - self.started_ns) as f64 / 1e9,
            now.open,
            self.requested
        );
        for (name, count) in [("failed", now.failed), ("lost", now.lost)] {
            if count > 0 {
                line.push_str(&format!(", {count} {name}"));
            }
        }
        line.push_str(&format!(
            " · {:.0} sent/s, {:.0} received/s",
            rate(now.sent, last.sent),
            rate(now.received, last.received)
        ));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_is_wrong_and_the_rates() {
        let mut lines = Lines::new(10, 0);
        let last = LiveReading { sent: 100, received: 100, ..LiveReading::default() };
        assert_eq!(lines.tick(SECOND_NS - 1, "measuring", &last, None), None);
        assert!(lines.tick(SECOND_NS, "measuring", &last, None).is_some());
        let now = LiveReading { open: 8, failed: 2, sent: 300, received: 100, ..LiveReading::default() };
        let line = lines.tick(3 * SECOND_NS, "measuring", &now, None).unwrap();
        assert!(line.contains("8 of 10 connected, 2 failed · 100 sent/s, 0 received/s"), "{line}");
        assert!(!line.contains("lost"), "{line}");
    }
}
