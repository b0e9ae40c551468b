//! Bots that play: every one joins its room, sends inputs at its times, and checks each snapshot.

use std::sync::Arc;

use tickring_client::{ClientError, ClientEvent, Clock, Config, Connection, Continuity, Decoded, Snapshot};
use tickring_protocol::ids::{Sequence, Tick};
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, TIME_DILATION_NONE, Welcome};

use super::flight::Flight;
use super::session::{NO_CODE, upgrade_cause};
use super::{Driver, Turn};
use crate::bots::{Bot, Moment, Role};
use crate::forge::{self, Forge};
use crate::measure::errors::Cause;
use crate::measure::streams::Finding;
use crate::plan::{Names, Plan};

/// Between two pings of a bot, ns.
const PING_NS: u64 = 1_000_000_000;
/// Bytes that may wait to be sent: inputs of minutes.
const UNREAD_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// Ticks that a server may be ahead of the time that has passed, because it catches up.
const CATCH_UP_TICKS: u64 = 1_000;
/// The code of the close that ends a session in order.
const CLOSE_CODE: u16 = 1000;

/// The `game` preset.
pub(crate) struct Game<B: Bot> {
    plan: Arc<Plan>,
    rooms: u32,
    /// Inputs a second; `None`: the server's tick rate.
    input_hz: Option<u16>,
    /// How the bots lie about what they see.
    forge: Option<Forge>,
    /// What the bots of a room share, by room.
    shared: Vec<Room<B>>,
    /// Inputs of the measuring window that no snapshot covers yet.
    under_way: u64,
}

/// One room, as the bots of this worker see it.
struct Room<B: Bot> {
    decoded: Decoded<B::Game>,
    ground: Option<B::Ground>,
}

/// One player.
pub(crate) struct Peer<B: Bot> {
    link: Connection<B::Game>,
    connection: u32,
    room: u32,
    play: Play<B>,
}

/// What a player is about, apart from its connection.
struct Play<B: Bot> {
    bot: Option<B>,
    /// Between two inputs, at the room's full rate.
    period_ns: u64,
    /// Inputs sent and not covered by a snapshot; the first has the number after `acknowledged`.
    flight: Flight,
    acknowledged: Sequence,
    newest: Tick,
    /// Snapshots that were passed over, undeclared, and have not come late.
    missing: u64,
    /// When it was seated, and the ticks a second since.
    seated_ns: u64,
    tick_hz: u64,
    /// A snapshot was of a tick that cannot be: what follows is of no use.
    is_astray: bool,
    pinged_ns: u64,
    fault: Option<u16>,
    closed: Option<u16>,
    finishing: bool,
}

impl<B: Bot> Game<B> {
    /// A driver for one worker.
    pub(crate) fn new(plan: Arc<Plan>, rooms: u32, input_hz: Option<u16>, forge: Option<Forge>) -> Self {
        let shared = (0..rooms).map(|_| Room { decoded: Decoded::default(), ground: None }).collect();
        Self { plan, rooms, input_hz, forge, shared, under_way: 0 }
    }

    /// How a connection introduces itself.
    fn config(&self, connection: u32) -> Config {
        let room = self.plan.room_of(connection, self.rooms);
        Config {
            host: self.plan.target_of(connection).host.clone(),
            room: Names::of(&self.plan).room(room.into()),
            seed: self.seed_of(connection),
            features: FEATURE_STATE_CHECKSUM,
            input_hz: self.input_hz,
        }
    }

