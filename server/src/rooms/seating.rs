//! Who sits where: taking a seat, coming back to one, giving it up.

use tickring_protocol::ids::PlayerId;
use tickring_protocol::message::Welcome;
use tickring_room::{Game, JoinError};

use super::tokens::{Token, TokenRefusal};
use super::{Entry, NOBODY, Rooms, Seat};

/// A connection that wants a seat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The connection.
    pub(crate) slot: u32,
    /// The hello's.
    pub(crate) features: u32,
    /// The token it shows, if any.
    pub(crate) token: Option<Token>,
    pub(crate) now_ns: u64,
}

/// A seat was found.
#[derive(Debug)]
pub(crate) struct Seated {
    pub(crate) seat: Seat,
    /// What the player must be told.
    pub(crate) welcome: Welcome,
    /// The connection that had the seat until now and still lives.
    pub(crate) replaced: Option<u32>,
}

/// Why nobody was seated.
#[derive(Debug)]
pub(crate) enum SeatError {
    /// The room does not exist and may not be created: this worker has its maximum.
    TooManyRooms,
    /// The worker does not keep up and takes nobody in.
    Overloaded,
    /// The room said no.
    Room(JoinError),
}

/// How a connection parts with its seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// For good.
    Leaves,
    /// Without meaning to: the game says how long the seat is held.
    Lost,
}

impl<G: Game> Rooms<G> {
    /// Seats a connection in the room called `name`, which is created when it is not there. Who shows the token of a
    /// seat gets that one, from the connection that has it if need be; who shows any other token is as welcome as
    /// somebody without.
    pub(crate) fn seat(&mut self, name: &str, arrival: Arrival) -> Result<Seated, SeatError> {
        let found = self.by_name.get(name).copied();
        let presented = arrival.token.map(|token| match found {
            Some(room) => self.entry(room).tokens.look_up(token),
            None => Err(TokenRefusal::Unknown),
        });
        match (presented, found) {
            (Some(Ok(player)), Some(room)) => return Ok(self.return_to(Seat { room, player }, arrival)),
            (Some(Err(why)), _) => self.refused.count(why),
            _ => {}
        }
        if self.turns_away() {
            return Err(SeatError::Overloaded);
        }
        let room = match found {
            Some(room) => room,
            None => self.create(name, arrival.now_ns)?,
        };
        match self.entry(room).room.join(arrival.features) {
            Ok(seat) => Ok(self.sit_down(Seat { room, player: seat.player }, arrival.slot, None)),
            Err(error) => {
                self.remove_if_empty(room);
                Err(SeatError::Room(error))
            }
        }
    }

    /// Seats a connection where its token says.
    fn return_to(&mut self, seat: Seat, arrival: Arrival) -> Seated {
        let entry = self.entry(seat.room);
        let slot = std::mem::replace(&mut entry.slots[usize::from(seat.player.0)], NOBODY);
        if slot == NOBODY {
            entry.room.resume(seat.player, arrival.features).expect("a seat without a connection is held");
            return self.sit_down(seat, arrival.slot, None);
        }
        entry.room.take_over(seat.player, arrival.features).expect("a seat with a connection is not held");
        entry.connected -= 1;
        self.players -= 1;
        self.sit_down(seat, arrival.slot, Some(slot))
    }

    fn sit_down(&mut self, seat: Seat, slot: u32, replaced: Option<u32>) -> Seated {
        let token = Token::from_bytes((self.draw_token)());
        self.players += 1;
        let entry = self.entry(seat.room);
        entry.connected += 1;
        let index = usize::from(seat.player.0);
        if entry.slots.len() <= index {
            entry.slots.resize(index + 1, NOBODY);
        }
        entry.slots[index] = slot;
        entry.tokens.issue(seat.player, token);
        let resume = token.map_or([0; 16], Token::to_bytes);
        Seated { seat, welcome: Welcome { resume, ..entry.room.welcome(seat.player) }, replaced }
    }

    /// The connection in `slot` parts with its seat, unless another one has taken it. An empty room goes with its
    /// last seat.
    pub(crate) fn part(&mut self, seat: Seat, slot: u32, how: Parting) {
        // Whoever took the seat may have left before the one here is told, and the room gone with it.
        let Some(entry) = &mut self.entries[seat.room as usize] else { return };
        let holder = &mut entry.slots[usize::from(seat.player.0)];
        if *holder != slot {
            return;
        }
        *holder = NOBODY;
        entry.connected -= 1;
        let held = how == Parting::Lost && entry.room.connection_lost(seat.player).seconds > 0;
        if !held {
            entry.give_up(seat.player);
        }
        self.players -= 1;
        self.remove_if_empty(seat.room);
    }

    /// Ends a room that lives only for those who may come back: whoever is here needs its place. The youngest one, in
    /// which least is lost. Otherwise one peer could join room after room, lose each connection, and shut everybody out.
    pub(super) fn end_deserted(&mut self) -> bool {
        let is_deserted = |entry: &Entry<G>| {
            entry.connected == 0 && entry.ended.is_none() && entry.watchers().next().is_none()
        };
        let deserted = (0..).zip(&self.entries).filter_map(|(room, entry)| {
            entry.as_ref().filter(|entry| is_deserted(entry)).map(|entry| (entry.serial, room))
        });
        let Some((_, room)) = deserted.max() else { return false };
        let entry = self.entry(room);
        let held: Vec<PlayerId> = entry.room.seats().collect();
        held.into_iter().for_each(|player| entry.give_up(player));
        self.remove_if_empty(room)
    }
}

impl<G: Game> Entry<G> {
    /// The seat is free again, and its token worth nothing.
    pub(super) fn give_up(&mut self, player: PlayerId) {
        self.room.leave(player);
        self.tokens.expire(player);
    }

    /// Seats whose player has not come back yet.
    pub(super) fn held(&self) -> usize {
        self.room.players() - self.connected
    }

    /// Lets the tokens of seats expire that the room gave up by itself.
    pub(super) fn forget_expired(&mut self) {
        let expired = self.room.counters().holds_expired;
        if std::mem::replace(&mut self.holds_expired, expired) == expired {
            return;
        }
        for (player, _) in (0..).map(PlayerId).zip(&self.slots).filter(|(_, slot)| **slot == NOBODY) {
            if !self.room.is_held(player) {
                self.tokens.expire(player);
            }
        }
    }
}
