//! Method: a seeded generator plays kernel, clock and a dozen peers at once against one stage. Peers
//! send what peers send, and worse, in pieces of any size; sends finish late, in any order between
//! connections, or fail; connections end, are reset, move or fail to, at any moment; some come back with
//! a token, their own or another's, good, used or expired; now and then the server goes away. [`FakeRing`] asserts the contract at every step. At the end everybody falls
//! silent, some lines get stuck for good, and the deadlines alone must empty the stage.
//!
//! A failure prints its seed; `TICKRING_FUZZ_SEED` plays that one alone.

use std::collections::BTreeSet;

use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_protocol::ids::PlayerId;
use tickring_protocol::message::FEATURE_SPECTATE;
use tickring_protocol::websocket::{Decoder, Event, OpCode, Role};
use tickring_room::RoomConfig;

use super::fake_ring::FakeRing;
use super::keeper::{Keeper, Settings};
use super::{Issued, MS, frame, hello, hello_asking, ping, request, rules, stage_with, write_input};
use crate::report::Kicked;
use crate::session::{Rules, State};

const SLOTS: u32 = 12;
const STEPS: usize = 3_000;

struct Simulation {
    ring: FakeRing<Keeper>,
    random: Pcg32,
    /// What each slot's peer has yet to send.
    pending: Vec<Vec<u8>>,
    sequences: u32,
    /// Tokens given so far, by whichever room.
    issued: Issued,
    /// The token shown last, zeros for none.
    shown: [u8; 16],
    kicked: Vec<Kicked>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let rules = Rules {
            workers: 2,
            outbox_bytes_max: 4_096,
            handshake_ms: 2_000,
            ping_after_ms: 3_000,
            silent_close_ms: 2_000,
            close_ms: 1_000,
            // In every third simulation some are put off all the time.
            door_max: if seed.is_multiple_of(3) { 1 } else { 64 },
            ..rules()
        };
        let issued = Issued::default();
        // Fewer seats than peers: held ones keep others out.
        let settings = Settings { private_bytes: 300, hold_seconds: 1, ..Settings::default() };
        // In every other simulation spectators see the rooms half a second late.
        let spectator_delay_ms = if seed.is_multiple_of(2) { 0 } else { 500 };
        let config = RoomConfig { players_max: 4, spectator_delay_ms, ..RoomConfig::with_rates(60, 30) };
        let stage = stage_with(config, settings, rules, &issued);
        Self {
            ring: FakeRing::new(stage, SLOTS as usize),
            random: Pcg32::seed_from_u64(seed),
            pending: vec![Vec::new(); SLOTS as usize],
            sequences: 0,
            issued,
            shown: [0; 16],
            kicked: Vec::new(),
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        self.random.next_u32() % bound
    }

    fn one_in(&mut self, chance: u32) -> bool {
        self.below(chance) == 0
    }

    fn step(&mut self) {
        let slot = self.below(SLOTS);
        if !self.ring.line(slot).open {
            self.ring.begin(slot);
            self.pending[slot as usize] = self.opening();
            return;
        }
        match self.below(16) {
            0..6 => self.deliver(slot),
            6..11 => self.ring.sent(slot, false),
            11 if self.one_in(10) => self.ring.end(slot, false),
            12 if self.one_in(20) => self.ring.end(slot, true),
            13 if self.one_in(20) => self.ring.sent(slot, true),
            14 => self.close(slot),
            15 if self.one_in(20) => self.kick(),
            15 if self.one_in(60) => {
                let now = self.ring.now;
                self.ring.stage.act(slot, now, |session, cx| session.go_away(5_000, cx));
            }
            _ => {
                let after_ns = u64::from(self.below(20)) * MS;
                self.ring.pass(after_ns);
                self.ring.check();
            }
        }
    }

