//! Several targets: the load is spread over them, and their figures are added up.

mod support;

use std::process::Command;

use serde_json::Value;
use support::real_server::RealServer;
use support::run;

#[test]
fn connections_are_spread_over_the_targets() {
    let servers = [RealServer::start(&["--echo"]), RealServer::start(&["--echo"])];
    let [one, other] = &servers;
    let words = ["echo", "--target", &one.target, "--target", &other.target, "--admin", &one.admin];
    let more = ["--admin", &other.admin, "--conns", "31", "--duration", "1s", "--warmup", "100ms"];
    let run = run(&[&words[..], &more[..], &["--slo", "p99<20s"]].concat());
    assert_eq!(run.report["conns"]["connected"], 31, "{} {}", run.out, run.err);
    assert_eq!(run.report["messages"]["gaps"], 0, "{}", run.out);
    assert!(run.report["server"]["cpu_percent"].as_f64().unwrap() > 0.0, "of both: {}", run.out);
    let accepted = |server: &RealServer| server.metric("tickring_accepts_total");
    assert_eq!((accepted(one), accepted(other)), (16, 15));
}

/// Two of three parts of the load go to the smaller one.
#[test]
fn each_server_holds_what_comes_to_it() {
    let [large, small] =
        ["100", "60"].map(|max| RealServer::start(&["--echo", "--workers", "1", "--max-conns", max]));
    let targets = [&large, &small, &small].map(|server| ["--target", &server.target]).concat();
    let admins = [&large, &small, &small].map(|server| ["--admin", &server.admin]).concat();
    let of = |preset: &'static str, conns: &'static str| {
        [&[preset, "--conns", conns][..], &targets, &admins].concat()
    };
    let asked = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args([&["doctor", "--json"], words].concat())
            .output();
        serde_json::from_slice::<Value>(&output.unwrap().stdout).unwrap()
    };
    // Players sit in rooms of 50, which take turns like connections do.
    for (preset, maximum) in [("idle", 91), ("game", 100)] {
        let found = asked(&of(preset, "150"));
        assert_eq!(found["maximum"], maximum, "{preset}: {found:#}");
    }
    for (preset, conns, connected) in [("idle", "91", 91), ("game", "100", 100)] {
        let run = run(&[&of(preset, conns)[..], &["--duration", "300ms", "--warmup", "0s"]].concat());
        assert_eq!(run.report["conns"]["connected"], connected, "{} {}", run.out, run.err);
    }
}
