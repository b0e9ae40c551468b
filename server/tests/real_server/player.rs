//! A player of any game, by the project's own client.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use tickring_client::{ClientEvent, Config, Connection, Continuity, Decoded, State};
use tickring_protocol::message::FEATURE_STATE_CHECKSUM;
use tickring_room::Game;

use super::PATIENCE;

/// What a player has seen so far.
#[derive(Debug, Default)]
pub struct Seen {
    pub welcomed: bool,
    pub snapshots: u64,
    /// Snapshots that the server said it skipped.
    pub declared: u64,
    /// Snapshots that are missing and were not declared.
    pub gaps: u64,
    /// Snapshots whose state was not what the server said.
    pub mismatches: u64,
    pub first_tick: Option<u32>,
    pub last_tick: u32,
    /// In 1/255, in the newest snapshot.
    pub time_dilation: u8,
    /// The newest own input that the server has processed.
    pub last_input: u32,
    pub events: u64,
    pub pongs: u64,
    /// Code and text.
    pub faults: Vec<(u16, String)>,
    /// Reason and time to come back.
    pub goodbyes: Vec<(u16, u32)>,
    pub closes: Vec<Option<u16>>,
    /// The stream has ended.
    pub ended: bool,
}

/// A connection that plays.
pub struct Player<G: Game> {
    pub connection: Connection<G>,
    pub seen: Seen,
    socket: TcpStream,
    shared: Decoded<G>,
    started: Instant,
}

impl<G: Game> Player<G> {
    /// Connects; the upgrade request goes out with the first turn.
    pub fn dial(address: &str, room: &str, seed: u64) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_nonblocking(true).unwrap();
        let config = Config {
            host: address.to_owned(),
            room: room.to_owned(),
            seed,
            features: FEATURE_STATE_CHECKSUM,
            input_hz: None,
        };
        Self {
            connection: Connection::new(&config),
            seen: Seen::default(),
            socket,
            shared: Decoded::default(),
            started: Instant::now(),
        }
    }

    /// Connects and waits for the seat.
    pub fn join(address: &str, room: &str, seed: u64) -> Self {
        let mut player = Self::dial(address, room, seed);
        player.until("a seat", |player| player.seen.welcomed);
        player
    }

    /// Takes in what has come, gives an input when one is due, sends.
    pub fn turn(&mut self) {
        let now_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap();
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut bytes) {
                Ok(0) => self.seen.ended = true,
                Ok(count) => {
                    let (seen, connection) = (&mut self.seen, &mut self.connection);
                    let on = &mut |event: ClientEvent<'_, G>| seen.note(event);
                    connection.receive(now_ns, &mut bytes[..count], &mut self.shared, on).unwrap();
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => self.seen.ended = true,
                Err(error) => panic!("{error}"),
            }
            break;
        }
        while self.connection.next_input_ns().is_some_and(|at_ns| at_ns <= now_ns) {
            let before = self.connection.next_input_ns();
            let sent = self.connection.send_input(now_ns, &G::Input::default());
            if sent.is_none() || self.connection.next_input_ns() == before {
                break;
            }
        }
        self.flush();
    }

    /// Sends what the connection has to say.
    pub fn flush(&mut self) {
        let out = std::mem::take(self.connection.out());
        let mut left = &out[..];
        while !left.is_empty() {
            match self.socket.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                // The server has closed; reading tells how.
                Err(_) => break,
            }
        }
    }

    /// Plays until `enough`.
    pub fn until(&mut self, what: &str, enough: impl Fn(&Self) -> bool) {
        until_all(std::slice::from_mut(self), what, enough);
    }

    /// Plays until `count` more snapshots have come or were declared to be skipped.
    pub fn until_snapshots(&mut self, count: u64) {
        let goal = self.seen.snapshots + self.seen.declared + count;
        self.until("snapshots", |player| player.seen.snapshots + player.seen.declared >= goal);
    }

    /// Leaves the room and waits for the end.
    pub fn leave(mut self) -> Seen {
        self.connection.leave();
        self.until("the end after leaving", |player| player.connection.state() == State::Closed);
        self.seen
    }
}

/// Plays with all of them until `enough` holds for each.
pub fn until_all<G: Game>(players: &mut [Player<G>], what: &str, enough: impl Fn(&Player<G>) -> bool) {
    let started = Instant::now();
    loop {
        players.iter_mut().for_each(Player::turn);
        let waiting = players.iter().filter(|player| !enough(player)).count();
        if waiting == 0 {
            return;
        }
        let seen = players.iter().find(|player| !enough(player)).map(|player| &player.seen);
        assert!(started.elapsed() < PATIENCE, "{what} did not come to {waiting} players: {seen:?}");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

impl Seen {
    fn note<G: Game>(&mut self, event: ClientEvent<'_, G>) {
        match event {
            ClientEvent::Upgraded => {}
            ClientEvent::Welcome(_) => self.welcomed = true,
            ClientEvent::Snapshot(snapshot) => {
                self.snapshots += 1;
                self.declared += u64::from(snapshot.dropped);
                if let Continuity::Gap { missing } = snapshot.continuity {
                    self.gaps += u64::from(missing);
                }
                self.mismatches += u64::from(snapshot.checksum_ok == Some(false));
                self.first_tick.get_or_insert(snapshot.tick.0);
                self.last_tick = snapshot.tick.0;
                self.time_dilation = snapshot.time_dilation;
                self.last_input = self.last_input.max(snapshot.last_input.0);
            }
            ClientEvent::Event { .. } => self.events += 1,
            ClientEvent::Pong { .. } => self.pongs += 1,
            ClientEvent::Fault { code, text, .. } => self.faults.push((code, text.to_owned())),
            ClientEvent::Goodbye { reason, back_after_ms } => self.goodbyes.push((reason, back_after_ms)),
            ClientEvent::Closed { code } => self.closes.push(code),
        }
    }

    /// Nothing is missing that was not declared, and every state was right.
    pub fn assert_clean(&self) {
        assert_eq!((self.gaps, self.mismatches), (0, 0), "{self:?}");
    }
}
