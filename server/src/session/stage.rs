//! The play side of a worker in one place: sessions, rooms, and what they share.

use tickring_protocol::ids::PlayerId;
use tickring_room::Game;

use super::{Context, Deliver, Flush, Ledger, Rules, Session, Sessions};
use crate::pool::BufferPool;
use crate::report::Kicked;
use crate::rooms::{Occupant, Rooms, TickStats};
use crate::timers::{Entry, Timers};

/// One reading of the clock, in the two units the play side uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Nanoseconds since the server started.
    pub(crate) ns: u64,
    /// The same in milliseconds.
    pub(crate) ms: u64,
    /// The same, wrapping: what sessions keep.
    pub(crate) session_ms: u32,
}

impl Now {
    /// From a reading in nanoseconds.
    pub(crate) fn from_ns(ns: u64) -> Self {
        let ms = ns / 1_000_000;
        #[expect(clippy::cast_possible_truncation, reason = "session times wrap on purpose")]
        Self { ns, ms, session_ms: ms as u32 }
    }
}

/// Sessions, rooms, and what they share.
pub(crate) struct Stage<G: Game> {
    pub(crate) sessions: Sessions,
    pub(crate) rooms: Rooms<G>,
    pub(crate) ledger: Ledger,
    pub(crate) pool: BufferPool,
    pub(crate) ticks: TickStats,
    pub(crate) rules: Rules,
    timers: Timers,
    due: Vec<Entry>,
    slow: Vec<u32>,
    replaced: Vec<u32>,
}

impl<G: Game> Stage<G> {
    /// An empty stage for connections in slots below `slots_max`.
    pub(crate) fn new(
        rooms: Rooms<G>,
        rules: Rules,
        slots_max: u32,
        pool_bytes_max: usize,
        now: Now,
    ) -> Self {
        Self {
            sessions: Sessions::new(slots_max, rules.door_max),
            rooms,
            ledger: Ledger::new(),
            pool: BufferPool::new(pool_bytes_max),
            ticks: TickStats::new(),
            rules,
            timers: Timers::new(now.ms),
            due: Vec::new(),
            slow: Vec::new(),
            replaced: Vec::new(),
        }
    }

    /// The sessions, and what they may touch beside themselves.
    fn parts(&mut self, now: Now) -> (&mut Sessions, Context<'_, G>) {
        let context = Context {
            rooms: &mut self.rooms,
            ledger: &mut self.ledger,
            pool: &mut self.pool,
            rules: &self.rules,
            replaced: &mut self.replaced,
            now_ns: now.ns,
            now_ms: now.session_ms,
        };
        (&mut self.sessions, context)
    }

    /// Lets one session react, and then those whose seat it took, and those who watched the room it ended.
    pub(crate) fn act<R>(
        &mut self,
        slot: u32,
        now: Now,
        act: impl FnOnce(&mut Session, &mut Context<'_, G>) -> R,
    ) -> R {
        let (sessions, mut context) = self.parts(now);
        let result = sessions.update(slot, |session| act(session, &mut context));
        while let Some(slot) = self.replaced.pop() {
            self.act(slot, now, Session::replaced);
        }
        self.tell_stranded(now);
        result
    }

    /// Ends the sessions that watched a room which is gone.
    fn tell_stranded(&mut self, now: Now) {
        while let Some(slot) = self.rooms.pop_stranded() {
            self.act(slot, now, Session::room_closed);
        }
    }

    /// An operator removes a player.
    pub(crate) fn kick(&mut self, room: &str, player: PlayerId, now: Now) -> Kicked {
        let kicked = match self.rooms.occupant(room, player) {
            Occupant::Connection(slot) => {
                self.act(slot, now, Session::removed);
                Kicked::Connected
            }
            Occupant::Held(seat) => {
                self.rooms.end_hold(seat);
                self.tell_stranded(now);
                Kicked::Held
            }
            Occupant::Nobody => return Kicked::NoPlayer,
            Occupant::NoRoom => return Kicked::NoRoom,
        };
        self.ledger.kicks += 1;
        kicked
    }

    /// What the worker must do for a connection now.
    pub(crate) fn flush(&mut self, slot: u32, now: Now) -> Flush {
        let (sessions, mut context) = self.parts(now);
        sessions.at(slot).flush(&mut context)
    }

    /// Runs the ticks that are due and ends the readers that are too slow for what was said.
    pub(crate) fn tick(&mut self, now_ns: impl Fn() -> u64) {
        let mut deliver = Deliver {
            sessions: &mut self.sessions,
            pool: &mut self.pool,
            ledger: &mut self.ledger,
            outbox_bytes_max: self.rules.outbox_bytes_max,
            slow: &mut self.slow,
        };
        self.rooms.tick_due(&now_ns, &mut self.ticks, &mut deliver);
        if !self.slow.is_empty() || self.rooms.any_stranded() {
            let now = Now::from_ns(now_ns());
            self.tell_stranded(now);
            while let Some(slot) = self.slow.pop() {
                self.act(slot, now, Session::check_slow);
            }
        }
    }

    /// Looks at every session whose time has come.
    pub(crate) fn expire(&mut self, now: Now) {
        let mut due = std::mem::take(&mut self.due);
        self.timers.take_due(now.ms, &mut due);
        for entry in due.drain(..) {
            let session = self.sessions.at(entry.slot);
            if session.generation() == entry.generation && session.timer_is_due(now.session_ms) {
                self.act(entry.slot, now, Session::timer_due);
                self.schedule(entry.slot, now, true);
            }
        }
        self.due = due;
    }

    /// Puts a session's next deadline into the wheel, if it is sooner than the one there.
    pub(crate) fn schedule(&mut self, slot: u32, now: Now, came_up: bool) {
        let session = self.sessions.at(slot);
        if let Some(wait_ms) = session.reschedule(&self.rules, now.session_ms, came_up) {
            let entry = Entry { slot, generation: session.generation() };
            self.timers.insert(now.ms + u64::from(wait_ms), entry);
        }
    }

    /// When a session must be looked at next, ms; `None` when there is none.
    pub(crate) fn next_timer_ms(&self) -> Option<u64> {
        self.timers.next_ms()
    }
}
