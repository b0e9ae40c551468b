//! What the plan did to connections, phase by phase, and whose fault it is when something went wrong.

use super::markup::{list, table, text};
use crate::measure::latency::Percentiles;
use crate::report::crowd::{Crowd, PhaseFigures};
use crate::report::quantity::Unit;
use crate::report::view::{DiagnosisRow, View};

/// Rows of a table, and diagnoses, that a report may make as many of as it likes.
const ROWS_MAX: usize = 200;
/// What does not apply.
const NOTHING: &str = "–";

/// Whose fault it is, each class of failure on a card.
pub(super) fn diagnoses(view: &View) -> String {
    view.diagnosis.iter().take(ROWS_MAX).map(card).collect()
}

fn card(found: &DiagnosisRow) -> String {
    let evidence: Vec<String> = found.evidence.iter().take(ROWS_MAX).cloned().collect();
    let shown = if evidence.is_empty() {
        String::new()
    } else {
        format!("<p class=\"faint\">shown by</p>\n{}", list(&evidence))
    };
    format!(
        "<section class=\"diagnosis\">\n<p><span class=\"side\">{} side</span> <strong>{}</strong> \
         <span class=\"faint\">{}</span></p>\n{shown}<p><span class=\"faint\">what helps</span> {}</p>\n</section>\n",
        text(&found.side),
        text(&found.cause),
        text(&found.class),
        text(&found.remedy)
    )
}

/// The figures that a plan which moves connections is run for.
pub(super) fn tiles(crowd: &Crowd) -> Vec<(&'static str, Option<String>)> {
    let is_hit = crowd.dropped > 0;
    let back = format!("{} of {}", crowd.returned, crowd.dropped);
    let recovered =
        crowd.recovered_99_percent_us.map_or_else(|| "not reached".to_owned(), |us| Unit::Time.show(us));
    vec![
        ("dropped and back", is_hit.then_some(back)),
        ("99 % were back after", is_hit.then_some(recovered)),
        ("became ready", Some(Unit::PerSecond.show(crowd.upgrades_per_s))),
    ]
}

/// What became of the connections; what happened to none is left out.
pub(super) fn crowd(crowd: &Crowd) -> String {
    let counts = [
        ("left in order", crowd.left),
        ("departures with nobody there to leave", crowd.not_left),
        ("dropped", crowd.dropped),
        ("of those back at the end", crowd.returned),
        ("attempts that failed and were made again", crowd.retried),
        ("stopped reading", crowd.stalled),
        ("of those cut off by the server", crowd.shed),
    ];
    let is_told = |name: &str, figure: u64| {
        figure > 0
            || match name {
                "of those back at the end" => crowd.dropped > 0,
                "of those cut off by the server" => crowd.stalled > 0,
                _ => false,
            }
    };
    let ready = format!("{} ({})", count(crowd.upgrades), Unit::PerSecond.show(crowd.upgrades_per_s));
    let mut rows = vec![vec!["became ready".to_owned(), ready]];
    let told = counts.into_iter().filter(|(name, figure)| is_told(name, *figure));
    rows.extend(told.map(|(name, figure)| vec![name.to_owned(), count(figure)]));
    let away = |pick: fn(Percentiles) -> f64| crowd.recovery_us.map(pick);
    for (name, us) in [
        ("99 % of those that dropped were back after", crowd.recovered_99_percent_us),
        ("away, p50", away(|l| l.p50)),
        ("away, p99", away(|l| l.p99)),
        ("away, max", away(|l| l.max)),
        ("server's CPU of an upgrade", crowd.server_cpu_us_per_upgrade),
        ("generator's CPU of an upgrade", crowd.generator_cpu_us_per_upgrade),
    ] {
        rows.extend(us.map(|us| vec![name.to_owned(), Unit::Time.show(us)]));
    }
    if crowd.dropped > 0 && crowd.recovered_99_percent_us.is_none() {
        rows.push(vec!["99 % of those that dropped were back".to_owned(), "not in this run".to_owned()]);
    }
    table("Connections that came and went", &[], &rows)
}

