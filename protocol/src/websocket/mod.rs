//! RFC 6455 for both ends, without sockets: the upgrade, frames, and an incremental decoder that works in place.
//!
//! Extensions are not offered and not accepted. The vocabulary and the unmasking come from `fastwebsockets`.

mod assembler;
mod close;
mod decoder;
mod error;
mod frame;
mod handshake;
mod request;

pub use close::is_sendable_close_code;
pub use decoder::{Decoder, Event, Frames, Role};
pub use error::WebSocketError;
pub use fastwebsockets::{CloseCode, OpCode};
pub use frame::{
    FRAME_HEAD_BYTES_SMALL, write_close, write_frame, write_frame_head, write_masked_close,
    write_masked_frame,
};
pub use handshake::{UpgradeError, parse_response, write_request, write_switching_protocols};
pub use request::{Endpoint, Refusal, Request, parse_endpoint, parse_request};

/// The subprotocol of rooms. A client offers it, the server chooses it.
pub const SUBPROTOCOL: &str = "tickring.v1";
