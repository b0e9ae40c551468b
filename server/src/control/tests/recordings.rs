//! What the pages say of recordings.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::{Fake, get, serve};
use crate::recording::{Stop, Tally};

/// What became of some recordings.
pub(super) fn tally() -> Arc<Tally> {
    let tally = Tally::default();
    tally.writing.store(2, Ordering::SeqCst);
    tally.bytes.store(70_000, Ordering::SeqCst);
    tally.stopped(Stop::NoSpace);
    Arc::new(tally)
}

#[test]
fn the_pages_tell_what_became_of_recordings() {
    let served = serve(vec![Fake::answering(0)]);
    let (_, page) = get(served.address, "/metrics");
    for line in [
        "tickring_recordings 2",
        "tickring_recordings_finished_total 0",
        "tickring_recording_bytes_total 70000",
        "tickring_recordings_stopped_total{reason=\"no_space\"} 1",
        "tickring_recordings_stopped_total{reason=\"slow\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "no line {line} in\n{page}");
    }
    let page: Value = serde_json::from_str(&get(served.address, "/status").1).unwrap();
    let recordings = &page["recordings"];
    assert_eq!((&recordings["dir"], &recordings["writing"]), (&Value::Null, &2.into()));
    assert_eq!((&recordings["stopped"]["no_space"], &recordings["stopped"]["limit"]), (&1.into(), &0.into()));
}
