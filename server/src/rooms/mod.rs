//! The rooms of one worker: found by name, ticked on time, removed when the last seat is given up.
//!
//! Rooms know players; the connection behind a player is a slot number here. What rooms say leaves
//! through [`Delivery`], so this module knows neither sockets nor frames.

mod listing;
mod load;
pub(crate) mod overload;
mod phases;
mod recorded;
mod seating;
mod ticking;
mod tokens;
mod watching;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use tickring_protocol::ids::{PlayerId, Tick};
use tickring_protocol::message::ArchivedInputHead;
use tickring_room::{End, Game, InputDrop, Pace, Room, RoomConfig, RoomCounters, Schedule, Setup};

use crate::recording::{Outlet, Track};
pub(crate) use listing::Occupant;
use overload::{Ladder, Limits};
use phases::Phases;
pub(crate) use seating::{Arrival, Parting, SeatError};
pub(crate) use ticking::TickStats;
use tokens::Tokens;
pub(crate) use tokens::{Refusals, Token};
pub(crate) use watching::{Watch, WatchError};

/// Stands for the connection of a seat that has none.
const NOBODY: u32 = u32::MAX;

/// A player's place: which room of this worker, and who in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) room: u32,
    pub(crate) player: PlayerId,
}

/// Where rooms hand over what players shall receive.
pub(crate) trait Delivery {
    /// A message that must arrive, in order.
    fn message(&mut self, slot: u32, payload: &[u8]);
    /// Whether the last snapshot for this reader still waits: [`Delivery::snapshot`] will replace it.
    fn snapshot_waits(&self, slot: u32) -> bool;
    /// A snapshot of exactly `bytes`; a newer one replaces it while it waits. `write` is told how
    /// many snapshots this reader has skipped so far.
    fn snapshot(&mut self, slot: u32, bytes: usize, write: impl FnOnce(u16, &mut Vec<u8>));
}

/// All rooms of one worker.
pub(crate) struct Rooms<G: Game> {
    by_name: HashMap<Box<str>, u32>,
    entries: Vec<Option<Entry<G>>>,
    free: Vec<u32>,
    /// Next deadline of every room, in room time. Entries of rooms that are gone are skipped when they come up.
    deadlines: BinaryHeap<Reverse<(u64, u32, u64)>>,
    phases: Phases,
    config: RoomConfig,
    settings: G::Settings,
    rooms_max: usize,
    /// Draws 128 random bits for a token.
    draw_token: Box<dyn FnMut() -> [u8; 16]>,
    created: u64,
    /// Seats with a connection.
    players: u64,
    refused: Refusals,
    ladder: Ladder,
    /// Time in the rooms, which passes more slowly on a rung of the ladder.
    pace: Pace,
    /// Seats and spectators' places refused by the ladder.
    turned_away: u64,
    /// Connections that watched a room which is gone.
    stranded: Vec<u32>,
    counters_of_gone_rooms: RoomCounters,
    /// Where recordings go, if rooms are recorded.
    outlet: Option<Outlet>,
    draws_secrets: bool,
}

struct Entry<G: Game> {
    name: Box<str>,
    room: Room<G>,
    schedule: Schedule,
    phase: usize,
    /// Tells this room from an earlier one at the same index.
    serial: u64,
    /// The connection of each player, by player number; [`NOBODY`] for seats that are free or held.
    slots: Vec<u32>,
    /// Seats with a connection.
    connected: usize,
    /// The connection of each spectator, by number; [`NOBODY`] where there is none.
    watchers: Vec<u32>,
    /// The room's tick when its last seat was given up.
    ended: Option<Tick>,
    tokens: Tokens,
    /// Bytes of messages handed over for delivery.
    bytes_out: u64,
    /// [`RoomCounters::holds_expired`] as it was when the tokens were last looked through.
    holds_expired: u64,
    /// Where its recording goes, while it is recorded.
    track: Option<Track>,
}

impl<G: Game> Rooms<G> {
    /// No rooms yet; at most `rooms_max`. Room n of this worker is seeded from `config.seed` and n. `draw_token`
    /// must give what nobody can foresee: whoever guesses a token takes the seat. `limits` are those of the overload
    /// ladder.
    pub(crate) fn new(
        config: RoomConfig,
        settings: G::Settings,
        rooms_max: usize,
        limits: Limits,
        draw_token: Box<dyn FnMut() -> [u8; 16]>,
    ) -> Self {
        let phases = Phases::new(config.tick_hz, config.snapshot_hz);
        let RoomConfig { tick_hz, seed, players_max, .. } = config;
        let thins = G::interest(&Setup { settings: settings.clone(), seed, tick_hz, players_max }).is_some();
        Self {
            by_name: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            deadlines: BinaryHeap::new(),
            phases,
            config,
            settings,
            rooms_max,
            draw_token,
            created: 0,
            players: 0,
            refused: Refusals::default(),
            ladder: Ladder::new(limits, tick_hz, thins),
            pace: Pace::default(),
            turned_away: 0,
            stranded: Vec::new(),
            counters_of_gone_rooms: RoomCounters::default(),
            outlet: None,
            draws_secrets: false,
        }
    }

    /// Rooms that are created from now on have random numbers that nobody foresees, whatever is known of their seeds.
    pub(crate) fn draw_secrets(&mut self) {
        self.draws_secrets = true;
    }

