//! A stand-in for the ring and the worker around a [`Stage`]: it keeps the ring's contract and
//! checks that the stage keeps its side of it.

use tickring_room::Game;

use crate::session::{Ending, Flush, Move, Now, Receiving, Session, Stage, State};

/// The kernel's side of one connection.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) open: bool,
    pub(super) sending: Option<Vec<u8>>,
    pub(super) receiving: Option<Receiving>,
    pub(super) closing: bool,
    /// The peer's FIN or reset has been reported.
    pub(super) ended: bool,
    /// Our FIN goes out behind what is being sent.
    pub(super) shut: bool,
    /// What the peer has been sent on this connection.
    pub(super) sent: Vec<u8>,
    generation: u32,
}

pub(super) struct FakeRing<G: Game> {
    pub(super) stage: Stage<G>,
    pub(super) lines: Vec<Line>,
    pub(super) now: Now,
    /// Connections that began here, by accept or by hand-over.
    pub(super) begun: u64,
    /// Connections that went to another worker.
    pub(super) moved: u64,
    pub(super) vacated: u64,
}

impl<G: Game> FakeRing<G> {
    pub(super) fn new(stage: Stage<G>, slots: usize) -> Self {
        let lines = (0..slots).map(|_| Line::default()).collect();
        Self { stage, lines, now: Now::from_ns(0), begun: 0, moved: 0, vacated: 0 }
    }

    pub(super) fn line(&mut self, slot: u32) -> &mut Line {
        &mut self.lines[slot as usize]
    }

    /// A connection begins in a free slot.
    pub(super) fn begin(&mut self, slot: u32) {
        let now = self.now;
        let line = self.line(slot);
        let generation = line.generation + 1;
        *line = Line { open: true, generation, ..Line::default() };
        self.begun += 1;
        self.stage.act(slot, now, |session, cx| session.begin(generation, cx.now_ms));
        self.stage.schedule(slot, now, true);
    }

    /// Bytes arrive, if the session receives at all; gives back how many.
    pub(super) fn receive(&mut self, slot: u32, bytes: &[u8]) -> (usize, Option<Move>) {
        let line = self.line(slot);
        let receiving = line.receiving.unwrap_or(Receiving::Nothing);
        if !line.open || line.closing || line.ended || receiving == Receiving::Nothing || bytes.is_empty() {
            return (0, None);
        }
        if receiving == Receiving::Once {
            line.receiving = None;
        }
        let now = self.now;
        let mut buffer = bytes.to_vec();
        (bytes.len(), self.stage.act(slot, now, |session, cx| session.received(&mut buffer, cx)))
    }

    /// The peer's FIN, or a reset, if the session receives at all.
    pub(super) fn end(&mut self, slot: u32, failed: bool) {
        let line = self.line(slot);
        let armed = line.receiving.is_some_and(|receiving| receiving != Receiving::Nothing);
        if !line.open || line.closing || line.ended || !armed {
            return;
        }
        line.ended = true;
        let now = self.now;
        self.stage.act(slot, now, |session, cx| session.receive_ended(failed, cx));
    }

    /// The buffer in flight comes back.
    pub(super) fn sent(&mut self, slot: u32, failed: bool) {
        let Some(buffer) = self.line(slot).sending.take() else { return };
        if !failed {
            self.line(slot).sent.extend_from_slice(&buffer);
        }
        self.stage.pool.give(buffer);
        let now = self.now;
        self.stage.act(slot, now, |session, cx| session.sent(failed, cx));
    }

    /// The last event of a connection that is being closed.
    pub(super) fn closed(&mut self, slot: u32) {
        if !self.line(slot).closing {
            return;
        }
        self.sent(slot, true);
        self.leave(slot, Session::vacate);
        self.vacated += 1;
    }

    /// A connection that wanted to move has gone, or could not.
    pub(super) fn move_done(&mut self, slot: u32, gone: bool) {
        let now = self.now;
        if gone {
            self.leave(slot, Session::moved);
            self.moved += 1;
        } else {
            self.stage.act(slot, now, Session::move_failed);
        }
    }

