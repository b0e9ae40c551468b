//! A peer that writes any bytes it likes. Frames are made and read by hand, so that a mistake in the
//! project's own codec cannot hide itself.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use super::PATIENCE;

/// A frame from the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// FIN, reserved bits and opcode.
    pub first: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A raw connection.
pub struct Wire {
    pub socket: TcpStream,
    received: Vec<u8>,
}

impl Wire {
    /// Connects, no more; `None` when nobody listens.
    pub fn try_dial(address: &str) -> Option<Self> {
        TcpStream::connect(address).ok().map(Self::over)
    }

    /// Connects, no more.
    pub fn dial(address: &str) -> Self {
        Self::over(TcpStream::connect(address).unwrap())
    }

    /// Takes over a connected socket.
    pub fn over(socket: TcpStream) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, received: Vec::new() }
    }

    /// Connects and upgrades.
    pub fn upgraded(address: &str, path: &str) -> Self {
        let mut wire = Self::dial(address);
        wire.send(&request(path));
        wire.expect_switch();
        wire
    }

    /// Reads the head of the answer, which must be 101.
    pub fn expect_switch(&mut self) {
        let head = self.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }

    /// Writes all of it, unless the server has closed.
    pub fn send(&mut self, bytes: &[u8]) {
        match self.socket.write_all(bytes) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// More bytes; false at the end of the stream.
    fn more(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        match self.socket.read(&mut bytes) {
            Ok(count) => {
                self.received.extend_from_slice(&bytes[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the server said nothing: {error}"),
        }
    }

    /// The head of the server's answer.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") {
                return String::from_utf8(self.received.drain(..end + 4).collect()).unwrap();
            }
            assert!(self.more(), "the stream ended inside a head: {:?}", self.received);
        }
    }

    /// Everything up to the end of the stream.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.received)
    }

    /// The next frame; `None` at the end of the stream.
    pub fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, used)) = parse(&self.received) {
                self.received.drain(..used);
                return Some(frame);
            }
            if !self.more() {
                assert_eq!(self.received, b"", "the stream ended inside a frame");
                return None;
            }
        }
    }

    /// The next frame of this kind; others are passed over.
    pub fn frame_of(&mut self, first: u8) -> Frame {
        loop {
            let frame = self.frame().expect("the stream ended before the frame");
            if frame.first == first {
                return frame;
            }
        }
    }

    /// The code of the Close that ends the stream; nothing may follow it.
    pub fn close_code(&mut self) -> u16 {
        let close = self.frame_of(0x88);
        assert_eq!(self.frame(), None, "a frame after the Close");
        u16::from_be_bytes([close.payload[0], close.payload[1]])
    }
}

/// One unmasked frame from the front of `bytes` (RFC 6455 5.2), and how long it is.
fn parse(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    assert_eq!(second & 0x80, 0, "a server must not mask");
    let (head, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())).unwrap()),
        short => (2, usize::from(short)),
    };
    let payload = bytes.get(head..head + length)?.to_vec();
    Some((Frame { first, payload }, head + length))
}

/// An upgrade request.
pub fn request(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: server\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: tickring.v1\r\n\r\n"
    )
    .into_bytes()
}

/// A masked frame with this first byte.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x11, 0xa2, 0x33, 0xc4];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..0x1_0000 => {
            frame.push(0xfe);
            frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0xff);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A message in a masked binary frame.
pub fn message(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut payload = Vec::new();
    write(&mut payload);
    masked(0x82, &payload)
}
