//! Snakes: eat and grow, and do not run into anybody.
//!
//! As unlike the arena as can be: squares instead of metres, moves eight times a second instead of motion, bodies
//! that are made and unmade all the time, nothing to aim at. And an example of a whole game in some hundred lines:
//! [`Way`] is what a player wants, [`Piece`] what everybody sees, [`Length`] what only the player is told, [`Bite`]
//! what happens, and [`Snakes`] the rules.

use std::collections::VecDeque;

use rand_pcg::rand_core::Rng as _;
use tickring_room::{
    EntityId, Field, Game, GameEvent, Input, Malformed, PlayerId, Pose, PrivateState, Replicated, Rng, Setup,
    Shape, Step, To, Vec3, World, layout_hash,
};

/// Squares along a side of the field, which has no border: what leaves on one side comes in on the other.
const SIDE: i32 = 64;
/// Moves a second.
const MOVES_HZ: u32 = 8;
/// Pieces of food on the field.
const FOOD: usize = 24;
/// Body pieces of a new snake, which grow as it moves.
const NEW_PIECES: u16 = 3;
/// Body pieces that a bite of food brings.
const FOOD_PIECES: u16 = 2;

/// Where a player wants to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// As before.
    #[default]
    On,
    /// Towards greater z.
    North,
    /// Towards greater x.
    East,
    /// Towards lesser z.
    South,
    /// Towards lesser x.
    West,
}

impl Way {
    const ALL: [Self; 5] = [Self::On, Self::North, Self::East, Self::South, Self::West];

    fn step(self) -> (i32, i32) {
        match self {
            Self::On => (0, 0),
            Self::North => (0, 1),
            Self::East => (1, 0),
            Self::South => (0, -1),
            Self::West => (-1, 0),
        }
    }
}

impl Input for Way {
    const BYTES: usize = 1;

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let [way] = bytes else { return Err(Malformed("a way is one byte")) };
        Self::ALL.get(usize::from(*way)).copied().ok_or(Malformed("a way is 0 to 4"))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn sanitize(self) -> Self {
        self
    }

    fn without_edges(self) -> Self {
        self
    }
}

/// What lies on a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Column, 0 to 63.
    pub x: i32,
    /// Row, 0 to 63.
    pub z: i32,
    /// What it is.
    pub kind: Kind,
}

/// See [`Piece::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To be eaten.
    Food,
    /// A player's head: the one piece that moves.
    Head,
    /// What follows a head.
    Body,
}

const X: Field = Field::integer("x", 6);
const Z: Field = Field::integer("z", 6);
const KIND: Field = Field::integer("kind", 2);

impl Replicated for Piece {
    const FIELDS: &'static [Field] = &[X, Z, KIND];

    fn quantise(&self, out: &mut [i32]) {
        out.copy_from_slice(&[self.x, self.z, self.kind as i32]);
    }

    fn restore(values: &[i32]) -> Result<Self, Malformed> {
        let kind = match values[2] {
            0 => Kind::Food,
            1 => Kind::Head,
            2 => Kind::Body,
            _ => return Err(Malformed("an unknown kind of piece")),
        };
        Ok(Self { x: values[0], z: values[1], kind })
    }

    fn pose(&self) -> Pose {
        #[expect(clippy::cast_precision_loss, reason = "at most 63")]
        let position = Vec3::new(self.x as f32, 0.0, self.z as f32);
        Pose::upright(position, 0.0, Shape::None)
    }
}

/// How many body pieces a player has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length(pub u16);

impl PrivateState for Length {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = bytes.try_into().map_err(|_| Malformed("a length is two bytes"))?;
        Ok(Self(u16::from_le_bytes(bytes)))
    }
}

/// Something was bitten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bite {
    /// This head ate.
    Food(EntityId),
    /// This head ran into a snake, lost its body and begins anew.
    Snake(EntityId),
}

