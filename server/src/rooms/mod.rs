//! The rooms of one worker: found by name, ticked on time, emptied when the last player leaves.
//!
//! Rooms know players; the connection behind a player is a slot number here. What rooms say leaves
//! through [`Delivery`], so this module knows neither sockets nor frames.

mod phases;
pub(crate) mod placement;
mod ticking;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use tickring_protocol::ids::PlayerId;
use tickring_protocol::message::{ArchivedInputHead, Welcome};
use tickring_room::{Game, InputDrop, JoinError, Room, RoomConfig, Schedule};

use phases::Phases;
pub(crate) use ticking::TickStats;

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

/// Why nobody was seated.
#[derive(Debug)]
pub(crate) enum SeatError {
    /// The room does not exist and may not be created: this worker has its maximum.
    TooManyRooms,
    /// The room said no.
    Room(JoinError),
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
    created: u64,
    players: u64,
    inputs_of_gone_rooms: tickring_room::RoomCounters,
}

struct Entry<G: Game> {
    name: Box<str>,
    room: Room<G>,
    schedule: Schedule,
    phase: usize,
    /// Tells this room from an earlier one at the same index.
    serial: u64,
    /// The connection of each player, by player number.
    slots: Vec<u32>,
}

impl<G: Game> Rooms<G> {
    /// No rooms yet; at most `rooms_max`. Room n of this worker is seeded from `config.seed` and n.
    pub(crate) fn new(config: RoomConfig, settings: G::Settings, rooms_max: usize) -> Self {
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
            created: 0,
            players: 0,
            inputs_of_gone_rooms: tickring_room::RoomCounters::default(),
        }
    }

    /// Seats the connection in `slot` in the room called `name`, which is created when it is not
    /// there. The answer is what the player must be told.
    pub(crate) fn seat(
        &mut self,
        name: &str,
        slot: u32,
        features: u32,
        now_ns: u64,
    ) -> Result<(Seat, Welcome), SeatError> {
        let (room, fresh) = match self.by_name.get(name) {
            Some(&room) => (room, false),
            None => (self.create(name, now_ns)?, true),
        };
        let entry = self.entries[room as usize].as_mut().expect("by_name holds living rooms");
        match entry.room.join(features) {
            Ok(seat) => {
                let index = usize::from(seat.player.0);
                if entry.slots.len() <= index {
                    entry.slots.resize(index + 1, u32::MAX);
                }
                entry.slots[index] = slot;
                self.players += 1;
                let welcome = entry.room.welcome(seat.player);
                Ok((Seat { room, player: seat.player }, welcome))
            }
            Err(error) => {
                if fresh {
                    self.remove(room);
                }
                Err(SeatError::Room(error))
            }
        }
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
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            u32::try_from(self.entries.len() - 1).expect("rooms_max fits")
        });
        self.deadlines.push(Reverse((schedule.deadline_ns(), index, self.created)));
        self.entries[index as usize] = Some(Entry {
            name: name.into(),
            room: Room::new(config, self.settings.clone()),
            schedule,
            phase,
            serial: self.created,
            slots: Vec::new(),
        });
        self.by_name.insert(name.into(), index);
        Ok(index)
    }

    /// The player is gone; an empty room goes with the last one.
    pub(crate) fn leave(&mut self, seat: Seat) {
        let entry = self.entries[seat.room as usize].as_mut().expect("a seat keeps its room");
        entry.room.leave(seat.player);
        entry.slots[usize::from(seat.player.0)] = u32::MAX;
        self.players -= 1;
        if entry.room.players() == 0 {
            self.remove(seat.room);
        }
    }

    fn remove(&mut self, room: u32) {
        let entry = self.entries[room as usize].take().expect("removed once");
        self.inputs_of_gone_rooms.add(entry.room.counters());
        self.by_name.remove(&entry.name);
        self.phases.give(entry.phase);
        self.free.push(room);
    }

    /// An input for the player's next ticks. The room counts what it drops.
    pub(crate) fn input(
        &mut self,
        seat: Seat,
        head: &ArchivedInputHead,
        game: &[u8],
    ) -> Result<(), InputDrop> {
        let entry = self.entries[seat.room as usize].as_mut().expect("a seat keeps its room");
        entry.room.input(seat.player, head, game)
    }

    /// The room's last tick and how far it is into the next, for `Pong`: (tick, 1/256 tick).
    pub(crate) fn tick_of(&self, seat: Seat, now_ns: u64) -> (u32, u8) {
        let entry = self.entries[seat.room as usize].as_ref().expect("a seat keeps its room");
        let period_ns = 1_000_000_000 / u64::from(self.config.tick_hz);
        let left_ns = entry.schedule.deadline_ns().saturating_sub(now_ns).min(period_ns);
        let fraction = (period_ns - left_ns) * 256 / period_ns;
        (entry.room.tick().0, u8::try_from(fraction).unwrap_or(u8::MAX))
    }

    /// Living rooms.
    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Seated players.
    pub(crate) fn players(&self) -> u64 {
        self.players
    }

    /// Counters summed over all rooms that ever lived here.
    pub(crate) fn counters(&self) -> tickring_room::RoomCounters {
        let mut sum = self.inputs_of_gone_rooms.clone();
        for entry in self.entries.iter().flatten() {
            sum.add(entry.room.counters());
        }
        sum
    }
}
