//! `--raw`: plain TCP against a program that moves bytes.

mod support;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use support::{Server, raw_echo, run};

#[test]
fn a_paced_echo_passes_and_fills_its_figures() {
    let server = raw_echo(70, 66);
    let target = server.tcp();
    let pid = std::process::id().to_string();
    let words = ["echo", "--raw", "--target", &target, "--conns", "8", "--rate", "50", "--duration", "1s"];
    let run = run(&[&words[..], &["--warmup", "200ms", "--server-pid", &pid, "--slo", "p99<20s"]].concat());
    run.expect(0, "pass");
    let report = &run.report;
    assert_eq!(server.accepted(), 8, "exactly as many connections as asked for");
    assert_eq!((&report["conns"]["connected"], &report["conns"]["failed"]), (&8.into(), &0.into()));
    let sent = report["messages"]["sent"].as_u64().unwrap();
    assert!((100..=450).contains(&sent), "at most 8 x 50/s for a second: {sent}");
    assert_eq!(report["messages"]["achieved"], 1.0);
    let latency = &report["latency_us"];
    let answered = report["latency_us"]["service"]["count"].as_u64().unwrap();
    assert!(answered.abs_diff(sent) <= 8, "{answered} of {sent} are in the latency");
    assert!(latency["intended"]["p50"].as_f64() >= latency["service"]["p50"].as_f64());
    assert!(report["server"]["cpu_us_per_message"].is_number() && report["server"]["rss_bytes"].is_number());
    assert_eq!(report["server"]["source"], "pid");
}

#[test]
fn a_closed_loop_has_no_intended_times() {
    let server = raw_echo(70, 66);
    let target = server.tcp();
    let words = ["echo", "--raw", "--closed", "--pipeline", "4", "--target", &target, "--conns", "3"];
    let times = ["--duration", "500ms", "--warmup", "100ms", "--force"];
    let run = run(&[&words[..], &times, &["--slo", "p99<20s"]].concat());
    assert_eq!(run.code, Some(0), "{}", run.out);
    assert!(run.report["latency_us"]["intended"].is_null() && run.report["messages"]["achieved"].is_null());
    assert!(run.report["messages"]["received"].as_u64().unwrap() > 100, "{}", run.out);
    assert_eq!(run.report["messages"]["unanswered"], 0);
}

#[test]
fn ticks_come_at_the_servers_own_pace() {
    let server = Server::start(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let mut buffer = [0; 4096];
        // 100 bytes about every ten milliseconds, whatever comes in.
        while !matches!(stream.read(&mut buffer), Ok(0)) {
            if stream.write_all(&[1; 100]).is_err() {
                return;
            }
        }
    });
    let target = server.tcp();
    let words = ["game", "--raw", "--raw-in", "20", "--raw-out", "100", "--input-hz", "10", "--conns", "4"];
    let times = ["--duration", "1s", "--warmup", "100ms"];
    let run = run(&[&words[..], &["--target", &target, "--slo", "interval_p99<20s"], &times].concat());
    run.expect(0, "pass");
    assert_eq!(
        run.report["messages"]["bytes_up"].as_u64(),
        run.report["messages"]["sent"].as_u64().map(|n| n * 20)
    );
    assert!(run.report["game"]["snapshots"].as_u64().unwrap() > 20);
    assert!(run.report["game"]["snapshot_interval_us"]["p50"].as_f64().unwrap() > 1_000.0);
    assert!(run.report["game"]["input_to_effect_us"].is_null(), "nothing says which input had its effect");
}

