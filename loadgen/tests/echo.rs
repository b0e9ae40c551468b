//! The echo preset over WebSocket: what comes back is judged message by message.

mod support;

use std::thread;
use std::time::Duration;

use support::{Answer, Run, Server, run, run_through, websocket};

fn echo(target: &str, more: &[&str]) -> Run {
    let words = ["echo", "--admin", "127.0.0.1:1", "--target", target, "--conns", "4", "--rate", "50"];
    run(&[&words[..], &["--duration", "600ms", "--warmup", "200ms"], more].concat())
}

#[test]
fn an_honest_echo_passes() {
    let server = websocket(|_, payload| Answer::Echo(payload));
    // Small ones carry part of a sequence number, large ones come in several reads.
    for size in ["1", "7", "64", "5000"] {
        // However late a busy machine sends: that is judged by other tests.
        let run = echo(&server.ws(), &["--size", size, "--slo", "p99<20s"]);
        run.expect(0, "pass");
        assert_eq!(run.report["conns"]["errors"].as_array().map(Vec::len), Some(0), "{}", run.out);
        assert!(run.report["conns"]["upgrade_us"]["count"] == 4);
    }
    assert_eq!(server.accepted(), 16);
}

#[test]
fn a_changed_echo_is_a_correctness_failure() {
    let server = websocket(|number, mut payload| {
        if number == 5 {
            payload[20] ^= 1;
        }
        Answer::Echo(payload)
    });
    let run = echo(&server.ws(), &[]);
    run.expect(5, "correctness");
    let messages = &run.report["messages"];
    assert_eq!(messages["corrupted"], 4);
    assert_eq!((&messages["gaps"], &messages["unanswered"]), (&0.into(), &0.into()), "told once");
}

#[test]
fn a_missing_echo_is_a_gap() {
    let server =
        websocket(|number, payload| if number == 5 { Answer::Swallow } else { Answer::Echo(payload) });
    let run = echo(&server.ws(), &[]);
    run.expect(5, "correctness");
    assert_eq!(run.report["messages"]["gaps"], 4);
    assert_eq!(run.report["messages"]["duplicates"], 0);
    assert_eq!(run.report["messages"]["unanswered"], 0, "told once");
}

#[test]
fn a_doubled_echo_is_a_duplicate() {
    let server =
        websocket(|number, payload| if number == 5 { Answer::Twice(payload) } else { Answer::Echo(payload) });
    let run = echo(&server.ws(), &[]);
    run.expect(5, "correctness");
    assert_eq!(run.report["messages"]["duplicates"], 4);
    assert_eq!(run.report["messages"]["gaps"], 0);
}

#[test]
fn a_server_that_drains_is_named_and_the_run_ends_early() {
    let server =
        websocket(|number, payload| if number < 15 { Answer::Echo(payload) } else { Answer::Close(1001) });
    let run = echo(&server.ws(), &["--duration", "60s"]);
    run.expect(99, "missed");
    assert_eq!(run.report["conns"]["lost"], 4);
    let errors = run.errors();
    let close = errors.iter().find(|error| error.1 == "close 1001").expect("the close is listed");
    assert_eq!((close.0.as_str(), close.2, close.3.as_str()), ("steady", 4, "server"));
    assert!(run.report["window_s"].as_f64().unwrap() < 30.0, "nobody is left to measure");
}

#[test]
fn answers_that_never_come_are_missed_and_stand_in_the_latency() {
    let server =
        websocket(|number, payload| if number < 10 { Answer::Echo(payload) } else { Answer::Swallow });
    let run = echo(&server.ws(), &[]);
    run.expect(99, "missed");
    assert!(run.report["messages"]["unanswered"].as_u64().unwrap() > 0);
    let max = run.report["latency_us"]["intended"]["max"].as_f64().unwrap();
    assert!(max > 1_000_000.0, "waited for longer than a second: {max} us");
}

#[test]
fn a_server_that_takes_nothing_fills_no_memory() {
    let deaf = Server::start(|_stream| thread::sleep(Duration::from_secs(30)));
    // The allocator reserves a gibibyte of it at once, and works with that.
    let little = ["sh", "-c", "ulimit -v 1500000 || exit 70; exec \"$0\" \"$@\""];
    let target = deaf.tcp();
    let words = ["echo", "--raw", "--raw-in", "65536", "--raw-out", "65536", "--target", &target];
    let load = ["--conns", "100", "--rate", "100", "--duration", "2s", "--warmup", "0s"];
    let run = run_through(&little, &[&words[..], &load].concat());
    // On a busy machine it may have been late as well.
    assert!(matches!(run.code, Some(99 | 4)), "{:?} {} {}", run.code, run.out, run.err);
    let messages = &run.report["messages"];
    assert!(messages["sent"].as_u64().unwrap() >= 100 && messages["received"] == 0, "{messages}");
    assert!(messages["achieved"].as_f64().unwrap() < 0.9, "what nobody takes is not sent: {messages}");
    // Without a bound of its own each of them would hold a mebibyte and more.
    let rss_bytes = run.report["generator"]["rss_bytes"].as_u64().unwrap();
    assert!(rss_bytes < 80 << 20, "{rss_bytes}");
}
