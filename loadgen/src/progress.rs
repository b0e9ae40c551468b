//! One plain line a second on standard error while the run lasts.

use crate::measure::series::Point;
use crate::shared::{LiveReading, Shared};
use crate::terminal;

/// Prints progress once a second.
#[derive(Debug)]
pub(crate) struct Progress {
    requested: u32,
    started_ns: u64,
    last: Option<(u64, LiveReading)>,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Progress {
    pub(crate) const fn new(requested: u32, now_ns: u64) -> Self {
        Self { requested, started_ns: now_ns, last: None }
    }

    /// Prints a line if the last one is a second old.
    pub(crate) fn tick(&mut self, now_ns: u64, what: &str, shared: &Shared, newest: Option<&Point>) {
        let (last_ns, last) = self.last.unwrap_or((self.started_ns, LiveReading::default()));
        if now_ns - last_ns < SECOND_NS {
            return;
        }
        let reading = shared.read();
        let mut line = self.line(now_ns, what, &reading, last_ns, &last);
        if let Some(latency) = newest.and_then(|point| point.latency_us) {
            line.push_str(&format!(" · p99 {:.2} ms", latency.p99 / 1e3));
        }
        terminal::say(format_args!("{line}"));
        self.last = Some((now_ns, reading));
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
        let progress = Progress::new(10, 0);
        let now = LiveReading { open: 8, failed: 2, sent: 300, received: 100, ..LiveReading::default() };
        let last = LiveReading { sent: 100, received: 100, ..LiveReading::default() };
        let line = progress.line(3 * SECOND_NS, "measuring", &now, SECOND_NS, &last);
        assert!(line.contains("8 of 10 connected, 2 failed · 100 sent/s, 0 received/s"), "{line}");
        assert!(!line.contains("lost"), "{line}");
    }
}
