//! A room: one game, its seats, its past and what it sends.

mod audience;
mod lifecycle;
mod recorded;
mod watching;

use rand_pcg::rand_core::SeedableRng;
use tickring_protocol::ids::{PlayerId, Sequence, Tick};
use tickring_protocol::limits::CLIENT_MESSAGE_BYTES_MAX;
use tickring_protocol::message::{
    ArchivedInputHead, INPUT_SLACK_NONE, INPUT_SLACK_PER_TICK, SnapshotHead, Welcome,
};

use crate::delayed::Delayed;
use crate::events::Events;
use crate::history::History;
use crate::input_buffer::{Viewed, WINDOW_TICKS, Waiting};
use crate::recording::{Entry, Recorder};
use crate::seat::{Encoded, Lookback, Seats};
use crate::snapshot::Encoder;
use crate::view_time::{ViewFault, ViewRules};
use crate::{
    Game, Input, InputDrop, PrivateState, Relief, Rng, RoomConfig, RoomCounters, Setup, Step, ViewTime, World,
};
pub use lifecycle::{JoinError, Seat};
pub use watching::WatcherId;
use watching::Watchers;

/// One authoritative world with its players.
///
/// The caller's loop: hand inputs to [`Room::input`] as they come; for every tick that is due call
/// [`Room::step`], send [`Room::events`], and when [`Room::snapshot_due`] call [`Room::encode_snapshot`] once and, for
/// each player that can take one, [`Room::prepare_snapshot`] and [`Room::write_snapshot`].
#[derive(Debug)]
pub struct Room<G: Game> {
    config: RoomConfig,
    view_rules: ViewRules,
    dt: f32,
    game: G,
    world: World<G>,
    seats: Seats<G::Input>,
    watchers: Watchers<G>,
    history: History,
    rng: Rng,
    tick: Tick,
    events: Events,
    encoder: Encoder,
    /// The private blocks of all seats, one after the other.
    private: Vec<u8>,
    snapshot_bytes_max: usize,
    counters: RoomCounters,
    recorder: Option<Box<Recorder>>,
}

impl<G: Game> Room<G> {
    /// An empty room before its first tick.
    ///
    /// # Panics
    /// When the configuration is not valid; check it with [`RoomConfig::validate`] where it is read.
    #[must_use]
    pub fn new(config: RoomConfig, settings: G::Settings) -> Self {
        if let Err(error) = config.validate() {
            panic!("a room is made from a validated configuration: {error}");
        }
        let setup =
            Setup { settings, seed: config.seed, tick_hz: config.tick_hz, players_max: config.players_max };
        let delay_ticks = config.spectator_delay_ticks();
        let delayed = (delay_ticks > 0 && config.spectators_max > 0)
            .then(|| Delayed::new(delay_ticks, config.spectator_bytes_max as usize));
        Self {
            view_rules: ViewRules::new(config.interpolation_ticks, config.tick_hz, config.snapshot_hz),
            dt: 1.0 / f32::from(config.tick_hz),
            game: G::create(&setup),
            world: World::new(config.players_max),
            seats: Seats::new(config.players_max),
            watchers: Watchers::new(delayed),
            history: History::new(),
            rng: Rng::seed_from_u64(config.seed ^ config.secret),
            tick: Tick(0),
            events: Events::default(),
            encoder: Encoder::new::<G>(G::interest(&setup)),
            private: Vec::new(),
            snapshot_bytes_max: config.snapshot_bytes_max(Relief::NONE),
            counters: RoomCounters::default(),
            recorder: None,
            config,
        }
    }

    /// Takes a player's input in. `game` are the bytes after the head.
    ///
    /// # Errors
    /// Why the input was dropped; it is already counted. After [`InputDrop::Length`] and [`InputDrop::Malformed`] the
    /// connection should be closed, everything else is ordinary.
    pub fn input(
        &mut self,
        player: PlayerId,
        head: &ArchivedInputHead,
        game: &[u8],
    ) -> Result<(), InputDrop> {
        let result = self.charge(player).and_then(|()| {
            self.note(&Entry::Input { player, head: head.into(), game });
            self.take_input(player, head, game)
        });
        match result {
            Ok(()) => self.counters.inputs_accepted += 1,
            Err(drop) => self.counters.count_drops(drop, 1),
        }
        result
    }

