//! An independent peer: fastwebsockets' reader and writer against this crate's, in both directions.

mod streams;

use fastwebsockets::{FragmentCollector, Frame, Payload, Role as PeerRole, WebSocket};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use streams::Seen;
use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, write_close, write_frame, write_masked_close, write_masked_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const LENGTHS: [usize; 8] = [0, 1, 125, 126, 127, 65535, 65536, 300_000];
const MESSAGE_BYTES_MAX: u32 = 1 << 20;

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers").block_on(test);
}

/// Answers everything the way a server or client of ours does, until the peer closes. Returns what it saw.
async fn echo(mut socket: DuplexStream, role: Role) -> Vec<Seen> {
    let mut decoder = Decoder::new(role, MESSAGE_BYTES_MAX);
    let mut random = Pcg64Mcg::seed_from_u64(1);
    let mut seen = Vec::new();
    let mut input = [0; 4096];
    loop {
        let received = socket.read(&mut input).await.expect("a duplex pipe does not fail");
        assert_ne!(received, 0, "the peer went away without a close");
        let mut out = Vec::new();
        let mut write = |opcode, payload: &[u8]| match role {
            Role::Server => write_frame(&mut out, opcode, payload),
            Role::Client => write_masked_frame(&mut out, opcode, payload, random.random()),
        };
        let mut frames = decoder.feed(&mut input[..received]);
        while let Some(event) = frames.next().expect("the peer keeps to the RFC") {
            match event {
                Event::Text(text) => write(OpCode::Text, text.as_bytes()),
                Event::Binary(bytes) => write(OpCode::Binary, bytes),
                Event::Ping(payload) => write(OpCode::Pong, payload),
                Event::Pong(_) | Event::Close { .. } => {}
            }
            seen.push(event.into());
        }
        if let Some(Seen::Close(Some(code), reason)) = seen.last() {
            match role {
                Role::Server => write_close(&mut out, *code, reason),
                Role::Client => write_masked_close(&mut out, *code, reason, [1, 2, 3, 4]),
            }
            socket.write_all(&out).await.expect("the peer still reads");
            return seen;
        }
        socket.write_all(&out).await.expect("the peer still reads");
    }
}

/// Sends frames of all lengths, fragments and a ping through the peer, and checks that they come back.
async fn speak(socket: DuplexStream, role: PeerRole) {
    let mut peer = WebSocket::after_handshake(socket, role);
    peer.set_auto_close(false);
    peer.set_max_message_size(MESSAGE_BYTES_MAX as usize);
    let mut peer = FragmentCollector::new(peer);
    let mut random = Pcg64Mcg::seed_from_u64(2);
    for length in LENGTHS {
        let payload: Vec<u8> = (0..length).map(|_| random.random()).collect();
        peer.write_frame(Frame::binary(Payload::Borrowed(&payload))).await.expect("written");
        let back = peer.read_frame().await.expect("a valid frame");
        assert_eq!((back.opcode, &back.payload[..]), (OpCode::Binary, &payload[..]));
    }
    let fragments =
        [(OpCode::Text, "Grüße, "), (OpCode::Continuation, "€ und "), (OpCode::Continuation, "𝄞")];
    for (index, (opcode, fragment)) in fragments.into_iter().enumerate() {
        let payload = Payload::Borrowed(fragment.as_bytes());
        peer.write_frame(Frame::new(index == 2, opcode, None, payload)).await.expect("written");
    }
    let back = peer.read_frame().await.expect("a valid frame");
    assert_eq!((back.opcode, &back.payload[..]), (OpCode::Text, "Grüße, € und 𝄞".as_bytes()));
    peer.write_frame(Frame::new(true, OpCode::Ping, None, Payload::Borrowed(b"there?")))
        .await
        .expect("written");
    let back = peer.read_frame().await.expect("a valid frame");
    assert_eq!((back.opcode, &back.payload[..]), (OpCode::Pong, &b"there?"[..]));
    peer.write_frame(Frame::close(4010, b"over")).await.expect("written");
    let back = peer.read_frame().await.expect("a valid frame");
    assert_eq!((back.opcode, &back.payload[..]), (OpCode::Close, &b"\x0f\xaaover"[..]));
}

fn both_ends(ours: Role, theirs: PeerRole) {
    run(async {
        // A narrow pipe cuts frames at places of its own.
        let (our_end, their_end) = duplex(1500);
        let (seen, ()) = tokio::join!(echo(our_end, ours), speak(their_end, theirs));
        assert_eq!(seen.len(), LENGTHS.len() + 3);
        assert_eq!(seen.last(), Some(&Seen::Close(Some(4010), "over".to_owned())));
    });
}

#[test]
fn a_foreign_client_is_understood() {
    both_ends(Role::Server, PeerRole::Client);
}

#[test]
fn a_foreign_server_is_understood() {
    both_ends(Role::Client, PeerRole::Server);
}
