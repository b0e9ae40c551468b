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

/// A run whose generator is stopped for a second in the midst of its window.
fn stopped(words: &[&str]) -> Run {
    let file = tempfile::NamedTempFile::new().unwrap();
    let times = ["--warmup", "500ms", "--duration", "4s"];
    let mut child = start(&[words, &times].concat(), file.path().to_str().unwrap());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let measuring = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("measuring")));
    assert!(measuring.is_some(), "it says what it does");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::STOP).unwrap();
    thread::sleep(PAUSE);
    kill_process(pid, Signal::CONT).unwrap();
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
    let run = stopped(&["game", "--target", &server.target, "--admin", &server.admin, "--conns", "4"]);
    assert!(run.out.contains("were not sent, because it came to them too late"), "{}", run.out);
    let share = run.report["generator"]["left_out_share"].as_f64().unwrap();
    assert!(share > 0.05, "{share}");
}

#[test]
fn a_stop_is_noticed_where_nothing_has_a_due_time() {
    let server = websocket(|_, payload| Answer::Echo(payload));
    let run =
        stopped(&["echo", "--closed", "--admin", "127.0.0.1:1", "--target", &server.ws(), "--conns", "4"]);
    assert!(run.out.contains("generator late: "), "{}", run.out);
    assert!(run.out.contains(", kept from running for "), "{}", run.out);
    let share = run.report["generator"]["away_share"].as_f64().unwrap();
    assert!(share > 0.1, "{share}");
    assert!(run.report["generator"]["away_p99_us"].as_f64().unwrap() > 100_000.0);
}
