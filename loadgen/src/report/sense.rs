//! Whether the figures of a saved report can be: whoever edits one by hand, or makes one up, is told which key is wrong
//! instead of being shown a page of it.

use serde_json::{Map, Value};

use crate::plan::STAGES_MAX;
use crate::verdict::Verdict;

/// What no figure of a run touches: the plan and the machine have units of their own, and a seed may be any number.
const NO_FIGURES: [&str; 5] = ["plan", "machine", "versions", "kernel", "seed"];
/// Most entries of a list: the longest course has a tenth of it.
const ENTRIES_MAX: usize = 20_000;
/// The figures of a distribution, from the least to the largest.
const PERCENTILES: [&str; 6] = ["p50", "p90", "p95", "p99", "p999", "max"];
/// Lists in which a key rises from entry to entry.
const RISING: [(&str, &[&str]); 3] =
    [("course", &["at_s"]), ("phases", &["start_s"]), ("spectra", &["percentile", "value_us", "count"])];
/// Of two keys of one object the first is at most the second.
const PARTS: [(&str, &str, &str); 5] = [
    ("conns", "connected", "requested"),
    ("conns", "connected", "attempted"),
    // Who is lost after coming back was attempted again.
    ("conns", "lost", "attempted"),
    ("course", "open_fewest", "open"),
    ("messages", "gaps_presumed", "gaps"),
];
/// What a verdict may be.
const VERDICTS: [Verdict; 5] =
    [Verdict::Pass, Verdict::Invalid, Verdict::Correctness, Verdict::Missed, Verdict::Interrupted];
/// Any of these above 0 is something that arrived wrong.
const WRONG: [&str; 5] = [
    "/messages/gaps",
    "/messages/duplicates",
    "/messages/reordered",
    "/messages/corrupted",
    "/game/state_mismatches",
];
/// With any of these above 0 a run has missed something.
const AMISS: [&str; 2] = ["/conns/lost", "/messages/unanswered"];
/// No window is longer, s.
const WINDOW_S_MAX: f64 = 366.0 * 86_400.0;

/// The first figure that cannot be, with its key and what is wrong with it; `None`: all of them can.
pub(super) fn nonsense(report: &Map<String, Value>) -> Option<String> {
    let verdict = match report.get("verdict").and_then(Value::as_str) {
        None => None,
        Some(word) => match VERDICTS.into_iter().find(|verdict| verdict.word() == word) {
            None => {
                let (word, known) = (word.chars().take(40).collect::<String>(), VERDICTS.map(Verdict::word));
                return Some(format!("`verdict` is \"{word}\"; permitted are {}", known.join(", ")));
            }
            known => known,
        },
    };
    let figures = report.iter().filter(|(key, _)| !NO_FIGURES.contains(&key.as_str()));
    let wrong = figures
        .map(|(key, value)| Place { root: key, key, path: key.clone() }.look(value))
        .find_map(Result::err);
    wrong.or_else(|| contradiction(report, verdict?)).or_else(|| failures(report))
}

/// What the verdict cannot be together with; `None`: it can be.
fn contradiction(report: &Map<String, Value>, verdict: Verdict) -> Option<String> {
    let word = verdict.word();
    let code = report.get("exit_code").and_then(Value::as_u64);
    if let Some(code) = code.filter(|code| *code != u64::from(verdict.exit_code())) {
        let own = verdict.exit_code();
        return Some(format!("`exit_code` is {code}, and `verdict` \"{word}\": that one ends with {own}"));
    }
    let is_interrupted = report.get("interrupted").and_then(Value::as_bool).unwrap_or(false);
    if is_interrupted && !matches!(verdict, Verdict::Interrupted | Verdict::Correctness) {
        return Some(format!(
            "`interrupted` is true, and `verdict` \"{word}\": a run that was stopped is not judged"
        ));
    }
    if verdict == Verdict::Pass
        && let Some(why) = failing(report)
    {
        return Some(format!("{why}, and `verdict` \"{word}\": it would be missed"));
    }
    let counts = WRONG.iter().filter_map(|place| Some((place, pointed(report, place)?)));
    let (place, count) =
        counts.into_iter().find(|(_, count)| *count > 0.0 && verdict != Verdict::Correctness)?;
    let key = place[1..].replace('/', ".");
    Some(format!("`{key}` is {count}, and `verdict` \"{word}\": it would be correctness"))
}

