//! The verdict: one word, the exit code that goes with it, and every reason.

mod own_delay;

use serde::Serialize;

pub(crate) use self::own_delay::OwnDelay;

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
    /// How long due messages may gather before one is sent, which is part of that delay, µs.
    pub(crate) gather_due_us: u32,
    /// How late the leading thread read the server's figures, seconds.
    pub(crate) readings_late_s: f64,
    /// How long it took a worker to run when it was to, at 99% of the moments of the window, µs.
    pub(crate) away_p99_us: f64,
    /// The share of the window that the worker it was worst for was to run in and did not.
    pub(crate) away_share: f64,
    /// CPU of the same worker, percent.
    pub(crate) away_cpu_percent: f64,
    /// The same where p99 does not reach.
    pub(crate) own_delay: OwnDelay,
    /// Whether it measures how fast things go when nothing holds them up: a closed loop, or connections that come and go and
    /// say nothing.
    pub(crate) unpaced: bool,
    pub(crate) workers: u32,
    /// CPUs they may use.
    pub(crate) cpus: usize,
    /// Departures that were due, and of those the ones not made because the generator came to them too late.
    pub(crate) departures: (u64, u64),
    /// Of the connections that dropped: those not back at the end.
    pub(crate) still_away: u64,
    /// Goodbyes that were not answered, where nothing but coming and going is measured.
    pub(crate) goodbyes_unanswered: u64,
    /// CPU of the busiest worker, percent.
    pub(crate) busiest_percent: f64,
    /// Longest run of busy seconds of any worker.
    pub(crate) busy_seconds: u32,
    /// CPU of the server, percent of one core.
    pub(crate) server_percent: Option<f64>,
    /// Why figures of the server are missing, a sentence.
    pub(crate) server_gap: Option<String>,
    /// Whether the server had memory of earlier connections before the first one, so that what one takes cannot be told.
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
pub(crate) const STARVED_PERCENT: f64 = 50.0;
/// A worker that was to run in more than this share of the window and did not has done less than it would have,
const AWAY_SHARE_MAX: f64 = 0.5;
/// and so has one for which that share is above this one,
const HELD_UP_SHARE_MAX: f64 = 0.2;
/// and so many times the share it did run in.
const HELD_UP_TIMES_MAX: f64 = 2.0;
/// How much was done in a time.
const SPEEDS: [&str; 3] = ["upgrades_per_s", "sent_per_s", "received_per_s"];
/// Of so many connections one goodbye may stay unanswered.
const UNANSWERED_ONE_IN: u64 = 100;
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
    let slos = || evidence.objectives.iter().map(|(slo, _)| slo);
    let limit_us = late_us_max(slos());
    let lag_us = evidence.send_lag_p99_us.filter(|lag_us| evidence.open_loop && *lag_us > limit_us)?;
    let whole = match tightest_us(slos()) {
        Some(_) => "the tightest latency objective",
        None => "what holds without a latency objective",
    };
    let remedy = if evidence.is_crowded() {
        fewer_workers(evidence)
    } else if f64::from(evidence.gather_due_us) * 2.0 > limit_us {
        format!(
            "due messages gather for up to {} us: a smaller --gather-us, or --exact",
            evidence.gather_due_us
        )
    } else if evidence.busiest_percent < STARVED_PERCENT {
        // Hardly at work and late all the same: others had the processor.
        format!(
            "it used only {:.0}% of its CPU, so others had it: a CPU of its own with --cpus, or stop them",
            evidence.busiest_percent
        )
    } else {
        "less load per worker, or a CPU of its own with --cpus".to_owned()
    };
    Some(format!(
        "generator late: it sent {:.2} ms after the intended time at p99, more than {:.2} ms, which is a tenth of {whole}; \
         {remedy}",
        lag_us / 1e3,
        limit_us / 1e3
    ))
}

