//! How conversations end: every end has one close code, one cause, and is counted once.

use tickring_protocol::fault::{CloseReason, FaultCode};
use tickring_protocol::message::Goodbye;
use tickring_protocol::websocket::{OpCode, write_close, write_frame_head};
use tickring_room::Game;

use super::{Context, Peer, Session, State};
use crate::rooms::Parting;

/// When a spectator may look again whether somebody plays.
const ROOM_BACK_AFTER_MS: u32 = 5_000;

/// What the worker shall do with the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Nothing: the conversation goes on.
    No,
    /// Send what waits, then FIN, then wait for the peer's.
    Flush,
    /// Close at once; what waits is lost.
    Now,
}

/// Why a conversation ended, by a name that stays the same: it is a label in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Our doing, with a close code (0: none was exchanged) and a label.
    Coded(u16, &'static str),
    /// The peer sent a Close, with this code or without one.
    ByPeer(Option<u16>),
    /// The peer's FIN without a Close.
    EndOfStream,
    /// The socket failed.
    Reset,
}

impl Cause {
    /// (close code, label); code 0: no Close was exchanged. Of the codes from 3000 on there are two
    /// thousand, and they are the peer's to choose: they share a counter.
    pub(super) fn label(self) -> (u16, &'static str) {
        match self {
            Self::Coded(code, label) => (code, label),
            Self::ByPeer(None) => (1005, "closed_by_peer"),
            Self::ByPeer(Some(code @ 0..3000)) => (code, "closed_by_peer"),
            Self::ByPeer(Some(3000..)) => (3000, "closed_by_peer_private_code"),
            Self::EndOfStream => (0, "end_of_stream"),
            Self::Reset => (0, "reset"),
        }
    }

    /// Whether the player goes for good. A connection that fails, or that a page takes with it (1001), is no
    /// goodbye; nor is one that we close because nothing came through.
    fn parting(self) -> Parting {
        let told = |code: u16, reason: CloseReason| code == reason.code();
        match self {
            Self::EndOfStream | Self::Reset => Parting::Lost,
            Self::ByPeer(None) => Parting::Leaves,
            Self::ByPeer(Some(code)) if told(code, CloseReason::Normal) => Parting::Leaves,
            Self::ByPeer(Some(_)) => Parting::Lost,
            Self::Coded(code, _)
                if told(code, CloseReason::Silent) || told(code, CloseReason::SlowReader) =>
            {
                Parting::Lost
            }
            Self::Coded(..) => Parting::Leaves,
        }
    }

    /// Peers come and go; only what somebody could mend is worth a line.
    pub(super) fn is_ordinary(self) -> bool {
        match self {
            Self::EndOfStream | Self::Reset => true,
            Self::Coded(..) | Self::ByPeer(_) => matches!(self.label().0, 1000 | 1001 | 1005),
        }
    }
}

impl Session {
    /// The server is going: Goodbye with the time to come back, then Close 1001.
    pub(crate) fn go_away<G: Game>(&mut self, back_after_ms: u32, cx: &mut Context<'_, G>) {
        match self.peer.state {
            State::Upgrading { .. } => self.refuse_draining(cx),
            State::Greeting { .. } | State::Playing(_) | State::Watching(_) | State::Echo => {
                if !matches!(self.peer.state, State::Echo) {
                    self.peer.say_goodbye(CloseReason::GoingAway, back_after_ms, cx);
                }
                self.peer.close(CloseReason::GoingAway, "drained", cx);
            }
            State::Vacant | State::Moving | State::Closing | State::Draining => {}
        }
    }

    /// Another connection has taken the seat with its token.
    pub(crate) fn replaced<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.lose_seat(FaultCode::Replaced, "another connection has taken this seat with its token", cx);
    }

    /// An operator wants the player gone.
    pub(crate) fn removed<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.lose_seat(FaultCode::Removed, "an operator removed this player", cx);
    }

    fn lose_seat<G: Game>(&mut self, code: FaultCode, text: &str, cx: &mut Context<'_, G>) {
        debug_assert!(matches!(self.peer.state, State::Playing(_)), "only who plays has a seat to lose");
        let _ = self.peer.fault(code, code.label(), text, cx);
    }

    /// The room that was watched has ended.
    pub(crate) fn room_closed<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        // Whoever was too slow for the room's last words is being told that.
        if matches!(self.peer.state, State::Watching(_)) {
            self.peer.say_goodbye(CloseReason::RoomClosed, ROOM_BACK_AFTER_MS, cx);
            self.peer.close(CloseReason::RoomClosed, CloseReason::RoomClosed.label(), cx);
        }
    }

    /// The reader was too slow for what a room had to say.
    pub(crate) fn check_slow<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        let full = self.peer.outbox.overflowed();
        if self.peer.state.is_in_room() && (full || self.peer.is_stalled(cx)) {
            self.peer.drop_slow_reader(cx);
        }
    }
}

impl Peer {
    fn say_goodbye<G: Game>(&mut self, reason: CloseReason, back_after_ms: u32, cx: &mut Context<'_, G>) {
        let queue = self.outbox.queue(cx.pool);
        write_frame_head(queue, OpCode::Binary, Goodbye::BYTES);
        Goodbye { reason: reason.code(), back_after_ms }.write(queue);
    }

    /// Parts with the seat and counts the end, once; says nothing to the peer.
    pub(super) fn abandon<G: Game>(&mut self, cause: Cause, cx: &mut Context<'_, G>) {
        match &self.state {
            State::Vacant | State::Moving | State::Closing | State::Draining => return,
            State::Playing(seat) => cx.rooms.part(*seat, self.slot, cause.parting()),
            State::Watching(watch) => cx.rooms.unwatch(*watch, self.slot),
            State::Upgrading { .. } | State::Greeting { .. } | State::Echo => {}
        }
        cx.ledger.ended(cause, self.slot, cx.now_ns);
        // It would follow the Close (RFC 6455 section 5.5.1: no data after it).
        self.outbox.forget_snapshot(cx.pool);
        self.enter(State::Draining, cx.now_ms);
    }

    /// Ends the conversation from our side for good: Close, flush, FIN. What the peer still sends is
    /// not read.
    pub(super) fn fail<G: Game>(
        &mut self,
        reason: CloseReason,
        cause: &'static str,
        cx: &mut Context<'_, G>,
    ) {
        self.fail_with(reason.code(), cause, cx);
    }

    /// [`Peer::fail`] with the code that the WebSocket codec asks for.
    pub(super) fn fail_with<G: Game>(&mut self, code: u16, cause: &'static str, cx: &mut Context<'_, G>) {
        // The Close is the last frame: an answer still owed goes before it.
        self.queue_pong(cx);
        write_close(self.outbox.queue(cx.pool), code, cause);
        self.abandon(Cause::Coded(code, cause), cx);
        self.ending = Ending::Flush;
    }

    /// Ends it politely: Close, then the peer's Close is awaited.
    pub(super) fn close<G: Game>(
        &mut self,
        reason: CloseReason,
        cause: &'static str,
        cx: &mut Context<'_, G>,
    ) {
        self.queue_pong(cx);
        write_close(self.outbox.queue(cx.pool), reason.code(), cause);
        self.abandon(Cause::Coded(reason.code(), cause), cx);
        self.enter(State::Closing, cx.now_ms);
    }

    pub(super) fn enter(&mut self, state: State, now_ms: u32) {
        self.state = state;
        self.since_ms = now_ms;
        self.ping_waits = false;
    }
}
