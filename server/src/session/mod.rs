//! One connection's conversation: bytes in, replies and room inputs out.
//!
//! A session knows neither socket nor ring. It is fed with [`Session::received`], writes what it has
//! to say into its [`Outbox`], and tells the worker with [`Session::flush`] what to send, how to
//! receive and when to close. Nothing here waits, and nothing a peer sends
//! can panic: bytes become a reply, a room input, or an end with a close code and a cause.
//!
//! ```text
//! Upgrading ─► Greeting ─► Playing, or Watching ─┐
//!     │  └───► Echo ─────────────────────────────┼─► Closing (our Close is out) ─► Draining (last bytes, then FIN)
//!     └─ Moving (to the worker of the room)
//! ```

mod conversation;
mod end;
mod ledger;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod timing;
mod upgrade;

use tickring_protocol::websocket::Decoder;
use tickring_room::Game;

use crate::outbox::Outbox;
use crate::pool::BufferPool;
use crate::rooms::{Rooms, Seat, Watch};

use end::Cause;
pub(crate) use end::Ending;
use ledger::Ledger;
pub(crate) use stage::{Now, Stage};
use table::Deliver;
pub(crate) use table::Sessions;
pub(crate) use upgrade::Move;

/// What sessions of a worker have in common: limits and deadlines.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) worker: usize,
    pub(crate) workers: usize,
    pub(crate) echo: bool,
    pub(crate) outbox_bytes_max: usize,
    pub(crate) handshake_ms: u32,
    pub(crate) ping_after_ms: u32,
    pub(crate) silent_close_ms: u32,
    pub(crate) close_ms: u32,
    /// Sessions that come or go, flushed in one pass at most.
    pub(crate) door_max: usize,
}

/// What a session may touch beside itself while it reacts.
pub(crate) struct Context<'a, G: Game> {
    pub(crate) rooms: &'a mut Rooms<G>,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) pool: &'a mut BufferPool,
    pub(crate) rules: &'a Rules,
    /// Connections whose seat was taken over: they are told next.
    pub(crate) replaced: &'a mut Vec<u32>,
    pub(crate) now_ns: u64,
    pub(crate) now_ms: u32,
}

/// One connection's conversation.
#[derive(Debug)]
pub(crate) struct Session {
    decoder: Decoder,
    peer: Peer,
}

/// Everything of a session but its decoder, so that a decoded message, which borrows the decoder,
/// can be acted upon.
#[derive(Debug)]
struct Peer {
    slot: u32,
    generation: u32,
    state: State,
    outbox: Outbox,
    /// The newest ping not yet answered; older ones need no answer (RFC 6455 section 5.5.3).
    pong: Vec<u8>,
    /// When anything was last heard.
    heard_ms: u32,
    /// When the present state began; while `pinged`, when the ping went out.
    since_ms: u32,
    /// When the wheel brings this session up; the entry for any other time is stale.
    timer_ms: u32,
    ending: Ending,
    /// Inputs beyond the room's budget, less those within it: how long a flood has lasted.
    over_budget: u16,
    /// Frames of second [`Peer::labour_second`] that cost more than a message.
    labour: u16,
    labour_second: u32,
    /// A ping of ours is unanswered.
    pinged: bool,
    /// It is still to be written, by the flush: a crowd that waits to be pinged holds no buffers.
    ping_waits: bool,
    /// On the worker's list of sessions to flush.
    dirty: bool,
    /// The peer will send nothing more.
    finished: bool,
    /// Our FIN is sent, or will be as soon as the kernel has sent what it has.
    shut: bool,
    /// How the worker receives for us at the moment.
    receiving: Receiving,
}

/// How a session wants its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receiving {
    /// Not at all: it moves, it is over, or what it has to send must go first.
    Nothing,
    /// One piece, because the connection may still move to another worker.
    Once,
    /// As they come.
    Many,
}

