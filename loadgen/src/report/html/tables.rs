//! The figures of a page as tables.

use serde_json::{Map, Value};

use super::markup::table;
use crate::measure::latency::Percentiles;
use crate::report::quantity::Unit;
use crate::report::view::View;
use crate::report::wording;

/// Rows of a table that a report may make as long as it likes.
const ROWS_MAX: usize = 200;

/// What went wrong, by stage, with side and remedy; and objectives that were not met stand with the figures.
pub(super) fn errors(view: &View) -> String {
    let rows: Vec<Vec<String>> = view
        .conns
        .errors
        .iter()
        .take(ROWS_MAX)
        .map(|row| {
            let count = Unit::Count.show(float(row.count));
            vec![
                row.stage.clone(),
                wording::full(&row.error).into_owned(),
                count,
                row.side.clone(),
                row.remedy.clone(),
            ]
        })
        .collect();
    table("Connections, by stage and cause", &["stage", "what", "how often", "side", "what helps"], &rows)
}

/// Everything measured.
pub(super) fn figures(view: &View) -> String {
    let mut out = distributions(view);
    out.push_str("<div class=\"tables\">\n");
    out.push_str(&objectives(view));
    out.push_str(&connections(view));
    out.push_str(&messages(view));
    out.push_str(&game(view));
    out.push_str(&server(view));
    out.push_str(&generator(view));
    if let Some(rewind) = &view.rewind {
        out.push_str(&table("Rewind", &[], &flat(rewind)));
    }
    if let Some(link) = &view.link {
        out.push_str(&table("Modelled link, one way", &[], &flat(link)));
    }
    out.push_str("</div>\n");
    out
}

fn distributions(view: &View) -> String {
    let named = [
        ("latency, intended", view.latency_us.intended),
        ("latency, service", view.latency_us.service),
        ("input to effect", view.game.input_to_effect_us),
        ("between snapshots", view.game.snapshot_interval_us),
        ("ping", view.game.ping_us),
        ("connect", view.conns.connect_us),
        ("upgrade", view.conns.upgrade_us),
        ("tick lateness", view.server.tick_lateness_us),
        ("send lag", view.generator.send_lag_us),
    ];
    let row = |(name, spread): (&str, Option<Percentiles>)| {
        let Percentiles { p50, p90, p95, p99, p999, max, count } = spread?;
        let mut cells = vec![name.to_owned()];
        cells.extend(
            [Some(p50), Some(p90), p95, Some(p99), Some(p999), Some(max)].map(|us| Unit::Time.show_if(us)),
        );
        cells.push(Unit::Count.show(float(count)));
        Some(cells)
    };
    let rows: Vec<Vec<String>> = named.into_iter().filter_map(row).collect();
    table("Durations", &["", "p50", "p90", "p95", "p99", "p99.9", "max", "count"], &rows)
}

fn objectives(view: &View) -> String {
    let row = |objective: &crate::report::json::Objective| {
        let (met, measured) = match objective.measured {
            None => ("not measured", "–".to_owned()),
            Some(value) => (if objective.met { "met" } else { "not met" }, value.to_string()),
        };
        vec![objective.objective.clone(), met.to_owned(), measured]
    };
    let rows: Vec<Vec<String>> = view.slo.iter().take(ROWS_MAX).map(row).collect();
    table("Objectives", &["", "", "measured (µs, bytes or a number)"], &rows)
}

/// A row of a name and a figure.
fn figure(name: &str, unit: Unit, value: Option<f64>) -> Option<Vec<String>> {
    Some(vec![name.to_owned(), unit.show(value?)])
}

fn rows(figures: Vec<Option<Vec<String>>>) -> Vec<Vec<String>> {
    figures.into_iter().flatten().collect()
}

fn connections(view: &View) -> String {
    let conns = &view.conns;
    let count = |name, count: u64| figure(name, Unit::Count, Some(float(count)));
    table(
        "Connections",
        &[],
        &rows(vec![
            count("requested", conns.requested),
            count("connected", conns.connected),
            count("never ready", conns.failed),
            count("lost", conns.lost),
        ]),
    )
}

