//! A generator that does not get to run says so, and does not blame the server.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod support;

use std::io::{BufRead, BufReader};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::real_server::RealServer;
use support::{Answer, Run, finish, schema, start, websocket};

/// Long enough for dozens of inputs of every bot.
const PAUSE: Duration = Duration::from_secs(1);

/// Once, for a second.
fn once(pid: Pid) {
    kill_process(pid, Signal::STOP).unwrap();
    thread::sleep(PAUSE);
    kill_process(pid, Signal::CONT).unwrap();
}

/// For nine milliseconds of ten until the window is over: no wait for the server is longer than that.
fn again_and_again(pid: Pid) {
    (0..450).for_each(|_| {
        kill_process(pid, Signal::STOP).unwrap();
        thread::sleep(Duration::from_millis(9));
        kill_process(pid, Signal::CONT).unwrap();
        thread::sleep(Duration::from_millis(1));
    });
}

/// A run whose generator is stopped in the midst of its window.
fn stopped(words: &[&str], stop: impl FnOnce(Pid)) -> Run {
    let file = tempfile::NamedTempFile::new().unwrap();
    let times = ["--warmup", "500ms", "--duration", "4s"];
    let mut child = start(&[words, &times].concat(), file.path().to_str().unwrap());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let measuring = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("measuring")));
    assert!(measuring.is_some(), "it says what it does");
    stop(Pid::from_child(&child));
    let drain = thread::spawn(move || lines.count());
    let run = finish(child, file);
    drain.join().unwrap();
    run.expect(4, "invalid");
    schema::assert_conforms(&run.report);
    run
}

#[test]
fn inputs_that_a_stopped_generator_left_out_make_the_run_invalid() {
    let server = RealServer::start(&[]);
    let words = ["game", "--target", &server.target, "--admin", &server.admin, "--conns", "4"];
    let run = stopped(&words, once);
    assert!(run.out.contains("were not sent, because it came to them too late"), "{}", run.out);
    let share = run.report["generator"]["left_out_share"].as_f64().unwrap();
    assert!(share > 0.05, "{share}");
}

#[test]
fn a_stop_is_noticed_where_nothing_has_a_due_time() {
    let server = websocket(|_, payload| Answer::Echo(payload));
    let words = ["echo", "--closed", "--admin", "127.0.0.1:1", "--target", &server.ws(), "--conns", "4"];
    let run = stopped(&words, once);
    assert!(run.out.contains("generator late: "), "{}", run.out);
    assert!(run.out.contains(", kept from running for "), "{}", run.out);
    let share = run.report["generator"]["away_share"].as_f64().unwrap();
    assert!(share > 0.1, "{share}");
    assert!(run.report["generator"]["away_p99_us"].as_f64().unwrap() > 100_000.0);
    // Each stop may be a wait that nobody would have thought too long.
    let run = stopped(&words, again_and_again);
    let share = run.report["generator"]["away_share"].as_f64().unwrap();
    assert!(share > 0.5, "{share}: {}", run.out);
}
