//! Rooms of a real server are recorded, and the recordings play again: whatever the number of workers, whatever the
//! settings of the program that plays them, and as far as they can be read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use real_server::{Player, Server, until_all};
use rustix::process::Signal;
use serde_json::Value;
use tickring_arena::Arena;
use tickring_snakes::Snakes;

/// The recordings in a directory, by name.
fn recordings(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_unstable();
    files
}

fn replay(files: &[PathBuf], flags: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tickring-server"));
    // Were they looked at, these would make it another match, or be refused.
    command.env_clear().env("TICKRING_ARENA__RIFLE_DAMAGE", "1").env("TICKRING_TICK_HZ", "none");
    command.arg("replay").args(files).args(flags).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A report without the line that differs from run to run.
fn without_speed(report: &str) -> String {
    report.lines().filter(|line| !line.starts_with("  speed ")).map(|line| format!("{line}\n")).collect()
}

/// Arena players who come, play for a while, get lost, and come again; then the server drains.
fn record(dir: &Path, workers: &str) {
    let dir = dir.to_str().unwrap();
    let flags = ["--workers", workers, "--record", dir, "ARENA__HOLD=1h", "ARENA__RIFLE_DAMAGE=77"];
    let mut server = Server::start(&flags);
    let mut players: Vec<_> =
        (0..12).map(|n| Player::<Arena>::join(&server.listen, &format!("field-{}", n % 4), n)).collect();
    until_all(&mut players, "play", |player| player.seen.last_input >= 70);
    // Lost, and held until the server goes; left for good; a room that ends before the server does.
    drop(players.remove(0));
    players.remove(0).leave();
    Player::<Arena>::join(&server.listen, "short", 99).leave();
    until_all(&mut players, "play", |player| player.seen.last_input >= 200);
    let status = server.until("the short room's recording", |status| status["recordings"]["finished"] == 1);
    assert_eq!(status["recordings"]["writing"], 4);
    server.signal(Signal::TERM);
    until_all(&mut players, "the end of the stream", |player| player.seen.ended);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn rooms_of_one_two_and_four_workers_play_again_with_one_two_and_four() {
    for workers in ["1", "2", "4"] {
        let dir = tempfile::tempdir().unwrap();
        record(dir.path(), workers);
        let files = recordings(dir.path());
        assert_eq!(files.len(), 5, "{files:?}");
        let reports: Vec<String> = ["1", "2", "4"]
            .into_iter()
            .map(|replaying| {
                let output = replay(&files, &["--workers", replaying]);
                assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
                without_speed(&text(&output.stdout))
            })
            .collect();
        assert_eq!((&reports[0], &reports[0]), (&reports[1], &reports[2]));
        let report = &reports[0];
        assert!(
            report.ends_with("5 recordings: 5 verified, 0 diverged, 0 incomplete, 0 unusable\n"),
            "{report}"
        );
        for (line, times) in [("  verified ", 5), ("the room was over", 4), ("the server drained", 1)] {
            assert_eq!(report.matches(line).count(), times, "{line}: {report}");
        }
        assert!(report.contains("3 at most; 3 joined, 0 refused, 2 left, 1 held, 0 back"), "{report}");
        assert!(files.iter().all(|file| report.contains(file.to_str().unwrap())));
    }
}

#[test]
fn after_a_kill_what_was_written_plays() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(&["--game", "snakes", "--record", dir.path().to_str().unwrap()]);
    let mut player = Player::<Snakes>::join(&server.listen, "grass", 1);
    player.until("three seconds", |player| player.seen.last_tick >= 190);
    server.until("three seconds on the disk", |status| status["recordings"]["bytes"].as_u64() > Some(2_500));
    server.signal(Signal::KILL);
    server.wait();
    let files = recordings(dir.path());
    let output = replay(&files, &[]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(5), "{report}");
    assert!(report.contains("game        snakes") && report.contains("without its end mark"), "{report}");
    let agreed = report.split("  before      ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(agreed.parse::<u32>().unwrap() >= 2, "{report}");

    // A tail that the disk has only part of, on top of it.
    let bytes = std::fs::read(&files[0]).unwrap();
    std::fs::write(&files[0], &bytes[..bytes.len() - 1]).unwrap();
    let output = replay(&files, &[]);
    assert_eq!(output.status.code(), Some(5));
    assert!(text(&output.stdout).contains("it is cut off within the chunk at byte "));
}

#[test]
fn what_is_wrong_with_one_recording_is_told_and_does_not_touch_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(&["--record", dir.path().to_str().unwrap()]);
    let mut player = Player::<Arena>::join(&server.listen, "field", 1);
    player.until("two seconds", |player| player.seen.last_tick >= 130);
    player.leave();
    server.until("its recording", |status| status["recordings"]["finished"] == 1);
    server.signal(Signal::TERM);
    server.wait();
    let good = recordings(dir.path()).remove(0);
    let bytes = std::fs::read(&good).unwrap();
    let with = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let flipped = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 4;
        bytes
    };
    let files = [
        good.clone(),
        with("cut", &bytes[..bytes.len() - 5]),
        with("flipped", &flipped(bytes.len() - 5)),
        with("version", &flipped(8)),
        with("header", &flipped(50)),
        with("empty", b""),
        with("other", b"<html>"),
        dir.path().join("missing"),
        good,
    ];
    let output = replay(&files, &["--workers", "3"]);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{report}");
    assert!(report.ends_with("9 recordings: 2 verified, 0 diverged, 2 incomplete, 5 unusable\n"), "{report}");
    for words in [
        "cut off within the chunk",
        "is damaged: its check does not fit",
        "in version 5 of the format",
        "the chunk at byte 10 is damaged",
        "it does not begin with TICKREC",
        "No such file",
    ] {
        assert!(report.contains(words), "no {words:?} in {report}");
    }
    let at = |file: &PathBuf| report.find(&format!("{}\n", file.display())).unwrap();
    assert!(files[..8].windows(2).all(|pair| at(&pair[0]) < at(&pair[1])), "in the order of the files");

    let output = replay(&files[..1], &["--dump", "--from", "100", "--to", "101"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("  verified "));
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["tick"] == 100 || line["tick"] == 101));
    let players = lines.iter().filter(|line| line["player"] == 0).count();
    assert_eq!(players, 2, "the player's soldier in both ticks");

    let output = replay(&files[..1], &["--dump", "--from", "100000"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()));
    let told = text(&output.stderr);
    let (report, why) = told.split_once("tickring-server: ").unwrap();
    let ticks = report.split("  length      ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(why.contains("--from 100000") && why.ends_with(&format!(" {ticks}\n")), "{report}{why}");
}

#[test]
fn a_directory_that_cannot_be_written_is_refused_at_start() {
    let output = Command::new(env!("CARGO_BIN_EXE_tickring-server"))
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--admin", "off", "--record", "/proc/nowhere"])
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{message}");
    assert!(message.contains("/proc/nowhere") && message.contains("--record"), "{message}");
}

#[test]
fn a_disk_that_fails_stops_the_recording_and_nobody_notices() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&["--record", dir.path().to_str().unwrap()]);
    std::fs::remove_dir(dir.path()).unwrap();
    let mut player = Player::<Arena>::join(&server.listen, "field", 1);
    player.until_snapshots(60);
    player.seen.assert_clean();
    let status = server.until("the stop", |status| status["recordings"]["stopped"]["io"] == 1);
    assert_eq!(status["recordings"]["writing"], 0);
    assert_eq!(status["recordings"]["dir"], dir.path().to_str().unwrap());
    assert!(server.page("/metrics").contains("tickring_recordings_stopped_total{reason=\"io\"} 1"));
    let told = server.until_logged("a room is not recorded any more");
    assert!(told[0].contains("room-field.") && told[0].contains("No such file"), "{told:?}");
    player.until_snapshots(30);
    player.leave().assert_clean();
}
