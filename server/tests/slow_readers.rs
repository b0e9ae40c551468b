//! A peer that never reads is bounded in memory, then closed, and nobody else notices.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use std::io::{ErrorKind, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use real_server::{PATIENCE, Player, Server, Wire, closes, masked, message, request, rss_bytes, total};
use socket2::{Domain, Socket, Type};
use tickring_protocol::message::{Hello, PROTOCOL_VERSION, combined_layout};
use tickring_pulse::Pulse;
use tickring_room::Game;

const MIB: u64 = 1 << 20;

/// A connection whose kernel holds little for it, so that not reading shows soon.
fn tight(address: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let address: SocketAddr = address.parse().unwrap();
    socket.connect(&address.into()).unwrap();
    socket.into()
}

#[test]
fn players_who_do_not_read_are_bounded_and_closed() {
    const DEAF: u64 = 40;
    let server = Server::start(&[
        "--game",
        "pulse",
        "--snapshot-hz",
        "60",
        "PULSE__SNAPSHOT_WIRE_BYTES=32768",
        "SESSION__SILENT_CLOSE=500ms",
        "SESSION__CLOSE_TIMEOUT=30s",
    ]);
    let mut player = Player::<Pulse>::join(&server.listen, "room", 1);
    let before = rss_bytes(&server.status());
    let hello = Hello {
        version: PROTOCOL_VERSION,
        layout: combined_layout(Pulse::LAYOUT),
        features: 0,
        resume: [0; 16],
    };
    let deaf: Vec<_> = (0..DEAF)
        .map(|_| {
            let mut wire = Wire::over(tight(&server.listen));
            wire.send(&[request("/v1/rooms/room"), message(|out| hello.write(out))].concat());
            wire
        })
        .collect();
    let (mut most, started) = (before, Instant::now());
    loop {
        player.until_snapshots(5);
        let status = server.status();
        most = most.max(rss_bytes(&status));
        if closes(&status, 4006, "slow_reader") == DEAF {
            assert!(total(&status, "snapshots_replaced") > DEAF, "the newest wins");
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{:#}", status["totals"]);
    }
    // Each may have one snapshot in the kernel's hands and one waiting.
    assert!(most - before < 32 * MIB, "{} KiB for {DEAF} peers", (most - before) / 1024);
    player.seen.assert_clean();
    // Who reads in the end finds the reason behind what was in flight.
    let mut late = deaf.into_iter().last().unwrap();
    late.expect_switch();
    let fault = loop {
        let frame = late.frame().unwrap();
        if frame.payload[0] == 0x85 {
            break frame;
        }
    };
    assert_eq!(fault.payload[1..3], 104_u16.to_le_bytes());
    let close = late.frame().unwrap();
    assert_eq!((close.first, &close.payload[..2]), (0x88, &4006_u16.to_be_bytes()[..]));
    drop(late);
    player.leave();
    server.until_empty();
}

#[test]
fn an_echo_peer_who_does_not_read_is_not_read_and_then_closed() {
    let server = Server::start(&["--echo", "SESSION__SILENT_CLOSE=500ms"]);
    let before = rss_bytes(&server.status());
    let mut deaf = Wire::over(tight(&server.listen));
    deaf.send(&request("/v1/echo"));
    deaf.expect_switch();
    deaf.socket.set_nonblocking(true).unwrap();
    let mut other = Wire::upgraded(&server.listen, "/v1/echo");
    let chunk = masked(0x82, &[7; 60_000]);
    let (mut written, mut at, mut most) = (0_u64, 0, before);
    let started = Instant::now();
    loop {
        match deaf.socket.write(&chunk[at..]) {
            Ok(count) => {
                at = (at + count) % chunk.len();
                written += count as u64;
                assert!(written < 256 * MIB, "the server reads on");
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // Nothing moves any more; everybody else is served.
                other.send(&masked(0x81, b"still there?"));
                assert_eq!(other.frame().unwrap().payload, b"still there?");
                most = most.max(rss_bytes(&server.status()));
                assert!(started.elapsed() < PATIENCE, "{:#}", server.status()["totals"]);
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(_) => break,
        }
    }
    // What one pass can bring is all receive buffers (2 MiB), to be echoed while as much is in flight;
    // the allocator takes its share on top. What matters: it does not grow with what is written.
    assert!(most - before < 48 * MIB, "{} KiB for one peer", (most - before) / 1024);
    assert_eq!(closes(&server.status(), 4006, "slow_reader"), 1);
    drop((deaf, other));
    server.until_empty();
}