    fn seed_of(&self, connection: u32) -> u64 {
        // Neighbouring seeds would give neighbouring streams.
        (self.plan.seed ^ (u64::from(connection) << 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Decides and writes the input that was due at `intended_ns`.
    fn send_input(&mut self, peer: &mut Peer<B>, turn: &mut Turn<'_>, intended_ns: u64) {
        let Peer { link, play, .. } = peer;
        let (Some(bot), Some(target)) = (&mut play.bot, link.input_tick(turn.now_ns)) else {
            return;
        };
        let moment =
            Moment { now_ns: turn.now_ns, target, newest: play.newest, last_input: play.acknowledged };
        let input = bot.decide(link, moment, &mut turn.tally.counters);
        let said_bytes = link.out().len();
        if let Some(sequence) = link.send_input(turn.now_ns, &input) {
            if let Some(view) = bot.claims() {
                forge::declare(link.out(), said_bytes, view);
            }
            bot.sent(sequence, target, &input);
            play.flight.depart(Some(intended_ns));
            self.under_way += u64::from(turn.window.contains(intended_ns));
            turn.was_sent(Some(intended_ns));
        }
    }
}

/// Moves what the connection wants to say into the worker's buffer.
fn say<G: tickring_room::Game>(link: &mut Connection<G>, turn: &mut Turn<'_>) {
    let said = link.out();
    if turn.out.is_empty() {
        std::mem::swap(turn.out, said);
    } else {
        turn.out.append(said);
    }
}

impl<B: Bot> Peer<B> {
    /// Between two inputs: ticks come less often while the server dilates time.
    fn period_ns(&self) -> u64 {
        let dilation = self.link.clock().map_or(TIME_DILATION_NONE, Clock::time_dilation);
        self.play.period_ns * u64::from(TIME_DILATION_NONE) / u64::from(dilation)
    }
}

impl<B: Bot> Default for Play<B> {
    fn default() -> Self {
        Self {
            bot: None,
            period_ns: 0,
            flight: Flight::default(),
            acknowledged: Sequence(0),
            newest: Tick(0),
            missing: 0,
            seated_ns: 0,
            tick_hz: 0,
            is_astray: false,
            pinged_ns: 0,
            fault: None,
            closed: None,
            finishing: false,
        }
    }
}

impl<B: Bot> Play<B> {
    /// One event of the connection; returns how many inputs of the window it answers.
    fn on(&mut self, turn: &mut Turn<'_>, event: &ClientEvent<'_, B::Game>) -> u64 {
        match event {
            ClientEvent::Snapshot(snapshot) => return self.on_snapshot(turn, snapshot),
            ClientEvent::Event { tick, event } => {
                turn.tally.counters.received += 1;
                turn.tally.counters.events += 1;
                if let Some(bot) = &mut self.bot {
                    bot.happened(*tick, event, &mut turn.tally.counters);
                }
            }
            ClientEvent::Pong { rtt_ns, .. } => {
                turn.tally.counters.received += 1;
                if turn.window.contains(turn.now_ns) {
                    turn.tally.ping.record(*rtt_ns);
                }
            }
            ClientEvent::Fault { code, .. } => self.fault = Some(*code),
            ClientEvent::Closed { code } => self.closed = Some(code.unwrap_or(NO_CODE)),
            ClientEvent::Upgraded | ClientEvent::Welcome(_) | ClientEvent::Goodbye { .. } => {}
        }
        0
    }

    fn on_snapshot(&mut self, turn: &mut Turn<'_>, snapshot: &Snapshot<'_>) -> u64 {
        turn.tally.counters.received += 1;
        turn.tally.counters.snapshots += 1;
        turn.tally.counters.snapshots_slow += u64::from(snapshot.time_dilation != TIME_DILATION_NONE);
        let mut finding = Finding { declared: snapshot.dropped.into(), ..Finding::default() };
        match snapshot.continuity {
            Continuity::InOrder => {}
            Continuity::Gap { missing } if self.may_miss(turn.now_ns, missing) => {
                self.missing += u64::from(missing)
            }
            Continuity::Gap { .. } => self.is_astray = true,
            Continuity::Duplicate => finding.duplicates = 1,
            Continuity::Reordered => {
                finding.reordered = 1;
                self.missing = self.missing.saturating_sub(1);
            }
        }
        turn.tally.correctness.note(finding);
        turn.tally.correctness.mismatches += u64::from(self.is_astray || snapshot.checksum_ok == Some(false));
        if self.is_astray {
            return 0;
        }
        if finding.duplicates + finding.reordered > 0 {
            return 0;
        }
        if let Some(interval_ns) = snapshot.interval_ns {
            turn.record_interval(interval_ns);
        }
        self.newest = snapshot.tick;
        self.acknowledge(turn, snapshot.last_input)
    }

    /// Whether so many snapshots can have been left out: not more than there were ticks since the player was seated, give or
    /// take a server that catches up.
    fn may_miss(&self, now_ns: u64, missing: u32) -> bool {
        let ticks = now_ns.saturating_sub(self.seated_ns).saturating_mul(self.tick_hz) / 1_000_000_000;
        u64::from(missing) <= ticks + CATCH_UP_TICKS
    }

    /// Everything up to `last_input` has had its effect.
    fn acknowledge(&mut self, turn: &mut Turn<'_>, last_input: Sequence) -> u64 {
        let covered = u64::try_from(last_input.since(self.acknowledged)).unwrap_or(0);
        if covered == 0 {
            return 0;
        }
        self.acknowledged = last_input;
        let mut landed = 0;
        for _ in 0..covered {
            let Some(departure) = self.flight.land() else { break };
            departure.record(turn);
            landed += u64::from(departure.is_measured(turn));
        }
        landed
    }
}

impl<B: Bot> Driver for Game<B> {
    type Peer = Peer<B>;

    /// An input that the server dropped is covered only by a later one's effect.
    const SENDS_WHILE_SETTLING: bool = true;

    fn peer(&mut self, connection: u32) -> Peer<B> {
        let room = self.plan.room_of(connection, self.rooms);
        let link = Connection::new(&self.config(connection));
        Peer { link, connection, room, play: Play::default() }
    }

    fn again(&mut self, connection: u32, over: &Peer<B>, returns: bool) -> Peer<B> {
        let mut peer = self.peer(connection);
        if let Some(welcome) = over.link.welcome().filter(|_| returns) {
            peer.link = Connection::resuming(&self.config(connection), welcome.resume);
        }
        peer
    }

    fn connected(&mut self, peer: &mut Peer<B>, turn: &mut Turn<'_>) {
        say(&mut peer.link, turn);
    }

    fn received(&mut self, peer: &mut Peer<B>, turn: &mut Turn<'_>, bytes: &mut [u8]) -> Result<(), Cause> {
        let Peer { link, play, connection, room } = peer;
        let shared = &mut self.shared[*room as usize];
        let mut welcome: Option<Welcome> = None;
        let mut landed = 0;
        let result = link.receive(turn.now_ns, bytes, &mut shared.decoded, &mut |event| {
            if let ClientEvent::Welcome(seat) = &event {
                welcome = Some(**seat);
            }
            landed += play.on(turn, &event);
        });
        self.under_way = self.under_way.saturating_sub(landed);
        if let Some(welcome) = welcome {
            let ground = shared.ground.get_or_insert_with(|| B::ground(&welcome)).clone();
            let role = Role { seed: self.seed_of(*connection), connection: *connection, forge: self.forge };
            play.bot = Some(B::new(role, &welcome, ground));
            play.newest = Tick(welcome.tick);
            (play.seated_ns, play.tick_hz) = (turn.now_ns, welcome.tick_hz.into());
            let input_hz = u64::from(self.input_hz.unwrap_or(welcome.tick_hz)).max(1);
            play.period_ns = 1_000_000_000 / input_hz;
            turn.next.opened = true;
            turn.next.wake_at_ns = link.next_input_ns();
        }
        say(link, turn);
        if let Err(error) = result {
            // Who has given us a seat is a server, and what it says now is wrong.
            turn.tally.correctness.mismatches += u64::from(link.welcome().is_some());
            // A delta to a snapshot that never came cannot be decoded: what is missing is told, too.
            if let ClientError::Snapshot { continuity: Continuity::Gap { missing }, .. } = &error
                && play.may_miss(turn.now_ns, *missing)
            {
                play.missing += u64::from(*missing);
            }
            return Err(cause_of(&error));
        }
        if play.is_astray {
            return Err(Cause::Protocol("a snapshot of a tick that cannot be"));
        }
        if turn.out.len() > UNREAD_BYTES_MAX {
            return Err(Cause::Protocol("it makes us answer and does not read"));
        }
        match (play.closed, play.fault) {
            (None, _) => Ok(()),
            (Some(_), _) if play.finishing => {
                turn.next.closed = true;
                Ok(())
            }
            (Some(_), Some(fault)) => Err(Cause::Fault(fault)),
            (Some(code), None) => Err(Cause::Close(code)),
        }
    }

    fn begin(&mut self, _peer: &mut Peer<B>, _turn: &mut Turn<'_>) {
        // Bots play as soon as they are seated.
    }

    fn due(&mut self, peer: &mut Peer<B>, turn: &mut Turn<'_>, due_ns: u64) {
        self.send_input(peer, turn, due_ns);
        if turn.now_ns.saturating_sub(peer.play.pinged_ns) >= PING_NS {
            peer.play.pinged_ns = turn.now_ns;
            peer.link.ping(turn.now_ns);
            turn.was_sent_unasked();
        }
        say(&mut peer.link, turn);
        // Not on a grid of ours but as the player's clock says, which follows the server's slowly and
        // never waits for it: so inputs come as real clients send them, and still open loop.
        turn.go_on(due_ns, peer.link.next_input_ns(), peer.period_ns());
    }

    fn flushed(&mut self, peer: &mut Peer<B>, turn: &mut Turn<'_>) {
        peer.play.flight.flushed(turn.now_ns);
    }

    fn unanswered(&self) -> u64 {
        self.under_way
    }

    fn finish(&mut self, peer: &mut Peer<B>, turn: &mut Turn<'_>) {
        peer.play.finishing = true;
        peer.link.leave();
        peer.link.close(CLOSE_CODE);
        say(&mut peer.link, turn);
    }

    fn end(&mut self, peer: &mut Peer<B>, turn: &mut Turn<'_>) {
        let gaps = std::mem::take(&mut peer.play.missing);
        turn.tally.correctness.note(Finding { gaps, ..Finding::default() });
        while let Some(departure) = peer.play.flight.land() {
            self.under_way = self.under_way.saturating_sub(u64::from(departure.is_measured(turn)));
            departure.give_up(turn);
        }
    }
}

/// What a client's error counts as.
fn cause_of(error: &ClientError) -> Cause {
    match error {
        ClientError::Upgrade(error) => upgrade_cause(*error),
        ClientError::WebSocket(error) => Cause::Protocol(error.cause()),
        ClientError::Message(error) => Cause::Protocol(error.cause()),
        ClientError::Snapshot { .. } => Cause::Protocol("a snapshot that cannot be decoded"),
        ClientError::Game(_) => Cause::Protocol("game bytes that cannot be read"),
        ClientError::Unexpected(what) => Cause::Protocol(what),
    }
}

#[cfg(test)]
mod tests;
