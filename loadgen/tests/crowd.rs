//! Plans that do something to connections, against the real server.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod support;

use serde_json::Value;
use support::real_server::RealServer;
use support::{Run, run};

/// Runs a plan file against `server`.
fn plan(server: &RealServer, text: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("evening.toml");
    std::fs::write(&path, text).unwrap();
    let flags = ["--target", &server.target, "--admin", &server.admin, "--slo", "achieved>=1%"];
    let idle = text.contains("traffic = \"idle\"");
    let flags = &flags[..if idle { 4 } else { 6 }];
    let run = run(&[&[path.to_str().unwrap()], flags].concat());
    assert_eq!(run.report["preset"], "evening", "{}", run.err);
    support::schema::assert_conforms(&run.report);
    run
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

/// Whatever the machine's pace makes of a run, nothing may be lost or wrong in it.
fn assert_whole(run: &Run) {
    let conns = &run.report["conns"];
    assert_eq!(count(&conns["failed"]) + count(&conns["lost"]), 0, "{} {}", run.out, conns);
    for key in ["gaps", "duplicates", "reordered", "corrupted"] {
        assert_eq!(run.report["messages"][key], 0, "{key}: {}", run.out);
    }
}

#[test]
fn those_that_drop_come_back_to_their_seats() {
    let server = RealServer::start(&["--echo"]);
    let run = plan(
        &server,
        "traffic = \"game\"\nconns = 40\nwarmup = \"300ms\"\n[[phase]]\nname = \"calm\"\nduration = \"500ms\"\n\
         [[phase]]\nname = \"storm\"\nduration = \"3s\"\ndrop = \"50%\"\nbackoff = \"none\"\n",
    );
    assert_whole(&run);
    let crowd = &run.report["crowd"];
    assert_eq!((count(&crowd["dropped"]), count(&crowd["returned"])), (20, 20), "{}", run.out);
    assert!(crowd["recovered_99_percent_us"].as_f64().unwrap() > 0.0);
    let phases = run.report["phases"].as_array().unwrap();
    assert_eq!(phases.len(), 2);
    assert_eq!((&phases[0]["name"], count(&phases[0]["dropped"])), (&Value::from("calm"), 0));
    assert_eq!((count(&phases[1]["dropped"]), count(&phases[1]["open"])), (20, 40), "{}", run.out);
    assert!(count(&phases[1]["bystander_latency_us"]["count"]) > 0);
    assert_eq!(server.metric("tickring_seat_resumes_total"), 20, "each asked for the seat it had");
}

#[test]
fn who_leaves_is_followed_by_another() {
    let server = RealServer::start(&["--echo"]);
    let run = plan(
        &server,
        "traffic = \"echo\"\nrate = 20\nconns = 20\nworkers = 2\nwarmup = \"200ms\"\n\
         [[phase]]\nduration = \"2s\"\nleave-rate = 50\n",
    );
    assert_whole(&run);
    let crowd = &run.report["crowd"];
    let (left, upgrades) = (count(&crowd["left"]), count(&crowd["upgrades"]));
    assert!((90..=100).contains(&left), "50 a second for 2 s: {left}");
    assert!(upgrades + 20 >= left && upgrades <= left, "{upgrades} came for {left}");
    assert_eq!(count(&crowd["retried"]), 0, "{}", run.out);
    assert_eq!(crowd["server_cpu_us_per_upgrade"], Value::Null, "messages have their price too");
}

#[test]
fn the_number_of_connections_follows_the_stages() {
    let server = RealServer::start(&["--echo"]);
    let run = plan(
        &server,
        "traffic = \"idle\"\nconns = 10\nwarmup = \"0s\"\n[[phase]]\nduration = \"1s\"\nconns = 50\n\
         [[phase]]\nduration = \"500ms\"\n[[phase]]\nduration = \"1s\"\nconns = 5\n[[phase]]\nduration = \"500ms\"\n",
    );
    assert_whole(&run);
    assert_eq!(run.report["conns"]["requested"], 50);
    let open: Vec<u64> =
        run.report["phases"].as_array().unwrap().iter().map(|phase| count(&phase["open"])).collect();
    assert_eq!((open[1], open[3]), (50, 5), "{}", run.out);
    assert_eq!(run.report["crowd"]["left"], 45);
    assert!(run.report["crowd"]["server_cpu_us_per_upgrade"].as_f64().unwrap() > 0.0);
}

#[test]
fn who_stops_reading_does_not_disturb_the_others() {
    let server = RealServer::start(&["--echo"]);
    let run = plan(
        &server,
        "traffic = \"game\"\nconns = 20\nwarmup = \"300ms\"\n[[phase]]\nduration = \"1s\"\nstall-share = \"25%\"\n\
         [[phase]]\nduration = \"500ms\"\n",
    );
    assert_whole(&run);
    assert_eq!(
        (&run.report["crowd"]["stalled"], &run.report["crowd"]["shed"]),
        (&5.into(), &0.into()),
        "{}",
        run.out
    );
    let received = |at: usize| run.report["phases"][at]["received_per_s"].as_f64().unwrap();
    assert!(received(0) < received(1), "a quarter read nothing: {}", run.out);
}