/// Phase by phase, without the figures that no phase has.
pub(super) fn phases(view: &View) -> String {
    let head = [
        "phase",
        "length",
        "connections",
        "left",
        "dropped",
        "became ready",
        "others’ latency p50",
        "others’ latency p99",
        "others’ snapshot interval p99",
        "away p99",
        "tick lateness p99",
        "ticks missed",
        "server CPU",
    ];
    let all: Vec<Vec<String>> = view.phases.iter().take(ROWS_MAX).map(phase).collect();
    let is_told = |at: usize| at == 0 || all.iter().any(|row| row[at] != NOTHING);
    let told: Vec<usize> = (0..head.len()).filter(|at| is_told(*at)).collect();
    let head: Vec<&str> = told.iter().map(|at| head[*at]).collect();
    let rows: Vec<Vec<String>> =
        all.iter().map(|row| told.iter().map(|at| row[*at].clone()).collect()).collect();
    let mut out = table("Phases of the measuring window", &head, &rows);
    if !out.is_empty() {
        out.push_str(
            "<p class=\"faint\">Connections are those ready at the phase’s end. The others are the connections that \
             nothing has befallen since the run began.</p>\n",
        );
    }
    out
}

fn phase(phase: &PhaseFigures) -> Vec<String> {
    let p99 = |spread: Option<Percentiles>| Unit::Time.show_if(spread.map(|spread| spread.p99));
    // Where no tick ran, none was missed.
    let missed = phase.ticks_missed.filter(|_| phase.ticks.is_some_and(|ticks| ticks > 0));
    vec![
        phase.name.clone(),
        Unit::Time.show(phase.seconds * 1e6),
        count(phase.open),
        count(phase.left),
        count(phase.dropped),
        count(phase.upgrades),
        Unit::Time.show_if(phase.bystander_latency_us.map(|latency| latency.p50)),
        p99(phase.bystander_latency_us),
        p99(phase.bystander_snapshot_interval_us),
        p99(phase.recovery_us),
        p99(phase.tick_lateness_us),
        missed.map_or_else(|| NOTHING.to_owned(), count),
        Unit::Percent.show_if(phase.server_cpu_percent),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn count(count: u64) -> String {
    Unit::Count.show(count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn the_side_stands_first_and_the_remedy_last() {
        let cards = diagnoses(&samples::view());
        let places: Vec<usize> =
            ["server side", "seats 9 and no more", "server-full", "max_conns is 9", "--max-conns 10"]
                .map(|part| cards.find(part).unwrap_or_else(|| panic!("{part}: {cards}")))
                .into();
        assert!(places.is_sorted(), "{cards}");
    }

    #[test]
    fn figures_that_no_phase_has_are_left_out() {
        let mut view = samples::view();
        let whole = phases(&view);
        assert!(whole.contains("47 ms") && whole.contains("tick lateness p99"), "{whole}");
        assert!(!whole.contains("away p99"), "nobody came back in a phase: {whole}");
        for phase in &mut view.phases {
            (phase.bystander_snapshot_interval_us, phase.tick_lateness_us, phase.ticks) =
                (None, None, Some(0));
        }
        let echo = phases(&view);
        for gone in ["snapshot interval", "tick lateness", "ticks missed"] {
            assert!(!echo.contains(gone), "{gone}: {echo}");
        }
        view.phases.clear();
        assert_eq!(phases(&view), "");
    }

    #[test]
    fn a_storm_that_did_not_end_says_so() {
        let mut crowd_of = samples::view().crowd.unwrap();
        let whole = crowd(&crowd_of);
        assert!(
            whole.contains("812 ms") && whole.contains("210 µs") && !whole.contains("left in order"),
            "{whole}"
        );
        (crowd_of.returned, crowd_of.recovered_99_percent_us) = (0, None);
        let torn = crowd(&crowd_of);
        assert!(torn.contains("not in this run") && torn.contains("of those back at the end"), "{torn}");
        let shown: Vec<String> = tiles(&crowd_of).into_iter().filter_map(|(_, figure)| figure).collect();
        assert_eq!(shown[..2], ["0 of 5", "not reached"]);
    }
}
