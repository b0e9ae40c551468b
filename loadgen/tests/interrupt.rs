//! Ctrl-C keeps what was measured so far.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod support;

use std::io::{BufRead, BufReader};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::{Run, Server, finish, raw_echo, start};

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `words` and interrupts the run when it says that it is `doing` something.
fn interrupted_while(doing: &str, words: &[&str]) -> Run {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut child = start(words, file.path().to_str().unwrap());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line.contains(doing))), "it says what it does");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let drain = std::thread::spawn(move || lines.count());
    let run = finish(child, file);
    drain.join().unwrap();
    run
}

#[test]
fn an_interrupted_run_reports_and_exits_130() {
    let server = raw_echo(70, 66);
    let target = server.tcp();
    let words =
        ["echo", "--raw", "--target", &target, "--conns", "4", "--duration", "10m", "--warmup", "100ms"];
    let run = interrupted_while("measuring", &words);
    run.expect(130, "interrupted");
    assert!(run.report["messages"]["received"].as_u64().unwrap() > 0);
    let window = run.report["window_s"].as_f64().unwrap();
    assert!(window > 0.0 && window < 300.0, "{window} s");
    assert_eq!((&run.report["interrupted"], &run.report["window_planned_s"]), (&true.into(), &600.0.into()));
    let said = format!("verdict: interrupted after {window:.1} s of 600 s");
    assert!(run.out.contains(&said), "{said}: {}", run.out);
}

#[test]
fn answers_that_nobody_waits_for_any_more_are_not_the_servers_fault() {
    let server = Server::start(|mut stream| {
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let target = server.tcp();
    let words =
        ["echo", "--raw", "--target", &target, "--conns", "4", "--duration", "500ms", "--warmup", "0s"];
    let run = interrupted_while("settling", &words);
    run.expect(130, "interrupted");
    assert_eq!(run.report["messages"]["unanswered"], 0, "{}", run.out);
}

#[test]
fn a_signal_before_the_first_connection_leaves_a_report_too() {
    let (asked, heard) = mpsc::channel();
    // An admin endpoint that takes the request for its status and never answers.
    let admin = Server::start(move |stream| {
        asked.send(stream).unwrap();
    });
    let server = raw_echo(70, 66);
    let file = tempfile::NamedTempFile::new().unwrap();
    let (target, admin) = (server.tcp(), admin.address.to_string());
    let words = ["echo", "--raw", "--target", &target, "--conns", "4", "--admin", &admin];
    let child = start(&words, file.path().to_str().unwrap());
    let _held_open = heard.recv_timeout(PATIENCE).expect("the status is asked for before the run");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let run = finish(child, file);
    run.expect(130, "interrupted");
    assert_eq!(run.report["conns"]["failed"], 4);
    assert_eq!(server.accepted(), 0, "{}", run.out);
}

/// As in `loadgen … | head -1`: nobody reads any more, and the run is not lost for it.
#[test]
fn whoever_reads_goes_away_and_the_report_is_written() {
    let server = raw_echo(70, 66);
    let file = tempfile::NamedTempFile::new().unwrap();
    let target = server.tcp();
    let words =
        ["echo", "--raw", "--target", &target, "--conns", "4", "--duration", "1500ms", "--warmup", "100ms"];
    let mut child = start(&words, file.path().to_str().unwrap());
    drop((child.stdout.take(), child.stderr.take()));
    let run = finish(child, file);
    assert!(
        matches!(run.code, Some(0 | 4 | 99)),
        "a verdict, not a failure of loadgen's own: {:?}",
        run.code
    );
    assert!(run.report["messages"]["received"].as_u64().unwrap() > 0);
}
