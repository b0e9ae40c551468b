//! One authoritative world: the [`Game`] trait, inputs, the fixed tick, history and snapshots.
//!
//! Pure: no socket, clock or thread. The caller says when a tick is due ([`Schedule`] computes that from a time
//! it is given), hands in inputs, and takes out snapshots and events. The same seed and the same calls give the
//! same bytes.
//!
//! The way of one input: [`Room::input`] → the seat's input buffer → [`Step::input`] inside [`Game::step`] →
//! the world → history and [`Room::encode_snapshot`] → [`Room::prepare_snapshot`] → [`Room::write_snapshot`].

mod config;
mod counters;
mod delayed;
mod events;
mod field;
mod game;
mod history;
mod input_buffer;
mod pace;
mod pose;
mod predict;
mod recording;
mod relief;
mod room;
mod schedule;
mod seat;
mod seen;
mod sent_inputs;
mod snapshot;
mod step;
mod view_time;
mod world;

pub use config::{ConfigError, HISTORY_TICKS, Interest, RoomConfig};
pub use counters::{InputDrop, RoomCounters};
pub use events::To;
pub use field::{Field, Scale};
pub use game::{Game, GameEvent, Hold, Input, JoinRefusal, Malformed, PrivateState, Replicated, Setup};
pub use glam::{Quat, Vec3};
pub use pace::Pace;
pub use pose::{Pose, Shape};
pub use predict::Predict;
pub use recording::{
    BUFFER_BYTES_MAX, CHUNK_BYTES_MAX, Chunk, Diverged, End, Entry, EntryFault, Header, HeaderError,
    Recorder, Recording, RecordingError, Replay,
};
pub use relief::Relief;
pub use room::{JoinError, Room, Seat, WatcherId};
pub use schedule::{Due, STEPS_PER_PASS_MAX, Schedule};
pub use seen::{Hit, Seen};
pub use sent_inputs::{SENT_INPUTS_MAX, SentInputs};
/// What [`Game::Settings`] are written with, for crates that need it for nothing else.
pub use serde;
pub use snapshot::{ReceivedState, SnapshotError};
pub use step::Step;
pub use tickring_protocol::ids::{EntityId, PlayerId, Sequence, Tick};
pub use tickring_protocol::message::layout_hash;
pub use view_time::ViewTime;
pub use world::World;

/// The room's random numbers: fast, seeded, the same on every machine. Not for secrets.
pub type Rng = rand_pcg::Pcg64Mcg;