    /// An operator removes somebody, perhaps nobody.
    fn kick(&mut self) {
        let (room, player) = (format!("room-{}", self.below(2)), self.below(5));
        let player = PlayerId(u16::try_from(player).unwrap());
        let now = self.ring.now;
        self.kicked.push(self.ring.stage.kick(&room, player, now));
    }

    /// How a peer begins: mostly well.
    fn opening(&mut self) -> Vec<u8> {
        let mut bytes = match self.below(10) {
            0 => b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            1 => request("/v1/rooms/never-ends")[..40].to_vec(),
            2..4 => request("/v1/echo"),
            n => request(&format!("/v1/rooms/room-{}", n / 8)),
        };
        if !self.one_in(8) {
            let features = if self.one_in(6) { FEATURE_SPECTATE } else { 0 };
            bytes.extend(hello_asking::<Keeper>(features, self.token()));
        }
        bytes
    }

    /// What a peer shows of tokens: often one that was given lately, to whomever, or shown just before.
    fn token(&mut self) -> [u8; 16] {
        let issued = u32::try_from(self.issued.borrow().len()).unwrap();
        self.shown = match self.below(8) {
            0..2 => [0; 16],
            2 if self.one_in(8) => [0xee; 16],
            2..4 => self.shown,
            _ if issued == 0 => [0; 16],
            _ => {
                let back = 1 + self.below(issued.min(4)) as usize;
                self.issued.borrow()[issued as usize - back]
            }
        };
        self.shown
    }

    /// What a peer says next.
    fn word(&mut self) -> Vec<u8> {
        match self.below(40) {
            0 => frame(OpCode::Text, b"text"),
            1 => frame(OpCode::Close, &1000_u16.to_be_bytes()),
            2 => frame(OpCode::Close, &4711_u16.to_be_bytes()),
            3 => frame(OpCode::Binary, &[0x04, 0]),
            4 => frame(OpCode::Binary, &[0x99]),
            5 => vec![0xff; 3],
            6 => hello::<Keeper>(),
            7..10 => frame(OpCode::Ping, b"there?"),
            10..12 => ping().repeat(200),
            12..15 => ping(),
            15 => frame(OpCode::Binary, &vec![7; 3_000]),
            _ => {
                self.sequences += 1;
                let mut payload = Vec::new();
                write_input(&mut payload, self.sequences, &[3; 16]);
                frame(OpCode::Binary, &payload)
            }
        }
    }

    fn deliver(&mut self, slot: u32) {
        if self.pending[slot as usize].len() < 4_096 {
            let word = self.word();
            self.pending[slot as usize].extend(word);
        }
        let length = u32::try_from(self.pending[slot as usize].len()).unwrap();
        let most = if self.one_in(3) { 8 } else { 2_048 };
        let piece = 1 + self.below(length.min(most)) as usize;
        let (used, moved) =
            self.ring.receive(slot, &self.pending[slot as usize][..piece.min(length as usize)]);
        self.pending[slot as usize].drain(..used);
        let Some(moved) = moved else { return };
        let gone = !self.one_in(4);
        // Ticks, deadlines and a shutdown may fall between the wish and the deed.
        if self.one_in(2) {
            let after_ns = u64::from(self.below(30)) * MS;
            self.ring.pass(after_ns);
        }
        self.ring.move_done(slot, gone);
        if gone {
            // It arrives here as if from the other worker.
            self.ring.begin(slot);
            let now = self.ring.now;
            let mut received = moved.received;
            self.ring.stage.act(slot, now, |session, cx| {
                session.adopt(moved.room, &moved.accept, &mut received, cx);
            });
        }
    }

    /// The last event of a connection that is being closed; what its peer was sent must make sense.
    fn close(&mut self, slot: u32) {
        if self.ring.line(slot).closing {
            let sent = std::mem::take(&mut self.ring.line(slot).sent);
            self.ring.closed(slot);
            read_back(&sent);
        }
    }