fn messages(view: &View) -> String {
    let messages = &view.messages;
    let count = |name, count: u64| figure(name, Unit::Count, Some(float(count)));
    table(
        "Messages of the window",
        &[],
        &rows(vec![
            count("sent", messages.sent),
            count("received", messages.received),
            figure("sent", Unit::PerSecond, Some(messages.sent_per_s)),
            figure("received", Unit::PerSecond, Some(messages.received_per_s)),
            figure("up", Unit::Bytes, Some(float(messages.bytes_up))),
            figure("down", Unit::Bytes, Some(float(messages.bytes_down))),
            figure("of what was due, sent", Unit::Share, messages.achieved),
            count("withheld", messages.withheld),
            count("unanswered", messages.unanswered),
            count("gaps", messages.gaps),
            count("duplicates", messages.duplicates),
            count("out of order", messages.reordered),
            count("dropped as declared", messages.dropped_declared),
            count("corrupted", messages.corrupted),
        ]),
    )
}

fn game(view: &View) -> String {
    let game = &view.game;
    let count = |name, count: Option<u64>| figure(name, Unit::Count, count.map(float));
    table(
        "Game",
        &[],
        &rows(vec![
            figure("down, each player", Unit::BytesPerSecond, game.down_bytes_per_player_s),
            count("snapshots", game.snapshots),
            count("snapshots of slow time", game.snapshots_slow),
            count("events", game.events),
            count("wrong states", game.state_mismatches),
            count("shots", game.shots),
            count("hits expected", game.hits_expected),
            count("of those confirmed", game.hits_confirmed),
        ]),
    )
}

fn server(view: &View) -> String {
    let server = &view.server;
    let mut figures = rows(vec![
        figure("CPU, of one core", Unit::Percent, server.cpu_percent),
        figure("CPU per message", Unit::Time, server.cpu_us_per_message),
        figure("memory", Unit::Bytes, server.rss_bytes),
        figure("memory per connection", Unit::Bytes, server.rss_bytes_per_conn),
        figure("ticks", Unit::Count, server.ticks.map(float)),
        figure("ticks missed", Unit::Count, server.ticks_missed.map(float)),
    ]);
    figures.extend(server.gap.iter().map(|gap| vec!["what is missing".to_owned(), gap.clone()]));
    table("Server", &[], &figures)
}

fn generator(view: &View) -> String {
    let generator = &view.generator;
    table(
        "Generator",
        &[],
        &rows(vec![
            figure("CPU of the busiest worker", Unit::Percent, Some(generator.cpu_percent)),
            figure("seconds above 85 %", Unit::Count, Some(float(generator.busy_seconds))),
            figure("left out, being late", Unit::Share, generator.left_out_share),
            figure("kept from running", Unit::Share, generator.away_share),
            figure("memory", Unit::Bytes, generator.rss_bytes),
        ]),
    )
}

/// Counters of the kernel and by how much they changed.
pub(super) fn kernel(view: &View) -> String {
    let kernel = &view.kernel;
    let show =
        |value: Option<u64>| value.map_or_else(|| "–".to_owned(), |value| Unit::Count.show(float(value)));
    let at = |counters: &std::collections::BTreeMap<String, Option<u64>>, name: &str| {
        counters.get(name).copied().flatten()
    };
    let row = |name: &String| {
        let (before, after) = (at(&kernel.before, name), at(&kernel.after, name));
        before.or(after)?;
        let change = before.zip(after).map(|(before, after)| float(after) - float(before));
        let change = match change {
            Some(by) if by > 0.0 => format!("+{}", Unit::Count.show(by)),
            by => Unit::Count.show_if(by),
        };
        let during = at(&kernel.during, name);
        Some(vec![name.replace('_', " "), change, show(before), show(during), show(after)])
    };
    let rows: Vec<Vec<String>> = kernel.before.keys().take(ROWS_MAX).filter_map(row).collect();
    let head = ["", "change", "before", "in the window", "after"];
    table("Of the generator's machine", &head, &rows)
}

