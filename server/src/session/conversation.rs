//! Frames and messages of an upgraded connection.

use std::ops::ControlFlow;

use tickring_protocol::fault::{CloseReason, FaultCode};
use tickring_protocol::limits;
use tickring_protocol::message::{
    ArchivedHello, ArchivedInputHead, ClientMessage, FEATURE_SPECTATE, Fault, PROTOCOL_VERSION, Pong,
    Welcome, combined_layout,
};
use tickring_protocol::websocket::{Event, OpCode, WebSocketError, write_frame, write_frame_head};
use tickring_room::{Game, InputDrop, JoinError};

use super::{Cause, Context, Ending, Peer, Session, State};
use crate::rooms::{Arrival, SeatError, Token, WatchError};

/// Inputs beyond the budget, less those within it, that a connection survives: what queued up on a bad link is
/// dropped and forgiven, a flood is not.
const OVER_BUDGET_MAX: u16 = 1_024;
/// Frames a second beside short messages, such as pings, pongs and fragments, that a connection to a room survives. No
/// client needs more than a few.
const LABORIOUS_FRAMES_MAX: u16 = 2_000;
/// To whom a worker on the last rung of the overload ladder turns away.
const OVERLOADED: &str = "more is going on here than the server can do; come back a little later";

impl Session {
    /// Frames arrived.
    pub(super) fn converse<G: Game>(&mut self, bytes: &mut [u8], cx: &mut Context<'_, G>) {
        let Self { decoder, peer } = self;
        let mut frames = decoder.feed(bytes);
        loop {
            match frames.next() {
                Ok(Some(event)) => {
                    if peer.hear(event, cx).is_break() {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    peer.broke_websocket(&error, cx);
                    break;
                }
            }
        }
        peer.labour(frames.laborious(), cx);
    }
}

impl Peer {
    /// One frame or message. `Break`: nothing after it counts.
    fn hear<G: Game>(&mut self, event: Event<'_>, cx: &mut Context<'_, G>) -> ControlFlow<()> {
        match event {
            Event::Binary(payload) => self.binary(payload, cx),
            Event::Text(text) => self.text(text, cx),
            // Our Close was our last frame.
            Event::Ping(_) if matches!(self.state, State::Closing) => ControlFlow::Continue(()),
            Event::Ping(payload) => {
                self.pong.clear();
                write_frame(&mut self.pong, OpCode::Pong, payload);
                ControlFlow::Continue(())
            }
            Event::Pong(_) => ControlFlow::Continue(()),
            Event::Close { code, .. } => self.closed_by_peer(code, cx),
        }
    }

    /// So many frames that cost more than a message came in one piece of input. The echo endpoint is for any of them.
    fn labour<G: Game>(&mut self, frames: u32, cx: &mut Context<'_, G>) {
        if frames == 0
            || !matches!(self.state, State::Greeting { .. } | State::Playing(_) | State::Watching(_))
        {
            return;
        }
        let (second, frames) = (cx.now_ms / 1_000, u16::try_from(frames).unwrap_or(u16::MAX));
        if self.labour_second != second {
            (self.labour_second, self.labour) = (second, 0);
        }
        self.labour = self.labour.saturating_add(frames);
        if self.labour > LABORIOUS_FRAMES_MAX {
            const TEXT: &str = "more control frames or fragments than any client needs; answer pings, and send messages whole";
            let _ended = self.fault(FaultCode::Flooding, FaultCode::Flooding.label(), TEXT, cx);
        }
    }

    fn text<G: Game>(&mut self, text: &str, cx: &mut Context<'_, G>) -> ControlFlow<()> {
        // The decoder of a room refuses text.
        let State::Echo = self.state else { return ControlFlow::Continue(()) };
        self.echo(OpCode::Text, text.as_bytes(), cx)
    }

    fn binary<G: Game>(&mut self, payload: &[u8], cx: &mut Context<'_, G>) -> ControlFlow<()> {
        match self.state {
            State::Playing(_) | State::Watching(_) | State::Greeting { .. } => {
                cx.ledger.traffic.messages_in += 1;
                match ClientMessage::decode(payload) {
                    Ok(message) => self.message(&message, cx),
                    Err(error) => {
                        self.fault(FaultCode::MalformedMessage, error.cause(), &error.to_string(), cx)
                    }
                }
            }
            State::Echo => self.echo(OpCode::Binary, payload, cx),
            _ => ControlFlow::Continue(()),
        }
    }

    fn echo<G: Game>(&mut self, opcode: OpCode, payload: &[u8], cx: &mut Context<'_, G>) -> ControlFlow<()> {
        cx.ledger.traffic.messages_in += 1;
        cx.ledger.traffic.messages_out += 1;
        // A ping that came before the end of this message is answered before it.
        self.queue_pong(cx);
        write_frame(self.outbox.queue(cx.pool), opcode, payload);
        ControlFlow::Continue(())
    }

