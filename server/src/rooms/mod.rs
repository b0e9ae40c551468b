//! The rooms of one worker: found by name, ticked on time, removed when the last seat is given up.
//!
//! Rooms know players; the connection behind a player is a slot number here. What rooms say leaves
//! through [`Delivery`], so this module knows neither sockets nor frames.

mod listing;
mod phases;
pub(crate) mod placement;
mod recorded;
mod seating;
mod ticking;
mod tokens;
mod watching;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use tickring_protocol::ids::PlayerId;
use tickring_protocol::message::ArchivedInputHead;
use tickring_room::{End, Game, InputDrop, Room, RoomConfig, RoomCounters, Schedule};

use crate::recording::{Outlet, Track};
pub(crate) use listing::Occupant;
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
    /// Next deadline of every room. Entries of rooms that are gone are skipped when they come up.
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
    /// Connections that watched a room which is gone.
    stranded: Vec<u32>,
    counters_of_gone_rooms: RoomCounters,
    /// Where recordings go, if rooms are recorded.
    outlet: Option<Outlet>,
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
    /// must give what nobody can foresee: whoever guesses a token takes the seat.
    pub(crate) fn new(
        config: RoomConfig,
        settings: G::Settings,
        rooms_max: usize,
        draw_token: Box<dyn FnMut() -> [u8; 16]>,
    ) -> Self {
        let phases = Phases::new(config.tick_hz, config.snapshot_hz);
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
            stranded: Vec::new(),
            counters_of_gone_rooms: RoomCounters::default(),
            outlet: None,
        }
    }

    fn entry(&mut self, room: u32) -> &mut Entry<G> {
        self.entries[room as usize].as_mut().expect("a room lives while it has a name or a seat")
    }

    fn create(&mut self, name: &str, now_ns: u64) -> Result<u32, SeatError> {
        if self.by_name.len() >= self.rooms_max {
            return Err(SeatError::TooManyRooms);
        }
        self.created += 1;
        let phase = self.phases.take();
        let schedule = Schedule::new(self.config.tick_hz, self.phases.first_deadline_ns(phase, now_ns));
        let mut config = self.config.clone();
        config.seed = config.seed.wrapping_add(self.created.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (room, track) = self.begin(name, config);
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
            tokens: Tokens::default(),
            bytes_out: 0,
            holds_expired: 0,
            track,
        });
        self.by_name.insert(name.into(), index);
        Ok(index)
    }

    /// Whether the room was empty.
    fn remove_if_empty(&mut self, room: u32) -> bool {
        let entry = &mut self.entries[room as usize];
        let Some(mut entry) = entry.take_if(|entry| entry.room.players() == 0) else { return false };
        entry.end_recording(End::RoomOver, &mut self.outlet);
        self.counters_of_gone_rooms.add(entry.room.counters());
        self.stranded.extend(entry.watchers());
        self.by_name.remove(&entry.name);
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

    /// The room's last tick and how far it is into the next, for `Pong`: (tick, 1/256 tick).
    pub(crate) fn tick_of(&self, room: u32, now_ns: u64) -> (u32, u8) {
        let entry =
            self.entries[room as usize].as_ref().expect("who asks keeps the room, or is told of its end");
        let period_ns = 1_000_000_000 / u64::from(self.config.tick_hz);
        let left_ns = entry.schedule.deadline_ns().saturating_sub(now_ns).min(period_ns);
        let fraction = (period_ns - left_ns) * 256 / period_ns;
        (entry.room.tick().0, u8::try_from(fraction).unwrap_or(u8::MAX))
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

    /// The connection that has this seat.
    #[cfg(test)]
    pub(crate) fn holder(&self, seat: Seat) -> Option<u32> {
        let entry = self.entries[seat.room as usize].as_ref()?;
        entry.slots.get(usize::from(seat.player.0)).copied().filter(|slot| *slot != NOBODY)
    }
}
