//! A report that cannot be written when the run is over costs nothing but the report, and an answer that cannot be
//! printed is an error, not a panic.

mod support;

use std::fs::OpenOptions;
use std::process::{Command, Output};

use support::{raw_echo, start};

/// `loadgen` with these words and a standard output that is full.
fn into_full(words: &str) -> Output {
    let full = OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
    command.args(words.split(' ')).stdout(full).output().expect("the program starts")
}

#[test]
fn an_answer_that_cannot_be_printed_is_an_error() {
    for words in [
        "--help",
        "--version",
        "run echo --help",
        "run idle --print-plan",
        "find idle --print-plan",
        "find idle --from 1 --to 2 --duration 100ms --target ws://127.0.0.1:1",
        "run idle --conns 1 --duration 100ms --target ws://127.0.0.1:1",
        "doctor --conns 1 --admin 127.0.0.1:1",
        "doctor --conns 1 --admin 127.0.0.1:1 --json",
        "doctor --conns 1 --admin 127.0.0.1:1 --fix-plan",
        "calibrate --conns 1",
    ] {
        let output = into_full(words);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {err}");
        assert!(err.contains("cannot write to standard output: No space left on device"), "{words}: {err}");
        assert!(err.contains("make room there") && !err.contains("panicked"), "{words}: {err}");
    }
}

#[test]
fn a_full_disk_leaves_the_summary_and_the_verdict() {
    let server = raw_echo(70, 66);
    let target = server.tcp();
    let words = ["echo", "--raw", "--target", &target, "--conns", "4", "--duration", "300ms"];
    let child = start(&[&words[..], &["--warmup", "100ms", "--out", "csv=/dev/full"]].concat(), "/dev/full");
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("4 of 4 connected") && out.contains("\nverdict: "), "{out}\n{err}");
    assert_eq!(err.matches("cannot write the report /dev/full").count(), 2, "each is told: {err}");
    assert_eq!(output.status.code(), Some(1), "{out}\n{err}");
}