/// Whether its workers were kept from running, so that what came meanwhile was noticed, and answered, too late, a sentence.
/// This tells it where nothing has a time it is due at, too.
fn kept(evidence: &Evidence) -> Option<String> {
    let limit_us = late_us_max(evidence.objectives.iter().map(|(slo, _)| slo));
    let found = if evidence.away_p99_us > limit_us {
        format!(
            "a worker that was to run took {:.2} ms until it did, at 99% of the moments of the window, more than {:.2} ms",
            evidence.away_p99_us / 1e3,
            limit_us / 1e3
        )
    } else if evidence.is_held_up() {
        format!("a worker was kept from running for {:.0}% of the window", evidence.away_share * 100.0)
    } else {
        return None;
    };
    let remedy = if evidence.is_crowded() {
        fewer_workers(evidence)
    } else {
        "others had its CPU, or it was stopped: a CPU of its own with --cpus, or stop them".to_owned()
    };
    Some(format!("generator late: {found}; {remedy}"))
}

fn fewer_workers(evidence: &Evidence) -> String {
    let plural =
        if evidence.cpus == 1 { "is 1 CPU".to_owned() } else { format!("are {} CPUs", evidence.cpus) };
    format!("{} workers take it from each other: fewer --workers: there {plural}", evidence.workers)
}

impl Evidence {
    /// Whether a generator that was kept from running held up what was to go as fast as it can. With an objective on latency
    /// that is judged by how long it took, unless another one asks for speed.
    fn is_held_up(&self) -> bool {
        let slos = || self.objectives.iter().map(|(slo, _)| slo);
        let is_speed_asked = slos().any(|slo| SPEEDS.contains(&slo.metric.name()) && !slo.bounds_above());
        let ran_share = self.away_cpu_percent / 100.0;
        let is_scarce =
            self.away_share > HELD_UP_SHARE_MAX && self.away_share > HELD_UP_TIMES_MAX * ran_share;
        self.unpaced
            && (is_speed_asked || tightest_us(slos()).is_none())
            && (is_scarce || self.away_share > AWAY_SHARE_MAX)
    }

    /// Whether workers share a CPU.
    fn is_crowded(&self) -> bool {
        usize::try_from(self.workers).is_ok_and(|workers| workers > self.cpus)
    }
}

/// The tightest objective on a latency, µs.
fn tightest_us<'a>(objectives: impl Iterator<Item = &'a Slo>) -> Option<f64> {
    objectives
        .filter(|slo| slo.metric.is_client_latency() && slo.bounds_above())
        .map(|slo| slo.bound)
        .min_by(f64::total_cmp)
}

/// How much later than intended the generator may come to messages, at p99, µs: a tenth of the tightest objective.
pub(crate) fn late_us_max<'a>(objectives: impl Iterator<Item = &'a Slo>) -> f64 {
    tightest_us(objectives).unwrap_or(LATENCY_BOUND_US) / 10.0
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
    reasons.extend(late(evidence).or_else(|| kept(evidence)));
    let (due, left_out) = evidence.departures;
    if left_out * 100 > due {
        reasons.push(format!(
            "generator late: {left_out} of {due} departures were not made, because it came to them too late; less load \
             per worker, or a CPU of its own with --cpus"
        ));
    }
    if evidence.readings_late_s > READINGS_LATE_S_MAX {
        reasons.push(format!(
            "generator late: the thread that reads the server's figures did not run for {:.1} s; leave it some CPU",
            evidence.readings_late_s
        ));
    }
    for (slo, measured) in &evidence.objectives {
        reasons.extend(own_delay::explains(evidence, *slo, *measured));
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
        Source::Client if evidence.still_away > 0 && slo.metric.name() == "recovery_p99" => {
            Some("fewer than 99% of those dropped were back")
        }
        Source::Client if evidence.still_away > 0 && slo.metric.name().starts_with("recovery_") => {
            Some("none of those dropped was back")
        }
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
    let goodbyes = evidence.goodbyes_unanswered;
    if !evidence.interrupted && goodbyes * UNANSWERED_ONE_IN > evidence.connected {
        reasons.push(format!("{goodbyes} of {} goodbyes were not answered", evidence.connected));
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
mod tests;
