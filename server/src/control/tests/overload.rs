//! What the pages tell of a worker that does not keep up.

use super::{Fake, get, serve};
use crate::report::Overload;

/// What every made-up worker reports.
pub(super) const REPORTED: Overload = Overload {
    rung: 3,
    time_dilation: 204,
    rung_ns: [90_000_000_000, 500_000_000, 0, 2_000_000_000, 0],
    joins_refused: 6,
    snapshots_thinned: 12,
};

#[test]
fn the_pages_tell_how_far_a_worker_has_gone() {
    let served = serve(vec![Fake::answering(0), Fake::answering(1)]);
    let (_, metrics) = get(served.address, "/metrics");
    for line in [
        "tickring_overload_rung{worker=\"1\"} 3",
        "tickring_time_dilation{worker=\"0\"} 0.8",
        "tickring_overload_seconds_total{worker=\"0\",rung=\"1\"} 0.5",
        "tickring_overload_seconds_total{worker=\"1\",rung=\"3\"} 2.0",
        "tickring_joins_refused_overloaded_total{worker=\"0\"} 6",
        "tickring_snapshots_thinned_total{worker=\"1\"} 12",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no line {line} in\n{metrics}");
    }
    let (_, status) = get(served.address, "/status");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let seconds = serde_json::json!({ "0": 90.0, "1": 0.5, "2": 0.0, "3": 2.0, "4": 0.0 });
    let expected = serde_json::json!({ "rung": 3, "time_dilation": 0.8, "seconds": seconds });
    assert_eq!(status["workers"][1]["overload"], expected);
    assert_eq!(
        (&status["totals"]["overload_rung_max"], &status["totals"]["snapshots_thinned"]),
        (&3.into(), &24.into())
    );
}
