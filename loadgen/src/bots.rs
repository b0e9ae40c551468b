//! Who plays: what a bot decides, per game. The game driver knows none of it.

mod prober;
mod track;

use std::rc::Rc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tickring_arena::bot::{Bot as ArenaBot, View};
use tickring_arena::map::Map;
use tickring_arena::{Arena, ArenaEvent, ArenaInput};
use tickring_client::Connection;
use tickring_protocol::ids::{EntityId, Sequence, Tick};
use tickring_protocol::message::Welcome;
use tickring_pulse::{Noise, Pulse};
use tickring_room::{Game, ViewTime};

use crate::forge::Forge;
use crate::measure::tally::Counters;

pub(crate) use prober::Prober;

/// A player of some game.
pub(crate) trait Bot: Sized {
    /// The game it plays.
    type Game: Game;
    /// What all bots of a room share, made at the first welcome.
    type Ground: Clone;

    /// The shared part of a room.
    fn ground(welcome: &Welcome) -> Self::Ground;

    /// A bot that has just been seated.
    fn new(role: Role, welcome: &Welcome, ground: Self::Ground) -> Self;

    /// The input for `moment`.
    fn decide(
        &mut self,
        link: &Connection<Self::Game>,
        moment: Moment,
        counters: &mut Counters,
    ) -> <Self::Game as Game>::Input;

    /// The view time that the input just decided falsely claims; `None` for an honest one.
    fn claims(&self) -> Option<ViewTime> {
        None
    }

    /// The input was sent.
    fn sent(&mut self, sequence: Sequence, target: Tick, input: &<Self::Game as Game>::Input);

    /// Something happened in a tick.
    fn happened(&mut self, tick: Tick, event: &<Self::Game as Game>::Event, counters: &mut Counters);
}

/// What a bot is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Role {
    pub(crate) seed: u64,
    /// Its number among all connections of the run.
    pub(crate) connection: u32,
    /// How it lies about what it sees.
    pub(crate) forge: Option<Forge>,
}

/// When an input is decided, and on what knowledge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now_ns: u64,
    /// The tick the input is for.
    pub(crate) target: Tick,
    /// Tick of the newest snapshot.
    pub(crate) newest: Tick,
    /// The last input that snapshot covers.
    pub(crate) last_input: Sequence,
}

/// A bot of the arena.
#[derive(Debug)]
pub(crate) struct Fighter {
    bot: Box<ArenaBot>,
    map: Rc<Map>,
}

impl Bot for Fighter {
    type Game = Arena;
    type Ground = Rc<Map>;

    fn ground(welcome: &Welcome) -> Rc<Map> {
        Rc::new(Map::generate(welcome.seed, welcome.room_players_max))
    }

    fn new(role: Role, welcome: &Welcome, map: Rc<Map>) -> Self {
        let bot = ArenaBot::new(role.seed, EntityId(welcome.entity), welcome.tick_hz);
        Self { bot: Box::new(bot), map }
    }

    fn decide(&mut self, link: &Connection<Arena>, moment: Moment, _counters: &mut Counters) -> ArenaInput {
        let Some(own) = link.private() else { return ArenaInput::default() };
        self.bot.decide(&View {
            map: &self.map,
            tick: moment.target,
            own,
            own_tick: moment.newest,
            last_input: moment.last_input,
            entities: link.entities(),
            seen: &|id| link.seen(moment.now_ns, id),
        })
    }

    fn sent(&mut self, sequence: Sequence, target: Tick, input: &ArenaInput) {
        self.bot.sent(sequence, target, input);
    }

    fn happened(&mut self, _tick: Tick, event: &ArenaEvent, counters: &mut Counters) {
        let ArenaEvent::Shot(audit) = event else { return };
        counters.shots += 1;
        if let Some(judged) = self.bot.judged(audit).filter(|judged| judged.expected) {
            counters.hits_expected += 1;
            counters.hits_confirmed += u64::from(judged.hit);
        }
    }
}

/// A bot of the pulse game: its input means nothing.
#[derive(Debug)]
pub(crate) struct Drummer(Noise);

impl Bot for Drummer {
    type Game = Pulse;
    type Ground = ();

    fn ground(_welcome: &Welcome) {}

    fn new(role: Role, _welcome: &Welcome, (): ()) -> Self {
        Self(Noise(Pcg64Mcg::seed_from_u64(role.seed).random()))
    }

    fn decide(&mut self, _link: &Connection<Pulse>, _moment: Moment, _counters: &mut Counters) -> Noise {
        self.0
    }

    fn sent(&mut self, _sequence: Sequence, _target: Tick, _input: &Noise) {}

    fn happened(&mut self, _tick: Tick, _event: &<Pulse as Game>::Event, _counters: &mut Counters) {}
}
