//! Ctrl-C keeps what was measured so far.

mod support;

use std::io::{BufRead, BufReader};

use rustix::process::{Pid, Signal, kill_process};
use support::{finish, raw_echo, start};

#[test]
fn an_interrupted_run_reports_and_exits_130() {
    let server = raw_echo(70, 66);
    let target = server.tcp();
    let file = tempfile::NamedTempFile::new().unwrap();
    let words =
        ["echo", "--raw", "--target", &target, "--conns", "4", "--duration", "10m", "--warmup", "100ms"];
    let mut child = start(&words, file.path().to_str().unwrap());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let measuring = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("measuring")));
    assert!(measuring.is_some(), "it says what it does");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    let drain = std::thread::spawn(move || lines.count());
    let run = finish(child, file);
    drain.join().unwrap();
    run.expect(130, "interrupted");
    assert!(run.report["messages"]["received"].as_u64().unwrap() > 0);
    let window = run.report["window_s"].as_f64().unwrap();
    assert!(window > 0.0 && window < 300.0, "{window} s");
}