#[derive(Debug)]
enum State {
    /// No connection in this slot.
    Vacant,
    /// The upgrade request is incomplete; `head` holds what came so far, if anything.
    Upgrading { head: Vec<u8> },
    /// On its way to another worker.
    Moving,
    /// Upgraded for a room; its Hello is awaited.
    Greeting { room: Box<str> },
    /// Seated.
    Playing(Seat),
    /// A spectator.
    Watching(Watch),
    /// On the echo endpoint.
    Echo,
    /// Our Close is sent; the peer's is awaited.
    Closing,
    /// Everything is said; what still arrives is thrown away until the peer's FIN.
    Draining,
}

impl State {
    /// A room speaks to this peer.
    fn is_in_room(&self) -> bool {
        matches!(self, Self::Playing(_) | Self::Watching(_))
    }
}

impl Session {
    /// A free place.
    fn vacant(slot: u32) -> Self {
        Self {
            decoder: upgrade::room_decoder(),
            peer: Peer {
                slot,
                generation: 0,
                state: State::Vacant,
                outbox: Outbox::default(),
                pong: Vec::new(),
                heard_ms: 0,
                since_ms: 0,
                timer_ms: 0,
                ending: Ending::No,
                over_budget: 0,
                labour: 0,
                labour_second: 0,
                pinged: false,
                ping_waits: false,
                dirty: false,
                finished: false,
                shut: false,
                receiving: Receiving::Nothing,
            },
        }
    }

    /// A connection was accepted into this place.
    pub(crate) fn begin(&mut self, generation: u32, now_ms: u32) {
        debug_assert!(matches!(self.peer.state, State::Vacant), "a slot is free before it is used again");
        let dirty = self.peer.dirty;
        *self = Self::vacant(self.peer.slot);
        self.peer.generation = generation;
        self.peer.state = State::Upgrading { head: Vec::new() };
        self.peer.heard_ms = now_ms;
        self.peer.since_ms = now_ms;
        self.peer.timer_ms = now_ms;
        self.peer.dirty = dirty;
    }