/// What no run that passes has, in words.
fn failing(report: &Map<String, Value>) -> Option<String> {
    let of = |place| pointed(report, place);
    for place in AMISS {
        if let Some(count) = of(place).filter(|count| *count > 0.0) {
            return Some(format!("`{}` is {count}", place[1..].replace('/', ".")));
        }
    }
    if let Some((connected, requested)) = of("/conns/connected").zip(of("/conns/requested"))
        && connected < requested
    {
        return Some(format!("`conns.connected` is {connected}, of {requested} `conns.requested`"));
    }
    let objectives = report.get("slo").and_then(Value::as_array).into_iter().flatten();
    let is_unmet = |objective: &Value| objective.get("met").and_then(Value::as_bool) == Some(false);
    let at = objectives.map(is_unmet).position(|is_unmet| is_unmet)?;
    Some(format!("`slo[{at}].met` is false"))
}

/// More connections that failed than there can be: attempts, and those asked for that were never attempted.
fn failures(report: &Map<String, Value>) -> Option<String> {
    let of = |place| pointed(report, place);
    let (failed, attempted, requested) =
        (of("/conns/failed")?, of("/conns/attempted")?, of("/conns/requested")?);
    (failed > attempted + requested).then(|| {
        format!(
            "`conns.failed` is {failed}, of {requested} `conns.requested` and {attempted} `conns.attempted`"
        )
    })
}

/// A number at `/key/key`.
fn pointed(report: &Map<String, Value>, place: &str) -> Option<f64> {
    let (object, key) = place[1..].split_once('/').expect("places have two keys");
    figure(report.get(object)?, key)
}

/// Where a value stands.
struct Place<'a> {
    /// The first key on the way.
    root: &'a str,
    /// The last one; a list's entries have the list's.
    key: &'a str,
    path: String,
}

impl<'a> Place<'a> {
    fn child(&self, key: &'a str) -> Self {
        Place { root: self.root, key, path: format!("{}.{key}", self.path) }
    }

    fn entry(&self, at: usize) -> Self {
        Place { root: self.root, key: self.key, path: format!("{}[{at}]", self.path) }
    }

    /// What is wrong here or below, in words.
    fn look(&self, value: &'a Value) -> Result<(), String> {
        match value {
            Value::Number(number) => self.number(number.as_f64().unwrap_or(f64::INFINITY)),
            Value::Array(entries) => self.list(entries),
            Value::Object(object) => self.object(object),
            Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
        }
    }

    fn number(&self, number: f64) -> Result<(), String> {
        let most = most(self.key);
        if (0.0..=most).contains(&number) {
            return Ok(());
        }
        Err(format!("`{}` is {number}; permitted are 0 to {most:e}", self.path))
    }

    fn list(&self, entries: &'a [Value]) -> Result<(), String> {
        let most = if self.path == "phases" { STAGES_MAX } else { ENTRIES_MAX };
        if entries.len() > most {
            return Err(format!(
                "`{}` has {} entries; permitted are {most} at most",
                self.path,
                entries.len()
            ));
        }
        let rising = RISING.iter().find(|(root, _)| *root == self.root).map_or(&[][..], |(_, keys)| keys);
        for (at, entry) in entries.iter().enumerate() {
            let place = self.entry(at);
            place.look(entry)?;
            let Some(before) = at.checked_sub(1).map(|before| &entries[before]) else { continue };
            for key in rising {
                if let (Some(now), Some(then)) = (figure(entry, key), figure(before, key))
                    && now < then
                {
                    return Err(format!(
                        "`{}.{key}` is {now}, and {then} in the entry before it: it never falls",
                        place.path
                    ));
                }
            }
        }
        Ok(())
    }

