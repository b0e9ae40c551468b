//! Pages of good, broken and hostile reports.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::report::samples;

/// Panics unless every element is closed where it should be and no text opens one.
fn assert_well_formed(page: &str) {
    let body = page.strip_prefix("<!DOCTYPE html>").expect("a doctype first");
    let mut open: Vec<&str> = Vec::new();
    for part in body.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("a tag ends");
        assert_eq!(tag.matches('"').count() % 2, 0, "quotes: {tag}");
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "…{part}"),
            None if tag.ends_with('/') => {}
            None => open.push(tag.split_whitespace().next().expect("a tag has a name")),
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

fn view_of(report: &Value) -> View {
    View::parse(report.to_string().as_bytes()).unwrap()
}

#[test]
fn the_page_is_whole_and_has_every_part() {
    let page = page(&samples::view());
    assert_well_formed(&page);
    for part in [
        "storm (game) against ws://127.0.0.1:9001",
        "verdict missed",
        "server side",
        "99 % were back after",
        "Connections that came and went",
        "Phases of the measuring window",
        "others’ latency p99",
        "objective p99&lt;1ms: measured 5ms",
        "HTTP 503",
        "more rooms",
        "Latency by percentile",
        "Latency over time",
        "Connections",
        "Time to connect",
        "Time between snapshots",
        "Tick lateness by percentile",
        "Bytes a second",
        "Messages a second",
        "CPU of the generator",
        "Send lag of the generator",
        "listen overflows",
        "fs.file-max",
        "preset.rooms",
        "prefers-color-scheme: dark",
        "<desc>",
        "2026-11-18",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<svg ").count(), 10);
    for outside in ["http://", "https://", "url(", "@import", "<script", "<link", "<img"] {
        let found = page.matches(outside).count();
        // The name of SVG's vocabulary is no address.
        let names = if outside == "http://" {
            page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count()
        } else {
            0
        };
        assert_eq!(found, names, "{outside}");
    }
}

#[test]
fn a_minute_is_a_small_page() {
    let mut report = samples::report();
    report["course"] = serde_json::to_value(samples::course(70)).unwrap();
    let points: Vec<Value> = (0..150).map(|at| json!({"percentile": 100.0 - 100.0 * 0.9_f64.powi(at), "value_us": 1_000.0 * 1.05_f64.powi(at), "count": at * 1_000})).collect();
    for key in ["intended", "service", "connect", "upgrade", "snapshot_interval", "tick_lateness"] {
        report["spectra"][key] = points.clone().into();
    }
    let one = page(&view_of(&report)).len();
    assert!(one < 300_000, "{one} bytes");
    report["course"] = serde_json::to_value(samples::course(1_300)).unwrap();
    let long = page(&view_of(&report)).len();
    assert!(long < 600_000, "{long} bytes");
}

#[test]
fn hostile_texts_are_texts() {
    const HOSTILE: &str =
        "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u{202e}\u{0}</title></style>";
    fn poison(value: &mut Value) {
        match value {
            Value::String(text) => *text = HOSTILE.to_owned(),
            Value::Array(items) => items.iter_mut().for_each(poison),
            Value::Object(object) => {
                *object = std::mem::take(object)
                    .into_iter()
                    .map(|(key, mut value)| {
                        poison(&mut value);
                        (key, value)
                    })
                    .collect();
            }
            _ => {}
        }
    }
    let mut report = samples::report();
    poison(&mut report);
    let poisoned = json!({HOSTILE: HOSTILE});
    for key in ["plan", "machine", "versions", "rewind", "link"] {
        report[key] = poisoned.clone();
    }
    report["kernel"]["before"] = json!({HOSTILE: 1});
    let view = view_of(&report);
    for page in [page(&view), comparison([HOSTILE, HOSTILE], &view, &samples::view())] {
        assert_well_formed(&page);
        assert!(page.contains("&lt;script&gt;alert(1)"), "the texts are there");
        for raw in ["<script", "<img", "\u{202e}", "\u{0}"] {
            assert!(!page.contains(raw), "{raw:?}");
        }
    }
}

#[test]
fn whose_fault_it_is_stands_first() {
    let page = page(&samples::view());
    let place = |part: &str| page.find(part).unwrap_or_else(|| panic!("{part}"));
    let first = ["verdict missed", "server side", "objective p99&lt;1ms", "latency p50"].map(place);
    assert!(first.is_sorted(), "{first:?}");
}

#[test]
fn every_drawing_over_time_has_the_phases() {
    let view = samples::view();
    let over_time = page(&view).matches("since the first connection").count();
    assert_eq!(over_time, 6);
    let names = |page: &str| page.matches(">\nstorm\n</text>").count();
    assert_eq!(names(&page(&view)), over_time);
    assert_eq!(names(&comparison(["a", "b"], &view, &view)), 8);
    let mut other = view.clone();
    other.phases[1].start_s += 5.0;
    assert_eq!(
        names(&comparison(["a", "b"], &view, &other)),
        0,
        "no line is where it is in only one of them"
    );
}

#[test]
fn phases_of_any_number_and_name_leave_the_page_whole() {
    let mut report = samples::report();
    let hostile = "</text></svg><script>alert(1)</script>\u{202e}\u{0}\n\"'&";
    report["phases"] = (0..2_000).map(|at| samples::phase(hostile, f64::from(at) * 0.01, 0)).collect();
    report["diagnosis"] = json!([{"class": hostile, "side": hostile, "cause": hostile, "evidence": [hostile], "remedy": hostile}]);
    let view = view_of(&report);
    for page in [page(&view), comparison([hostile, hostile], &view, &view)] {
        assert_well_formed(&page);
        for raw in ["<script", "\u{202e}", "\u{0}"] {
            assert!(!page.contains(raw), "{raw:?}");
        }
        assert!(page.len() < 1_000_000, "{} bytes", page.len());
    }
    report["phases"] = json!([samples::phase(hostile, 0.0, 0), samples::phase("b", 10.0, 0)]);
    assert_well_formed(&page(&view_of(&report)));
}

#[test]
fn a_report_without_a_course_says_so() {
    let mut report = samples::report();
    for key in ["course", "spectra", "course_interval_s", "window_start_s"] {
        report.as_object_mut().unwrap().remove(key);
    }
    let page = page(&view_of(&report));
    assert_well_formed(&page);
    assert!(page.contains("an older loadgen wrote it") && !page.contains("<svg"));
}

#[test]
fn two_runs_are_drawn_together() {
    let view = samples::view();
    let page = comparison(["a.json", "b.json"], &view, &view);
    assert_well_formed(&page);
    assert!(page.contains("A: a.json") && page.contains("B: b.json") && page.contains("within the noise"));
    assert!(page.contains("before you believe a small difference.</p>"), "what is ours is not cut");
    assert!(!page.contains("beyond the noise</td>"), "a run does not differ from itself");
    assert_eq!(page.matches("<svg ").count(), 12);
}

/// The longest texts of each column of a table with this caption, characters, added up.
fn width(page: &str, caption: &str) -> usize {
    let (_, table) = page.split_once(caption).unwrap_or_else(|| panic!("{caption}"));
    let (table, _) = table.split_once("</table>").expect("a table ends");
    let mut columns: Vec<usize> = Vec::new();
    for row in table.split("<tr>").skip(1) {
        let cells = row.split("</t").filter_map(|cell| Some(cell.rsplit_once('>')?.1.chars().count()));
        for (at, chars) in cells.enumerate() {
            if at == columns.len() {
                columns.push(0);
            }
            columns[at] = columns[at].max(chars);
        }
    }
    columns.iter().sum()
}

#[test]
fn the_noise_of_a_comparison_is_on_the_screen() {
    let view = samples::view();
    let page = comparison(["a.json", "b.json"], &view, &view);
    let noise = page.find("noise of that").expect("its column");
    assert!(page[..noise].matches("<th scope=\"col\"").count() <= 8, "the last of eight");
    let wide = width(&page, "Told by every interval");
    assert!(wide <= 130, "{wide} characters: 900 pixels have no room for them");
}

/// Puts `wild` in the place of the `at`th number.
fn replace_number(value: &mut Value, at: &mut usize, wild: &Value) {
    match value {
        Value::Number(_) => {
            if *at == 0 {
                *value = wild.clone();
            }
            *at = at.wrapping_sub(1);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace_number(item, at, wild)),
        Value::Object(object) => object.values_mut().for_each(|item| replace_number(item, at, wild)),
        _ => {}
    }
}

fn render(bytes: &[u8]) {
    if let Ok(view) = View::parse(bytes) {
        assert_well_formed(&page(&view));
        assert_well_formed(&comparison(["a", "b"], &view, &samples::view()));
        assert!(!compare::text(["a", "b"], &samples::view(), &view).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn wild_numbers_do_not_panic(
        ats in prop::collection::vec(0..600_usize, 1..8),
        wild in prop_oneof![
            any::<f64>().prop_filter("JSON has no others", |value| value.is_finite()).prop_map(|value| json!(value)),
            any::<u64>().prop_map(|value| json!(value)),
            Just(json!(0)), Just(json!(-1.0)), Just(json!(f64::MAX)), Just(json!(5e-324)), Just(Value::Null),
        ],
    ) {
        let mut report = samples::report();
        for mut at in ats {
            replace_number(&mut report, &mut at, &wild);
        }
        render(report.to_string().as_bytes());
    }

    #[test]
    fn torn_and_changed_bytes_do_not_panic(
        cut in 0.0..1.0_f64,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut bytes = samples::report().to_string().into_bytes();
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        render(&bytes);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a part of some kilobytes")]
        bytes.truncate((bytes.len() as f64 * cut) as usize);
        prop_assert!(View::parse(&bytes).is_err());
    }
}
