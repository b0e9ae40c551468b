//! A match of bots in one process: a room, its bots and a delay between them, without network or clock.
//!
//! Tests, benches and the example play with it. Bots see what clients would: the quantised entities of the snapshot
//! some ticks ago, drawn a little behind the newest of them; their inputs take as long back. On a large field they see
//! farther than clients, but aim at the nearest only.

use std::collections::VecDeque;

use tickring_protocol::message::{ClientMessage, InputHead, ServerMessage};
use tickring_protocol::websocket::{OpCode, write_frame_head};
use tickring_room::{
    EntityId, GameEvent as _, Input as _, JoinError, PlayerId, Pose, PrivateState as _, Replicated, Room,
    RoomConfig, Sequence, Tick, To,
};

use crate::bot::{Bot, View};
use crate::entity::ArenaEntity;
use crate::event::{ArenaEvent, Weapon};
use crate::game::Arena;
use crate::input::ArenaInput;
use crate::own_state::OwnState;
use crate::settings::Settings;

/// What happened in a match so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rifle shots fired.
    pub shots: u64,
    /// Of those, shots whose aim was on a soldier as the shooter saw the field.
    pub hits_expected: u64,
    /// Of those expected, hits the room granted.
    pub hits_confirmed: u64,
    /// Rifle hits that did damage.
    pub rifle_hits: u64,
    /// Rocket hits, direct or by splash, on oneself included.
    pub rocket_hits: u64,
    /// Soldiers killed, own goals included.
    pub kills: u64,
    /// Things picked up.
    pub pick_ups: u64,
    /// Soldiers that came (back) to the field.
    pub respawns: u64,
}

/// What the players of a match were sent so far, as frames on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Snapshots.
    pub snapshots: u64,
    /// Bytes of snapshots.
    pub snapshot_bytes: u64,
    /// Events, one for each player that received it.
    pub events: u64,
    /// Bytes of events.
    pub event_bytes: u64,
}

/// One player: a seat and the bot on it.
#[derive(Debug)]
struct Fighter {
    player: PlayerId,
    entity: EntityId,
    bot: Bot,
    sequence: Sequence,
}

/// A snapshot of the whole field.
#[derive(Debug)]
struct Sent {
    tick: Tick,
    entities: Vec<(EntityId, ArenaEntity)>,
    /// Own state and last input processed, by fighter.
    own: Vec<(OwnState, Sequence)>,
}

/// An input message on its way to the room.
#[derive(Debug)]
struct OnItsWay {
    player: PlayerId,
    /// Arrives before the tick after this one runs.
    arrives_after: Tick,
    message: Vec<u8>,
}

/// A match of bots in one process.
#[derive(Debug)]
pub struct Skirmish {
    room: Room<Arena>,
    fighters: Vec<Fighter>,
    latency_ticks: u32,
    interpolation_ticks: u32,
    /// The newest last; as many as views reach back.
    sent: VecDeque<Sent>,
    on_their_way: VecDeque<OnItsWay>,
    tally: Tally,
    traffic: Traffic,
    /// Kept between ticks for its memory only.
    snapshot: Vec<u8>,
}

