//! The rooms of a run: how many players each has, and how they are called.

use super::{Plan, Preset};

/// Bots of a room unless told otherwise.
pub(crate) const BOTS_PER_ROOM: u32 = 50;

/// How a run names its rooms. A name decides which of the server's workers a room lives on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// What its names begin with.
    prefix: &'static str,
    seed: u64,
}

impl Names {
    /// Those of `plan`'s rooms.
    pub(crate) const fn of(plan: &Plan) -> Self {
        // A probe wants its rooms for itself.
        let prefix = if matches!(plan.preset, Preset::Rewind { .. }) { "rewind" } else { "load" };
        Self { prefix, seed: plan.seed }
    }

    /// The name of a room, counted from 0.
    pub(crate) fn room(self, room: u64) -> String {
        format!("{}-{}-{room}", self.prefix, self.seed)
    }
}
