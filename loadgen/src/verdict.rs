//! The verdict: one word, the exit code that goes with it, and every reason.

use serde::Serialize;

use crate::measure::health::{BUSY_PERCENT, BUSY_SECONDS_MAX};
use crate::slo::{Slo, Source};

/// Exit codes; see `loadgen --help`.
pub(crate) const USAGE: u8 = 2;
/// The load would not fit.
pub(crate) const PREFLIGHT: u8 = 3;
/// Ctrl-C or SIGTERM.
pub(crate) const INTERRUPTED: u8 = 130;

/// What a run is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// Everything asked for was reached.
    Pass,
    /// The generator was too busy to be believed, or an objective could not be measured.
    Invalid,
    /// Something arrived wrong.
    Correctness,
    /// An objective, or connections, were missed.
    Missed,
    /// Stopped before the end; the figures are of what there was.
    Interrupted,
}

impl Verdict {
    /// The process's exit code.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Invalid => 4,
            Self::Correctness => 5,
            Self::Missed => 99,
            Self::Interrupted => INTERRUPTED,
        }
    }

    /// In one word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Invalid => "invalid",
            Self::Correctness => "correctness",
            Self::Missed => "missed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// What is judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) interrupted: bool,
    pub(crate) requested: u64,
    pub(crate) connected: u64,
    pub(crate) lost: u64,
    /// What arrived wrong, in words; empty when nothing did.
    pub(crate) wrong: Vec<String>,
    /// What a probe was to show and did not, in words.
    pub(crate) unproved: Vec<String>,
    /// Share of the due messages that were sent; `None` in a closed loop.
    pub(crate) achieved: Option<f64>,
    /// Share of the due messages that were not sent because the generator came to them too late.
    pub(crate) left_out: f64,
    pub(crate) unanswered: u64,
    pub(crate) open_loop: bool,
    pub(crate) window_s: f64,
    /// p99 of the generator's own delay, µs.
    pub(crate) send_lag_p99_us: Option<f64>,
    /// How late the leading thread read the server's figures, seconds.
    pub(crate) readings_late_s: f64,
    /// CPU of the busiest worker, percent.
    pub(crate) busiest_percent: f64,
    /// Longest run of busy seconds of any worker.
    pub(crate) busy_seconds: u32,
    /// CPU of the server, percent of one core.
    pub(crate) server_percent: Option<f64>,
    /// Why figures of the server are missing, a sentence.
    pub(crate) server_gap: Option<String>,
    /// Whether the server had so much memory before the first connection that what one takes cannot be told.
    pub(crate) memory_was_there: bool,
    /// Why nothing was judged that was to be, a sentence.
    pub(crate) unjudged: Option<String>,
    /// Every objective with what was measured for it.
    pub(crate) objectives: Vec<(Slo, Option<f64>)>,
}

/// Below this share of the due messages the load asked for was not there.
const ACHIEVED_MIN: f64 = 0.99;

/// Readings of the server later than this do not belong to the window any more, seconds.
const READINGS_LATE_S_MAX: f64 = 0.5;
/// A worker that is late and used less of its CPU than this was kept from running.
const STARVED_PERCENT: f64 = 50.0;
/// Without an objective on latency, the generator's delay is held against a tenth of this, µs.
const LATENCY_BOUND_US: f64 = 500_000.0;

/// Judges. Wrong answers weigh more than a busy generator, that more than missed objectives; an
/// interruption is named as such unless something was wrong.
pub(crate) fn judge(evidence: &Evidence) -> (Verdict, Vec<String>) {
    let (wrong, mut invalid, missed) = (evidence.wrong.clone(), invalid(evidence), missed(evidence));
    // Who missed something was judged.
    invalid.extend(evidence.unjudged.clone().filter(|_| missed.is_empty()));
    let verdict = if !wrong.is_empty() {
        Verdict::Correctness
    } else if evidence.interrupted {
        Verdict::Interrupted
    } else if !invalid.is_empty() {
        Verdict::Invalid
    } else if !missed.is_empty() {
        Verdict::Missed
    } else {
        Verdict::Pass
    };
    (verdict, [wrong, invalid, missed].concat())
}

