//! One connection, from the upgrade request to the close.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_protocol::ids::{EntityId, PlayerId, Sequence, Tick};
use tickring_protocol::limits::SERVER_MESSAGE_BYTES_MAX;
use tickring_protocol::message::{Leave, Ping, Welcome};
use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, SUBPROTOCOL, parse_response, write_masked_close, write_request,
};
use tickring_room::{Game, Pose, ViewTime};

use crate::playing::Playing;
use crate::session::Session;
use crate::{ClientError, ClientEvent, Clock, Decoded};

/// How to connect.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `Host` header: host and port.
    pub host: String,
    /// The room's name: 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub room: String,
    /// Seed of the frame masks and the upgrade key. Give every connection its own.
    pub seed: u64,
    /// Feature bits of the hello: [`FEATURE_STATE_CHECKSUM`](tickring_protocol::message::FEATURE_STATE_CHECKSUM),
    /// [`FEATURE_SPECTATE`](tickring_protocol::message::FEATURE_SPECTATE).
    pub features: u32,
    /// Inputs per second that will be sent; `None` for one per tick.
    pub input_hz: Option<u16>,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The upgrade request is written, the response is not here.
    Upgrading,
    /// The hello is written, the welcome is not here.
    Greeting,
    /// There is a seat, or a spectator's place.
    Playing,
    /// Our close frame is written, the server's is not here.
    Closing,
    /// Nothing more is sent or understood. What is in the out buffer should still go out.
    Closed,
}

/// A client's connection. Send what [`Connection::out`] holds, hand in what arrives.
///
/// Until the welcome it holds some 300 bytes and no heap beyond the buffers.
#[derive(Debug)]
pub struct Connection<G: Game> {
    decoder: Decoder,
    upgrade: Option<Box<Upgrade>>,
    session: Session<G>,
}

/// What is needed until the server has switched protocols.
#[derive(Debug)]
struct Upgrade {
    key: [u8; 16],
    /// The token of the seat to take again; zeros for any seat.
    resume: [u8; 16],
    /// The part of the response that has arrived, when it comes in pieces.
    head: Vec<u8>,
}