#[test]
fn players_that_are_lost_do_not_swell_what_the_others_receive() {
    // A third of a second at 10 kB/s, and everybody is sent away.
    let server = Server::start(|mut stream| {
        for _ in 0..30 {
            std::thread::sleep(Duration::from_millis(10));
            if stream.write_all(&[1; 100]).is_err() {
                return;
            }
        }
    });
    let target = server.tcp();
    let words = ["game", "--raw", "--raw-in", "20", "--raw-out", "100", "--input-hz", "10", "--conns", "20"];
    let run = run(&[&words[..], &["--target", &target, "--duration", "2s", "--warmup", "0s"]].concat());
    assert_eq!(run.report["conns"]["lost"], 20, "{}", run.out);
    let bytes_per_s = run.report["game"]["down_bytes_per_player_s"].as_f64().unwrap();
    // Nobody was sent more than 100 B in 10 ms; taken from all twenty together it would be 200 kB.
    assert!(bytes_per_s < 30_000.0, "{bytes_per_s}");
}

#[test]
fn a_server_that_answers_late_is_measured_from_the_intended_time() {
    // Every answer waits for half a second: a generator that waits too would send two messages a second.
    let server = Server::start(|mut stream| {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
            std::thread::sleep(Duration::from_millis(500));
            if stream.write_all(&vec![0; bytes]).is_err() {
                return;
            }
        }
    });
    let target = server.tcp();
    let words = ["echo", "--raw", "--raw-in", "10", "--raw-out", "10", "--target", &target, "--conns", "2"];
    let run = run(&[&words[..], &["--rate", "20", "--duration", "1s", "--warmup", "500ms"]].concat());
    assert!(!run.report.is_null(), "{}", run.err);
    assert_eq!(run.report["messages"]["achieved"], 1.0, "the open loop goes on");
    let p50 = run.report["latency_us"]["intended"]["p50"].as_f64().unwrap();
    assert!(p50 > 300_000.0, "{p50} us");
}

#[test]
fn a_byte_too_many_is_something_wrong() {
    // One after the tenth answer: all others are as they should be.
    let server = Server::start(|mut stream| {
        let (mut buffer, mut answers) = ([0; 10], 0);
        while stream.read_exact(&mut buffer).is_ok() {
            answers += 1;
            let answer = [0; 11];
            if stream.write_all(&answer[..if answers == 10 { 11 } else { 10 }]).is_err() {
                return;
            }
        }
    });
    let target = server.tcp();
    let words = ["echo", "--raw", "--raw-in", "10", "--raw-out", "10", "--closed", "--target", &target];
    let times = ["--conns", "2", "--duration", "300ms", "--warmup", "0s", "--slo", "p99<20s"];
    let run = run(&[&words[..], &times].concat());
    run.expect(5, "correctness");
    assert_eq!(run.report["messages"]["corrupted"], 2, "{}", run.out);
    let words = ["another size than --raw-out", "more bytes came back than were sent", "--raw-in"];
    run.is_diagnosed("wrong-sizes", "generator", words);
}

#[test]
fn who_falls_silent_before_the_window_is_unanswered_in_it() {
    let connections = AtomicU32::new(0);
    // Every second connection hears three answers, and then none.
    let server = Server::start(move |mut stream| {
        let is_mute = connections.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        let (mut buffer, mut answers) = ([0; 10], 0);
        while stream.read_exact(&mut buffer).is_ok() {
            answers += 1;
            if !(is_mute && answers > 3) && stream.write_all(&buffer).is_err() {
                return;
            }
        }
    });
    let target = server.tcp();
    let words = ["echo", "--raw", "--raw-in", "10", "--raw-out", "10", "--closed", "--target", &target];
    let times = ["--conns", "6", "--duration", "500ms", "--warmup", "400ms", "--slo", "p99<20s"];
    let run = run(&[&words[..], &times].concat());
    run.expect(99, "missed");
    assert_eq!(run.report["messages"]["unanswered"], 3, "{}", run.out);
    let max = run.report["latency_us"]["service"]["max"].as_f64().unwrap();
    assert!(max > 900_000.0, "the warm-up and the window were waited for: {max} us");
    let words = ["left 3 messages of the window unanswered", "3 x no answer at steady", "--raw-out"];
    run.is_diagnosed("messages-unanswered", "server", words);
}
