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

/// Declares [`RoomCounters`] and what goes through all of its fields.
macro_rules! counters {
    (
        simulated { $($(#[$simulated_doc:meta])+ $simulated:ident,)+ }
        told { $($(#[$told_doc:meta])+ $told:ident,)+ }
    ) => {
        /// Totals since the room began. A sum of rooms is the sum of the fields.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct RoomCounters {
            $($(#[$simulated_doc])+ pub $simulated: u64,)+
            $($(#[$told_doc])+ pub $told: u64,)+
        }

        impl RoomCounters {
            /// What follows from what enters a room and its ticks: the same whenever it is played again. How many
            /// snapshots were encoded and written does not.
            pub(crate) fn simulated(&self) -> impl Iterator<Item = u64> {
                [$(self.$simulated),+].into_iter()
            }

            /// Adds another room's totals.
            pub fn add(&mut self, other: &Self) {
                $(self.$simulated += other.$simulated;)+
                $(self.$told += other.$told;)+
            }
        }
    };
}

counters! {
    simulated {
        /// Steps run.
        steps,
        /// Players that took a seat.
        joins,
        /// Joins refused, the room being full or the game unwilling.
        joins_refused,
        /// Seats given up.
        leaves,
        /// Connections lost whose seat was held.
        holds,
        /// Held seats taken again.
        resumes,
        /// Held seats given up because nobody came back in time.
        holds_expired,
        /// Seats taken by another connection while the one before still lived.
        takeovers,
        /// Inputs taken into a buffer.
        inputs_accepted,
        /// Inputs whose tick had already run.
        inputs_late,
        /// Inputs too far ahead.
        inputs_early,
        /// Inputs with an old sequence number.
        inputs_duplicate,
        /// Inputs beyond the player's budget or buffer.
        inputs_over_budget,
        /// Inputs the game could not read.
        inputs_malformed,
        /// Inputs for a seat nobody holds.
        inputs_no_seat,
        /// Inputs consumed together with a newer one because of a backlog.
        inputs_skipped,
        /// Player-ticks without an input where the last one was repeated.
        starved_repeated,
        /// Player-ticks without an input where the neutral one was used.
        starved_neutral,
        /// View times that ran backwards.
        views_backwards,
        /// View times in the future.
        views_future,
        /// View times older than the farthest look back.
        views_too_old,
        /// View times too far from what the measured round trip allows.
        views_implausible,
        /// Events emitted.
        events,
    }
    told {
        /// Blocks of snapshots encoded, each shared by everybody who needs the same.
        blocks_encoded,
        /// Blocks that players needed: without sharing, as many would have been encoded.
        blocks_needed,
        /// Cells in sight of players that had news and were put off, the budget being spent.
        cells_put_off,
        /// Snapshots that lacked a cell only because it was far and the server overloaded.
        snapshots_thinned,
        /// Snapshots written for players.
        snapshots_written,
        /// Snapshots and events that spectators never see, what their delay keeps being bounded.
        watched_left_out,
        /// Held seats given up before their time. No part of a recording's checksums, which are older than it.
        holds_ended,
    }
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
}