    fn leave(&mut self, slot: u32, leave: impl FnOnce(&mut Session, &mut crate::session::Context<'_, G>)) {
        let now = self.now;
        let line = self.line(slot);
        line.open = false;
        line.closing = false;
        self.stage.act(slot, now, leave);
    }

    /// A pass of the worker: ticks, deadlines, flush.
    pub(super) fn pass(&mut self, after_ns: u64) {
        let at_ns = self.now.ns + after_ns;
        self.pass_by(|| at_ns);
    }

    /// The same by a clock that may go on meanwhile.
    pub(super) fn pass_by(&mut self, now_ns: impl Fn() -> u64) {
        self.now = Now::from_ns(now_ns());
        let now = self.now;
        self.stage.tick(now_ns);
        self.stage.expire(now);
        while let Some(slot) = self.stage.sessions.pop_dirty() {
            if !self.line(slot).open {
                continue;
            }
            let flush = self.stage.flush(slot, now);
            self.obey(slot, flush);
            self.stage.schedule(slot, now, false);
        }
    }

    /// What a ring does, with the assertions a ring would not survive.
    fn obey(&mut self, slot: u32, flush: Flush) {
        let line = self.line(slot);
        let (send, shutdown, receive) = match flush {
            Flush::Close => {
                line.closing = true;
                return;
            }
            Flush::Work { send, shutdown, receive } => (send, shutdown, receive),
        };
        assert!(!line.closing, "work for a connection that is being closed");
        if let Some(bytes) = send {
            assert!(!bytes.is_empty(), "an empty send");
            assert!(line.sending.is_none(), "two sends in flight");
            assert!(!line.shut, "a send after the FIN");
            line.sending = Some(bytes);
        }
        if shutdown {
            assert!(!line.shut, "two FINs");
            line.shut = true;
        }
        if let Some(receiving) = receive {
            assert!(!line.ended || receiving == Receiving::Nothing, "receiving after the end");
            line.receiving = Some(receiving);
        }
    }

    /// What must hold between passes.
    pub(super) fn check(&mut self) {
        let occupied: Vec<u32> = self.stage.sessions.occupied().collect();
        let open = self.lines.iter().filter(|line| line.open).count();
        assert_eq!(occupied.len(), open, "sessions and connections are the same ones");
        let (mut interactive, mut put_off) = (0, 0);
        for &slot in &occupied {
            let line_closing = self.lines[slot as usize].closing;
            let session = self.stage.sessions.at(slot);
            interactive += usize::from(session.is_interactive());
            let ending = session.peer.ending;
            if let State::Playing(seat) = session.peer.state {
                assert_eq!(self.stage.rooms.holder(seat), Some(slot), "a seat belongs to one connection");
            }
            let session = self.stage.sessions.at(slot);
            if ending == Ending::No && !line_closing {
                assert!(
                    !session.wants_flush() || session.peer.dirty,
                    "slot {slot} was forgotten: {session:?}"
                );
                put_off += usize::from(session.wants_flush());
            }
            if matches!(session.peer.state, State::Vacant) {
                assert!(session.peer.outbox.is_empty(), "a vacant slot has something to say");
            }
        }
        assert_eq!(self.stage.sessions.any_interactive(), interactive > 0);
        assert!(put_off == 0 || self.stage.sessions.any_at_the_door(), "{put_off} wait for nothing");
        let states = self.stage.sessions.states();
        assert_eq!(self.stage.rooms.players(), states.playing, "a seat for every player and no other");
        assert_eq!(
            self.stage.rooms.spectators(),
            states.watching,
            "a place for every spectator and no other"
        );
        let ends: u64 = self.stage.ledger.closes().iter().map(|close| close.2).sum();
        assert!(ends <= self.begun - self.moved, "an end was counted twice");
        assert!(ends >= self.vacated, "an end was not counted");
    }

    /// Everything is gone, and was counted once.
    pub(super) fn check_empty(&mut self) {
        self.check();
        assert_eq!(self.stage.sessions.occupied().count(), 0);
        assert!(!self.stage.sessions.any_interactive());
        assert_eq!((self.stage.rooms.len(), self.stage.rooms.players()), (0, 0));
        let counters = self.stage.rooms.counters();
        assert_eq!(counters.joins, counters.leaves, "a seat leaked");
        assert_eq!(self.begun, self.moved + self.vacated);
        let ends: u64 = self.stage.ledger.closes().iter().map(|close| close.2).sum();
        assert_eq!(ends, self.vacated, "{:?}", self.stage.ledger.closes());
    }
}
