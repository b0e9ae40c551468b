//! One run, every kind of `--out`, and what `loadgen report` makes of the JSON.

mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use support::schema::assert_conforms;
use support::{Answer, websocket};

fn loadgen(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(words)
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn words(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it writes UTF-8")
}

/// Asks until it is told what is wanted: the run is a child that needs some time. Gives up when the run is over.
fn scraped(address: &str, wanted: &str, mut is_over: impl FnMut() -> bool) -> Option<String> {
    while !is_over() {
        let mut page = String::new();
        if let Ok(mut stream) = TcpStream::connect(address) {
            let asked = stream
                .write_all(b"GET /metrics HTTP/1.1\r\n\r\n")
                .and_then(|()| stream.read_to_string(&mut page));
            if asked.is_ok() && page.contains(wanted) {
                return Some(page);
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
    None
}

#[test]
fn one_run_leaves_every_kind_and_its_json_makes_pages() {
    let server = websocket(|_, payload| Answer::Echo(payload));
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // Free a moment ago; whoever takes it meanwhile makes the run refuse, and the test fail with its words.
    let prometheus = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let outs = format!("json={},csv={},hgrm={}", at("a.json"), at("a.csv"), at("a.hgrm"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args([
            "run",
            "echo",
            "--admin",
            "127.0.0.1:1",
            "--target",
            &server.ws(),
            "--conns",
            "4",
            "--rate",
            "50",
        ])
        .args(["--duration", "2500ms", "--warmup", "200ms", "--slo", "p99<20s", "--out", &outs])
        .args(["--out", &format!("html={}", at("a.html")), "--out", &format!("prom={prometheus}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let page =
        scraped(&prometheus, "tickring_loadgen_latency_seconds", || child.try_wait().unwrap().is_some());
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", words(&output.stdout), words(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{said}");
    let page = page.expect("a run of some seconds can be asked");
    assert!(page.contains("tickring_loadgen_connections_open 4.0"), "{page}");
    assert!(TcpStream::connect(&prometheus).is_err(), "it ends with the run");

    let report: Value = serde_json::from_str(&std::fs::read_to_string(at("a.json")).unwrap()).unwrap();
    assert_conforms(&report);
    let course = report["course"].as_array().unwrap();
    assert!(course.len() >= 2, "{course:?}");
    let sent: f64 = course.iter().map(|point| point["sent_per_s"].as_f64().unwrap()).sum();
    assert!(
        sent >= report["messages"]["sent"].as_f64().unwrap() && sent <= 4.0 * 50.0 * 4.0,
        "{sent}: {report}"
    );
    let spectrum = report["spectra"]["intended"].as_array().unwrap();
    assert_eq!(spectrum.last().unwrap()["count"], report["latency_us"]["intended"]["count"]);
    assert!(report["spectra"]["tick_lateness"].as_array().unwrap().is_empty());
    let csv = std::fs::read_to_string(at("a.csv")).unwrap();
    assert!(csv.starts_with("at_s,requested,open") && csv.lines().count() == course.len() + 1, "{csv}");
    let hgrm = std::fs::read_to_string(at("a.hgrm")).unwrap();
    let total =
        format!("Total count    = {:>12}]", report["latency_us"]["intended"]["count"].as_u64().unwrap());
    assert!(hgrm.contains(&total), "{hgrm}");

    pages(&at, folder.path());
}

/// The page of the saved report is that of the run; a comparison with itself finds nothing; what is no report is refused.
fn pages(at: &dyn Fn(&str) -> String, folder: &Path) {
    let again = loadgen(&["report", &at("a.json"), "--out", &at("again.html")]);
    assert_eq!(again.status.code(), Some(0), "{}", words(&again.stderr));
    assert_eq!(words(&again.stdout), format!("wrote {}\n", at("again.html")));
    assert_eq!(
        std::fs::read(at("again.html")).expect("the page is there"),
        std::fs::read(at("a.html")).expect("the page is there")
    );
    assert!(std::fs::metadata(at("a.html")).expect("the page is there").len() < 300_000);

    let same = loadgen(&["report", &at("a.json"), &at("a.json")]);
    assert_eq!(same.status.code(), Some(0), "{}", words(&same.stderr));
    let table = words(&same.stdout);
    assert!(table.contains("latency p99") && table.contains("1.00"), "{table}");
    assert!(!table.contains("  beyond the noise"), "{table}");
    assert!(std::fs::read_to_string(at("a-to-a.html")).expect("the page is there").contains("<svg"));

    let full = |flags: &[&str]| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadgen"));
        let output = command.args(flags).stdout(full).output().expect("the program starts");
        let err = words(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains("cannot write to standard output: No space left"), "{err}");
    };
    full(&["report", &at("a.json"), "--out", "-"]);
    full(&["report", &at("a.json"), &at("a.json"), "--out", &at("untold.html")]);
    assert!(std::fs::read_to_string(at("untold.html")).expect("the page is there").contains("<svg"));

    let piped = loadgen(&["report", &at("a.json"), "--out", "-"]);
    assert!(piped.stdout.starts_with(b"<!DOCTYPE html>") && piped.status.code() == Some(0));
    for (path, why) in [(at("a.csv"), "is not JSON"), (folder.display().to_string(), "is a directory")] {
        let refused = loadgen(&["report", &path]);
        assert_eq!(refused.status.code(), Some(2), "{}", words(&refused.stdout));
        assert!(words(&refused.stderr).contains(why), "{}", words(&refused.stderr));
    }
}
