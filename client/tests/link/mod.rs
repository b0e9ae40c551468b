//! A server made of a room and the protocol's server half, and ways to it with delay and jitter. Time is a
//! number; nothing waits.

use std::collections::VecDeque;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_client::{ClientEvent, Config, Connection, Decoded, State};
use tickring_protocol::message::{
    ClientMessage, FEATURE_SPECTATE, FEATURE_STATE_CHECKSUM, PROTOCOL_VERSION, Pong, TIME_DILATION_NONE,
    Welcome, combined_layout,
};
use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, SUBPROTOCOL, parse_request, write_close, write_frame,
    write_switching_protocols,
};
use tickring_room::{Game, Pace, PlayerId, Relief, Room, RoomConfig, Schedule, Tick, WatcherId};

/// One direction of a connection: bytes and when they arrive, in order.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    chunks: VecDeque<(u64, Vec<u8>)>,
}

impl Pipe {
    pub(crate) fn push(&mut self, at_ns: u64, bytes: Vec<u8>) {
        // As in TCP nothing overtakes.
        let at_ns = self.chunks.back().map_or(at_ns, |(last, _)| at_ns.max(*last));
        self.chunks.push_back((at_ns, bytes));
    }

    fn pop(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        self.chunks.front().filter(|(at_ns, _)| *at_ns <= now_ns)?;
        self.chunks.pop_front().map(|(_, bytes)| bytes)
    }
}

/// One client with its way to the server and the server's end of it.
pub(crate) struct Peer<G: Game> {
    pub(crate) connection: Connection<G>,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    /// The server's end.
    head: Vec<u8>,
    decoder: Option<Decoder>,
    pub(crate) player: Option<PlayerId>,
    watcher: Option<WatcherId>,
    pub(crate) out: Vec<u8>,
    /// A copy of what reached the client, for whoever takes it.
    pub(crate) seen: Vec<u8>,
}

pub(crate) struct Link<G: Game> {
    pub(crate) room: Room<G>,
    schedule: Schedule,
    pace: Pace,
    pub(crate) peers: Vec<Peer<G>>,
    pub(crate) shared: Decoded<G>,
    pub(crate) now_ns: u64,
    /// What is sent before then arrives then: a stall, as TCP shows loss.
    pub(crate) stalled_until_ns: u64,
    /// Time in the room passes at so many 255ths of its full rate.
    pub(crate) time_dilation: u8,
    /// One way, and at most so much more.
    delay_ns: u64,
    jitter_ns: u64,
    rng: Pcg64Mcg,
}

impl<G: Game> Link<G> {
    pub(crate) fn new(config: RoomConfig, settings: G::Settings, delay_ns: u64, jitter_ns: u64) -> Self {
        Self {
            schedule: Schedule::new(config.tick_hz, 1_000_000),
            pace: Pace::default(),
            room: Room::new(config, settings),
            peers: Vec::new(),
            shared: Decoded::default(),
            now_ns: 0,
            stalled_until_ns: 0,
            time_dilation: TIME_DILATION_NONE,
            delay_ns,
            jitter_ns,
            rng: Pcg64Mcg::seed_from_u64(7),
        }
    }

    pub(crate) fn connect(&mut self, seed: u64, input_hz: Option<u16>) {
        let config = Config {
            host: "localhost".into(),
            room: "one".into(),
            seed,
            features: FEATURE_STATE_CHECKSUM,
            input_hz,
        };
        self.attach(Connection::new(&config));
    }

    /// Lets a connection begin.
    pub(crate) fn attach(&mut self, connection: Connection<G>) {
        self.peers.push(Peer {
            connection,
            up: Pipe::default(),
            down: Pipe::default(),
            head: Vec::new(),
            decoder: None,
            player: None,
            watcher: None,
            out: Vec::new(),
            seen: Vec::new(),
        });
    }

    fn way_ns(&mut self) -> u64 {
        self.delay_ns + if self.jitter_ns == 0 { 0 } else { self.rng.next_u64() % self.jitter_ns }
    }

