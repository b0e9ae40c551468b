//! What of a missed latency may be the generator's own delay.

use super::Evidence;
use crate::slo::{Metric, Slo};

/// How late the generator was where a p99 of its delay tells little: in the rare moments that the highest percentiles and maxima
/// are made of, and before the window. µs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnDelay {
    /// In one moment of a thousand.
    pub(crate) p999_us: f64,
    /// Ever.
    pub(crate) max_us: f64,
    /// In one moment of a hundred while it connected.
    pub(crate) connecting_p99_us: f64,
}

impl OwnDelay {
    /// By how much a figure may be too large because of it.
    fn of(self, metric: Metric) -> Option<f64> {
        match metric.name() {
            "p999" => Some(self.p999_us),
            "max" | "effect_max" | "interval_max" | "recovery_max" => Some(self.max_us),
            "connect_p99" | "upgrade_p99" => Some(self.connecting_p99_us),
            _ => None,
        }
    }
}

/// Whether an objective is missed by no more than the generator's own delay, a sentence.
pub(super) fn explains(evidence: &Evidence, slo: Slo, measured: Option<f64>) -> Option<String> {
    let measured = measured.filter(|measured| slo.bounds_above() && !slo.met_by(*measured))?;
    let own_us = evidence.own_delay.of(slo.metric)?;
    (measured - own_us <= slo.bound).then(|| {
        format!(
            "generator late: objective {slo}: of the {} measured, up to {} may be its own delay; less load per worker, \
             or a CPU of its own with --cpus, or an objective on p99, which a rare delay does not reach",
            slo.show(measured),
            slo.show(own_us)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Verdict, judge};

    fn verdict(objective: &str, measured_us: f64) -> (Verdict, String) {
        let own_delay = OwnDelay { p999_us: 30_000.0, max_us: 45_000.0, connecting_p99_us: 600_000.0 };
        let evidence = Evidence {
            requested: 10,
            connected: 10,
            window_s: 5.0,
            own_delay,
            objectives: vec![(objective.parse().unwrap(), Some(measured_us))],
            ..Evidence::default()
        };
        let (verdict, reasons) = judge(&evidence);
        (verdict, reasons.join("; "))
    }

    #[test]
    fn what_the_generator_may_have_added_is_not_the_servers() {
        let (found, reason) = verdict("max<40ms", 45_500.0);
        assert_eq!(found, Verdict::Invalid);
        assert!(reason.contains("of the 45.5ms measured, up to 45ms may be its own delay"), "{reason}");
        assert_eq!(verdict("max<40ms", 86_000.0).0, Verdict::Missed, "the server would have missed anyway");
        assert_eq!(verdict("max<40ms", 39_000.0).0, Verdict::Pass, "late or not");
        assert_eq!(verdict("p999<=5ms", 34_000.0).0, Verdict::Invalid);
        assert_eq!(verdict("p999<=5ms", 36_000.0).0, Verdict::Missed);
        assert_eq!(verdict("connect_p99<1s", 1_500_000.0).0, Verdict::Invalid);
        assert_eq!(verdict("connect_p99<1s", 1_700_000.0).0, Verdict::Missed);
        assert_eq!(verdict("interval_max<60ms", 100_000.0).0, Verdict::Invalid);
        assert_eq!(verdict("lateness_max<1ms", 9_000.0).0, Verdict::Missed, "the server's own clock");
        assert_eq!(verdict("max>100ms", 50_000.0).0, Verdict::Missed, "a lower bound");
    }
}