impl GameEvent for Bite {
    fn kind(&self) -> u8 {
        match self {
            Self::Food(_) => 0,
            Self::Snake(_) => 1,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (Self::Food(head) | Self::Snake(head)) = self;
        out.extend_from_slice(&head.0.to_le_bytes());
    }

    fn read(kind: u8, bytes: &[u8]) -> Result<Self, Malformed> {
        let head = bytes.try_into().map_err(|_| Malformed("a bite has the id of a head"))?;
        let head = EntityId(u16::from_le_bytes(head));
        match kind {
            0 => Ok(Self::Food(head)),
            1 => Ok(Self::Snake(head)),
            _ => Err(Malformed("an unknown bite")),
        }
    }
}

/// The rules.
#[derive(Debug)]
pub struct Snakes {
    /// By seat.
    snakes: Vec<Option<Snake>>,
    ticks_between_moves: u32,
}

#[derive(Debug)]
struct Snake {
    way: Way,
    /// The nearest to the head first.
    body: VecDeque<EntityId>,
    /// Pieces yet to grow.
    grows: u16,
}

impl Game for Snakes {
    const NAME: &'static str = "snakes";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LAYOUT: u64 = layout_hash(&[
        "snakes",
        "input: way u8",
        "entity: x 6, z 6, kind 2 (food head body)",
        "private: length u16",
        "events: 0 food, 1 snake, each head u16",
    ]);
    type Settings = ();
    type Input = Way;
    type Entity = Piece;
    type Private = Length;
    type Event = Bite;

    fn create(setup: &Setup<Self>) -> Self {
        let snakes = (0..setup.players_max).map(|_| None).collect();
        Self { snakes, ticks_between_moves: (u32::from(setup.tick_hz) / MOVES_HZ).max(1) }
    }

    fn joined(&mut self, player: PlayerId, world: &mut World<Self>, rng: &mut Rng) -> EntityId {
        self.snakes[usize::from(player.0)] =
            Some(Snake { way: Way::North, body: VecDeque::new(), grows: NEW_PIECES });
        let (x, z) = free_square(world, rng);
        world.spawn(Piece { x, z, kind: Kind::Head })
    }

    fn left(&mut self, player: PlayerId, world: &mut World<Self>) {
        let snake = self.snakes[usize::from(player.0)].take();
        let pieces = snake.into_iter().flat_map(|snake| snake.body).chain(world.entity_of(player));
        for piece in pieces {
            world.despawn(piece);
        }
    }

    fn step(&mut self, tick: &mut Step<'_, Self>) {
        let moves = tick.tick().0.is_multiple_of(self.ticks_between_moves);
        for &player in tick.players() {
            let wish = tick.input(player).step();
            let Some(snake) = &mut self.snakes[usize::from(player.0)] else { continue };
            let (dx, dz) = snake.way.step();
            // Nobody turns on the spot.
            if wish != (0, 0) && wish != (-dx, -dz) {
                snake.way = tick.input(player);
            }
            if moves {
                snake.advance(player, tick);
            }
        }
        let food = tick.world().iter().filter(|(_, piece)| piece.kind == Kind::Food).count();
        if food < FOOD {
            let (world, rng) = tick.world_and_rng();
            let (x, z) = free_square(world, rng);
            world.spawn(Piece { x, z, kind: Kind::Food });
        }
    }

    fn private(&self, player: PlayerId, _world: &World<Self>) -> Length {
        let snake = self.snakes[usize::from(player.0)].as_ref();
        Length(snake.map_or(0, |snake| u16::try_from(snake.body.len()).unwrap_or(u16::MAX)))
    }
}

impl Snake {
    fn advance(&mut self, player: PlayerId, tick: &mut Step<'_, Snakes>) {
        let Some(head) = tick.world().entity_of(player) else { return };
        let Some(Piece { x, z, .. }) = tick.world().get(head).copied() else { return };
        let (dx, dz) = self.way.step();
        let (mut next_x, mut next_z) = ((x + dx).rem_euclid(SIDE), (z + dz).rem_euclid(SIDE));
        let bitten = tick.world().iter().find(|(_, piece)| (piece.x, piece.z) == (next_x, next_z));
        let bitten = bitten.map(|(id, piece)| (id, piece.kind));
        if let Some((_, Kind::Head | Kind::Body)) = bitten {
            for piece in self.body.drain(..) {
                tick.world_mut().despawn(piece);
            }
            self.grows = NEW_PIECES;
            let (world, rng) = tick.world_and_rng();
            (next_x, next_z) = free_square(world, rng);
            tick.emit(&Bite::Snake(head), To::All);
        } else {
            self.body.push_front(tick.world_mut().spawn(Piece { x, z, kind: Kind::Body }));
        }
        if let Some((food, Kind::Food)) = bitten {
            tick.world_mut().despawn(food);
            self.grows += FOOD_PIECES;
            tick.emit(&Bite::Food(head), To::All);
        }
        if let Some(piece) = tick.world_mut().get_mut(head) {
            (piece.x, piece.z) = (next_x, next_z);
        }
        if self.grows > 0 {
            self.grows -= u16::from(bitten.is_none_or(|(_, kind)| kind == Kind::Food));
        } else if let Some(tail) = self.body.pop_back() {
            tick.world_mut().despawn(tail);
        }
    }
}

/// A square with nothing on it; after some tries any square.
fn free_square(world: &World<Snakes>, rng: &mut Rng) -> (i32, i32) {
    let side = SIDE.cast_unsigned();
    let mut any = || ((rng.next_u32() % side).cast_signed(), (rng.next_u32() % side).cast_signed());
    let is_free = |square: &(i32, i32)| world.iter().all(|(_, piece)| (piece.x, piece.z) != *square);
    (0..100).map(|_| any()).find(is_free).unwrap_or((0, 0))
}
