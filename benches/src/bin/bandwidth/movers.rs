//! Everything moves: a field of dots that run straight and turn now and then.

use std::convert::Infallible;

use tickring_room::{
    EntityId, Field, Game, Malformed, PlayerId, Pose, Quat, Replicated, Rng, Setup, Shape, Step, Vec3, World,
    layout_hash,
};

/// Half the side of the field, metres.
const HALF_SIDE: f32 = 100.0;
/// Metres a second.
const SPEED: f32 = 5.0;
/// A dot turns once in so many ticks, on average.
const TICKS_BETWEEN_TURNS: f32 = 60.0;

/// The rules.
#[derive(Debug)]
pub(crate) struct Movers;

/// A dot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mover {
    position: Vec3,
    /// Radians.
    heading: f32,
    has_moved: bool,
}

impl Mover {
    pub(crate) fn has_moved(&self) -> bool {
        self.has_moved
    }
}

const X: Field = Field::position("x", 16, 100.0);
const Z: Field = Field::position("z", 16, 100.0);
const HEADING: Field = Field::angle("heading", 8);

impl Replicated for Mover {
    const FIELDS: &'static [Field] = &[X, Z, HEADING];

    fn quantise(&self, out: &mut [i32]) {
        out.copy_from_slice(&[
            X.quantise(self.position.x),
            Z.quantise(self.position.z),
            HEADING.quantise(self.heading),
        ]);
    }

    fn restore(values: &[i32]) -> Result<Self, Malformed> {
        Ok(Self {
            position: Vec3::new(X.restore(values[0]), 0.0, Z.restore(values[1])),
            heading: HEADING.restore(values[2]),
            has_moved: true,
        })
    }

    fn pose(&self) -> Pose {
        Pose::upright(self.position, self.heading, Shape::None)
    }
}

impl Game for Movers {
    const NAME: &'static str = "movers";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LAYOUT: u64 = layout_hash(&["movers", "entity: x s16 cm, z s16 cm, heading 8"]);
    type Settings = ();
    type Input = ();
    type Entity = Mover;
    type Private = ();
    type Event = Infallible;

    fn create(_setup: &Setup<Self>) -> Self {
        Self
    }

    fn joined(&mut self, _player: PlayerId, world: &mut World<Self>, rng: &mut Rng) -> EntityId {
        let position = Vec3::new(unit(rng) - 0.5, 0.0, unit(rng) - 0.5) * (2.0 * HALF_SIDE);
        world.spawn(Mover { position, heading: unit(rng) * std::f32::consts::TAU, has_moved: false })
    }

    fn step(&mut self, tick: &mut Step<'_, Self>) {
        for &player in tick.players() {
            let turns = unit(tick.rng()) < 1.0 / TICKS_BETWEEN_TURNS;
            let turn = if turns { unit(tick.rng()) * std::f32::consts::TAU } else { 0.0 };
            let dt = tick.dt();
            let own = tick.world().entity_of(player).expect("a player has a dot");
            let mover = tick.world_mut().get_mut(own).expect("dots live as long as players");
            mover.heading += turn;
            let ahead = Quat::from_rotation_y(mover.heading) * Vec3::Z;
            let next = mover.position + ahead * (SPEED * dt);
            if next.abs().max_element() > HALF_SIDE {
                mover.heading += std::f32::consts::PI;
            } else {
                mover.position = next;
                mover.has_moved = true;
            }
        }
    }

    fn private(&self, _player: PlayerId, _world: &World<Self>) {}
}

/// A number in 0..1.
fn unit(rng: &mut Rng) -> f32 {
    use rand_pcg::rand_core::Rng as _;
    f32::from(u16::try_from(rng.next_u32() >> 16).expect("16 bits")) / 65_536.0
}
