//! The state that players see, as bytes and back.
//!
//! A body is the low byte of the snapshot's number, then a block for each cell that has something new for the
//! player: see [`block`] for the format. A small room is one cell. A block is made once per tick and shared by
//! every player who needs the same; since the connection is ordered and reliable, a delta is made to what was
//! *sent*, not to what was acknowledged, and players whose streams are in step need the same. A game whose entities
//! have no fields sends empty bodies.
//!
//! ```text
//! world ─► frame (quantised, by cell) ─► blocks (per cell and baseline, once) ─► a player's body
//!                        grid ─► view (which cells, what was sent, what fits the budget) ┘
//! ```

mod bits;
mod block;
mod column;
mod encoder;
mod frame;
mod grid;
mod prediction;
mod reading;
mod received;
mod view;

pub(crate) use encoder::Encoder;
pub use received::{ReceivedState, SnapshotError};
pub(crate) use view::View;

/// Fields an entity may have.
pub(crate) const FIELDS_MAX: usize = 32;
/// Snapshots that are remembered: a delta reaches back to the oldest of them. Who missed more gets keyframes.
const DEPTH: usize = 32;
/// Bytes before the first block.
const NUMBER_BYTES: usize = 1;
/// Kind of a block that needs nothing received before.
const KEYFRAME: u8 = 0;
/// Kind of a block that ends a cell.
const FORGET: u8 = 255;