    /// Lets `step_ns` pass; `on` is told what the clients hear.
    pub(crate) fn pass(&mut self, step_ns: u64, on: &mut dyn FnMut(usize, ClientEvent<'_, G>)) {
        self.now_ns += step_ns;
        let now_ns = self.now_ns;
        let up_at_ns = (now_ns + self.way_ns()).max(self.stalled_until_ns);
        let down_at_ns = (now_ns + self.way_ns()).max(self.stalled_until_ns);
        for peer in &mut self.peers {
            let out = std::mem::take(peer.connection.out());
            if !out.is_empty() {
                peer.up.push(up_at_ns, out);
            }
            while let Some(mut bytes) = peer.up.pop(now_ns) {
                peer.serve(&mut self.room, &mut bytes, now_ns);
            }
        }
        self.pace.set(now_ns, self.time_dilation);
        self.room.relieve(Relief { time_dilation: self.time_dilation, ..Relief::NONE });
        for _ in 0..self.schedule.due(self.pace.room_ns(now_ns)).steps {
            self.room.step();
            for peer in &mut self.peers {
                for (to, bytes) in self.room.events() {
                    if peer.player.is_some_and(|player| self.room.hears(player, to)) {
                        write_frame(&mut peer.out, OpCode::Binary, bytes);
                    }
                }
            }
            if self.room.snapshot_due() {
                self.room.encode_snapshot();
                self.peers.iter_mut().for_each(|peer| peer.show(&mut self.room));
            }
        }
        for (number, peer) in self.peers.iter_mut().enumerate() {
            let out = std::mem::take(&mut peer.out);
            if !out.is_empty() {
                peer.down.push(down_at_ns, out);
            }
            while let Some(mut bytes) = peer.down.pop(now_ns) {
                peer.seen.extend_from_slice(&bytes);
                let heard = &mut |event: ClientEvent<'_, G>| on(number, event);
                peer.connection
                    .receive(now_ns, &mut bytes, &mut self.shared, heard)
                    .expect("an honest server");
            }
        }
    }
}

impl<G: Game> Peer<G> {
    /// Sends the newest snapshot.
    fn show(&mut self, room: &mut Room<G>) {
        let mut payload = Vec::new();
        if let Some(player) = self.player {
            room.prepare_snapshot(player, false);
            room.write_snapshot(player, 0, &mut payload);
        } else if let Some(watcher) = self.watcher
            && room.prepare_watched(watcher, false) > 0
        {
            room.write_watched(watcher, 0, &mut payload);
        }
        if !payload.is_empty() {
            write_frame(&mut self.out, OpCode::Binary, &payload);
        }
    }

    /// The server's side: upgrade, then messages.
    fn serve(&mut self, room: &mut Room<G>, bytes: &mut [u8], now_ns: u64) {
        let Some(decoder) = &mut self.decoder else {
            self.head.extend_from_slice(bytes);
            let Some((request, _)) = parse_request(&self.head).expect("a request") else { return };
            assert_eq!((request.path, request.offers_tickring_v1), ("/v1/rooms/one", true));
            write_switching_protocols(&mut self.out, &request.accept, Some(SUBPROTOCOL));
            self.decoder = Some(Decoder::new(Role::Server, 4096));
            return;
        };
        let mut frames = decoder.feed(bytes);
        while let Some(event) = frames.next().expect("masked, valid frames") {
            let payload = match event {
                Event::Binary(payload) => payload,
                Event::Close { code, .. } => {
                    if self.connection.state() != State::Closed {
                        write_close(&mut self.out, code.unwrap_or(1000), "");
                    }
                    self.player.take().into_iter().for_each(|player| room.leave(player));
                    continue;
                }
                Event::Pong(payload) => {
                    assert_eq!(payload, b"are you there");
                    continue;
                }
                other => panic!("unexpected {other:?}"),
            };
            match ClientMessage::decode(payload).expect("a valid message") {
                ClientMessage::Hello(hello) => {
                    assert_eq!(hello.version.to_native(), PROTOCOL_VERSION);
                    assert_eq!(hello.layout.to_native(), combined_layout(G::LAYOUT));
                    let welcome;
                    (self.player, self.watcher, welcome) =
                        admit(room, hello.features.to_native(), hello.resume);
                    let mut payload = Vec::new();
                    welcome.write(&mut payload);
                    write_frame(&mut self.out, OpCode::Binary, &payload);
                }
                ClientMessage::Input { head, game } => {
                    let _ = room.input(self.player.expect("inputs follow the welcome"), head, game);
                }
                ClientMessage::Ping(ping) => {
                    let Tick(tick) = room.tick();
                    let mut payload = Vec::new();
                    Pong {
                        client_time_ns: ping.client_time_ns.to_native(),
                        server_time_ns: now_ns,
                        tick,
                        fraction: 0,
                    }
                    .write(&mut payload);
                    write_frame(&mut self.out, OpCode::Binary, &payload);
                }
                ClientMessage::Leave(_) => {
                    self.player.take().into_iter().for_each(|player| room.leave(player));
                }
            }
        }
    }
}

/// Gives who says hello a seat, or a place to watch from.
fn admit<G: Game>(
    room: &mut Room<G>,
    features: u32,
    resume: [u8; 16],
) -> (Option<PlayerId>, Option<WatcherId>, Welcome) {
    if features & FEATURE_SPECTATE != 0 {
        return (None, room.watch(features), room.watcher_welcome());
    }
    // The token is the seat's number and a mark.
    let held = PlayerId(u16::from(resume[0]));
    let resumed = (resume[15] == 1).then(|| room.resume(held, features)).flatten();
    let player = resumed.unwrap_or_else(|| room.join(features).expect("a seat is free")).player;
    let mut welcome = room.welcome(player);
    welcome.resume[0] = u8::try_from(player.0).expect("few seats");
    welcome.resume[15] = 1;
    (Some(player), None, welcome)
}
