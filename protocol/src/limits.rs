//! Every bound of the protocol in one place, and the relations between them, checked while compiling.
//!
//! Sizes are bytes, times are milliseconds. Most are defaults that a server's configuration may change; those
//! that both ends rely on are marked *fixed*.

/// Longest request or response head of the upgrade. Fixed. More is answered with 431.
pub const HEAD_BYTES_MAX: usize = 8192;
/// Most header lines in a head. Fixed. More is answered with 431.
pub const HEADERS_MAX: usize = 64;
/// Longest room name. Fixed.
pub const ROOM_NAME_BYTES_MAX: usize = 64;

/// Longest message a client may send in a room. The server tells the client its value in
/// [`Welcome`](crate::message::Welcome).
pub const CLIENT_MESSAGE_BYTES_MAX: u32 = 4096;
/// Longest message on the echo endpoint.
pub const ECHO_MESSAGE_BYTES_MAX: u32 = 16 * 1024 * 1024;
/// Longest message a client of a room accepts from its server: a full keyframe of a crowded room fits.
pub const SERVER_MESSAGE_BYTES_MAX: u32 = 1024 * 1024;
/// Bytes that may wait to be sent to one player.
pub const OUTBOX_BYTES_MAX: u32 = 64 * 1024;

/// Payload of a control frame (RFC 6455 5.5). Fixed.
pub const CONTROL_PAYLOAD_BYTES_MAX: usize = 125;
/// Reason of a close frame: a control payload without its two-byte code. Fixed.
pub const CLOSE_REASON_BYTES_MAX: usize = CONTROL_PAYLOAD_BYTES_MAX - 2;
/// Longest frame head: two bytes, eight of length, four of mask (RFC 6455 5.2). Fixed.
pub const FRAME_HEAD_BYTES_MAX: usize = 14;
/// What the decoder reserves on the word of a frame head alone; beyond it, memory grows with what arrived.
pub const CLAIMED_RESERVE_BYTES_MAX: usize = 64 * 1024;
/// Fragments any message may have, however short.
pub const FRAGMENTS_FREE: u32 = 1024;
/// A longer message may have one fragment for every so many bytes of its limit.
pub const FRAGMENT_BYTES_MEAN_MIN: u32 = 32;

/// The game's part of an input. Fixed.
pub const GAME_INPUT_BYTES_MAX: usize = 16;
/// Text of a [`Fault`](crate::message::Fault). Fixed.
pub const FAULT_TEXT_BYTES_MAX: usize = 80;

/// Fewest ticks per second of a room. Fixed.
pub const TICK_HZ_MIN: u16 = 20;
/// Most ticks per second of a room, and so most snapshots. Fixed.
pub const TICK_HZ_MAX: u16 = 128;
/// Farthest behind the newest snapshot that a server lets clients show the others, in ticks. Fixed.
pub const INTERPOLATION_TICKS_MAX: u8 = 32;

/// Entities that a client holds over all its cells, one that is in two of them twice: as many as there are ids. Fixed.
pub const HELD_ENTITIES_MAX: usize = 65_536;

/// From accepting a connection to its complete upgrade, and from there to its hello.
pub const HANDSHAKE_MS: u32 = 5_000;
/// Silence after which the server sends a ping (with jitter subtracted).
pub const PING_AFTER_MS: u32 = 25_000;
/// Further silence after that ping before the server closes.
pub const SILENT_CLOSE_MS: u32 = 10_000;
/// From sending a close frame to closing the socket when the peer does not answer.
pub const CLOSE_MS: u32 = 5_000;

/// Most fragments a message may have on a connection with this message limit. A message of tiny fragments costs
/// more time than its bytes suggest, so their mean size has a lower bound.
#[must_use]
pub const fn fragments_max(message_bytes_max: u32) -> u32 {
    let by_size = message_bytes_max / FRAGMENT_BYTES_MEAN_MIN;
    if by_size > FRAGMENTS_FREE { by_size } else { FRAGMENTS_FREE }
}

const _: () = {
    use crate::message::{Fault, Goodbye, Hello, InputHead, Leave, Ping, Welcome};
    assert!(Hello::BYTES <= CLIENT_MESSAGE_BYTES_MAX as usize);
    assert!(InputHead::BYTES + GAME_INPUT_BYTES_MAX <= CLIENT_MESSAGE_BYTES_MAX as usize);
    // An input travels in a frame with the shortest head: two bytes and the mask.
    assert!(InputHead::BYTES + GAME_INPUT_BYTES_MAX <= CONTROL_PAYLOAD_BYTES_MAX);
    assert!(Ping::BYTES <= CLIENT_MESSAGE_BYTES_MAX as usize);
    assert!(Leave::BYTES <= CLIENT_MESSAGE_BYTES_MAX as usize);
    // A farewell must fit into an outbox that has just been emptied.
    assert!(
        Welcome::BYTES + Fault::BYTES + Goodbye::BYTES + 2 * FRAME_HEAD_BYTES_MAX < OUTBOX_BYTES_MAX as usize
    );
    assert!(CLIENT_MESSAGE_BYTES_MAX <= OUTBOX_BYTES_MAX);
    assert!(OUTBOX_BYTES_MAX <= SERVER_MESSAGE_BYTES_MAX);
    assert!(CLIENT_MESSAGE_BYTES_MAX <= ECHO_MESSAGE_BYTES_MAX);
    assert!(ECHO_MESSAGE_BYTES_MAX < u32::MAX / 2);
    assert!(FRAME_HEAD_BYTES_MAX == 2 + 8 + 4);
    assert!(CLOSE_REASON_BYTES_MAX + 2 == CONTROL_PAYLOAD_BYTES_MAX);
    assert!(FAULT_TEXT_BYTES_MAX <= CLOSE_REASON_BYTES_MAX);
    assert!("/v1/rooms/".len() + ROOM_NAME_BYTES_MAX < HEAD_BYTES_MAX);
    // Two pings in a row may be lost to a busy moment without a NAT forgetting the flow (30 s and more).
    assert!(PING_AFTER_MS < 30_000 && SILENT_CLOSE_MS < PING_AFTER_MS);
    assert!(CLOSE_MS <= HANDSHAKE_MS && HANDSHAKE_MS < SILENT_CLOSE_MS);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fragment_bound_follows_the_message_limit() {
        assert_eq!(fragments_max(CLIENT_MESSAGE_BYTES_MAX), FRAGMENTS_FREE);
        assert_eq!(fragments_max(ECHO_MESSAGE_BYTES_MAX), 524_288);
    }
}
