//! Which metrics a preset measures. An objective on any other could never be judged, so it is refused.

use super::{Pace, Phase, Phases, PlanError, Preset};
use crate::slo::{METRICS, Metric, Slo};

/// Refuses an objective that the preset cannot measure.
///
/// # Errors
/// [`PlanError`] names those it can.
pub(super) fn check(
    slos: &[Slo],
    title: &str,
    preset: &Preset,
    phases: &Phases,
    raw: bool,
) -> Result<(), PlanError> {
    let measured = |metric| measures(preset, raw, metric) || befalls(phases, metric);
    let Some(slo) = slos.iter().find(|slo| !measured(slo.metric)) else {
        return Ok(());
    };
    let names: Vec<&str> = METRICS.into_iter().filter(|metric| measured(*metric)).map(Metric::name).collect();
    let how = match preset {
        _ if raw => " --raw",
        Preset::Echo { pace: Pace::Closed { .. }, .. } => " --closed",
        _ => "",
    };
    Err(PlanError::new(
        "slo",
        slo,
        format!(
            "`run {title}{how}` does not measure {}; permitted are {}; for example --slo 'failed==0'",
            slo.metric.name(),
            names.join(" "),
        ),
    ))
}

/// Whether the preset has a figure for a metric, be it the generator's or the server's.
fn measures(preset: &Preset, raw: bool, metric: Metric) -> bool {
    let (game, echo) = (preset.plays(), matches!(preset, Preset::Echo { .. }));
    match metric.name() {
        // Nothing in the bytes of a raw game says which input a message answers.
        "p50" | "p90" | "p95" | "p99" | "p999" | "max" => echo || (game && !raw),
        "effect_p50" | "effect_p99" | "effect_max" | "mismatches" | "dropped" | "slow" | "slow_share"
        | "hit_share" => game && !raw,
        "interval_p50" | "interval_p99" | "interval_max" | "down_bytes_per_player_s" => game,
        // Raw contents are not judged.
        "gaps" | "duplicates" | "reordered" => (game || echo) && !raw,
        "corrupted" => echo && !raw,
        "upgrade_p99" => !raw,
        "achieved" => preset.is_open_loop(),
        "sent_per_s" | "received_per_s" | "cpu_us_per_message" => game || echo,
        // The server's ticks are those of all its rooms, whoever plays there.
        "connect_p99" | "failed" | "rss_bytes_per_conn" | "lateness_p50" | "lateness_p99"
        | "lateness_max" | "ticks_missed" => true,
        "recovery_p50" | "recovery_p99" | "recovery_max" | "shed" | "upgrades_per_s" => false,
        name => unreachable!("{name} is a metric that no preset is known to measure or not"),
    }
}

/// Whether the phases bring about what a metric is about.
fn befalls(phases: &Phases, metric: Metric) -> bool {
    let any = |befalls: fn(&Phase) -> bool| phases.list().iter().any(befalls);
    match metric.name() {
        "recovery_p50" | "recovery_p99" | "recovery_max" => any(|phase| phase.drop.is_some()),
        "shed" => any(|phase| phase.stall_share.is_some()),
        "upgrades_per_s" => phases.turns_over(),
        _ => false,
    }
}
