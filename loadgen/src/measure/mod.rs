//! What is measured, in fixed memory: every worker keeps its own, and they are merged at the end.

pub(crate) mod errors;
pub(crate) mod health;
pub(crate) mod latency;
pub(crate) mod presence;
pub(crate) mod sample;
pub(crate) mod series;
pub(crate) mod stops;
pub(crate) mod streams;
pub(crate) mod tally;