    /// Charges an input. One that is refused here is not looked at any further, so a flood of them makes no flood
    /// in a recording.
    fn charge(&mut self, player: PlayerId) -> Result<(), InputDrop> {
        let seat = self.seats.get_mut(player).filter(|seat| seat.held_until.is_none());
        let charged = seat.ok_or(InputDrop::NoSeat).and_then(|seat| seat.inputs.charge());
        if charged.is_err()
            && let Some(recorder) = &mut self.recorder
        {
            recorder.refused(player);
        }
        charged
    }

    /// Inputs came and were refused before anybody looked at them: the same in a replay.
    pub(crate) fn refuse_inputs(&mut self, player: PlayerId, count: u32) {
        if let Err(drop) = self.charge(player) {
            self.counters.count_drops(drop, count);
        }
    }

    fn take_input(
        &mut self,
        player: PlayerId,
        head: &ArchivedInputHead,
        game: &[u8],
    ) -> Result<(), InputDrop> {
        let seat = self.seats.get_mut(player).ok_or(InputDrop::NoSeat)?;
        if game.len() != G::Input::BYTES {
            return Err(InputDrop::Length { found: game.len(), expected: G::Input::BYTES });
        }
        let input = G::Input::read(game).map_err(InputDrop::Malformed)?.sanitize();
        let sequence = Sequence(head.sequence.to_native());
        let target = Tick(head.target_tick.to_native());
        let next = self.tick + 1;
        let admitted = seat.inputs.admit(next, sequence, target);
        if admitted != Err(InputDrop::Duplicate) {
            // A late input tells as much about the way as one in time.
            seat.slack_ticks = Some(target.since(next));
            seat.view.acknowledge(self.tick, Tick(head.newest_snapshot_tick.to_native()));
        }
        admitted?;
        let declared = ViewTime { tick: Tick(head.view_tick.to_native()), fraction: head.view_fraction };
        let (at, fault) = seat.view.accept(&self.view_rules, self.tick, declared);
        let view = Viewed { at, clamped: fault.is_some() };
        seat.inputs.push(Waiting { sequence, target, view, input });
        match fault {
            Some(ViewFault::Backwards) => self.counters.views_backwards += 1,
            Some(ViewFault::Future) => self.counters.views_future += 1,
            Some(ViewFault::TooOld) => self.counters.views_too_old += 1,
            Some(ViewFault::Implausible) => self.counters.views_implausible += 1,
            None => {}
        }
        Ok(())
    }

    /// What to leave out from the next snapshot on. What happens in the world does not depend on it.
    pub fn relieve(&mut self, relief: Relief) {
        self.snapshot_bytes_max = self.config.snapshot_bytes_max(relief);
        self.encoder.relieve(relief);
        if let Some(delayed) = &mut self.watchers.delayed {
            delayed.encoder().relieve(relief);
        }
    }

    /// Runs exactly one tick and records it.
    pub fn step(&mut self) {
        let tick = self.tick + 1;
        self.give_up_held_seats(tick);
        self.world.set_tick(tick);
        self.events.clear();
        let lookback = Lookback {
            enabled: self.config.lag_compensation,
            oldest: self.history.oldest(),
            newest: self.history.newest(),
            ticks_max: self.config.rewind_ticks_max(),
            interpolation_ticks: self.config.interpolation_ticks,
        };
        for (_, seat) in self.seats.iter_mut() {
            seat.prepare(tick, &lookback, &mut self.counters);
        }
        self.game.step(&mut Step {
            tick,
            dt: self.dt,
            seats: &self.seats,
            world: &mut self.world,
            history: &self.history,
            events: &mut self.events,
            emitted: &mut self.counters.events,
            rng: &mut self.rng,
        });
        self.history.record(tick, &self.world);
        self.tick = tick;
        if let Some(delayed) = &mut self.watchers.delayed {
            delayed.step(tick, self.events.iter());
            self.counters.watched_left_out = delayed.left_out();
        }
        self.counters.steps += 1;
        self.note_tick();
    }

    /// The last completed tick; 0 before the first.
    #[must_use]
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// Whether the last completed tick is one that sends snapshots. Rates that do not divide each other are
    /// spread evenly.
    #[must_use]
    pub fn snapshot_due(&self) -> bool {
        let (tick, tick_hz) = (u64::from(self.tick.0), u64::from(self.config.tick_hz));
        let sent_by = |tick: u64| tick * u64::from(self.config.snapshot_hz) / tick_hz;
        tick > 0 && sent_by(tick) != sent_by(tick - 1)
    }

