//! How the micro-benchmarks are measured: short, so that all of them together take a few minutes.

use std::time::Duration;

use criterion::Criterion;

/// Half a second of warm-up and one and a half of measuring per figure. Enough to see a change of some
/// percent; for less, `cargo bench -- --measurement-time 10 NAME`.
pub(crate) fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(30)
        .configure_from_args()
}
