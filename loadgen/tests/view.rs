//! The view on a terminal: it is there, it leaves the terminal as it was, and it holds nothing up.

mod support;

use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};
use support::terminal::{fill, look_at, modes, start, terminal, wait_for};
use support::{Run, finish, raw_echo};

/// What the terminal shows while there is a picture.
const PICTURE: &str = "partial report";

/// How it is taken away: up to its first line, and all below is cleared.
const ERASED: &str = "A\x1b[J";

/// The last thing written takes the picture away, and no sequence changes the terminal for good.
fn expect_restored(seen: &Mutex<String>) -> String {
    let seen = wait_for(seen, |seen| seen.ends_with(ERASED));
    assert!(!seen.contains("\x1b[?"), "no private mode is set: {seen:?}");
    seen
}

fn expect_judged(run: &Run) {
    assert!(matches!(run.code, Some(0 | 4)), "{:?} {}", run.code, run.out);
    assert!(run.out.contains("verdict: "), "the summary is on standard output: {}", run.out);
}

#[test]
fn a_terminal_shows_the_run_and_is_as_before_afterwards() {
    let server = raw_echo(70, 66);
    let (screen, programs) = terminal();
    let seen = look_at(screen);
    let before = modes(&programs);
    let (child, file) = start(&["--target", &server.tcp(), "--duration", "1500ms"], &programs);
    expect_judged(&finish(child, file));
    assert_eq!(modes(&programs), before);
    let seen = expect_restored(&seen);
    for word in [PICTURE, "measuring", "4 requested", "4 open"] {
        assert!(seen.contains(word), "{word}: {seen}");
    }
}

#[test]
fn a_signal_leaves_the_terminal_as_it_was() {
    let server = raw_echo(70, 66);
    let (screen, programs) = terminal();
    let seen = look_at(screen);
    let before = modes(&programs);
    let (child, file) = start(&["--target", &server.tcp(), "--duration", "10m"], &programs);
    wait_for(&seen, |seen| seen.contains("measuring"));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    finish(child, file).expect(130, "interrupted");
    assert_eq!(modes(&programs), before);
    expect_restored(&seen);
}

#[test]
fn no_tui_means_lines() {
    let server = raw_echo(70, 66);
    let (screen, programs) = terminal();
    let seen = look_at(screen);
    let words = ["--target", &server.tcp(), "--duration", "1500ms", "--no-tui"];
    let (child, file) = start(&words, &programs);
    expect_judged(&finish(child, file));
    let seen = wait_for(&seen, |seen| seen.contains("4 of 4 connected"));
    assert!(!seen.contains('\x1b') && !seen.contains(PICTURE), "{seen:?}");
}

/// As after ^S, or where whatever shows the terminal is stuck.
#[test]
fn a_terminal_that_nobody_reads_does_not_keep_a_run_from_ending() {
    let server = raw_echo(70, 66);
    let (screen, programs) = terminal();
    fill(&programs);
    let (child, file) = start(&["--target", &server.tcp(), "--duration", "1s"], &programs);
    expect_judged(&finish(child, file));
    drop(screen);
}
