//! A server that is another process at the end of the window than at its start has no figures of the window.

mod support;

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};

use support::{Server, raw_echo, run, schema};

/// Looks at `/status` until the window has begun: before the run, before the first connection, at its start.
const LOOKS_BEFORE: u32 = 3;

/// An admin endpoint whose process is another one at the end of the window, with counters of its own.
fn restarting_admin() -> Server {
    let looks = AtomicU32::new(0);
    Server::start(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let (pid, steps) =
            if looks.fetch_add(1, Ordering::SeqCst) < LOOKS_BEFORE { (17, 900) } else { (23, 5) };
        let status = format!(
            r#"{{"pid":{pid},"uptime_s":{pid},"cpu_ns":{steps},"tick":{{"steps":{steps},"missed":0}},"tick_hz":60}}"#
        );
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
        // Whoever asked may have left.
        let _ = write!(stream, "{head} {}\r\n\r\n{status}", status.len());
    })
}

#[test]
fn objectives_on_a_restarted_server_are_not_met() {
    let (server, admin) = (raw_echo(70, 66), restarting_admin());
    let (target, admin) = (server.tcp(), admin.address.to_string());
    let words = ["echo", "--raw", "--target", &target, "--admin", &admin, "--conns", "4"];
    let rest = ["--warmup", "100ms", "--duration", "500ms", "--slo", "ticks_missed==0"];
    let run = run(&[&words[..], &rest].concat());
    schema::assert_conforms(&run.report);
    let figures = &run.report["server"];
    for key in ["source", "cpu_percent", "rss_bytes", "ticks", "ticks_missed", "tick_hz"] {
        assert!(figures[key].is_null(), "{key}: {figures}");
    }
    assert!(figures["gap"].as_str().unwrap().contains("restarted"), "{figures}");
    assert_eq!(run.report["slo"][0]["met"], false);
    assert!(run.out.contains("ticks_missed==0: not measured: the server was restarted"), "{}", run.out);
    assert_ne!(run.code, Some(0), "{}", run.out);
}