impl<G: Game> Connection<G> {
    /// A new connection; its upgrade request is in the out buffer.
    ///
    /// # Panics
    /// When host or room hold control characters or spaces.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::resuming(config, [0; 16])
    }

    /// A new connection that asks for the seat of an earlier one: `resume` is the token of its welcome. The server
    /// gives another seat when that one is not held any more.
    ///
    /// # Panics
    /// When host or room hold control characters or spaces.
    #[must_use]
    pub fn resuming(config: &Config, resume: [u8; 16]) -> Self {
        let mut masks = Pcg32::seed_from_u64(config.seed);
        let mut key = [0; 16];
        masks.fill_bytes(&mut key);
        let mut out = Vec::with_capacity(256);
        let path = format!("/v1/rooms/{}", config.room);
        write_request(&mut out, &config.host, &path, &key, Some(SUBPROTOCOL));
        Self {
            decoder: Decoder::new(Role::Client, SERVER_MESSAGE_BYTES_MAX),
            upgrade: Some(Box::new(Upgrade { key, resume, head: Vec::new() })),
            session: Session {
                state: State::Upgrading,
                out,
                masks,
                features: config.features,
                input_hz: config.input_hz,
                playing: None,
            },
        }
    }

    /// Takes in what arrived at `now_ns`; `bytes` are used up. `shared` keeps decoded snapshots, see [`Decoded`].
    ///
    /// # Errors
    /// What the server did wrong. The connection is then closed; send the out buffer and hang up.
    pub fn receive(
        &mut self,
        now_ns: u64,
        bytes: &mut [u8],
        shared: &mut Decoded<G>,
        on: &mut dyn FnMut(ClientEvent<'_, G>),
    ) -> Result<(), ClientError> {
        if self.session.state == State::Closed {
            return Ok(());
        }
        let result = if self.upgrade.is_some() {
            self.receive_upgrade(now_ns, bytes, shared, on)
        } else {
            self.receive_frames(now_ns, bytes, shared, on)
        };
        if let Err(error) = &result {
            self.session.fail(error);
        }
        result
    }

    fn receive_upgrade(
        &mut self,
        now_ns: u64,
        bytes: &mut [u8],
        shared: &mut Decoded<G>,
        on: &mut dyn FnMut(ClientEvent<'_, G>),
    ) -> Result<(), ClientError> {
        let Some(mut upgrade) = self.upgrade.take() else { return Ok(()) };
        let in_pieces = !upgrade.head.is_empty();
        if in_pieces {
            upgrade.head.extend_from_slice(bytes);
        }
        let received = if in_pieces { &upgrade.head } else { &*bytes };
        let Some(head_bytes) = parse_response(received, &upgrade.key)? else {
            if !in_pieces {
                upgrade.head.extend_from_slice(bytes);
            }
            self.upgrade = Some(upgrade);
            return Ok(());
        };
        self.session.greet(upgrade.resume);
        on(ClientEvent::Upgraded);
        let rest = if in_pieces { &mut upgrade.head[head_bytes..] } else { &mut bytes[head_bytes..] };
        self.receive_frames(now_ns, rest, shared, on)
    }

    fn receive_frames(
        &mut self,
        now_ns: u64,
        bytes: &mut [u8],
        shared: &mut Decoded<G>,
        on: &mut dyn FnMut(ClientEvent<'_, G>),
    ) -> Result<(), ClientError> {
        let mut frames = self.decoder.feed(bytes);
        while let Some(event) = frames.next()? {
            match event {
                Event::Binary(payload) => self.session.on_message(now_ns, payload, shared, on)?,
                Event::Text(_) => return Err(ClientError::Unexpected("text")),
                Event::Ping(payload) => self.session.send(OpCode::Pong, payload),
                Event::Pong(_) => {}
                Event::Close { code, .. } => {
                    self.session.on_close(code);
                    on(ClientEvent::Closed { code });
                }
            }
        }
        Ok(())
    }

    /// Bytes for the socket. Send them in order and clear, or take the whole buffer.
    pub fn out(&mut self) -> &mut Vec<u8> {
        &mut self.session.out
    }

    /// Sends an input for the tick that the clock names; `None` without a seat.
    pub fn send_input(&mut self, now_ns: u64, input: &G::Input) -> Option<Sequence> {
        if self.session.state != State::Playing {
            return None;
        }
        let playing = self.session.playing.as_mut().filter(|playing| !playing.watches())?;
        let mut payload = std::mem::take(&mut playing.payload);
        payload.clear();
        let sequence = playing.write_input(now_ns, input, &mut payload);
        self.session.send(OpCode::Binary, &payload);
        self.session.playing.as_mut()?.payload = payload;
        Some(sequence)
    }

    /// When the next input is best sent: as its tick begins on the input clock; a time in the past means now.
    /// `None` without a seat. Inputs may be sent at any other time, at the price of up to a tick of delay.
    #[must_use]
    pub fn next_input_ns(&self) -> Option<u64> {
        Some(self.seated()?.next_input_ns())
    }

    /// Asks for a [`ClientEvent::Pong`].
    pub fn ping(&mut self, now_ns: u64) {
        self.session.send_message(|payload| Ping { client_time_ns: now_ns }.write(payload));
    }

    /// Gives the seat up; the connection stays until it is closed.
    pub fn leave(&mut self) {
        self.session.send_message(|payload| Leave { reason: 0 }.write(payload));
    }

    /// Begins the close handshake; without effect when it has begun or the connection is not upgraded.
    ///
    /// # Panics
    /// When the code must not stand in a close frame.
    pub fn close(&mut self, code: u16) {
        if matches!(self.session.state, State::Greeting | State::Playing) {
            let mask = self.session.mask();
            write_masked_close(&mut self.session.out, code, "", mask);
            self.session.state = State::Closing;
        }
    }

    /// Where the connection stands.
    #[must_use]
    pub fn state(&self) -> State {
        self.session.state
    }

    /// What the server answered the hello.
    #[must_use]
    pub fn welcome(&self) -> Option<&Welcome> {
        self.session.playing.as_ref().map(|playing| &playing.welcome)
    }

    /// The own seat; a spectator has none.
    #[must_use]
    pub fn player(&self) -> Option<PlayerId> {
        Some(PlayerId(self.seated()?.welcome.player))
    }

    /// The own entity; a spectator has none.
    #[must_use]
    pub fn entity(&self) -> Option<EntityId> {
        Some(EntityId(self.seated()?.welcome.entity))
    }

    /// What there is from the welcome on, if that gave a seat.
    fn seated(&self) -> Option<&Playing<G>> {
        self.session.playing.as_deref().filter(|playing| !playing.watches())
    }

    /// The clocks, from the welcome on.
    #[must_use]
    pub fn clock(&self) -> Option<&Clock> {
        self.session.playing.as_ref().map(|playing| &playing.clock)
    }

    /// Tick of the newest snapshot.
    #[must_use]
    pub fn newest_tick(&self) -> Option<Tick> {
        self.session.playing.as_ref()?.recent.newest().map(crate::WorldState::tick)
    }

    /// The entities of the newest snapshot by rising id; empty before the first.
    #[must_use]
    pub fn entities(&self) -> &[(EntityId, G::Entity)] {
        let newest = self.session.playing.as_ref().and_then(|playing| playing.recent.newest());
        newest.map_or(&[], crate::WorldState::entities)
    }

    /// An entity of the newest snapshot.
    #[must_use]
    pub fn get(&self, id: EntityId) -> Option<&G::Entity> {
        self.session.playing.as_ref()?.recent.newest()?.get(id)
    }

    /// The own block of the newest snapshot; spectators are sent none.
    #[must_use]
    pub fn private(&self) -> Option<&G::Private> {
        self.session.playing.as_ref()?.private.as_ref()
    }

    /// The last own input that the newest snapshot contains the effect of; 0 for none.
    #[must_use]
    pub fn last_input(&self) -> Option<Sequence> {
        Some(self.session.playing.as_ref()?.last_input)
    }

    /// The tick that an input sent now is meant for: what [`Connection::send_input`] would name. A player can
    /// predict its own movement up to there. `None` without a seat.
    #[must_use]
    pub fn input_tick(&self, now_ns: u64) -> Option<Tick> {
        Some(self.seated()?.input_tick(now_ns))
    }

    /// The moment an input sent now declares as seen.
    #[must_use]
    pub fn view_time(&self, now_ns: u64) -> Option<ViewTime> {
        Some(self.session.playing.as_ref()?.clock.view_time(now_ns))
    }

    /// An entity as it is to be shown now, between the snapshots around the view time.
    #[must_use]
    pub fn seen(&self, now_ns: u64, id: EntityId) -> Option<Pose> {
        let playing = self.session.playing.as_ref()?;
        playing.recent.seen(id, playing.clock.view_time(now_ns))
    }
}