    fn entry(&mut self, room: u32) -> &mut Entry<G> {
        self.entries[room as usize].as_mut().expect("a room lives while it has a name or a seat")
    }

    fn create(&mut self, name: &str, now_ns: u64) -> Result<u32, SeatError> {
        // Rooms that are over but still shown to delayed spectators cost as much as others.
        if self.entries.len() - self.free.len() >= self.rooms_max && !self.end_deserted() {
            return Err(SeatError::TooManyRooms);
        }
        self.created += 1;
        let phase = self.phases.take();
        let now_ns = self.pace.room_ns(now_ns);
        let schedule = Schedule::new(self.config.tick_hz, self.phases.first_deadline_ns(phase, now_ns));
        let mut config = self.config.clone();
        config.seed = config.seed.wrapping_add(self.created.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if self.draws_secrets {
            let drawn = (self.draw_token)();
            config.secret = u64::from_le_bytes(*drawn.first_chunk().expect("16 bytes"));
        }
        let (mut room, track) = self.begin(name, config);
        room.relieve(self.ladder.step().relief);
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("rooms_max fits")
        });
        self.deadlines.push(Reverse((schedule.deadline_ns(), index, self.created)));
        self.entries[index as usize] = Some(Entry {
            name: name.into(),
            room,
            schedule,
            phase,
            serial: self.created,
            slots: Vec::new(),
            connected: 0,
            watchers: Vec::new(),
            ended: None,
            tokens: Tokens::default(),
            bytes_out: 0,
            holds_expired: 0,
            track,
        });
        self.by_name.insert(name.into(), index);
        Ok(index)
    }

    /// Whether the room is gone, nobody having a seat. Its name is free at once, but spectators with a delay are shown
    /// the rest of it first.
    fn remove_if_empty(&mut self, room: u32) -> bool {
        let place = &mut self.entries[room as usize];
        let Some(entry) = place.as_mut().filter(|entry| entry.room.players() == 0) else { return false };
        if entry.ended.is_none() {
            entry.ended = Some(entry.room.tick());
            entry.end_recording(End::RoomOver, &mut self.outlet);
            self.by_name.remove(&entry.name);
        }
        let Some(entry) = place.take_if(|entry| !entry.plays_on()) else { return false };
        self.counters_of_gone_rooms.add(entry.room.counters());
        self.stranded.extend(entry.watchers());
        self.phases.give(entry.phase);
        self.free.push(room);
        true
    }

    /// An input for the player's next ticks. The room counts what it drops.
    pub(crate) fn input(
        &mut self,
        seat: Seat,
        head: &ArchivedInputHead,
        game: &[u8],
    ) -> Result<(), InputDrop> {
        self.entry(seat.room).room.input(seat.player, head, game)
    }

    /// The last tick of a player's room and how far it is into the next, for `Pong`: (tick, 1/256 tick).
    pub(crate) fn tick_of(&self, seat: Seat, now_ns: u64) -> (u32, u8) {
        (self.living(seat.room).room.tick().0, self.fraction(seat.room, now_ns))
    }

    /// The same of what a spectator sees.
    pub(crate) fn watched_tick_of(&self, watch: Watch, now_ns: u64) -> (u32, u8) {
        (self.living(watch.room).room.watched_tick().0, self.fraction(watch.room, now_ns))
    }

    fn living(&self, room: u32) -> &Entry<G> {
        self.entries[room as usize].as_ref().expect("who asks keeps the room, or is told of its end")
    }

    fn fraction(&self, room: u32, now_ns: u64) -> u8 {
        let period_ns = 1_000_000_000 / u64::from(self.config.tick_hz);
        let schedule = &self.living(room).schedule;
        let left_ns = schedule.deadline_ns().saturating_sub(self.pace.room_ns(now_ns)).min(period_ns);
        let fraction = (period_ns - left_ns) * 256 / period_ns;
        u8::try_from(fraction).unwrap_or(u8::MAX)
    }

    /// Living rooms.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Seats with a connection.
    pub(crate) fn players(&self) -> u64 {
        self.players
    }

    /// Seats whose player has lost the connection and may come back.
    pub(crate) fn held(&self) -> u64 {
        self.entries.iter().flatten().map(|entry| entry.held() as u64).sum()
    }

    /// Tokens that took no seat.
    pub(crate) fn refused(&self) -> Refusals {
        self.refused
    }

    /// Counters summed over all rooms that ever lived here.
    pub(crate) fn counters(&self) -> RoomCounters {
        let mut sum = self.counters_of_gone_rooms.clone();
        for entry in self.entries.iter().flatten() {
            sum.add(entry.room.counters());
        }
        sum
    }

    /// Spectators, those of rooms that have ended included.
    #[cfg(test)]
    pub(crate) fn spectators(&self) -> u64 {
        self.entries.iter().flatten().map(|entry| entry.watchers().count() as u64).sum()
    }

    /// The connection that has this seat.
    #[cfg(test)]
    pub(crate) fn holder(&self, seat: Seat) -> Option<u32> {
        let entry = self.entries[seat.room as usize].as_ref()?;
        entry.slots.get(usize::from(seat.player.0)).copied().filter(|slot| *slot != NOBODY)
    }
}
