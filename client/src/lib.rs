//! A Tickring client's connection state, without sockets or clock.
//!
//! Bytes from the socket go into [`Connection::receive`], bytes for the socket come out of [`Connection::out`],
//! and every call that depends on time is given it. What happened comes back as [`ClientEvent`]s. Decoded
//! snapshots live in a [`Decoded`], which the connections of one room may share.

mod clock;
mod connection;
mod continuity;
mod decoded;
mod delay;
mod error;
mod event;
mod input_gate;
mod playing;
mod prediction;
mod reconnect;
mod session;

pub use clock::Clock;
pub use connection::{Config, Connection, State};
pub use continuity::Continuity;
pub use decoded::{Decoded, WorldState};
pub use error::ClientError;
pub use event::{ClientEvent, Snapshot};
pub use input_gate::InputGate;
pub use prediction::{Correction, Prediction};
pub use reconnect::{Ending, Reconnect, Retry};
