//! `loadgen find` and `loadgen calibrate`: whole searches, with tiny loads.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use support::real_server::RealServer;
use support::{Answer, websocket};

fn loadgen(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen")).args(words).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

const SHORT: [&str; 6] = ["--step-duration", "300ms", "--warmup", "100ms", "--confirm", "1"];

/// The server takes 50 connections: the doctor's reckoning bounds the search, and nothing beyond is attempted.
#[test]
fn the_search_ends_at_what_fits_and_leaves_both_reports() {
    let server = RealServer::start(&["--max-conns", "50", "--echo"]);
    let folder = tempfile::tempdir().unwrap();
    let (search, best) = (folder.path().join("search.json"), folder.path().join("best.json"));
    let out = format!("json={}", search.display());
    let place = ["--target", &server.target, "--admin", &server.admin];
    let words = ["find", "echo", "--from", "20", "--slo", "p99<20s", "--out", &out, "--best"];
    let output = loadgen(&[&words[..], &[best.to_str().unwrap()], &place, &SHORT].concat());
    let (words, search, best) = (text(&output.stdout), read(&search), read(&best));
    let loads: Vec<f64> =
        search["trials"].as_array().unwrap().iter().map(|trial| trial["load"].as_f64().unwrap()).collect();
    assert!(loads.iter().all(|load| (20.0..=50.0).contains(load)), "{words}");
    assert!(search["wall"].as_str().unwrap().contains("max_conns"), "{search:#}");
    // However late this machine sends: then it says that its runs are invalid.
    if output.status.code() == Some(4) {
        assert_eq!(search["outcome"], "invalid", "{search:#}");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{words}\n{}", text(&output.stderr));
    assert_eq!((&search["outcome"], &search["load"]), (&"at_least".into(), &50.0.into()), "{search:#}");
    assert!(words.contains("at least 50 connections") && words.contains("max_conns"), "{words}");
    assert_eq!((&best["verdict"], &best["conns"]["connected"]), (&"pass".into(), &50.into()));
}

/// Nobody tells the search that the server takes twelve connections: it finds out.
#[test]
fn a_limit_that_nobody_tells_is_found() {
    let server = RealServer::start(&["--max-conns", "12", "--echo"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("search.json");
    let out = format!("json={}", file.display());
    let place = ["--target", &server.target, "--admin", "127.0.0.1:1", "--connect-timeout", "1s"];
    let words = ["find", "idle", "--from", "4", "--to", "64", "--precision", "30%", "--out", &out];
    // So loose that a busy machine does not make a trial invalid.
    let words = [&words[..], &["--slo", "connect_p99<20s"]].concat();
    let output = loadgen(&[&words[..], &place, &SHORT].concat());
    let (words, found) = (text(&output.stdout), read(&file));
    assert_eq!((output.status.code(), &found["outcome"]), (Some(0), &"found".into()), "{words}");
    let (load, missed) = (found["load"].as_f64().unwrap(), found["missed"].as_f64().unwrap());
    assert!(load <= 12.0 && load < missed, "{words}");
    assert!(words.contains(&format!("largest load that holds: {load} connections")), "{words}");
    assert!(words.contains("connections were ready"), "what stopped it is told: {words}");
    let again = format!("once more: loadgen run idle --slo 'connect_p99<20s' --target {}", server.target);
    assert!(words.contains(&again) && words.contains(&format!("--conns {load} --duration 300ms")), "{words}");
    // Tried twice before it counted.
    let trials = found["trials"].as_array().unwrap();
    let again = trials.iter().find(|trial| trial["again"] == true && trial["load"] == 16.0).unwrap();
    assert_eq!(again["verdict"], "missed");
}

/// Nothing is due within the trial, so no latency can be told: that is not the generator's being too busy.
#[test]
fn an_objective_that_cannot_be_measured_is_not_called_the_generators_limit() {
    let server = websocket(|_, payload| Answer::Echo(payload));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("search.json");
    let (target, out) = (server.ws(), format!("json={}", file.display()));
    let words =
        ["find", "echo", "--target", &target, "--admin", "127.0.0.1:1", "--rate", "0.01", "--to", "1"];
    let output = loadgen(&[&words[..], &["--from", "1", "--slo", "p99<20s", "--out", &out], &SHORT].concat());
    let (words, found) = (text(&output.stdout), read(&file));
    assert_eq!((output.status.code(), &found["outcome"]), (Some(4), &"invalid".into()), "{words}");
    assert!(found["reasons"].to_string().contains("objective p99<20s: not measured"), "{found:#}");
    assert!(words.contains("the run itself is invalid") && !words.contains("the limit"), "{words}");
}

/// No use in looking for a load that a port carries on which nobody listens.
#[test]
fn a_search_ends_when_nobody_listens() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("search.json");
    let (target, out) = (format!("ws://{address}"), format!("json={}", file.display()));
    let words = ["find", "idle", "--target", &target, "--admin", "127.0.0.1:1", "--from", "2", "--out", &out];
    let output = loadgen(&[&words[..], &["--to", "64"], &SHORT].concat());
    let (words, found) = (text(&output.stdout), read(&file));
    assert_eq!((output.status.code(), &found["outcome"]), (Some(99), &"gone".into()), "{words}");
    assert_eq!(found["trials"].as_array().unwrap().len(), 1, "{words}");
    assert!(words.contains("nobody listens") && words.contains("start the server"), "{words}");
}

#[test]
fn an_interrupted_search_tells_what_it_has() {
    let server = websocket(|_, payload| Answer::Echo(payload));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("search.json");
    let (target, out) = (server.ws(), format!("json={}", file.display()));
    let words = ["find", "idle", "--target", &target, "--from", "2", "--to", "4", "--step-duration", "10m"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(words)
        .args(["--admin", "127.0.0.1:1", "--out", &out])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("trial 1: 2 connections")));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let found = read(&file);
    assert_eq!((output.status.code(), &found["outcome"]), (Some(130), &"interrupted".into()), "{found:#}");
    assert!(found["load"].is_null() && text(&output.stdout).contains("interrupted before anything held"));
}

#[test]
fn the_generator_runs_against_its_own_sink() {
    let words = ["calibrate", "--conns", "1", "--from", "200000", "--step-duration", "150ms", "--json"];
    let output = loadgen(&[&words[..], &["--objective", "500ms"]].concat());
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let outcome = found["outcome"].as_str().unwrap();
    let code = match outcome {
        "ceiling" | "sink" | "at_least" => 0,
        "nothing" => 4,
        other => panic!("{other}: {found:#}"),
    };
    assert_eq!(output.status.code(), Some(code), "{found:#}");
    assert_eq!(found["ceiling_per_s"].is_null(), code == 4, "{found:#}");
    let first = &found["steps"][0];
    assert!(first["sent_per_s"].as_f64().unwrap() > 0.0, "{found:#}");
    assert!(first["generator_cpu_us_per_message"].as_f64().unwrap() > 0.0, "{found:#}");
}

#[test]
fn what_cannot_be_searched_is_refused_with_an_example() {
    for (words, part) in [
        (&["find", "game", "--conns", "100"][..], "--conns 100: the search chooses it"),
        (&["find", "echo", "--over", "rate", "--rate", "5"], "--rate 5: the search chooses it"),
        (&["find", "idle", "--over", "rate"], "find echo --over rate"),
        (&["find", "echo", "--from", "10.5"], "whole numbers"),
        (&["find", "rewind", "--from", "41"], "even numbers"),
        (&["find", "echo", "--from", "200", "--to", "100"], "is above --to 100"),
        (&["find", "echo", "--precision", "0"], "0.1% to 100%"),
        (&["find", "game", "--slo", "corrupted==0"], "does not measure corrupted"),
        (&["find", "idle", "--slo", "rss_bytes_per_conn<1kB"], "on a server just started"),
        (&["find", "idle", "--best", "/nowhere/at/all.json"], "mkdir -p"),
        (&["find", "echo", "--workers", "8", "--from", "4"], "1 to --conns (4)"),
        (&["find"], "Usage"),
        (&["calibrate", "--objective", "2s"], "1ms to 500ms"),
        (&["calibrate", "--workers", "200"], "1 to --conns (100)"),
        (&["calibrate", "--sink-cpus", "900"], "may not use CPU 900"),
    ] {
        let output = loadgen(words);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert!(error.contains(part), "{words:?}: {error}");
    }
    for command in ["find", "calibrate"] {
        let help = text(&loadgen(&[command, "--help"]).stdout);
        assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
    }
}
