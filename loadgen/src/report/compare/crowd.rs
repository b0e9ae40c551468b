//! What became of the connections in two runs, and what the others noticed, phase by phase.

use super::{Row, once};
use crate::report::crowd::{Crowd, PhaseFigures};
use crate::report::noise::Judgement;
use crate::report::quantity::Unit;
use crate::report::view::View;

/// Phases that are compared: a plan has at most as many.
const PHASES_MAX: usize = 100;

/// Gets a figure of what became of the connections.
type OfCrowd = fn(&Crowd) -> Option<f64>;
/// Gets a figure of a phase.
type OfPhase = fn(&PhaseFigures) -> Option<f64>;

/// All of them. Each is told once a run.
pub(super) fn rows(rows: &mut Vec<Row>, a: &View, b: &View) {
    let picks: [(&'static str, Unit, OfCrowd); 6] = [
        ("recovery, 99 % back", Unit::Time, |crowd| crowd.recovered_99_percent_us),
        ("recovery p50", Unit::Time, |crowd| crowd.recovery_us.map(|l| l.p50)),
        ("recovery max", Unit::Time, |crowd| crowd.recovery_us.map(|l| l.max)),
        ("upgrades", Unit::PerSecond, |crowd| Some(crowd.upgrades_per_s)),
        ("server CPU per upgrade", Unit::Time, |crowd| crowd.server_cpu_us_per_upgrade),
        ("generator CPU per upgrade", Unit::Time, |crowd| crowd.generator_cpu_us_per_upgrade),
    ];
    for (name, unit, pick) in picks {
        rows.push(once(name, unit, a, b, |view| view.crowd.as_ref().and_then(pick)));
    }
    if a.phases.len() < 2 && b.phases.len() < 2 {
        // A phase alone is the window, whose figures are there.
        return;
    }
    for (of_a, of_b) in of_equal_names(a, b) {
        rows.extend(of_phase(of_a, of_b));
    }
}

/// The phases that either run has one of, by name and in their order.
fn of_equal_names<'a>(a: &'a View, b: &'a View) -> Vec<(&'a PhaseFigures, &'a PhaseFigures)> {
    let mut left: Vec<&PhaseFigures> = b.phases.iter().take(PHASES_MAX).collect();
    let pair = |of_a: &'a PhaseFigures| {
        let at = left.iter().position(|of_b| of_b.name == of_a.name)?;
        Some((of_a, left.remove(at)))
    };
    a.phases.iter().take(PHASES_MAX).filter_map(pair).collect()
}

fn of_phase(a: &PhaseFigures, b: &PhaseFigures) -> Vec<Row> {
    let picks: [(&str, Unit, OfPhase); 4] = [
        ("others' latency p50", Unit::Time, |phase| phase.bystander_latency_us.map(|l| l.p50)),
        ("others' latency p99", Unit::Time, |phase| phase.bystander_latency_us.map(|l| l.p99)),
        ("tick lateness p99", Unit::Time, |phase| phase.tick_lateness_us.map(|l| l.p99)),
        ("ticks missed", Unit::Count, |phase| {
            #[expect(clippy::cast_precision_loss, reason = "figures for people")]
            let missed = phase.ticks_missed? as f64;
            phase.ticks.filter(|ticks| *ticks > 0).map(|_| missed)
        }),
    ];
    picks
        .into_iter()
        .map(|(figure, unit, pick)| Row {
            name: format!("{}: {figure}", a.name).into(),
            unit,
            a: pick(a),
            b: pick(b),
            spread_a: None,
            spread_b: None,
            judgement: Judgement::Unknown,
            intervals: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{rows, text};
    use super::*;
    use crate::report::samples;

    #[test]
    fn phases_of_equal_names_are_compared_and_have_no_noise() {
        let (a, mut b) = (samples::view(), samples::view());
        b.phases[1].ticks_missed = Some(9);
        b.phases[0].name = "before".to_owned();
        b.crowd.as_mut().unwrap().recovered_99_percent_us = Some(1_624_000.0);
        let rows = rows(&a, &b);
        let row = |name: &str| rows.iter().find(|row| row.name == name);
        let missed = row("storm: ticks missed").unwrap();
        let once = "noise not known: told once a run";
        assert_eq!((&*missed.difference(), &*missed.words()), ("+6", once));
        assert!(row("storm: others' latency p99").is_some() && row("storm: tick lateness p99").is_some());
        assert!(row("calm: ticks missed").is_none() && row("before: ticks missed").is_none());
        let recovery = row("recovery, 99 % back").unwrap();
        assert_eq!((recovery.ratio(), &*recovery.words()), (Some(2.0), once));
        assert!(row("upgrades").is_some() && row("server CPU per upgrade").is_some());
        assert!(row("generator CPU per upgrade").is_none(), "neither run tells it");
    }

    #[test]
    fn a_phase_alone_is_the_window() {
        let mut view = samples::view();
        view.phases.truncate(1);
        assert!(!rows(&view, &view).iter().any(|row| row.name.starts_with("calm")));
    }

    #[test]
    fn a_long_name_leaves_the_columns_where_they_are() {
        let mut view = samples::view();
        view.phases[1].name = "\u{1b}[2J".to_owned() + &"long: ".repeat(40);
        let text = text(["a", "b"], &view, &view);
        assert!(text.contains("…: others' latency p99 ") && !text.contains('\u{1b}'), "{text}");
        let lines = || text.lines().filter(|line| line.contains("noise not known"));
        let ends: Vec<Option<usize>> = lines().map(|line| Some(line.chars().count())).collect();
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "{text}");
    }

    #[test]
    fn a_name_that_comes_twice_is_compared_in_turn() {
        let mut view = samples::view();
        view.phases[1].name = "calm".to_owned();
        let pairs = of_equal_names(&view, &view);
        assert!(pairs.iter().all(|(a, b)| (a.start_s - b.start_s).abs() < 1e-9) && pairs.len() == 2);
    }
}
