//! Tickring's wire protocol: the WebSocket codec and the messages, without sockets, clock or threads.
//!
//! Bytes come in as the socket gave them and leave as a `Vec<u8>` that the caller sends:
//!
//! ```text
//! bytes ─► websocket::parse_request ─► websocket::Decoder ─► message::ClientMessage::decode
//! bytes ◄─ websocket::write_frame   ◄─ message::Snapshot…::write
//! ```
//!
//! - [`websocket`]: RFC 6455 for both ends: the upgrade, frames, an incremental decoder that works in place.
//! - [`message`]: what a binary WebSocket message contains: a kind byte and a fixed-layout archive.
//! - [`fault`]: fault codes, close codes, and whether the client should come back.
//! - [`limits`]: every bound of the protocol, with the relations between them asserted at compile time.
//! - [`placement`]: which worker of a server a room lives on.
//! - [`ids`]: newtypes for what must not be mixed.
//!
//! Every byte is described in `docs/protocol.md`, with a session transcript that a test of this crate replays.

pub mod fault;
pub mod ids;
pub mod limits;
pub mod message;
pub mod placement;
pub mod websocket;

mod text;