    /// Nobody says anything more; every other line never finishes a send again.
    fn wind_down(&mut self) {
        for _ in 0..600 {
            self.ring.pass(100 * MS);
            self.ring.check();
            for slot in 0..SLOTS {
                if slot % 2 == 0 {
                    self.ring.sent(slot, false);
                }
                self.close(slot);
            }
        }
        self.ring.check_empty();
    }
}

/// A stream is an HTTP answer or, after 101, whole frames of which a Close is the last.
fn read_back(sent: &[u8]) {
    let Some(end) = sent.windows(4).position(|four| four == b"\r\n\r\n") else {
        assert!(sent.is_empty(), "half a head");
        return;
    };
    if !sent.starts_with(b"HTTP/1.1 101 ") {
        return;
    }
    let mut frames = sent[end + 4..].to_vec();
    let mut decoder = Decoder::new(Role::Client, 1 << 20);
    let mut closed_before = None;
    // One byte at a time, so that what is left behind a Close shows.
    for at in 0..frames.len() {
        assert_eq!(closed_before, None, "bytes behind the Close: {:02x?}", &frames[at..]);
        let mut events = decoder.feed(&mut frames[at..=at]);
        while let Some(event) = events.next().expect("the server's frames are valid") {
            if let Event::Close { code, .. } = event {
                closed_before = Some(code);
            }
        }
    }
    assert!(decoder.is_idle() || closed_before.is_some(), "the stream ends inside a frame");
}

#[test]
fn whatever_happens_every_connection_ends_once() {
    let seeds = match std::env::var("TICKRING_FUZZ_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => {
            let count = std::env::var("TICKRING_FUZZ_ITERATIONS").ok().and_then(|count| count.parse().ok());
            0..count.map_or(150, |count: u64| count.div_ceil(10).max(1))
        }
    };
    let mut reached = [0_u64; 3];
    let mut tokens = [0_u64; 6];
    let mut kicked = Vec::new();
    let mut closes = BTreeSet::new();
    for seed in seeds.clone() {
        println!("TICKRING_FUZZ_SEED={seed}");
        let mut simulation = Simulation::new(seed);
        for _ in 0..STEPS {
            simulation.step();
            let playing = (0..SLOTS).filter(|&slot| {
                matches!(simulation.ring.stage.sessions.at(slot).peer.state, State::Playing(_))
            });
            reached[0] = reached[0].max(playing.count() as u64);
        }
        simulation.wind_down();
        reached[1] += simulation.ring.moved;
        reached[2] += simulation.ring.stage.ledger.traffic.snapshots_replaced;
        let rooms = &simulation.ring.stage.rooms;
        let (counters, refused) = (rooms.counters(), rooms.refused());
        let ended = counters.resumes + counters.holds_expired + counters.holds_ended;
        assert_eq!(counters.holds, ended + rooms.held(), "what became of every hold");
        let new = [
            counters.resumes,
            counters.takeovers,
            counters.holds_expired,
            refused.used,
            refused.expired,
            refused.unknown,
        ];
        closes.extend(simulation.ring.stage.ledger.closes().iter().map(|close| close.1));
        kicked.append(&mut simulation.kicked);
        tokens.iter_mut().zip(new).for_each(|(sum, new)| *sum += new);
    }
    if seeds.end - seeds.start >= 100 {
        assert!(
            reached[0] >= 4 && reached[1] > 20 && reached[2] > 100,
            "the simulation is tame: {reached:?}"
        );
        assert!(tokens.iter().all(|&count| count >= 4), "tokens are rarely shown: {tokens:?}");
        for cause in ["replaced", "removed", "spectating", "room_closed", "unknown_room"] {
            assert!(closes.contains(cause), "nobody was ended as {cause}");
        }
        for kind in [Kicked::Connected, Kicked::Held, Kicked::NoPlayer, Kicked::NoRoom] {
            assert!(kicked.iter().filter(|found| **found == kind).count() > 10, "{kind:?} is rare");
        }
    }
}
