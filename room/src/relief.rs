//! What a room saves while its server has too much to do.

use tickring_protocol::message::TIME_DILATION_NONE;

/// Work that a room leaves out. None of it changes what happens in the world, only when, and who is told how soon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relief {
    /// Cells that are neither a player's own nor next to it go out with every so many snapshots, 1..=4. To spectators,
    /// every cell. Without effect where the game sets no [`Interest`](crate::Interest).
    pub far_every: u8,
    /// What [`RoomConfig::snapshot_bytes_per_s`](crate::RoomConfig::snapshot_bytes_per_s) is divided by, 1 or more.
    pub budget_divisor: u8,
    /// How fast the caller lets time pass in the room, in 1/255: the room only tells its players. See
    /// [`Pace`](crate::Pace).
    pub time_dilation: u8,
}

impl Relief {
    /// Nothing is left out.
    pub const NONE: Self = Self { far_every: 1, budget_divisor: 1, time_dilation: TIME_DILATION_NONE };
}
