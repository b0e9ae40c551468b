//! A game for tests: dots that run about, jump, and look at each other's past.

#![allow(dead_code, reason = "each test uses its part")]

pub(crate) mod turmoil;

use rand_pcg::rand_core::Rng as _;
use tickring_protocol::message::InputHead;
use tickring_room::serde::{Deserialize, Serialize};
use tickring_room::{
    EntityId, Field, Game, GameEvent, Hold, Input, InputDrop, Interest, JoinRefusal, Malformed, PlayerId,
    Pose, PrivateState, Replicated, Rng, Room, Setup, Shape, Step, To, Vec3, World, layout_hash,
};

/// Presses that act once.
pub(crate) const JUMP: u8 = 1;
/// Fires a ray along +x.
pub(crate) const FIRE: u8 = 2;
/// Held, not a press.
pub(crate) const RUN: u8 = 4;
/// Cries out, heard nearby.
pub(crate) const CRY: u8 = 8;
/// How far that is heard.
pub(crate) const CRY_RADIUS: f32 = 20.0;

/// How a room of dots is set up.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(crate = "tickring_room::serde")]
pub(crate) struct Settings {
    pub(crate) hold_seconds: u16,
    pub(crate) sight: Option<Sight>,
}

impl Settings {
    /// Seats are held for so long.
    pub(crate) fn held(hold_seconds: u16) -> Self {
        Self { hold_seconds, sight: None }
    }
}

/// How far dots see.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(crate = "tickring_room::serde")]
pub(crate) struct Sight {
    pub(crate) cell: f32,
    pub(crate) radius: f32,
}

