//! The distributions of a run as points, for drawings.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::measure::latency::{SpectrumPoint, spectrum};
use crate::measure::tally::Tally;
use crate::plan::Plan;

/// Each distribution of the report that is drawn, of some 150 points at most; empty: nothing was recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Spectra {
    /// From the intended send time to the answer.
    pub(crate) intended: Vec<SpectrumPoint>,
    /// From the real send to the answer.
    pub(crate) service: Vec<SpectrumPoint>,
    /// TCP connect.
    pub(crate) connect: Vec<SpectrumPoint>,
    /// From connected to ready for traffic.
    pub(crate) upgrade: Vec<SpectrumPoint>,
    /// Between snapshots of one player.
    pub(crate) snapshot_interval: Vec<SpectrumPoint>,
    /// How late the server's ticks began, as it says itself.
    pub(crate) tick_lateness: Vec<SpectrumPoint>,
}

impl Spectra {
    /// Of a run, and of the server's ticks if they are known.
    pub(super) fn of(plan: &Plan, tally: &Tally, tick_lateness: Option<&Histogram<u64>>) -> Self {
        Self {
            intended: tally.intended.spectrum(),
            service: tally.service.spectrum(),
            connect: tally.connect.spectrum(),
            // Without WebSocket nothing is upgraded, as in the percentiles.
            upgrade: if plan.raw.is_none() { tally.upgrade.spectrum() } else { Vec::new() },
            snapshot_interval: tally.interval.spectrum(),
            tick_lateness: tick_lateness.map(spectrum).unwrap_or_default(),
        }
    }
}