impl Skirmish {
    /// A match of `players` bots (at most the configured seats), `latency_ticks` away from the room each way.
    /// The bots' seeds follow from the room's.
    ///
    /// # Errors
    /// When the room has fewer seats.
    pub fn new(
        config: RoomConfig,
        settings: Settings,
        players: u16,
        latency_ticks: u32,
    ) -> Result<Self, JoinError> {
        let (seed, tick_hz) = (config.seed, config.tick_hz);
        let interpolation_ticks = config.interpolation_ticks.into();
        let mut room = Room::new(config, settings);
        let fighters = (0..players).map(|number| {
            let seat = room.join(0)?;
            let bot =
                Bot::new(seed.wrapping_mul(1_000_003).wrapping_add(number.into()), seat.entity, tick_hz);
            Ok(Fighter { player: seat.player, entity: seat.entity, bot, sequence: Sequence(0) })
        });
        let fighters = fighters.collect::<Result<Vec<_>, JoinError>>()?;
        Ok(Self {
            room,
            fighters,
            latency_ticks,
            interpolation_ticks,
            sent: VecDeque::new(),
            on_their_way: VecDeque::new(),
            tally: Tally::default(),
            traffic: Traffic::default(),
            snapshot: Vec::new(),
        })
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &Room<Arena> {
        &self.room
    }

    /// The soldier of a player of this match.
    ///
    /// # Panics
    /// When the player is not one of the match's.
    #[must_use]
    pub fn entity_of(&self, player: PlayerId) -> EntityId {
        self.fighters[usize::from(player.0)].entity
    }

    /// Appends the snapshot message of the last tick for a player, as a server would send it.
    pub fn write_snapshot(&mut self, player: PlayerId, out: &mut Vec<u8>) {
        self.room.prepare_snapshot(player, false);
        self.room.write_snapshot(player, 0, out);
    }

    /// What happened so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// What was sent so far.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Lets every bot decide, runs one tick of the room, and hands out what happened.
    pub fn tick(&mut self, on_event: &mut dyn FnMut(Tick, To, &ArenaEvent)) {
        self.prepare();
        self.step();
        self.finish(on_event);
    }

    /// The first part of a tick: the bots decide, and the room takes in the inputs that arrive.
    pub fn prepare(&mut self) {
        self.decide();
        self.deliver();
    }

    /// The second part of a tick: the room's step alone, for those who measure it.
    pub fn step(&mut self) {
        self.room.step();
    }

    /// The last part of a tick: snapshots are kept for the bots, and what happened is handed out.
    pub fn finish(&mut self, on_event: &mut dyn FnMut(Tick, To, &ArenaEvent)) {
        self.hear(on_event);
        if self.room.snapshot_due() {
            self.record();
        }
    }

    /// Every bot looks at what has reached it and sends an input for the tick it can still reach.
    fn decide(&mut self) {
        let now = self.room.tick();
        let at =
            |ticks_ago: u32| self.sent.iter().rfind(|sent| now.since(sent.tick) >= ticks_ago.cast_signed());
        let Some(newest) = at(self.latency_ticks) else { return };
        // Before the match is old enough, bots draw the oldest they have.
        let Some(drawn) = at(self.latency_ticks + self.interpolation_ticks).or(self.sent.front()) else {
            return;
        };
        let seen = |id: EntityId| -> Option<Pose> {
            let at = drawn.entities.binary_search_by_key(&id, |(id, _)| *id).ok()?;
            Some(drawn.entities[at].1.pose())
        };
        let target = now + 1 + self.latency_ticks;
        for (fighter, (own, last_input)) in self.fighters.iter_mut().zip(&newest.own) {
            let input = fighter.bot.decide(&View {
                map: self.room.game().map(),
                tick: target,
                own,
                own_tick: newest.tick,
                last_input: *last_input,
                entities: &newest.entities,
                seen: &seen,
            });
            fighter.sequence = fighter.sequence.next();
            fighter.bot.sent(fighter.sequence, target, &input);
            let head = InputHead {
                sequence: fighter.sequence.0,
                target_tick: target.0,
                view_tick: drawn.tick.0,
                view_fraction: 0,
                newest_snapshot_tick: newest.tick.0,
            };
            self.on_their_way.push_back(OnItsWay {
                player: fighter.player,
                arrives_after: now + self.latency_ticks,
                message: encode(&head, &input),
            });
        }
    }

    /// Hands the room the inputs that arrive now.
    fn deliver(&mut self) {
        let now = self.room.tick();
        while self.on_their_way.front().is_some_and(|message| now.since(message.arrives_after) >= 0) {
            let arrived = self.on_their_way.pop_front().expect("there is a front");
            let message = ClientMessage::decode(&arrived.message).expect("it was encoded above");
            let ClientMessage::Input { head, game } = message else { unreachable!("only inputs are sent") };
            // What the room drops it counts; a match goes on without it.
            let _ = self.room.input(arrived.player, head, game);
        }
    }

    /// Keeps what a snapshot of this tick would say, quantised as on the wire.
    fn record(&mut self) {
        let tick = self.room.tick();
        let quantised = |entity: &ArenaEntity| {
            let mut values = [0; ArenaEntity::FIELDS.len()];
            entity.quantise(&mut values);
            ArenaEntity::restore(&values).expect("what was quantised can be restored")
        };
        let kept = usize::try_from(self.latency_ticks + self.interpolation_ticks + 1).expect("a few ticks");
        let (mut entities, mut own) = if self.sent.len() > kept {
            self.sent.pop_front().map(|oldest| (oldest.entities, oldest.own)).unwrap_or_default()
        } else {
            Default::default()
        };
        entities.clear();
        entities.extend(self.room.world().iter().map(|(id, entity)| (id, quantised(entity))));
        own.clear();
        self.room.encode_snapshot();
        for fighter in &self.fighters {
            self.snapshot.clear();
            self.room.prepare_snapshot(fighter.player, false);
            self.room.write_snapshot(fighter.player, 0, &mut self.snapshot);
            self.traffic.snapshots += 1;
            self.traffic.snapshot_bytes += framed_bytes(&self.snapshot);
            let message = ServerMessage::decode(&self.snapshot).expect("the room encoded it");
            let ServerMessage::Snapshot { head, private, .. } = message else {
                unreachable!("a room's snapshots are snapshots")
            };
            let state = OwnState::read(private).expect("the arena wrote it");
            own.push((state, Sequence(head.last_input.to_native())));
        }
        self.sent.push_back(Sent { tick, entities, own });
    }

    /// Counts the events of the tick and tells bots about their shots.
    fn hear(&mut self, on_event: &mut dyn FnMut(Tick, To, &ArenaEvent)) {
        for (to, message) in self.room.events() {
            let ServerMessage::Event { head, game } =
                ServerMessage::decode(message).expect("the room encoded it")
            else {
                unreachable!("a room's events are events")
            };
            let event = ArenaEvent::read(head.kind, game).expect("the arena wrote it");
            on_event(Tick(head.tick.to_native()), to, &event);
            let readers = match to {
                To::Player(_) => 1,
                To::All => self.fighters.len(),
                To::Near { .. } => {
                    self.fighters.iter().filter(|fighter| self.room.hears(fighter.player, to)).count()
                }
            };
            self.traffic.events += readers as u64;
            self.traffic.event_bytes += readers as u64 * framed_bytes(message);
            // Events for two players come twice; the copy of the one they happened to counts. The fighters came
            // first into an empty room, so each has the seat of its number.
            let concerned = match to {
                To::All | To::Near { .. } => None,
                To::Player(player) => Some(&mut self.fighters[usize::from(player.0)]),
            };
            count(&mut self.tally, &event, concerned);
        }
    }
}

/// Adds an event, received by one fighter or by all, to the tally.
fn count(tally: &mut Tally, event: &ArenaEvent, concerned: Option<&mut Fighter>) {
    let happened_to = |entity| concerned.as_ref().is_none_or(|fighter| fighter.entity == entity);
    match *event {
        ArenaEvent::Hit { victim, weapon: Weapon::Rifle, .. } => {
            tally.rifle_hits += u64::from(happened_to(victim))
        }
        ArenaEvent::Hit { victim, .. } => tally.rocket_hits += u64::from(happened_to(victim)),
        ArenaEvent::Kill { victim, .. } => tally.kills += u64::from(happened_to(victim)),
        ArenaEvent::Respawn { .. } => tally.respawns += 1,
        ArenaEvent::PickedUp { .. } => tally.pick_ups += 1,
        ArenaEvent::Shot(audit) => {
            tally.shots += 1;
            if let Some(judged) = concerned.and_then(|shooter| shooter.bot.judged(&audit)) {
                tally.hits_expected += u64::from(judged.expected);
                tally.hits_confirmed += u64::from(judged.expected && judged.hit);
            }
        }
    }
}

/// Bytes of a server's frame with this payload.
fn framed_bytes(payload: &[u8]) -> u64 {
    let mut head = Vec::new();
    write_frame_head(&mut head, OpCode::Binary, payload.len());
    (head.len() + payload.len()) as u64
}

fn encode(head: &InputHead, input: &ArenaInput) -> Vec<u8> {
    let mut message = Vec::with_capacity(InputHead::BYTES + ArenaInput::BYTES);
    head.write(&mut message);
    input.write(&mut message);
    message
}
