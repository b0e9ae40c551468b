//! Whoever reads the log or the answer goes away, or the disk is full: the server serves on, and what cannot be
//! answered is an error, not a panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use real_server::{Player, Wire, masked};
use rustix::process::{Pid, Signal, kill_process};
use tickring_pulse::Pulse;

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickring-server"));
    command.env_clear().env("TICKRING_PIN", "off").args(words);
    command
}

#[test]
fn the_log_reader_goes_away() {
    let mut child =
        command(&["--listen", "127.0.0.1:0", "--admin", "off", "--workers", "1", "--game", "pulse"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("listening on ").unwrap().trim().to_owned();
    drop(child.stderr.take());
    // Each of these is worth a line.
    for _ in 0..3 {
        let mut wire = Wire::upgraded(&address, "/v1/rooms/a");
        wire.send(&masked(0x82, b"\x77"));
        while wire.frame().is_some() {}
    }
    Player::<Pulse>::join(&address, "a", 1).leave();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_address_that_cannot_be_printed_is_in_the_log() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child =
        command(&["--listen", "127.0.0.1:0", "--admin", "off", "--workers", "1", "--game", "pulse"])
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let told = lines.find(|line| line.contains("standard output")).unwrap();
    assert!(told.contains("players are served there all the same"), "{told}");
    let address = told.split_once("\"address\":\"").unwrap().1.split('"').next().unwrap();
    Player::<Pulse>::join(address, "a", 1).leave();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    for word in ["check-config", "probe"] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = command(&[word]).stdout(full).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("cannot write to standard output: No space left"), "{text}");
        // A reader that has seen enough.
        let mut child = command(&[word]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}
