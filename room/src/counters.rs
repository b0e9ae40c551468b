//! What a room counts.

use thiserror::Error;

use crate::Malformed;

/// Why an input was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InputDrop {
    /// Its tick has already run.
    #[error("the input's tick has already run")]
    Late,
    /// Its tick lies beyond the window of 16.
    #[error("the input's tick lies too far ahead")]
    Early,
    /// Its sequence number is not newer than the last one taken.
    #[error("the input's sequence number is not new")]
    Duplicate,
    /// The player sends more than its budget, or its buffer of 64 is full.
    #[error("the player sends more inputs than its budget")]
    OverBudget,
    /// The game's part is not as long as this game's inputs are. The server closes the connection.
    #[error("the game's part of the input has {found} bytes, it must have {expected}")]
    Length {
        /// Bytes after the head.
        found: usize,
        /// [`Input::BYTES`](crate::Input::BYTES) of the game.
        expected: usize,
    },
    /// The game cannot read it. The server closes the connection.
    #[error("the game cannot read the input: {0}")]
    Malformed(Malformed),
    /// Nobody holds that seat.
    #[error("nobody holds that seat")]
    NoSeat,
}

/// Totals since the room began. A sum of rooms is the sum of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomCounters {
    /// Steps run.
    pub steps: u64,
    /// Players that took a seat.
    pub joins: u64,
    /// Joins refused, the room being full or the game unwilling.
    pub joins_refused: u64,
    /// Seats given up.
    pub leaves: u64,
    /// Connections lost whose seat was held.
    pub holds: u64,
    /// Held seats taken again.
    pub resumes: u64,
    /// Held seats given up because nobody came back in time.
    pub holds_expired: u64,
    /// Seats taken by another connection while the one before still lived.
    pub takeovers: u64,
    /// Inputs taken into a buffer.
    pub inputs_accepted: u64,
    /// Inputs whose tick had already run.
    pub inputs_late: u64,
    /// Inputs too far ahead.
    pub inputs_early: u64,
    /// Inputs with an old sequence number.
    pub inputs_duplicate: u64,
    /// Inputs beyond the player's budget or buffer.
    pub inputs_over_budget: u64,
    /// Inputs the game could not read.
    pub inputs_malformed: u64,
    /// Inputs for a seat nobody holds.
    pub inputs_no_seat: u64,
    /// Inputs consumed together with a newer one because of a backlog.
    pub inputs_skipped: u64,
    /// Player-ticks without an input where the last one was repeated.
    pub starved_repeated: u64,
    /// Player-ticks without an input where the neutral one was used.
    pub starved_neutral: u64,
    /// View times that ran backwards.
    pub views_backwards: u64,
    /// View times in the future.
    pub views_future: u64,
    /// View times older than the farthest look back.
    pub views_too_old: u64,
    /// View times too far from what the measured round trip allows.
    pub views_implausible: u64,
    /// Blocks of snapshots encoded, each shared by everybody who needs the same.
    pub blocks_encoded: u64,
    /// Blocks that players needed: without sharing, as many would have been encoded.
    pub blocks_needed: u64,
    /// Cells in sight of players that had news and were put off, the budget being spent.
    pub cells_put_off: u64,
    /// Snapshots that lacked a cell only because it was far and the server overloaded.
    pub snapshots_thinned: u64,
    /// Snapshots written for players.
    pub snapshots_written: u64,
    /// Snapshots and events that spectators never see, what their delay keeps being bounded.
    pub watched_left_out: u64,
    /// Events emitted.
    pub events: u64,
}

impl RoomCounters {
    pub(crate) fn count_drops(&mut self, drop: InputDrop, count: u32) {
        *match drop {
            InputDrop::Late => &mut self.inputs_late,
            InputDrop::Early => &mut self.inputs_early,
            InputDrop::Duplicate => &mut self.inputs_duplicate,
            InputDrop::OverBudget => &mut self.inputs_over_budget,
            InputDrop::Length { .. } | InputDrop::Malformed(_) => &mut self.inputs_malformed,
            InputDrop::NoSeat => &mut self.inputs_no_seat,
        } += u64::from(count);
    }

    /// What follows from what enters a room and its ticks: the same whenever it is played again. How many snapshots
    /// were encoded and written does not.
    pub(crate) fn simulated(&self) -> [u64; 23] {
        let &Self {
            steps,
            joins,
            joins_refused,
            leaves,
            holds,
            resumes,
            holds_expired,
            takeovers,
            inputs_accepted,
            inputs_late,
            inputs_early,
            inputs_duplicate,
            inputs_over_budget,
            inputs_malformed,
            inputs_no_seat,
            inputs_skipped,
            starved_repeated,
            starved_neutral,
            views_backwards,
            views_future,
            views_too_old,
            views_implausible,
            blocks_encoded: _,
            blocks_needed: _,
            cells_put_off: _,
            snapshots_thinned: _,
            snapshots_written: _,
            watched_left_out: _,
            events,
        } = self;
        [
            steps,
            joins,
            joins_refused,
            leaves,
            holds,
            resumes,
            holds_expired,
            takeovers,
            inputs_accepted,
            inputs_late,
            inputs_early,
            inputs_duplicate,
            inputs_over_budget,
            inputs_malformed,
            inputs_no_seat,
            inputs_skipped,
            starved_repeated,
            starved_neutral,
            views_backwards,
            views_future,
            views_too_old,
            views_implausible,
            events,
        ]
    }

    /// Adds another room's totals.
    pub fn add(&mut self, other: &Self) {
        let Self {
            steps,
            joins,
            joins_refused,
            leaves,
            holds,
            resumes,
            holds_expired,
            takeovers,
            inputs_accepted,
            inputs_late,
            inputs_early,
            inputs_duplicate,
            inputs_over_budget,
            inputs_malformed,
            inputs_no_seat,
            inputs_skipped,
            starved_repeated,
            starved_neutral,
            views_backwards,
            views_future,
            views_too_old,
            views_implausible,
            blocks_encoded,
            blocks_needed,
            cells_put_off,
            snapshots_thinned,
            snapshots_written,
            watched_left_out,
            events,
        } = other;
        self.steps += steps;
        self.joins += joins;
        self.joins_refused += joins_refused;
        self.leaves += leaves;
        self.holds += holds;
        self.resumes += resumes;
        self.holds_expired += holds_expired;
        self.takeovers += takeovers;
        self.inputs_accepted += inputs_accepted;
        self.inputs_late += inputs_late;
        self.inputs_early += inputs_early;
        self.inputs_duplicate += inputs_duplicate;
        self.inputs_over_budget += inputs_over_budget;
        self.inputs_malformed += inputs_malformed;
        self.inputs_no_seat += inputs_no_seat;
        self.inputs_skipped += inputs_skipped;
        self.starved_repeated += starved_repeated;
        self.starved_neutral += starved_neutral;
        self.views_backwards += views_backwards;
        self.views_future += views_future;
        self.views_too_old += views_too_old;
        self.views_implausible += views_implausible;
        self.blocks_encoded += blocks_encoded;
        self.blocks_needed += blocks_needed;
        self.cells_put_off += cells_put_off;
        self.snapshots_thinned += snapshots_thinned;
        self.snapshots_written += snapshots_written;
        self.watched_left_out += watched_left_out;
        self.events += events;
    }
}
