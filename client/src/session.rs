//! What is said on a connection once the server has switched to WebSocket.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::Rng;
use tickring_protocol::ids::Tick;
use tickring_protocol::limits::{INTERPOLATION_TICKS_MAX, TICK_HZ_MAX, TICK_HZ_MIN};
use tickring_protocol::message::{Hello, PROTOCOL_VERSION, ServerMessage, Welcome, combined_layout};
use tickring_protocol::websocket::{OpCode, write_masked_close, write_masked_frame};
use tickring_room::{Game, GameEvent};

use crate::playing::Playing;
use crate::{ClientError, ClientEvent, Decoded, State};

/// Everything but the decoder, which lends its messages while these are handled.
#[derive(Debug)]
pub(crate) struct Session<G: Game> {
    pub(crate) state: State,
    pub(crate) out: Vec<u8>,
    pub(crate) masks: Pcg32,
    pub(crate) features: u32,
    pub(crate) input_hz: Option<u16>,
    pub(crate) playing: Option<Box<Playing<G>>>,
}

impl<G: Game> Session<G> {
    pub(crate) fn mask(&mut self) -> [u8; 4] {
        self.masks.next_u32().to_le_bytes()
    }

    /// Sends one frame while the session is open.
    pub(crate) fn send(&mut self, opcode: OpCode, payload: &[u8]) {
        if matches!(self.state, State::Greeting | State::Playing) {
            let mask = self.mask();
            write_masked_frame(&mut self.out, opcode, payload, mask);
        }
    }

    pub(crate) fn send_message(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut payload = Vec::new();
        write(&mut payload);
        self.send(OpCode::Binary, &payload);
    }

    /// The server has switched protocols: says hello.
    pub(crate) fn greet(&mut self, resume: [u8; 16]) {
        self.state = State::Greeting;
        let hello = Hello {
            version: PROTOCOL_VERSION,
            layout: combined_layout(G::LAYOUT),
            features: self.features,
            resume,
        };
        self.send_message(|payload| hello.write(payload));
    }

    /// Takes in one binary message.
    pub(crate) fn on_message(
        &mut self,
        now_ns: u64,
        payload: &[u8],
        shared: &mut Decoded<G>,
        on: &mut dyn FnMut(ClientEvent<'_, G>),
    ) -> Result<(), ClientError> {
        let message = ServerMessage::decode(payload)?;
        on(match message {
            ServerMessage::Welcome(welcome) => return self.on_welcome(now_ns, welcome.into(), on),
            ServerMessage::Snapshot { head, private, body } => {
                let playing =
                    self.playing.as_mut().ok_or(ClientError::Unexpected("a snapshot before a welcome"))?;
                ClientEvent::Snapshot(playing.on_snapshot(
                    now_ns,
                    self.features,
                    head,
                    private,
                    body,
                    shared,
                )?)
            }
            ServerMessage::Event { head, game } => ClientEvent::Event {
                tick: Tick(head.tick.to_native()),
                event: G::Event::read(head.kind, game)?,
            },
            ServerMessage::Pong(pong) => ClientEvent::Pong {
                rtt_ns: now_ns.saturating_sub(pong.client_time_ns.to_native()),
                server_time_ns: pong.server_time_ns.to_native(),
            },
            ServerMessage::Fault(fault) => ClientEvent::Fault {
                code: fault.code.to_native(),
                temporary: fault.temporary != 0,
                retry_after_ms: fault.retry_after_ms.to_native(),
                text: fault.text(),
            },
            ServerMessage::Goodbye(goodbye) => ClientEvent::Goodbye {
                reason: goodbye.reason.to_native(),
                back_after_ms: goodbye.back_after_ms.to_native(),
            },
        });
        Ok(())
    }

    fn on_welcome(
        &mut self,
        now_ns: u64,
        welcome: Welcome,
        on: &mut dyn FnMut(ClientEvent<'_, G>),
    ) -> Result<(), ClientError> {
        if self.playing.is_some() {
            return Err(ClientError::Unexpected("a second welcome"));
        }
        check_timing(&welcome)?;
        let playing = Playing::new(now_ns, welcome, self.input_hz);
        let playing = self.playing.insert(Box::new(playing));
        if self.state == State::Greeting {
            self.state = State::Playing;
        }
        on(ClientEvent::Welcome(&playing.welcome));
        Ok(())
    }

    /// Answers a close frame unless it is the answer to ours (RFC 6455 5.5.1).
    pub(crate) fn on_close(&mut self, code: Option<u16>) {
        match code {
            Some(code) if self.state != State::Closing => {
                let mask = self.mask();
                write_masked_close(&mut self.out, code, "", mask);
            }
            _ => self.send(OpCode::Close, &[]),
        }
        self.state = State::Closed;
    }

    /// Ends the session after an error, with a close frame where one is due.
    pub(crate) fn fail(&mut self, error: &ClientError) {
        if let Some(code) = error.close_code()
            && matches!(self.state, State::Greeting | State::Playing)
        {
            let mask = self.mask();
            write_masked_close(&mut self.out, code, "", mask);
        }
        self.state = State::Closed;
    }
}

/// Refuses what no server can say. How many states are kept follows from it: at most 68.
fn check_timing(welcome: &Welcome) -> Result<(), ClientError> {
    if !(TICK_HZ_MIN..=TICK_HZ_MAX).contains(&welcome.tick_hz) {
        return Err(ClientError::Unexpected("a welcome with a tick rate that no room has"));
    }
    if !(1..=welcome.tick_hz).contains(&welcome.snapshot_hz) {
        return Err(ClientError::Unexpected("a welcome with no snapshots, or with more of them than ticks"));
    }
    if welcome.interpolation_ticks > INTERPOLATION_TICKS_MAX {
        return Err(ClientError::Unexpected(
            "a welcome with a longer interpolation delay than a room may have",
        ));
    }
    Ok(())
}
