//! The rewind probe against the real server over a slow link: what was seen is hit, what is declared falsely
//! is not, and without lag compensation nearly nothing is.
//!
//! Shares and counts are judged, never times. A machine that is busy with other things delays ticks and sends,
//! which a fair judge forgives; the bounds leave room for that all the same.

mod support;

use serde_json::Value;
use support::real_server::RealServer;
use support::{Run, run, schema};

/// Time for everybody to get to its lane, and for some shots.
const TIMES: [&str; 4] = ["--warmup", "4s", "--duration", "4s"];
/// A small field, whose map has a lane with this seed; runners that do not die, so that nobody has to walk.
const SERVER: [&str; 5] = ["--seed", "7", "--players-per-room", "8", "ARENA__RIFLE_DAMAGE=0"];
const CONNS: &str = "24";
/// These pairs fire ten times as many in that time, were they let run.
const SHOTS_MIN: u64 = 20;

fn probe(server: &RealServer, more: &[&str]) -> Run {
    let words = ["rewind", "--target", &server.target, "--admin", &server.admin, "--conns", CONNS];
    let run = run(&[&words[..], &TIMES, more].concat());
    assert!(!run.report.is_null(), "{}\n{}", run.out, run.err);
    schema::assert_conforms(&run.report);
    for key in ["gaps", "duplicates", "reordered"] {
        assert_eq!(run.report["messages"][key], 0, "{key}: {}", run.out);
    }
    assert_eq!(run.report["game"]["state_mismatches"], 0, "{}", run.out);
    assert!(count(&run, "judged") >= SHOTS_MIN, "{}", run.out);
    run
}

fn count(run: &Run, key: &str) -> u64 {
    run.report["rewind"][key].as_u64().unwrap_or_else(|| panic!("{key}: {}", run.report["rewind"]))
}

fn share(run: &Run, key: &str) -> f64 {
    run.report["rewind"][key].as_f64().unwrap_or_else(|| panic!("{key}: {}", run.report["rewind"]))
}

#[test]
fn what_was_seen_over_a_slow_link_is_hit() {
    let server = RealServer::start(&SERVER);
    let run = probe(&server, &["--latency", "75ms", "--jitter", "15ms"]);
    assert_eq!(run.report["rewind"]["lag_compensation"], true);
    assert_eq!(count(&run, "aimed_true"), count(&run, "judged"), "an honest marksman aims true");
    assert!(share(&run, "granted_share") >= 0.95, "{}", run.out);
    assert!(share(&run, "present_share") <= 0.05, "the target is gone by then: {}", run.out);
    assert_eq!(run.report["link"]["latency_us"], 75_000);
    assert!(run.out.contains("would hit in the present"), "{}", run.out);
    // The link is there both ways, and an effect needs both.
    let effect_us = run.report["game"]["input_to_effect_us"]["p50"].as_f64().unwrap();
    assert!(effect_us >= 150_000.0, "{effect_us}");
}

#[test]
fn without_lag_compensation_hardly_anything_is() {
    let server = RealServer::start(&[&SERVER[..], &["--lag-compensation", "off"]].concat());
    let run = probe(&server, &["--latency", "75ms", "--jitter", "15ms"]);
    assert_eq!(run.report["rewind"]["lag_compensation"], false);
    assert!(share(&run, "granted_share") <= 0.05, "{}", run.out);
    // What the marksmen reckon from later snapshots is what the server says.
    assert_eq!(count(&run, "granted"), count(&run, "present"), "{}", run.out);
}

#[test]
fn a_round_trip_beyond_the_look_back_is_told_with_the_setting() {
    let server = RealServer::start(&[&SERVER[..], &["ROOM__REWIND_MAX=100ms"]].concat());
    let run = probe(&server, &["--latency", "75ms"]);
    assert_ne!(run.code, Some(0), "{}", run.out);
    assert!(run.out.contains("100 ms the server looks back: its room.rewind_max"), "{}", run.out);
}

#[test]
fn forged_views_gain_nothing_and_are_counted() {
    let server = RealServer::start(&SERVER);
    for (lie, reasons) in
        [("old", &["implausible"][..]), ("future", &["future"]), ("oscillating", &["implausible", "future"])]
    {
        let run = probe(&server, &["--latency", "75ms", "--jitter", "15ms", "--forge", lie]);
        // Where everything is late for long enough, a liar's moment may be the true one for once.
        let honest = count(&run, "aimed_true") + count(&run, "near");
        assert!(honest * 10 <= count(&run, "judged"), "{lie} aims elsewhere: {}", run.out);
        assert_eq!(count(&run, "gained"), 0, "{lie}: {}", run.out);
        for reason in reasons {
            let moved = &run.report["rewind"]["views"][reason];
            assert!(moved.as_u64() > Some(SHOTS_MIN), "{lie}, {reason}: {moved}");
        }
        assert_eq!(run.report["plan"]["preset"]["forge"], Value::from(lie));
    }
}