/// Whether it sent too late for its figures to be the server's, a sentence.
fn late(evidence: &Evidence) -> Option<String> {
    let objective = tightest_us(evidence.objectives.iter().map(|(slo, _)| slo));
    let bound = objective.unwrap_or(LATENCY_BOUND_US);
    let lag = evidence.send_lag_p99_us.filter(|lag| evidence.open_loop && *lag > bound / 10.0)?;
    let limit = match objective {
        Some(_) => "the tightest latency objective",
        None => "what is allowed without a latency objective",
    };
    // Hardly at work and late all the same: others had the processor.
    let remedy = if evidence.busiest_percent < STARVED_PERCENT {
        format!(
            "it used only {:.0}% of its CPU, so others had it: a CPU of its own with --cpus, or stop them",
            evidence.busiest_percent
        )
    } else {
        "less load per worker, or a CPU of its own with --cpus".to_owned()
    };
    Some(format!(
        "generator late: it sent {:.1} ms after the intended time at p99, over a tenth of {limit} ({} ms); {remedy}",
        lag / 1e3,
        bound / 1e3
    ))
}

/// The tightest objective on a latency, µs.
fn tightest_us<'a>(objectives: impl Iterator<Item = &'a Slo>) -> Option<f64> {
    objectives
        .filter(|slo| slo.metric.is_client_latency() && slo.bounds_above())
        .map(|slo| slo.bound)
        .min_by(f64::total_cmp)
}

/// The generator may come to messages later than intended, at p99, by a tenth of this, µs.
pub(crate) fn latency_bound_us<'a>(objectives: impl Iterator<Item = &'a Slo>) -> f64 {
    tightest_us(objectives).unwrap_or(LATENCY_BOUND_US)
}

/// So many busy seconds on end make a window of this length invalid.
pub(crate) fn busy_seconds_limit(window_s: f64) -> f64 {
    f64::from(BUSY_SECONDS_MAX).min(window_s.floor()).max(3.0)
}

/// Why the figures cannot be believed.
fn invalid(evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    let busy_limit = busy_seconds_limit(evidence.window_s);
    let busy = f64::from(evidence.busy_seconds) >= busy_limit;
    // In a closed loop the faster side waits for the slower one. If that is the server, a busy
    // generator has kept it busy, as it should.
    let server_is_busier =
        evidence.server_percent.is_some_and(|percent| percent + 5.0 >= evidence.busiest_percent);
    if busy && (evidence.open_loop || !server_is_busier) {
        reasons.push(format!(
            "generator saturated: a worker was above {BUSY_PERCENT:.0}% of its CPU for {} s (mean {:.0}%); more \
             --workers on other CPUs, or less load",
            evidence.busy_seconds, evidence.busiest_percent
        ));
    }
    reasons.extend(left_out(evidence));
    reasons.extend(late(evidence));
    if evidence.readings_late_s > READINGS_LATE_S_MAX {
        reasons.push(format!(
            "generator late: the thread that reads the server's figures did not run for {:.1} s; leave it some CPU",
            evidence.readings_late_s
        ));
    }
    for (slo, measured) in &evidence.objectives {
        let is_own = measured.is_none() && servers_doing(evidence, *slo).is_none();
        if is_own && evidence.window_s > 0.0 && evidence.connected > 0 {
            reasons.push(format!("objective {slo}: not measured: {}", unmeasured(evidence, *slo)));
        }
    }
    reasons
}

/// Whether what the generator left out keeps the load from being what was asked for, be it by itself or on top
/// of what the server did not take.
fn left_out(evidence: &Evidence) -> Option<String> {
    let (achieved, left_out) = (evidence.achieved?, evidence.left_out);
    let least = evidence
        .objectives
        .iter()
        .filter(|(slo, _)| slo.metric.name() == "achieved" && !slo.bounds_above())
        .map(|(slo, _)| slo.bound.min(1.0))
        .fold(ACHIEVED_MIN, f64::max);
    let tips = achieved < least && achieved + left_out >= least;
    (left_out > 1.0 - least || tips).then(|| {
        format!(
            "generator late: {:.1}% of the messages that were due were not sent, because it came to them too late; \
             less load per worker, or a CPU of its own with --cpus",
            left_out * 100.0
        )
    })
}

