//! Several targets: the load is spread over them, and their figures are added up.

mod support;

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
