//! Runs that do not start: usage (2) and preflight (3).

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::{raw_echo, run, sandbox};

/// `loadgen`, with at most 40 descriptors.
fn with_few_descriptors(words: &[&str]) -> Output {
    let before = sandbox::descriptors(40);
    let before: Vec<&str> = before.iter().map(String::as_str).collect();
    let loadgen = env!("CARGO_BIN_EXE_loadgen");
    sandbox::command(&before, loadgen.as_ref()).args(words).output().unwrap()
}

#[test]
fn a_wrong_value_is_named_with_what_is_allowed() {
    for (words, named) in [
        (&["game", "--rooms", "0"][..], "--rooms 20"),
        (&["echo", "--slo", "p98<1ms"], "p98"),
        (&["echo", "--slo", "p99<1h"], "ns us ms s"),
        (&["idle", "--duration", "soon"], "soon"),
        (&["idle", "--raw-in", "5"], "--raw"),
        (&["echo", "--closed", "--rate", "5"], "--rate"),
        (
            &["play"],
            "`play` is no preset; permitted are game rewind echo idle churn storm slow-consumer handshake, or",
        ),
        (&["echo", "--slo", "effect_p99<5ms"], "`run echo` does not measure effect_p99; permitted are p50"),
        (&["echo", "--closed", "--exact"], "--exact: has no effect"),
        (&["idle", "--target", "wss://127.0.0.1:9001"], "TLS is not supported; put a proxy in front"),
        (&["idle", "--target", "ws://nobody.invalid:9001"], "does not resolve"),
        (&["idle", "--target", "ws://127.0.0.1:0"], "a port from 1 to 65535"),
        (&["idle", "--target", "http://127.0.0.1:9001"], "ws://HOST:PORT"),
        (&["idle", "--out", "json=/no/such/folder/run.json"], "mkdir -p /no/such/folder"),
    ] {
        let run = run(words);
        assert_eq!(run.code, Some(2), "{words:?}: {}", run.err);
        assert!(run.err.contains(named), "{words:?}: {}", run.err);
        assert!(run.report.is_null());
    }
}

/// `mkdir` would help nobody there.
#[test]
fn who_stands_in_a_folder_that_is_gone_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mkdir gone && cd gone && rmdir ../gone && exec {} run idle --out json=run.json",
        env!("CARGO_BIN_EXE_loadgen")
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("is gone") && error.contains("--out json=/tmp/run.json"), "{error}");
    assert!(!error.contains("mkdir"), "{error}");
}

#[test]
fn what_is_repeated_is_short_and_says_only_what_it_is() {
    let long = "9".repeat(100_000);
    let url = format!("http://{long}:1");
    for words in [["echo", "--size", &long], ["echo", "--target", &url], ["echo", "--slo", &long]] {
        let run = run(&words);
        assert_eq!(run.code, Some(2), "{}", run.err);
        assert!(run.err.contains("999") && run.err.len() < 2_000, "{} bytes: {}", run.err.len(), run.err);
    }
    let run = run(&["echo", "--size", "64\u{202e}46"]);
    assert!(run.err.contains("64\u{fffd}46") && run.err.contains("for example --size 64"), "{}", run.err);
}