/// What the server has to do with it that an objective could not be measured, a sentence.
fn servers_doing(evidence: &Evidence, slo: Slo) -> Option<&str> {
    match slo.metric.source() {
        Source::Client => (evidence.lost > 0).then_some("connections ended before the run did"),
        Source::Admin | Source::ServerProcess => evidence.server_gap.as_deref(),
    }
}

/// Why an objective could not be measured, a sentence.
pub(crate) fn unmeasured(evidence: &Evidence, slo: Slo) -> &str {
    match servers_doing(evidence, slo) {
        Some(why) => why,
        None if slo.metric.name() == "rss_bytes_per_conn" && evidence.memory_was_there => {
            "the server had the memory already, from connections before this run; restart it and run again"
        }
        None => "there was nothing of the kind in this run",
    }
}

/// What was asked for and not reached.
fn missed(evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    if evidence.connected < evidence.requested {
        reasons.push(format!("{} of {} connections were ready", evidence.connected, evidence.requested));
    }
    if evidence.lost > 0 {
        reasons.push(format!("{} connections ended before the run did", evidence.lost));
    }
    // What the generator left out itself is not the server's.
    if let Some(achieved) = evidence.achieved.filter(|achieved| achieved + evidence.left_out < ACHIEVED_MIN) {
        reasons.push(format!("only {:.1}% of the messages that were due were sent", achieved * 100.0));
    }
    if evidence.unanswered > 0 {
        reasons.push(format!("{} messages were never answered", evidence.unanswered));
    }
    reasons.extend_from_slice(&evidence.unproved);
    for (slo, measured) in &evidence.objectives {
        match (measured, servers_doing(evidence, *slo)) {
            (Some(measured), _) if !slo.met_by(*measured) => {
                reasons.push(format!("objective {slo}: measured {}", slo.show(*measured)));
            }
            (None, Some(why)) => reasons.push(format!("objective {slo}: not measured: {why}")),
            _ => {}
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Evidence {
        Evidence {
            requested: 10,
            connected: 10,
            achieved: Some(1.0),
            open_loop: true,
            window_s: 30.0,
            send_lag_p99_us: Some(100.0),
            busiest_percent: 40.0,
            objectives: vec![("p99<20ms".parse().unwrap(), Some(5_000.0))],
            ..Evidence::default()
        }
    }

    #[test]
    fn a_good_run_passes() {
        assert_eq!(judge(&good()), (Verdict::Pass, Vec::new()));
    }

    #[test]
    fn each_shortcoming_has_its_verdict_and_code() {
        let with = |change: fn(&mut Evidence)| {
            let mut evidence = good();
            change(&mut evidence);
            let (verdict, reasons) = judge(&evidence);
            assert!(!reasons.is_empty() || matches!(verdict, Verdict::Interrupted | Verdict::Pass));
            verdict.exit_code()
        };
        assert_eq!(with(|e| e.connected = 9), 99);
        assert_eq!(with(|e| e.lost = 1), 99);
        assert_eq!(with(|e| e.achieved = Some(0.9)), 99);
        assert_eq!(with(|e| e.unanswered = 1), 99);
        assert_eq!(with(|e| e.unproved.push("too few hits".to_owned())), 99);
        assert_eq!(with(|e| e.objectives[0].1 = Some(20_000.0)), 99);
        assert_eq!(with(|e| e.objectives[0].1 = None), 4);
        assert_eq!(with(|e| e.send_lag_p99_us = Some(2_100.0)), 4);
        assert_eq!(with(|e| e.objectives.push(("p50>1us".parse().unwrap(), Some(9.0)))), 0);
        assert_eq!(with(|e| e.busy_seconds = 10), 4);
        assert_eq!(with(|e| e.readings_late_s = 0.6), 4);
        assert_eq!(with(|e| (e.objectives, e.send_lag_p99_us) = (Vec::new(), Some(50_001.0))), 4);
        assert_eq!(with(|e| e.wrong.push("a gap".to_owned())), 5);
        assert_eq!(with(|e| e.interrupted = true), 130);
    }

    #[test]
    fn what_the_generator_left_out_is_its_own_shortcoming() {
        let verdict = |achieved, left_out| {
            let (verdict, reasons) = judge(&Evidence { achieved: Some(achieved), left_out, ..good() });
            (verdict, reasons.join("; "))
        };
        let (starved, reason) = verdict(0.905, 0.095);
        assert_eq!(starved, Verdict::Invalid);
        assert!(reason.contains("9.5% of the messages that were due were not sent"), "{reason}");
        assert!(!reason.contains("only"), "the server is not blamed: {reason}");
        assert_eq!(verdict(0.905, 0.005).0, Verdict::Missed, "the server would have missed anyway");
        assert_eq!(verdict(0.985, 0.007).0, Verdict::Invalid, "without it enough had been sent");
        assert_eq!(verdict(0.995, 0.005).0, Verdict::Pass);
        let (both, reasons) = verdict(0.5, 0.2);
        assert_eq!(both, Verdict::Invalid);
        assert!(reasons.contains("20.0%") && reasons.contains("only 50.0%"), "{reasons}");
    }

    #[test]
    fn an_objective_on_what_is_sent_is_not_missed_by_the_generator() {
        let objectives = vec![("achieved>=99.9%".parse().unwrap(), Some(0.995))];
        let own = Evidence { achieved: Some(0.995), left_out: 0.005, objectives, ..good() };
        assert_eq!(judge(&own).0, Verdict::Invalid);
        assert_eq!(judge(&Evidence { left_out: 0.0, ..own }).0, Verdict::Missed);
    }

    #[test]
    fn an_objective_without_a_figure_is_missed_where_the_server_is_why() {
        let unmeasured = |name: &str| vec![(name.parse().unwrap(), None)];
        let gap = Some("the server was restarted".to_owned());
        let restarted =
            Evidence { server_gap: gap, objectives: unmeasured("ticks_missed==0"), lost: 10, ..good() };
        let (verdict, reasons) = judge(&restarted);
        assert_eq!(verdict, Verdict::Missed);
        assert!(
            reasons[1].contains("ticks_missed==0: not measured: the server was restarted"),
            "{reasons:?}"
        );
        let early = Evidence { objectives: unmeasured("p99<1ms"), lost: 10, ..good() };
        assert_eq!(judge(&early).0, Verdict::Missed);
        let unexplained = Evidence { objectives: unmeasured("lateness_p99<1ms"), ..good() };
        assert_eq!(judge(&unexplained).0, Verdict::Invalid);
    }

    #[test]
    fn memory_that_was_there_before_is_why_it_was_not_measured() {
        let objectives = vec![("rss_bytes_per_conn<1kB".parse().unwrap(), None)];
        let used = Evidence { memory_was_there: true, objectives, ..good() };
        let (verdict, reasons) = judge(&used);
        assert_eq!(verdict, Verdict::Invalid);
        assert!(reasons[0].contains("the server had the memory already"), "{reasons:?}");
    }

    #[test]
    fn wrong_answers_outweigh_a_busy_generator() {
        let evidence = Evidence { busy_seconds: 20, wrong: vec!["a gap".to_owned()], ..good() };
        let (verdict, reasons) = judge(&evidence);
        assert_eq!(verdict, Verdict::Correctness);
        assert_eq!(reasons.len(), 2);
    }

    #[test]
    fn a_closed_loop_may_be_busy_when_the_server_is() {
        let closed = Evidence { open_loop: false, busy_seconds: 20, busiest_percent: 92.0, ..good() };
        assert_eq!(judge(&closed).0, Verdict::Invalid);
        let server_busy = Evidence { server_percent: Some(99.0), ..closed };
        assert_eq!(judge(&server_busy).0, Verdict::Pass);
    }

    #[test]
    fn who_judged_nothing_does_not_pass() {
        let nobody = Evidence { unjudged: Some("nothing was judged".to_owned()), ..good() };
        assert_eq!(judge(&nobody), (Verdict::Invalid, vec!["nothing was judged".to_owned()]));
        assert_eq!(judge(&Evidence { lost: 1, ..nobody.clone() }).0, Verdict::Missed);
        assert_eq!(judge(&Evidence { interrupted: true, ..nobody }).0, Verdict::Interrupted);
    }

    #[test]
    fn short_runs_can_be_invalid_too() {
        let short = Evidence { window_s: 4.5, busy_seconds: 4, ..good() };
        assert_eq!(judge(&short).0, Verdict::Invalid);
    }
}