/// The rules, with a log of what was seen.
#[derive(Debug)]
pub(crate) struct Dots {
    pub(crate) hold: Hold,
    /// Per look in the last step: who, at whom, what was there.
    pub(crate) looks: Vec<(PlayerId, EntityId, Option<Pose>)>,
    /// Inputs of the last step.
    pub(crate) inputs: Vec<(PlayerId, Steer)>,
    pub(crate) left: Vec<PlayerId>,
    pub(crate) resumed: Vec<PlayerId>,
    pub(crate) closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Steer {
    pub(crate) dx: i8,
    pub(crate) dz: i8,
    pub(crate) buttons: u8,
}

impl Input for Steer {
    const BYTES: usize = 3;

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let [dx, dz, buttons] = bytes.try_into().map_err(|_| Malformed("a steer has 3 bytes"))?;
        if buttons >= 16 {
            return Err(Malformed("an unknown button"));
        }
        Ok(Self { dx: i8::from_le_bytes([dx]), dz: i8::from_le_bytes([dz]), buttons })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.dx.to_le_bytes()[0], self.dz.to_le_bytes()[0], self.buttons]);
    }

    fn sanitize(self) -> Self {
        Self { dx: self.dx.max(-100), ..self }
    }

    fn without_edges(self) -> Self {
        Self { buttons: self.buttons & RUN, ..self }
    }

    fn with_edges_of(self, skipped: Self) -> Self {
        Self { buttons: self.buttons | (skipped.buttons & !RUN), ..self }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dot {
    pub(crate) position: Vec3,
    pub(crate) yaw: f32,
    pub(crate) epoch: u16,
    pub(crate) hits: u8,
}

const FIELDS: [Field; 5] = [
    Field::position("x", 20, 100.0),
    Field::position("z", 17, 100.0),
    Field::angle("yaw", 11),
    Field::integer("epoch", 16),
    Field::integer("hits", 7),
];

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small fields")]
impl Replicated for Dot {
    const FIELDS: &'static [Field] = &FIELDS;

    fn quantise(&self, out: &mut [i32]) {
        out.copy_from_slice(&[
            FIELDS[0].quantise(self.position.x),
            FIELDS[1].quantise(self.position.z),
            FIELDS[2].quantise(self.yaw),
            self.epoch.into(),
            self.hits.into(),
        ]);
    }

    fn restore(values: &[i32]) -> Result<Self, Malformed> {
        if values[4] > 100 {
            return Err(Malformed("a dot is hit at most 100 times"));
        }
        Ok(Self {
            position: Vec3::new(FIELDS[0].restore(values[0]), 0.0, FIELDS[1].restore(values[1])),
            yaw: FIELDS[2].restore(values[2]),
            epoch: values[3] as u16,
            hits: values[4] as u8,
        })
    }

    fn pose(&self) -> Pose {
        Pose { epoch: self.epoch, ..Pose::upright(self.position, self.yaw, Shape::Sphere { radius: 2.0 }) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hits(pub(crate) u8);

impl PrivateState for Hits {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.0);
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if let [hits] = bytes { Ok(Self(*hits)) } else { Err(Malformed("hits are one byte")) }
    }
}

/// Somebody hit somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Struck(pub(crate) EntityId);

impl GameEvent for Struck {
    fn kind(&self) -> u8 {
        9
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.0.to_le_bytes());
    }

    fn read(kind: u8, bytes: &[u8]) -> Result<Self, Malformed> {
        match (kind, bytes) {
            (9, &[low, high]) => Ok(Self(EntityId(u16::from_le_bytes([low, high])))),
            _ => Err(Malformed("not a struck")),
        }
    }
}

impl Game for Dots {
    const NAME: &'static str = "dots";
    const VERSION: &'static str = "7.1.4";
    const LAYOUT: u64 = layout_hash(&["dots"]);
    type Settings = Settings;
    type Input = Steer;
    type Entity = Dot;
    type Private = Hits;
    type Event = Struck;

    fn create(setup: &Setup<Self>) -> Self {
        let hold = Hold { seconds: setup.settings.hold_seconds };
        Self {
            hold,
            looks: Vec::new(),
            inputs: Vec::new(),
            left: Vec::new(),
            resumed: Vec::new(),
            closed: false,
        }
    }

    fn interest(setup: &Setup<Self>) -> Option<Interest> {
        setup.settings.sight.map(|Sight { cell, radius }| Interest { cell, radius })
    }

    fn may_join(&self, _world: &World<Self>) -> Result<(), JoinRefusal> {
        if self.closed { Err(JoinRefusal { reason: "closed" }) } else { Ok(()) }
    }

    fn joined(&mut self, player: PlayerId, world: &mut World<Self>, rng: &mut Rng) -> EntityId {
        let position = Vec3::new(f32::from(player.0), 0.0, f32::from((rng.next_u32() % 64) as u8));
        world.spawn(Dot { position, yaw: 0.0, epoch: 0, hits: 0 })
    }

    fn dropped(&mut self, _player: PlayerId, _world: &mut World<Self>) -> Hold {
        self.hold
    }

    fn resumed(&mut self, player: PlayerId, _world: &mut World<Self>) {
        self.resumed.push(player);
    }

    fn left(&mut self, player: PlayerId, world: &mut World<Self>) {
        self.left.push(player);
        if let Some(entity) = world.entity_of(player) {
            world.despawn(entity);
        }
    }

    fn step(&mut self, tick: &mut Step<'_, Self>) {
        self.looks.clear();
        self.inputs.clear();
        let mut shooters = Vec::new();
        for &player in tick.players() {
            let input = tick.input(player);
            self.inputs.push((player, input));
            let own = tick.world().entity_of(player).expect("a player has a dot");
            let jump = Vec3::new(0.0, 0.0, f32::from((tick.rng().next_u32() % 16) as u8));
            let dot = tick.world_mut().get_mut(own).expect("dots live as long as players");
            dot.position += Vec3::new(input.dx.into(), 0.0, input.dz.into()) / 64.0;
            dot.yaw += f32::from(input.dz) / 32.0;
            if input.buttons & JUMP != 0 {
                dot.position += jump;
                dot.epoch = dot.epoch.wrapping_add(1);
            }
            if input.buttons & FIRE != 0 {
                shooters.push(player);
            }
            let place = dot.position;
            if input.buttons & CRY != 0 {
                tick.emit(&Struck(own), To::Near { place, radius: CRY_RADIUS });
            }
            let seen = tick.seen_by(player);
            self.looks.extend(tick.world().iter().map(|(entity, _)| (player, entity, seen.pose(entity))));
        }
        tick.sort_by_view(&mut shooters);
        for shooter in shooters {
            let own = tick.world().entity_of(shooter).expect("a player has a dot");
            let origin = tick.world().get(own).expect("dots live as long as players").position;
            check_overlaps(tick, shooter, origin, own);
            let found = tick.seen_by(shooter).ray(origin, Vec3::X, 100.0, own);
            assert_eq!(found.map(|hit| (hit.distance, hit.entity)), first_met(tick, shooter, origin, own));
            if let Some(hit) = found {
                tick.emit(&Struck(hit.entity), if hit.clamped { To::Player(shooter) } else { To::All });
                if let Some(dot) = tick.world_mut().get_mut(hit.entity) {
                    dot.hits = (dot.hits + 1).min(100);
                }
            }
        }
    }

    fn private(&self, player: PlayerId, world: &World<Self>) -> Hits {
        Hits(world.entity_of(player).and_then(|entity| world.get(entity)).map_or(0, |dot| dot.hits))
    }
}

/// What a ray along +x meets first, by asking for every entity there can be.
fn first_met(
    tick: &Step<'_, Dots>,
    shooter: PlayerId,
    origin: Vec3,
    own: EntityId,
) -> Option<(f32, EntityId)> {
    let seen = tick.seen_by(shooter);
    let others = (0..1000).map(EntityId).filter(|id| *id != own);
    let met = others.filter_map(|id| Some((seen.pose(id)?.ray(origin, Vec3::X, 100.0)?, id)));
    met.min_by(|one, other| one.partial_cmp(other).expect("distances are numbers"))
}

/// A ball and a plank around the shooter find whom asking for every entity there can be finds.
fn check_overlaps(tick: &Step<'_, Dots>, shooter: PlayerId, origin: Vec3, own: EntityId) {
    let seen = tick.seen_by(shooter);
    let ball = Pose::upright(origin, 0.0, Shape::Sphere { radius: 3.0 });
    let plank = Pose::upright(origin, 0.7, Shape::Cuboid { half: Vec3::new(9.0, 1.0, 1.0) });
    for volume in [ball, plank] {
        let others = (0..1000).map(EntityId).filter(|id| *id != own);
        let expected: Vec<EntityId> =
            others.filter(|id| seen.pose(*id).is_some_and(|pose| pose.overlaps(&volume))).collect();
        let mut found = Vec::new();
        seen.overlap(&volume, own, |id, pose| {
            assert_eq!(Some(*pose), seen.pose(id));
            found.push(id);
        });
        assert_eq!(found, expected);
    }
    let mut near = 0;
    seen.sphere(origin, 3.0, own, |_, _| near += 1);
    let mut inside = 0;
    seen.overlap(&ball, own, |_, _| inside += 1);
    assert_eq!(near, inside);
}

/// Hands a room an input as it comes from the wire.
pub(crate) fn give(
    room: &mut Room<Dots>,
    player: PlayerId,
    head: InputHead,
    input: Steer,
) -> Result<(), InputDrop> {
    let mut game = Vec::new();
    input.write(&mut game);
    give_bytes(room, player, head, &game)
}

/// The same with any game bytes.
pub(crate) fn give_bytes(
    room: &mut Room<Dots>,
    player: PlayerId,
    head: InputHead,
    game: &[u8],
) -> Result<(), InputDrop> {
    use tickring_protocol::message::ClientMessage;
    let mut payload = Vec::new();
    head.write(&mut payload);
    payload.extend_from_slice(game);
    let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(&payload) else {
        panic!("an input message decodes");
    };
    room.input(player, head, game)
}