    fn message<G: Game>(&mut self, message: &ClientMessage<'_>, cx: &mut Context<'_, G>) -> ControlFlow<()> {
        match (message, &self.state) {
            (ClientMessage::Input { head, game }, State::Playing(_)) => self.input(head, game, cx),
            (ClientMessage::Hello(hello), State::Greeting { .. }) => self.hello(hello, cx),
            (ClientMessage::Ping(ping), State::Playing(seat)) => {
                let at = cx.rooms.tick_of(*seat, cx.now_ns);
                self.answer_ping(ping.client_time_ns.to_native(), at, cx)
            }
            (ClientMessage::Ping(ping), State::Watching(watch)) => {
                let at = cx.rooms.watched_tick_of(*watch, cx.now_ns);
                self.answer_ping(ping.client_time_ns.to_native(), at, cx)
            }
            (ClientMessage::Input { .. }, State::Watching(_)) => self.fault(
                FaultCode::Spectating,
                FaultCode::Spectating.label(),
                "a spectator gave an input; join without the feature bit to play",
                cx,
            ),
            (ClientMessage::Leave(_), State::Playing(_) | State::Watching(_)) => {
                self.close(CloseReason::Normal, "left", cx);
                ControlFlow::Continue(())
            }
            (ClientMessage::Hello(_), _) => self.fault(
                FaultCode::SecondHello,
                FaultCode::SecondHello.label(),
                "a hello came again; it is sent once, first",
                cx,
            ),
            (ClientMessage::Input { .. } | ClientMessage::Ping(_) | ClientMessage::Leave(_), _) => self
                .fault(
                    FaultCode::HelloExpected,
                    FaultCode::HelloExpected.label(),
                    "something else came before the hello; send the hello first",
                    cx,
                ),
        }
    }

    fn input<G: Game>(
        &mut self,
        head: &ArchivedInputHead,
        game: &[u8],
        cx: &mut Context<'_, G>,
    ) -> ControlFlow<()> {
        let State::Playing(seat) = self.state else { return ControlFlow::Continue(()) };
        match cx.rooms.input(seat, head, game) {
            // What else is dropped is counted by the room; a late input is nobody's crime.
            Ok(()) | Err(InputDrop::Late | InputDrop::Early | InputDrop::Duplicate) => {
                self.over_budget = self.over_budget.saturating_sub(1);
                ControlFlow::Continue(())
            }
            Err(InputDrop::OverBudget) if self.over_budget < OVER_BUDGET_MAX => {
                self.over_budget += 1;
                ControlFlow::Continue(())
            }
            Err(InputDrop::OverBudget) => self.fault(
                FaultCode::Flooding,
                FaultCode::Flooding.label(),
                "more inputs than the room takes, for too long; send one per tick",
                cx,
            ),
            Err(error) => self.fault(FaultCode::MalformedMessage, "input_malformed", &error.to_string(), cx),
        }
    }

    fn hello<G: Game>(&mut self, hello: &ArchivedHello, cx: &mut Context<'_, G>) -> ControlFlow<()> {
        let (version, layout) = (hello.version.to_native(), hello.layout.to_native());
        if version != PROTOCOL_VERSION {
            let text = format!("this server speaks version {PROTOCOL_VERSION}, the client {version}");
            return self.fault(FaultCode::VersionMismatch, FaultCode::VersionMismatch.label(), &text, cx);
        }
        let expected = combined_layout(G::LAYOUT);
        if layout != expected {
            let text = format!("{}: layout {expected:016x} here, {layout:016x} in the client", G::NAME);
            return self.fault(FaultCode::LayoutMismatch, FaultCode::LayoutMismatch.label(), &text, cx);
        }
        let State::Greeting { room } = &mut self.state else { return ControlFlow::Continue(()) };
        let room = std::mem::take(room);
        if hello.features.to_native() & FEATURE_SPECTATE != 0 {
            return self.watch(&room, hello.features.to_native(), cx);
        }
        let arrival = Arrival {
            slot: self.slot,
            features: hello.features.to_native(),
            token: Token::from_bytes(hello.resume),
            now_ns: cx.now_ns,
        };
        match cx.rooms.seat(&room, arrival) {
            Ok(seated) => {
                self.enter(State::Playing(seated.seat), cx.now_ms);
                cx.replaced.extend(seated.replaced);
                self.welcome(seated.welcome, cx)
            }
            Err(error) => {
                let (code, text) = match error {
                    SeatError::TooManyRooms => {
                        (FaultCode::ServerFull, "no further room can be created here now".to_owned())
                    }
                    SeatError::Overloaded => (FaultCode::Overloaded, OVERLOADED.to_owned()),
                    SeatError::Room(error @ JoinError::Full) => (FaultCode::RoomFull, error.to_string()),
                    SeatError::Room(error) => (FaultCode::JoinRefused, error.to_string()),
                };
                self.fault(code, code.label(), &text, cx)
            }
        }
    }