    /// The connection is gone for good.
    pub(crate) fn vacate<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.peer.abandon(Cause::Reset, cx);
        self.peer.outbox.clear(cx.pool);
        self.peer.state = State::Vacant;
        self.decoder = upgrade::room_decoder();
        self.peer.pong = Vec::new();
    }

    /// Bytes arrived. A [`Move`] means that the connection belongs to another worker.
    pub(crate) fn received<G: Game>(&mut self, bytes: &mut [u8], cx: &mut Context<'_, G>) -> Option<Move> {
        cx.ledger.traffic.bytes_in += bytes.len() as u64;
        self.peer.heard_ms = cx.now_ms;
        self.peer.pinged = false;
        self.peer.ping_waits = false;
        if self.peer.receiving == Receiving::Once {
            self.peer.receiving = Receiving::Nothing;
        }
        match self.peer.state {
            State::Upgrading { .. } => return self.upgrade(bytes, cx),
            State::Greeting { .. }
            | State::Playing(_)
            | State::Watching(_)
            | State::Echo
            | State::Closing => {
                self.converse(bytes, cx);
            }
            State::Vacant | State::Moving | State::Draining => {}
        }
        None
    }

    /// Nothing more will arrive: end of stream, or an error.
    pub(crate) fn receive_ended<G: Game>(&mut self, failed: bool, cx: &mut Context<'_, G>) {
        self.peer.finished = true;
        self.peer.receiving = Receiving::Nothing;
        self.peer.abandon(if failed { Cause::Reset } else { Cause::EndOfStream }, cx);
        if failed || self.peer.outbox.is_empty() {
            self.peer.ending = Ending::Now;
        } else if self.peer.ending == Ending::No {
            self.peer.ending = Ending::Flush;
        }
    }

    /// The generation of the connection in this slot.
    pub(crate) fn generation(&self) -> u32 {
        self.peer.generation
    }

    /// There is a connection here.
    pub(crate) fn is_occupied(&self) -> bool {
        !matches!(self.peer.state, State::Vacant)
    }

    /// Somebody waits for an answer now, not at the next tick.
    fn is_interactive(&self) -> bool {
        !matches!(self.peer.state, State::Playing(_) | State::Watching(_) | State::Vacant | State::Draining)
    }

    /// Neither coming nor going, and not being asked whether it is still there: what it has to say is not put off.
    fn is_settled(&self) -> bool {
        !self.peer.pinged && matches!(self.peer.state, State::Playing(_) | State::Watching(_) | State::Echo)
    }

    /// There is something for the worker to do: see [`Session::flush`].
    fn wants_flush(&self) -> bool {
        let peer = &self.peer;
        self.is_occupied()
            && (peer.ending != Ending::No
                || ((peer.ping_waits || !peer.pong.is_empty()) && !peer.outbox.is_sending())
                || peer.outbox.has_something()
                || peer.receiving != peer.wanted_receiving())
    }

    /// A buffer of ours was sent, or failed to be.
    pub(crate) fn sent<G: Game>(&mut self, failed: bool, cx: &mut Context<'_, G>) {
        self.peer.outbox.sent();
        if failed {
            self.peer.abandon(Cause::Reset, cx);
            self.peer.ending = Ending::Now;
        }
    }

    /// What the worker must do for this connection now.
    pub(crate) fn flush<G: Game>(&mut self, cx: &mut Context<'_, G>) -> Flush {
        let peer = &mut self.peer;
        if peer.ending == Ending::Now {
            peer.outbox.clear(cx.pool);
            return Flush::Close;
        }
        if !peer.outbox.is_sending() {
            peer.queue_pong(cx);
            peer.queue_ping(cx);
        }
        let send = peer.outbox.take(cx.now_ms, cx.pool);
        if let Some(bytes) = &send {
            cx.ledger.traffic.bytes_out += bytes.len() as u64;
        }
        let mut shutdown = false;
        if peer.ending == Ending::Flush {
            if peer.finished && peer.outbox.is_empty() {
                return Flush::Close;
            }
            // Ordered at once with the last bytes: their completion may be told late.
            if !peer.shut && !peer.outbox.has_waiting() && peer.pong.is_empty() {
                peer.shut = true;
                shutdown = true;
            }
        }
        let wanted = peer.wanted_receiving();
        let receive = (wanted != peer.receiving).then_some(wanted);
        peer.receiving = wanted;
        Flush::Work { send, shutdown, receive }
    }
}

/// See [`Session::flush`].
#[derive(Debug)]
pub(crate) enum Flush {
    /// Close the connection.
    Close,
    /// Do these, in this order.
    Work {
        /// Bytes for the kernel.
        send: Option<Vec<u8>>,
        /// Send a FIN.
        shutdown: bool,
        /// Receive like this from now on.
        receive: Option<Receiving>,
    },
}

/// With this much unsent, an echo connection is not read until it has taken some of it.
const ECHO_PAUSE_BYTES: usize = 256 * 1024;

impl Peer {
    /// Puts the answer to the newest ping, if one waits, behind what is queued.
    fn queue_pong<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        if !self.pong.is_empty() {
            self.outbox.queue(cx.pool).append(&mut self.pong);
            self.pong = Vec::new();
        }
    }

    fn wanted_receiving(&self) -> Receiving {
        match self.state {
            _ if self.finished || self.receiving == Receiving::Once => self.receiving,
            State::Vacant | State::Moving => Receiving::Nothing,
            State::Upgrading { .. } => Receiving::Once,
            State::Echo if self.outbox.queued_bytes() > ECHO_PAUSE_BYTES => Receiving::Nothing,
            // Who does not read us is not read either.
            State::Draining if self.outbox.overflowed() && self.outbox.is_sending() => Receiving::Nothing,
            State::Greeting { .. }
            | State::Playing(_)
            | State::Watching(_)
            | State::Echo
            | State::Closing
            | State::Draining => Receiving::Many,
        }
    }
}
