//! One connection of the sink: bytes in, bytes out.

use tickring_protocol::limits::ECHO_MESSAGE_BYTES_MAX;
use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, parse_request, write_close, write_frame, write_switching_protocols,
};

/// A peer that leaves this much unread is dropped: several of the largest messages.
const OUT_BYTES_MAX: usize = 64 << 20;
const _: () = assert!(OUT_BYTES_MAX / 4 >= ECHO_MESSAGE_BYTES_MAX as usize);
/// RFC 6455 7.4.1.
const NORMAL: u16 = 1000;
const PROTOCOL_ERROR: u16 = 1002;

/// What is known of a connection.
#[derive(Debug)]
pub(super) struct Peer {
    state: State,
    /// What is to be sent.
    pub(super) out: Vec<u8>,
    /// A send is under way.
    pub(super) sending: bool,
}

#[derive(Debug)]
enum State {
    /// What has arrived of the upgrade request.
    Upgrading(Vec<u8>),
    Open(Decoder),
    /// Whatever comes is not looked at any more.
    Done,
}

impl Default for Peer {
    fn default() -> Self {
        Self { state: State::Upgrading(Vec::new()), out: Vec::new(), sending: false }
    }
}

impl Peer {
    /// Takes bytes in and writes the answers; counts messages. `false`: the connection is to be closed once what is
    /// written is sent.
    pub(super) fn take(&mut self, bytes: &mut [u8], messages: &mut u64) -> bool {
        let stays = match &mut self.state {
            State::Done => return true,
            State::Open(decoder) => answer(decoder, bytes, &mut self.out, messages),
            State::Upgrading(head) => {
                head.extend_from_slice(bytes);
                match parse_request(head) {
                    Ok(None) => true,
                    Ok(Some((request, head_bytes))) => {
                        write_switching_protocols(&mut self.out, &request.accept, None);
                        let mut rest = head.split_off(head_bytes);
                        let mut decoder = Decoder::new(Role::Server, ECHO_MESSAGE_BYTES_MAX);
                        let stays = answer(&mut decoder, &mut rest, &mut self.out, messages);
                        self.state = State::Open(decoder);
                        stays
                    }
                    Err(refusal) => {
                        refusal.write_response(&mut self.out);
                        false
                    }
                }
            }
        };
        if self.out.len() > OUT_BYTES_MAX {
            self.out.clear();
            self.state = State::Done;
            return false;
        }
        if !stays {
            self.state = State::Done;
        }
        stays
    }
}

/// Returns what came. `false` after a close, or what is no WebSocket.
fn answer(decoder: &mut Decoder, bytes: &mut [u8], out: &mut Vec<u8>, messages: &mut u64) -> bool {
    let mut frames = decoder.feed(bytes);
    loop {
        match frames.next() {
            Ok(None) => return true,
            Ok(Some(Event::Binary(payload))) => {
                *messages += 1;
                write_frame(out, OpCode::Binary, payload);
            }
            Ok(Some(Event::Text(text))) => {
                *messages += 1;
                write_frame(out, OpCode::Text, text.as_bytes());
            }
            Ok(Some(Event::Ping(payload))) => write_frame(out, OpCode::Pong, payload),
            Ok(Some(Event::Pong(_))) => {}
            Ok(Some(Event::Close { code, .. })) => {
                write_close(out, code.unwrap_or(NORMAL), "");
                return false;
            }
            Err(_) => {
                write_close(out, PROTOCOL_ERROR, "");
                return false;
            }
        }
    }
}