    fn watch<G: Game>(&mut self, room: &str, features: u32, cx: &mut Context<'_, G>) -> ControlFlow<()> {
        match cx.rooms.watch(room, self.slot, features) {
            Ok((watch, welcome)) => {
                self.enter(State::Watching(watch), cx.now_ms);
                self.welcome(welcome, cx)
            }
            Err(error) => {
                let (code, text) = match error {
                    WatchError::NoRoom => {
                        (FaultCode::UnknownRoom, "nobody plays there; a spectator opens no room")
                    }
                    WatchError::Overloaded => (FaultCode::Overloaded, OVERLOADED),
                    WatchError::Full => (FaultCode::RoomFull, "as many watch as may"),
                };
                self.fault(code, code.label(), text, cx)
            }
        }
    }

    fn welcome<G: Game>(&mut self, welcome: Welcome, cx: &mut Context<'_, G>) -> ControlFlow<()> {
        let queue = self.outbox.queue(cx.pool);
        write_frame_head(queue, OpCode::Binary, Welcome::BYTES);
        Welcome { message_bytes_max: limits::CLIENT_MESSAGE_BYTES_MAX, ..welcome }.write(queue);
        cx.ledger.traffic.messages_out += 1;
        ControlFlow::Continue(())
    }

    fn answer_ping<G: Game>(
        &mut self,
        client_time_ns: u64,
        (tick, fraction): (u32, u8),
        cx: &mut Context<'_, G>,
    ) -> ControlFlow<()> {
        if self.outbox.queued_bytes() >= cx.rules.outbox_bytes_max {
            // Whether it reads or not: nobody needs so many.
            const TEXT: &str = "more clock pings at once than there is room for answers; send one a second";
            self.cut_off(FaultCode::Flooding, TEXT, cx);
            return ControlFlow::Break(());
        }
        let queue = self.outbox.queue(cx.pool);
        write_frame_head(queue, OpCode::Binary, Pong::BYTES);
        Pong { client_time_ns, server_time_ns: cx.now_ns, tick, fraction }.write(queue);
        cx.ledger.traffic.messages_out += 1;
        ControlFlow::Continue(())
    }

    /// Says what is wrong, then ends the conversation with the close code that belongs to it.
    pub(super) fn fault<G: Game>(
        &mut self,
        code: FaultCode,
        cause: &'static str,
        text: &str,
        cx: &mut Context<'_, G>,
    ) -> ControlFlow<()> {
        let queue = self.outbox.queue(cx.pool);
        write_frame_head(queue, OpCode::Binary, Fault::BYTES);
        Fault::new(code, text).write(queue);
        self.fail(code.close_reason(), cause, cx);
        ControlFlow::Break(())
    }

    fn broke_websocket<G: Game>(&mut self, error: &WebSocketError, cx: &mut Context<'_, G>) {
        if matches!(self.state, State::Closing) {
            self.ending = Ending::Flush;
        } else {
            self.fail_with(error.close_code(), error.cause(), cx);
        }
    }

    fn closed_by_peer<G: Game>(&mut self, code: Option<u16>, cx: &mut Context<'_, G>) -> ControlFlow<()> {
        if !matches!(self.state, State::Closing) {
            // RFC 6455 section 5.5.1: the answer typically echoes the status code received.
            let answer = code.map_or([0; 2], u16::to_be_bytes);
            let answer = if code.is_some() { &answer[..] } else { &[] };
            self.queue_pong(cx);
            write_frame(self.outbox.queue(cx.pool), OpCode::Close, answer);
            self.abandon(Cause::ByPeer(code), cx);
        }
        self.enter(State::Draining, cx.now_ms);
        self.ending = Ending::Flush;
        ControlFlow::Break(())
    }

    /// Nobody said hello.
    pub(super) fn hello_timed_out<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.fail(CloseReason::HelloTimeout, CloseReason::HelloTimeout.label(), cx);
    }

    /// The peer takes nothing, or an event found its outbox full.
    pub(super) fn drop_slow_reader<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        const TEXT: &str = "the connection was read more slowly than the room speaks";
        self.cut_off(FaultCode::SlowReader, TEXT, cx);
    }

    /// Ends it with the outbox full: what waited is dropped, and behind what the kernel has already goes only the
    /// reason, for a peer that reads on in time.
    fn cut_off<G: Game>(&mut self, code: FaultCode, text: &str, cx: &mut Context<'_, G>) {
        self.pong.clear();
        self.outbox.clear(cx.pool);
        self.outbox.overflow();
        if self.state.is_in_room() {
            let _ = self.fault(code, code.label(), text, cx);
        } else {
            self.fail(code.close_reason(), code.label(), cx);
        }
    }

    /// Neither traffic nor an answer to our ping.
    pub(super) fn drop_silent<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.fail(CloseReason::Silent, CloseReason::Silent.label(), cx);
    }
}
