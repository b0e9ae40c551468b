//! The report as one HTML page: no script, nothing fetched, drawings within, light and dark, readable on a phone.
//! It is made of a [`View`], that is of the JSON, so that a saved report gives the same page as a run that is just over.

mod chart;
mod crowd;
mod drawings;
mod marks;
mod markup;
mod scale;
mod tables;

use super::compare::{self, Row};
use super::noise::{Judgement, Spread};
use super::quantity::Unit;
use super::view::View;
use markup::{document, list, section, table, text};

/// The page of one run.
pub(crate) fn page(view: &View) -> String {
    let title = format!("{} against {}", view.what(), view.target());
    let mut main = format!("<header>\n<p>{} {}</p>\n<h1>{}</h1>\n", verdict(view), facts(view), text(&title));
    main.push_str(&crowd::diagnoses(view));
    main.push_str(&list(&view.reasons));
    main.push_str(&tiles(view));
    main.push_str("</header>\n");
    main.push_str(&section("What went wrong", &tables::errors(view)));
    let told = view.crowd.as_ref().map(crowd::crowd).unwrap_or_default();
    main.push_str(&section("Phases", &(crowd::phases(view) + &told)));
    main.push_str(&section("Drawings", &drawn(drawings::of_one(view))));
    main.push_str(&section("Figures", &tables::figures(view)));
    main.push_str(&section("Kernel counters", &tables::kernel(view)));
    main.push_str(&section("Machine and versions", &tables::machine(view)));
    main.push_str(&section("Plan", &tables::plan(view)));
    document(&format!("{title}: {}", view.verdict), &main)
}

/// The page of two runs, drawn together; the names are what their files are called.
pub(crate) fn comparison(names: [&str; 2], a: &View, b: &View) -> String {
    let title = format!("{} and {}", names[0], names[1]);
    let mut main = format!("<header>\n<h1>{}</h1>\n", text(&title));
    for (letter, name, view) in [("A", names[0], a), ("B", names[1], b)] {
        let what = format!("{} against {}", view.what(), view.target());
        main.push_str(&format!(
            "<p><strong>{letter}</strong> {} {} {}<br/><span class=\"faint\">{}</span></p>\n",
            text(name),
            verdict(view),
            facts(view),
            text(&what)
        ));
    }
    main.push_str("</header>\n");
    let differences: Vec<Vec<String>> =
        compare::plan_differences(a, b).into_iter().map(|(key, a, b)| vec![key, a, b]).collect();
    main.push_str(&section("Not asked for the same", &table("Plans", &["", "A", "B"], &differences)));
    main.push_str(&section("Differences", &compared(&compare::rows(a, b))));
    let letters = [format!("A: {}", names[0]), format!("B: {}", names[1])];
    let runs = [(letters[0].as_str(), a), (letters[1].as_str(), b)];
    main.push_str(&section("Drawings", &drawn(drawings::of_two(&runs))));
    document(&title, &main)
}

fn drawn(figures: String) -> String {
    if figures.is_empty() {
        return "<p>This report has no course and no spectra: an older loadgen wrote it.</p>\n".to_owned();
    }
    format!("<div class=\"drawings\">\n{figures}</div>\n")
}

fn compared(rows: &[Row]) -> String {
    let spread = |unit: Unit, spread: Option<Spread>| {
        spread.map_or_else(
            || "–".to_owned(),
            |spread| {
                let (low, high) = spread.quartiles;
                // A figure and its unit stay together.
                let [median, low, high] =
                    [spread.median, low, high].map(|value| unit.show(value).replace(' ', "\u{a0}"));
                format!("{median} ({low} to {high})")
            },
        )
    };
    let cells = |row: &Row| {
        vec![
            row.name.to_string(),
            row.words().into_owned(),
            row.unit.show_if(row.a),
            row.unit.show_if(row.b),
            row.ratio().map_or_else(|| "–".to_owned(), compare::ratio_text),
            row.difference(),
            row.medians(),
            row.noise(),
        ]
    };
    let head = ["", "difference is", "A", "B", "B/A", "B−A", "medians, B−A", "noise of that"];
    let (judged, alone): (Vec<&Row>, Vec<&Row>) =
        rows.iter().partition(|row| row.judgement != Judgement::Unknown || row.intervals.is_some());
    let tell = |rows: Vec<&Row>| rows.into_iter().map(cells).collect::<Vec<_>>();
    let scatter = |row: &&Row| {
        vec![row.name.to_string(), spread(row.unit, row.spread_a), spread(row.unit, row.spread_b)]
    };
    let scattered: Vec<Vec<String>> =
        judged.iter().filter(|row| row.spread_a.or(row.spread_b).is_some()).map(scatter).collect();
    let mut out = table("Told by every interval", &head, &tell(judged));
    // A table of its own: beside the others its columns would push the noise off the screen.
    out.push_str(&table("The intervals: median (middle half)", &["", "A", "B"], &scattered));
    let short: Vec<Vec<String>> = tell(alone).into_iter().map(|row| row[..6].to_vec()).collect();
    out.push_str(&table("Told once a run", &head[..6], &short));
    if let Some(remedy) = compare::too_short(rows) {
        out.push_str(&format!("<p>{}</p>\n", text(&remedy)));
    }
    out.push_str(&format!("<p class=\"faint\">{}</p>\n", text(compare::RECKONING)));
    out
}

/// The verdict as a badge.
fn verdict(view: &View) -> String {
    let known = ["pass", "missed", "correctness", "invalid", "interrupted"];
    let class = known.into_iter().find(|known| *known == view.verdict).unwrap_or("other");
    format!("<span class=\"verdict {class}\">{}</span>", text(&view.verdict))
}

/// When, how long, by whom.
fn facts(view: &View) -> String {
    let host = tables::word(view.machine.get("hostname"));
    let facts = format!(
        "exit code {} · {} · {} s{} measured · on {host} · seed {}",
        view.exit_code,
        tables::date(view.finished_unix_s),
        (view.window_s * 10.0).round() / 10.0,
        view.window_planned_s
            .filter(|_| view.interrupted)
            .map_or_else(String::new, |whole| format!(" of {whole} s")),
        view.seed
    );
    format!("<span class=\"faint\">{}</span>", text(&facts))
}

/// The figures that are looked for first.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn tiles(view: &View) -> String {
    let latency = view.latency();
    let tiles = vec![
        ("connected", Some(format!("{} of {}", view.conns.connected, view.conns.requested))),
        ("latency p50", latency.map(|l| Unit::Time.show(l.p50))),
        ("latency p99", latency.map(|l| Unit::Time.show(l.p99))),
        ("latency max", latency.map(|l| Unit::Time.show(l.max))),
        ("sent", Some(Unit::PerSecond.show(view.messages.sent_per_s))),
        ("received", Some(Unit::PerSecond.show(view.messages.received_per_s))),
        ("of what was due, sent", view.messages.achieved.map(|share| Unit::Share.show(share))),
        ("ticks missed", view.server.ticks_missed.map(|missed| Unit::Count.show(missed as f64))),
        ("server CPU", view.server.cpu_percent.map(|percent| Unit::Percent.show(percent))),
        ("generator CPU", Some(Unit::Percent.show(view.generator.cpu_percent))),
    ];
    let crowd = view.crowd.as_ref().map(crowd::tiles).unwrap_or_default();
    let tiles: String = tiles
        .into_iter()
        .chain(crowd)
        .filter_map(|(name, figure)| Some(format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", text(&figure?))))
        .collect();
    format!("<dl class=\"tiles\">\n{tiles}</dl>\n")
}

#[cfg(test)]
mod tests;
