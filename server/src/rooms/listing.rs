//! What an operator asks of rooms: which there are, and who sits there.

use tickring_protocol::ids::PlayerId;
use tickring_room::Game;

use super::{Entry, NOBODY, Rooms, Seat};
use crate::report::RoomReport;

/// Who has a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occupant {
    /// The connection in this slot.
    Connection(u32),
    /// A player who has lost the connection.
    Held(Seat),
    /// Nobody.
    Nobody,
    /// There is no such room.
    NoRoom,
}

impl<G: Game> Rooms<G> {
    /// The first rooms by name that come after `after`, at most `rooms_max`, by name. Looks at every room once.
    pub(crate) fn list(&self, after: &str, rooms_max: usize) -> Vec<RoomReport> {
        let mut found: Vec<&Entry<G>> = self.named().filter(|entry| *entry.name > *after).collect();
        if rooms_max < found.len() {
            found.select_nth_unstable_by(rooms_max, |one, other| one.name.cmp(&other.name));
            found.truncate(rooms_max);
        }
        found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        found.into_iter().map(Entry::report).collect()
    }

    /// The rooms somebody plays in, in no order.
    fn named(&self) -> impl Iterator<Item = &Entry<G>> {
        self.entries.iter().flatten().filter(|entry| entry.ended.is_none())
    }

    /// Who has the seat of `player` in the room called `name`.
    pub(crate) fn occupant(&self, name: &str, player: PlayerId) -> Occupant {
        let Some(&room) = self.by_name.get(name) else { return Occupant::NoRoom };
        let entry = self.entries[room as usize].as_ref().expect("by_name holds living rooms");
        match entry.slots.get(usize::from(player.0)) {
            Some(&slot) if slot != NOBODY => Occupant::Connection(slot),
            Some(_) if entry.room.is_held(player) => Occupant::Held(Seat { room, player }),
            _ => Occupant::Nobody,
        }
    }

    /// Gives up a held seat before its time.
    pub(crate) fn end_hold(&mut self, seat: Seat) {
        self.entry(seat.room).give_up(seat.player);
        self.remove_if_empty(seat.room);
    }
}

impl<G: Game> Entry<G> {
    fn report(&self) -> RoomReport {
        RoomReport {
            name: self.name.clone(),
            players: self.connected as u64,
            held: self.held() as u64,
            spectators: self.watchers().count() as u64,
            tick: self.room.tick().0,
            bytes_out: self.bytes_out,
        }
    }
}