/// Where it ran.
pub(super) fn machine(view: &View) -> String {
    let mut facts = view.machine.clone();
    let sysctls = match facts.remove("sysctls") {
        Some(Value::Object(sysctls)) => flat(&sysctls),
        _ => Vec::new(),
    };
    for name in ["memory_bytes", "memory_available_bytes"] {
        if let Some(bytes) = facts.get(name).and_then(Value::as_f64) {
            facts.insert(name.to_owned(), Unit::Bytes.show(bytes).into());
        }
    }
    let mut out = String::from("<div class=\"tables\">\n");
    out.push_str(&table("Machine", &[], &flat(&facts)));
    out.push_str(&table("Versions", &[], &flat(&view.versions)));
    out.push_str("</div>\n");
    if !sysctls.is_empty() {
        out.push_str("<details><summary>Settings of the kernel</summary>\n");
        out.push_str(&table("sysctl", &[], &sysctls));
        out.push_str("</details>\n");
    }
    out
}

/// What was asked for.
pub(super) fn plan(view: &View) -> String {
    table("The command line with its defaults", &[], &flat(&view.plan))
}

/// An object as rows: what lies deeper has its path as name.
fn flat(object: &Map<String, Value>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    flatten("", object, &mut rows);
    rows
}

fn flatten(path: &str, object: &Map<String, Value>, rows: &mut Vec<Vec<String>>) {
    for (key, value) in object {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(inner) => flatten(&name, inner, rows),
            _ if rows.len() >= ROWS_MAX => return,
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let numbered = items.iter().enumerate().take(ROWS_MAX);
                rows.extend(numbered.map(|(at, item)| vec![format!("{name}.{}", at + 1), word(Some(item))]));
            }
            value => rows.push(vec![name, word(Some(value))]),
        }
    }
}

/// A value as a text.
pub(super) fn word(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let words: Vec<String> = items.iter().take(ROWS_MAX).map(|item| word(Some(item))).collect();
            if words.is_empty() { "–".to_owned() } else { words.join(", ") }
        }
        Some(Value::Object(object)) => {
            let told = object.iter().filter(|(_, value)| !value.is_null()).take(ROWS_MAX);
            let words: Vec<String> =
                told.map(|(key, value)| format!("{key} {}", word(Some(value)))).collect();
            words.join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// A moment in UTC, to the minute. Howard Hinnant's `civil_from_days`,
/// <https://howardhinnant.github.io/date_algorithms.html>, for days after 1970.
pub(super) fn date(unix_s: u64) -> String {
    /// The year 9999 ends here; no report is from later.
    const UNIX_S_MAX: u64 = 253_402_300_799;
    let unix_s = unix_s.min(UNIX_S_MAX);
    let (days, second) = (unix_s / 86_400 + 719_468, unix_s % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3_600, second % 3_600 / 60)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        for (unix_s, shown) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_795_000_000, "2026-11-18 11:06 UTC"),
            (u64::MAX, "9999-12-31 23:59 UTC"),
        ] {
            assert_eq!(date(unix_s), shown);
        }
    }

    #[test]
    fn an_objective_that_nobody_measured_was_not_missed() {
        let mut view = crate::report::samples::view();
        assert!(objectives(&view).contains(">not met<"));
        view.slo[0].measured = None;
        let page = objectives(&view);
        assert!(page.contains(">not measured<") && !page.contains(">not met<"), "{page}");
    }

    #[test]
    fn what_lies_deeper_has_its_path() {
        let object = serde_json::json!({"a": {"b": [1, "x"], "c": null}, "d": {}});
        let rows = flat(object.as_object().unwrap());
        assert_eq!(rows, [["a.b", "1, x"], ["a.c", "–"]]);
        let object =
            serde_json::json!({"phases": [{"name": "calm", "drop": null}, {"name": "storm", "drop": 0.5}]});
        let rows = flat(object.as_object().unwrap());
        assert_eq!(rows, [["phases.1", "name calm"], ["phases.2", "drop 0.5, name storm"]]);
    }
}
