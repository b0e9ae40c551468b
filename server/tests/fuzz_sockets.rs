//! Method: strangers send random bytes and mutated sessions to the real server, in pieces, and leave
//! in every way there is, while one player plays by the rules. The server must survive, the player
//! must miss nothing, and at the end every connection must be gone and counted once.
//!
//! A failure prints its seed; `TICKRING_FUZZ_SEED` plays from that one on.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and tells why")]

mod real_server;

use std::io::Write as _;
use std::net::{Shutdown, TcpStream};

use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng, SeedableRng};
use real_server::{Player, Server, held, masked, message, request};
use tickring_arena::Arena;
use tickring_protocol::message::{Hello, InputHead, Leave, PROTOCOL_VERSION, Ping, combined_layout};
use tickring_room::{Game, Input};

struct Stranger {
    random: Pcg32,
}

impl Stranger {
    fn below(&mut self, bound: usize) -> usize {
        self.random.next_u32() as usize % bound
    }

    fn noise(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 + self.below(3_000)];
        self.random.fill_bytes(&mut bytes);
        bytes
    }

    /// A whole session as an honest client would send it.
    fn session(&mut self) -> Vec<u8> {
        let layout = combined_layout(Arena::LAYOUT);
        let hello = Hello { version: PROTOCOL_VERSION, layout, features: 1, resume: [0; 16] };
        let path = ["/v1/rooms/field", "/v1/rooms/other", "/v1/echo"][self.below(3)];
        let mut bytes = request(path);
        bytes.extend(message(|out| hello.write(out)));
        for sequence in 1..20 {
            let head = InputHead {
                sequence,
                target_tick: self.random.next_u32() >> self.below(32),
                view_tick: self.random.next_u32() >> self.below(32),
                view_fraction: 9,
                newest_snapshot_tick: self.random.next_u32() >> self.below(32),
            };
            let game = self.random.next_u64().to_le_bytes();
            bytes.extend(message(|out| {
                head.write(out);
                out.extend_from_slice(&game[..<Arena as Game>::Input::BYTES]);
            }));
        }
        bytes.extend(message(|out| Ping { client_time_ns: 1 }.write(out)));
        bytes.extend(masked(0x89, b"ping"));
        bytes.extend(message(|out| Leave { reason: 1 }.write(out)));
        bytes.extend(masked(0x88, &1000_u16.to_be_bytes()));
        bytes
    }

    /// Changes a few bytes, or cuts, doubles or drops a piece. The head is spared half of the time,
    /// so that the frames are reached.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let spared = if self.below(2) == 0 { 0 } else { request("/v1/rooms/field").len() };
        for _ in 0..1 + self.below(4) {
            let at = spared + self.below(bytes.len().saturating_sub(spared).max(1));
            if at >= bytes.len() {
                continue;
            }
            let end = (at + 1 + self.below(40)).min(bytes.len());
            match self.below(6) {
                0 => bytes.truncate(at.max(1)),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                3 => bytes[at] ^= 1 << self.below(8),
                _ => bytes[at] = self.random.next_u32().to_le_bytes()[0],
            }
        }
    }

    fn visit(&mut self, address: &str) {
        let mut bytes = if self.below(4) == 0 { self.noise() } else { self.session() };
        if self.below(8) > 0 {
            self.mutate(&mut bytes);
        }
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        let mut left = &bytes[..];
        while !left.is_empty() {
            let most = if self.below(2) == 0 { 30 } else { 3_000 };
            let piece = (1 + self.below(most)).min(left.len());
            if socket.write_all(&left[..piece]).is_err() {
                break;
            }
            left = &left[piece..];
        }
        match self.below(3) {
            // A FIN, and then what was not read makes the kernel reset.
            0 => drop(socket.shutdown(Shutdown::Write)),
            // A reset at once.
            1 => socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)).unwrap(),
            _ => {}
        }
    }
}

#[test]
fn fuzzing_strangers_hurt_nobody() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("TICKRING_FUZZ_SEED").unwrap_or(1);
    let visits = number("TICKRING_FUZZ_ITERATIONS").unwrap_or(600).min(5_000);
    let server = Server::start(&[
        "--workers",
        "2",
        "--echo",
        "SESSION__HANDSHAKE_TIMEOUT=500ms",
        "SESSION__CLOSE_TIMEOUT=500ms",
    ]);
    let mut player = Player::<Arena>::join(&server.listen, "field", 1);
    for seed in first..first + visits {
        println!("TICKRING_FUZZ_SEED={seed}");
        Stranger { random: Pcg32::seed_from_u64(seed) }.visit(&server.listen);
        player.turn();
    }
    player.until_snapshots(30);
    player.seen.assert_clean();
    server.until("the strangers' end", |status| held(status) == 1);
    player.turn();
    assert_eq!(player.leave().closes, [Some(1000)]);
    let status = server.until_empty();
    assert!(real_server::ends(&status) > visits);
    assert!(status["totals"]["inputs"]["accepted"].as_u64().unwrap() > 0, "sessions were reached");
}