    fn object(&self, object: &'a Map<String, Value>) -> Result<(), String> {
        object.iter().try_for_each(|(key, value)| self.child(key).look(value))?;
        let told = PERCENTILES.iter().filter_map(|key| Some((*key, object.get(*key)?.as_f64()?)));
        let told: Vec<(&str, f64)> = told.collect();
        if let Some([(low, below), (high, above)]) = told.windows(2).find(|pair| pair[0].1 > pair[1].1) {
            return Err(format!(
                "`{0}.{low}` is {below}, and `{0}.{high}` only {above}: a higher percentile is never less",
                self.path
            ));
        }
        if !told.is_empty() && object.get("count").and_then(Value::as_u64) == Some(0) {
            return Err(format!(
                "`{0}.count` is 0, and `{0}` has percentiles: of nothing there are none",
                self.path
            ));
        }
        for (_, part, whole) in PARTS.iter().filter(|(key, ..)| *key == self.key) {
            let of = |key: &str| object.get(key).and_then(Value::as_f64);
            if let (Some(some), Some(all)) = (of(part), of(whole))
                && some > all
            {
                return Err(format!("`{0}.{part}` is {some}, and `{0}.{whole}` only {all}", self.path));
            }
        }
        Ok(())
    }
}

fn figure(entry: &Value, key: &str) -> Option<f64> {
    entry.get(key)?.as_f64()
}