    /// Encodes what every player needs of the last completed tick for itself. What they share is encoded as it is
    /// needed, once.
    pub fn encode_snapshot(&mut self) {
        self.encoder.encode(self.tick, &self.world);
        if let Some(delayed) = &mut self.watchers.delayed {
            delayed.encode(self.tick, &mut self.encoder);
        }
        self.private.clear();
        let private = &mut self.private;
        for (player, seat) in self.seats.iter_mut() {
            if seat.held_until.is_some() {
                continue;
            }
            let private_start = private.len();
            self.game.private(player, &self.world).write(private);
            let private_bytes = u16::try_from(private.len() - private_start)
                .expect("a game's private block is at most 32 KiB");
            seat.encoded = Some(Encoded {
                private_start,
                private_bytes,
                last_input: seat.inputs.processed().unwrap_or_default().0,
                input_slack: slack(seat.slack_ticks),
            });
        }
    }

    /// Decides what a player gets of the last encoded snapshot, and returns the size of the message that
    /// [`Room::write_snapshot`] will append; 0 when there is nothing for this player: an empty or held seat, or one
    /// taken after the last encoding. `replaced`: the snapshot prepared before was never sent, and this one takes
    /// its place. All others are taken to have been sent.
    pub fn prepare_snapshot(&mut self, player: PlayerId, replaced: bool) -> usize {
        let Some(seat) = self.seats.get_mut(player) else { return 0 };
        let Some(own) = seat.encoded else { return 0 };
        let own_bytes = SnapshotHead::BYTES + usize::from(own.private_bytes);
        let entity = self.world.entity_of(player);
        let body_max = self.snapshot_bytes_max.saturating_sub(own_bytes);
        let body_bytes = self.encoder.prepare(&mut seat.sight, entity, replaced, body_max);
        self.count_blocks();
        self.counters.snapshots_thinned = self.encoder.thinned();
        own_bytes + body_bytes
    }

    /// Appends the message that [`Room::prepare_snapshot`] decided upon. `dropped` is how many snapshots this reader
    /// was too slow for so far.
    pub fn write_snapshot(&mut self, player: PlayerId, dropped: u16, out: &mut Vec<u8>) {
        let Some(seat) = self.seats.get(player) else { return };
        let Some(own) = seat.encoded else { return };
        SnapshotHead {
            last_input: own.last_input,
            input_slack: own.input_slack,
            private_bytes: own.private_bytes,
            ..self.encoder.head(&seat.sight, seat.features, dropped)
        }
        .write(out);
        out.extend_from_slice(&self.private[own.private_start..][..usize::from(own.private_bytes)]);
        self.encoder.write_body(&seat.sight, out);
        self.counters.snapshots_written += 1;
    }

    /// The answer to a hello that found this seat. The caller fills in the resume token and its own message limit
    /// where they differ.
    ///
    /// # Panics
    /// When nobody holds the seat.
    #[must_use]
    pub fn welcome(&self, player: PlayerId) -> Welcome {
        let entity = self.world.entity_of(player).expect("a welcomed player holds a seat");
        self.welcome_as(player.0, entity.0)
    }

    fn welcome_as(&self, player: u16, entity: u16) -> Welcome {
        Welcome {
            player,
            entity,
            tick: self.tick.0,
            tick_hz: self.config.tick_hz,
            snapshot_hz: self.config.snapshot_hz,
            interpolation_ticks: self.config.interpolation_ticks,
            resume: [0; 16],
            message_bytes_max: CLIENT_MESSAGE_BYTES_MAX,
            input_window_ticks: u16::try_from(WINDOW_TICKS).expect("16 fits"),
            room_players_max: self.config.players_max,
            seed: self.config.seed,
        }
    }

    /// Totals since the room began.
    #[must_use]
    pub fn counters(&self) -> &RoomCounters {
        &self.counters
    }

    /// The world, for tests, tools and pictures.
    #[must_use]
    pub fn world(&self) -> &World<G> {
        &self.world
    }

    /// The game, for tests, tools and pictures.
    #[must_use]
    pub fn game(&self) -> &G {
        &self.game
    }
}

/// Slack as the head carries it: 1/16 ticks, saturating; no input yet is a value of its own.
fn slack(ticks: Option<i32>) -> i16 {
    let Some(ticks) = ticks else { return INPUT_SLACK_NONE };
    let sixteenths = i64::from(ticks) * i64::from(INPUT_SLACK_PER_TICK);
    i16::try_from(sixteenths.clamp((INPUT_SLACK_NONE + 1).into(), i16::MAX.into()))
        .expect("clamped to the range")
}
