//! A Tickring client's connection state, without sockets or clock.
//!
//! Bytes from the socket go into [`Connection::receive`], bytes for the socket come out of [`Connection::out`],
//! and every call that depends on time is given it. What happened comes back as [`ClientEvent`]s. Decoded
//! snapshots live in a [`Decoded`], which the connections of one room may share.
//!
//! Around that, each to be used or left:
//!
//! - [`Prediction`] shows the own player without the way to the server and back, for games that implement
//!   [`Predict`](tickring_room::Predict).
//! - [`Connection::seen`] shows the others smoothly, at a delay that follows the jitter ([`Clock::delay_ticks`]).
//!   The moment they are shown at is declared with every input, so that shots are judged by what was seen.
//! - [`Reconnect`] says when to come back after a connection ended, and for which seat; [`InputGate`] what becomes
//!   of inputs meanwhile.
//!
//! One turn of a client's loop, between waiting for the socket and [`Connection::next_input_ns`]:
//!
//! ```
//! use tickring_client::{Connection, Decoded, InputGate, Prediction, Reconnect};
//! use tickring_room::Predict;
//!
//! struct Client<G: Predict> {
//!     connection: Connection<G>,
//!     decoded: Decoded<G>,
//!     prediction: Option<Prediction<G>>,
//!     reconnect: Reconnect,
//!     gate: InputGate,
//! }
//!
//! impl<G: Predict> Client<G> {
//!     fn turn(&mut self, now_ns: u64, arrived: &mut [u8], pressed: G::Input) {
//!         let reconnect = &mut self.reconnect;
//!         let received = self.connection.receive(now_ns, arrived, &mut self.decoded, &mut |event| {
//!             reconnect.heard(now_ns, &event);
//!         });
//!         if let Err(error) = received {
//!             // Send what is left to say, hang up, and do as this says.
//!             self.reconnect.ended(now_ns, Some(&error));
//!             return;
//!         }
//!         let Some(welcome) = self.connection.welcome() else { return };
//!         let prediction = self.prediction.get_or_insert_with(|| Prediction::new(welcome));
//!         prediction.follow(now_ns, &self.connection);
//!         while self.connection.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
//!             let Some(input) = self.gate.pass(self.connection.state(), pressed) else { break };
//!             prediction.send(now_ns, &mut self.connection, &input);
//!         }
//!     }
//! }
//! ```
//!
//! # Watching
//!
//! With [`FEATURE_SPECTATE`](tickring_protocol::message::FEATURE_SPECTATE) among the [`Config::features`] the hello asks
//! to watch a room that somebody plays in. The welcome then gives a place without a seat:
//! [`Connection::entities`] and [`Connection::seen`] show the whole field, events and pings are as ever, and all that
//! is a player's own is `None`: [`Connection::player`], [`Connection::entity`], [`Connection::private`],
//! [`Connection::next_input_ns`]. [`Connection::send_input`] sends nothing then, so a loop like the one above needs no
//! change to watch.
//!
//! `examples/arena-terminal` is a whole client over tokio: it plays the arena, draws it with letters, and comes
//! back when the server does. `docs/prediction.md` shows what the parts do to a player 75 ms away.

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