/// The most that a key may tell, far above what a run can have: by the unit that its name ends in.
fn most(key: &str) -> f64 {
    match key {
        "percentile" => 100.0,
        "exit_code" => 255.0,
        "window_s" | "window_planned_s" | "window_start_s" => WINDOW_S_MAX,
        // A share of what was due.
        "achieved" => 10.0,
        _ if PERCENTILES.contains(&key) || key.ends_with("_us") => 1e13,
        _ if key.ends_with("_percent") || key.ends_with("_share") => 1e7,
        _ if key.ends_with("_per_s") => 1e15,
        _ if key.ends_with("_s") => 1e10,
        _ => 1e18,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;
    use serde_json::json;

    /// What is wrong with the sample once the value at a pointer is another.
    fn with(pointer: &str, value: Value) -> Option<String> {
        let mut report = samples::report();
        *report.pointer_mut(pointer).unwrap() = value;
        nonsense(report.as_object().unwrap())
    }

    #[test]
    fn a_real_report_has_sense() {
        assert_eq!(nonsense(samples::report().as_object().unwrap()), None);
        assert_eq!(with("/seed", json!(u64::MAX)), None);
        assert_eq!(with("/latency_us/intended/p50", json!(3_000.0)), None, "equal ones are no fault");
    }

    #[test]
    fn what_cannot_be_is_named_by_its_key() {
        for (pointer, value, said) in [
            ("/messages/sent_per_s", json!(-5.0), "`messages.sent_per_s` is -5; permitted are 0 to 1e15"),
            ("/course/3/bytes_down_per_s", json!(1e308), "`course[3].bytes_down_per_s` is 1"),
            ("/window_s", json!(1e18), "`window_s` is 1000000000000000000; permitted are 0 to 3.16224e7"),
            ("/messages/achieved", json!(12.5), "`messages.achieved` is 12.5; permitted are 0 to 1e1"),
            ("/conns/lost", json!(11), "`conns.lost` is 11, and `conns.attempted` only 10"),
            (
                "/conns/failed",
                json!(21),
                "`conns.failed` is 21, of 10 `conns.requested` and 10 `conns.attempted`",
            ),
            ("/conns/failed", json!(20), ""),
            ("/latency_us/service/count", json!(0), "`latency_us.service.count` is 0, and"),
            ("/course/3/latency_us/count", json!(0), "`course[3].latency_us.count` is 0, and"),
            ("/verdict", json!("pass"), "`exit_code` is 99, and `verdict` \"pass\": that one ends with 0"),
            ("/exit_code", json!(0), "`exit_code` is 0, and `verdict` \"missed\": that one ends with 99"),
            (
                "/messages/gaps_presumed",
                json!(1),
                "`messages.gaps_presumed` is 1, and `messages.gaps` only 0",
            ),
            ("/messages/gaps", json!(1), "`messages.gaps` is 1, and `verdict` \"missed\""),
            ("/game/state_mismatches", json!(2), "`game.state_mismatches` is 2, and"),
            ("/latency_us/intended/p50", json!(6_000.0), "`latency_us.intended.p90` only 3000"),
            ("/conns/connect_us/p99", json!(9_001.0), "`conns.connect_us.p999` only 7000"),
            ("/course/4/latency_us/p999", json!(1.0), "`course[4].latency_us.p99` is"),
            ("/conns/connected", json!(11), "`conns.connected` is 11, and `conns.requested` only 10"),
            (
                "/course/5/open_fewest",
                json!(11),
                "`course[5].open_fewest` is 11, and `course[5].open` only 10",
            ),
            ("/course/5/at_s", json!(2.0), "`course[5].at_s` is 2, and 5 in the entry before it"),
            ("/phases/1/start_s", json!(0.0), ""),
            ("/phases/0/start_s", json!(11.0), "`phases[1].start_s` is 10, and 11"),
            ("/spectra/service/2/value_us", json!(1.0), "`spectra.service[2].value_us` is 1"),
            ("/spectra/service/3/percentile", json!(100.5), "permitted are 0 to 1e2"),
            ("/crowd/server_cpu_us_per_upgrade", json!(-1.0), "`crowd.server_cpu_us_per_upgrade` is -1"),
            ("/verdict", json!("splendid"), "`verdict` is \"splendid\"; permitted are pass, invalid"),
            ("/exit_code", json!(256), "`exit_code` is 256; permitted are 0 to 2.55e2"),
        ] {
            let problem = with(pointer, value).unwrap_or_default();
            assert!(problem.contains(said) && problem.is_empty() == said.is_empty(), "{pointer}: {problem}");
        }
    }

    #[test]
    fn a_verdict_fits_what_else_is_told() {
        let problem = |verdict: Verdict, interrupted: bool, gaps: u64| {
            let mut report = passed();
            report["verdict"] = verdict.word().into();
            report["exit_code"] = verdict.exit_code().into();
            report["interrupted"] = interrupted.into();
            report["messages"]["gaps"] = gaps.into();
            nonsense(report.as_object().unwrap())
        };
        for verdict in VERDICTS {
            let is_wrong = verdict == Verdict::Correctness;
            assert_eq!(problem(verdict, false, 0), None);
            assert_eq!(problem(verdict, false, 3).is_none(), is_wrong, "{verdict:?}");
            let may_be_interrupted = is_wrong || verdict == Verdict::Interrupted;
            assert_eq!(problem(verdict, true, 0).is_none(), may_be_interrupted, "{verdict:?}");
        }
        assert!(problem(Verdict::Pass, true, 0).unwrap().contains("`interrupted` is true"));
    }

    /// The sample as it would be, had nothing been missed.
    fn passed() -> Value {
        let mut passed = samples::report();
        (passed["verdict"], passed["exit_code"]) = ("pass".into(), 0.into());
        passed["conns"]["connected"] = passed["conns"]["requested"].clone();
        passed["slo"] = json!([{"objective": "p99<20ms", "measured": 5_000.0, "met": true}]);
        passed
    }

    #[test]
    fn who_passes_has_missed_nothing() {
        let passed = passed();
        assert_eq!(nonsense(passed.as_object().unwrap()), None);
        for (place, value, said) in [
            ("/conns/lost", json!(10), "`conns.lost` is 10, and `verdict` \"pass\": it would be missed"),
            ("/conns/connected", json!(0), "`conns.connected` is 0, of 10 `conns.requested`, and `verdict`"),
            ("/messages/unanswered", json!(1), "`messages.unanswered` is 1, and"),
            ("/slo/0/met", json!(false), "`slo[0].met` is false, and"),
        ] {
            let mut edited = passed.clone();
            *edited.pointer_mut(place).unwrap() = value;
            let problem = nonsense(edited.as_object().unwrap()).unwrap_or_default();
            assert!(problem.contains(said), "{place}: {problem}");
            (edited["verdict"], edited["exit_code"]) = ("missed".into(), 99.into());
            assert_eq!(nonsense(edited.as_object().unwrap()), None, "{place}: that it may be");
        }
    }

    #[test]
    fn lists_have_an_end() {
        let point = samples::report()["course"][0].clone();
        let course = with("/course", vec![point; ENTRIES_MAX + 1].into()).unwrap();
        assert!(course.contains("`course` has 20001 entries; permitted are 20000"), "{course}");
        let phases = with("/phases", vec![samples::phase("x", 0.0, 0); STAGES_MAX + 1].into()).unwrap();
        assert!(phases.contains("`phases` has 101 entries"), "{phases}");
    }
}