#[test]
fn what_does_not_fit_names_the_command_that_helps() {
    let server = raw_echo(1, 1);
    let target = server.tcp();
    let pid_max = "4194304";
    for (words, named) in [
        (&["--conns", "3000000"][..], "remedy:"),
        (&["--conns", "70000", "--workers", "64", "--src", "127.0.0.2"], "--src 127.0.0.2-127.0.0.3"),
        (&["--conns", "1", "--src", "127.0.0.2,192.0.2.1"], "cannot come from 192.0.2.1"),
        (&["--conns", "1", "--cpus", "1000"], "--cpus with some of"),
        (&["--conns", "1", "--server-pid", pid_max], "no process 4194304"),
        (&["--conns", "1", "--slo", "lateness_p99<1ms"], "--admin"),
        (
            &["--conns", "1", "--admin", "127.0.0.1:1", "--slo", "ticks_missed==0"],
            "http://127.0.0.1:1/status",
        ),
    ] {
        let run = run(&[&["echo", "--raw", "--target", &target][..], words].concat());
        assert_eq!(run.code, Some(3), "{words:?}: {}", run.err);
        assert!(run.err.contains(named) && run.err.contains("--force"), "{words:?}: {}", run.err);
        // The doctor's document, in place of a report.
        let told = &run.report;
        assert_eq!((&told["kind"], &told["verdict"]), (&"doctor".into(), &"preflight".into()), "{told}");
        let walls = told["walls"].to_string();
        assert!(walls.contains(named) || named == "remedy:" && walls.contains("connections fit"), "{walls}");
    }
    assert_eq!(server.accepted(), 0, "nothing was attempted");
}

#[test]
fn a_refused_search_or_calibration_leaves_what_a_refused_run_does() {
    let check = |document: &[u8], output: &Output| {
        let told: Value = serde_json::from_slice(document).unwrap_or_else(|_| panic!("{output:?}"));
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert_eq!((&told["kind"], &told["verdict"]), (&"doctor".into(), &"preflight".into()), "{told}");
        assert!(!told["walls"][0]["remedy"].as_str().unwrap().is_empty(), "{told}");
    };
    let calibrate = with_few_descriptors(&["calibrate", "--json"]);
    check(&calibrate.stdout, &calibrate);
    let told: Value = serde_json::from_slice(&calibrate.stdout).unwrap();
    assert_eq!(
        (&told["target"], &told["server_unknown"]),
        (&"the built-in sink".into(), &Value::Null),
        "{told}"
    );
    let said = String::from_utf8(calibrate.stderr).unwrap();
    assert!(said.contains("the built-in sink's table") && said.contains("not calibrated"), "{said}");
    // Its own flags, and no others.
    for foreign in ["--force", "--admin", "--src", "ws://"] {
        assert!(
            !said.contains(foreign) && !told["walls"].to_string().contains(foreign),
            "{foreign}: {said} {told}"
        );
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let out = format!("json={}", file.path().display());
    let place = ["--target", "ws://127.0.0.1:1", "--admin", "127.0.0.1:1"];
    let find =
        with_few_descriptors(&[&["find", "idle", "--from", "200", "--out", &out], &place[..]].concat());
    check(&std::fs::read(file.path()).unwrap(), &find);
}

/// So few addresses that a refusal in full would end in the midst of it.
#[test]
fn a_process_with_next_to_no_addresses_is_told_so() {
    let places = ["--target ws://127.0.0.1:1", "--target ws://127.0.0.1:1", ""];
    for kib in (26_000..48_000).step_by(2_000) {
        for (words, place) in ["doctor game", "run idle --no-tui", "calibrate"].iter().zip(places) {
            let script = format!("ulimit -v {kib} && exec {} {words} {place}", env!("CARGO_BIN_EXE_loadgen"));
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(3), "{kib} KiB, {words}: {said}");
            assert!(said.contains("RLIMIT_AS = ") && said.contains("ulimit -v unlimited"), "{said}");
        }
    }
}

#[test]
fn workers_that_cannot_have_a_thread_are_a_wall() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut loadgen) = sandbox::with_threads(20, folder.path()) else { return };
    let server = raw_echo(8, 8);
    let report = folder.path().join("run.json");
    let words =
        ["run", "echo", "--conns", "30", "--workers", "30", "--raw", "--raw-in", "8", "--raw-out", "8"];
    let place = ["--target", &server.tcp(), "--out", &format!("json={}", report.display())];
    let output = loadgen.args(words).args(place).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("30 worker(s) cannot have a thread each: Resource temporarily"), "{said}");
    let told: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!(told["verdict"], "preflight", "{told}");
    assert_eq!(server.accepted(), 0, "nothing was attempted");
}
