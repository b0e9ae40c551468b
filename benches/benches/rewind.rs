//! What a look into the past costs: rays and overlaps among 50, 200 and 1,000 entities that move, each from another
//! place and another moment.

mod quick;

use std::cell::Cell;
use std::convert::Infallible;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_pcg::rand_core::Rng as _;
use tickring_protocol::message::{ClientMessage, InputHead};
use tickring_room::serde::{Deserialize, Serialize};
use tickring_room::{
    EntityId, Field, Game, Malformed, PlayerId, Pose, Quat, Replicated, Rng, Room, RoomConfig, Setup, Shape,
    Step, Vec3, World, layout_hash,
};

const ENTITIES: [u16; 3] = [50, 200, 1_000];
/// Queries a tick.
const QUERIES: u16 = 64;
/// So that the ring of the past is full.
const TICKS_BEFORE: u32 = 64;
/// Ticks the shooters look back.
const BEHIND: u32 = 9;

/// Whom the game asks.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(crate = "tickring_room::serde")]
enum Query {
    #[default]
    Ray,
    Sphere,
}

/// A range: everybody runs in circles, and in every tick so many look about.
#[derive(Debug)]
struct Range {
    query: Query,
    spent: Cell<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Runner {
    position: Vec3,
    heading: f32,
}

impl Replicated for Runner {
    const FIELDS: &'static [Field] = &[];

    fn quantise(&self, _out: &mut [i32]) {}

    fn restore(_values: &[i32]) -> Result<Self, Malformed> {
        Err(Malformed("runners are not sent"))
    }

    fn pose(&self) -> Pose {
        Pose::upright(self.position, self.heading, Shape::Capsule { half_height: 0.6, radius: 0.4 })
    }
}

impl Game for Range {
    const NAME: &'static str = "range";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LAYOUT: u64 = layout_hash(&["range"]);
    type Settings = Query;
    type Input = ();
    type Entity = Runner;
    type Private = ();
    type Event = Infallible;

    fn create(setup: &Setup<Self>) -> Self {
        Self { query: setup.settings, spent: Cell::default() }
    }

    fn joined(&mut self, _player: PlayerId, world: &mut World<Self>, rng: &mut Rng) -> EntityId {
        let mut metres = || f32::from(rng.next_u32().to_le_bytes()[0]) - 128.0;
        world.spawn(Runner { position: Vec3::new(metres(), 0.0, metres()), heading: metres() })
    }

    fn step(&mut self, tick: &mut Step<'_, Self>) {
        for (_, runner) in tick.world_mut().iter_mut() {
            runner.heading += 0.02;
            runner.position += Quat::from_rotation_y(runner.heading) * Vec3::Z * 0.1;
        }
        let from = Instant::now();
        for player in tick.players().iter().copied().take(QUERIES.into()) {
            let own = tick.world().entity_of(player).expect("a player has a runner");
            let Runner { position, heading } = *tick.world().get(own).expect("runners stay");
            let seen = tick.seen_by(player);
            match self.query {
                Query::Ray => {
                    black_box(seen.ray(position, Quat::from_rotation_y(heading) * Vec3::Z, 200.0, own));
                }
                Query::Sphere => seen.sphere(position, 5.0, own, |id, _| {
                    black_box(id);
                }),
            }
        }
        self.spent.set(self.spent.get() + from.elapsed());
    }

    fn private(&self, _player: PlayerId, _world: &World<Self>) {}
}

/// Every player declares that it looks some ticks back.
fn look_back(room: &mut Room<Range>, players: u16) {
    let now = room.tick().0;
    let head = InputHead {
        sequence: now + 1,
        target_tick: now + 1,
        view_tick: now.saturating_sub(BEHIND),
        view_fraction: 77,
        newest_snapshot_tick: now.saturating_sub(BEHIND - 4),
    };
    let mut message = Vec::new();
    head.write(&mut message);
    let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(&message) else {
        unreachable!("an input was written")
    };
    for player in (0..players).map(PlayerId) {
        room.input(player, head, game).expect("an input in time");
    }
}

fn queries(criterion: &mut Criterion) {
    for query in [Query::Ray, Query::Sphere] {
        let mut group = criterion.benchmark_group(format!("rewind {query:?}").to_lowercase());
        group.sample_size(10);
        for entities in ENTITIES {
            let config = RoomConfig { players_max: entities, seed: 1, ..RoomConfig::with_rates(60, 30) };
            let mut room = Room::<Range>::new(config, query);
            for _ in 0..entities {
                room.join(0).expect("the room has a seat for everybody");
            }
            for _ in 0..TICKS_BEFORE {
                look_back(&mut room, entities);
                room.step();
            }
            let looking = entities.min(QUERIES);
            group.throughput(Throughput::Elements(looking.into()));
            group.bench_function(BenchmarkId::from_parameter(entities), |bencher| {
                bencher.iter_custom(|ticks| {
                    room.game().spent.set(Duration::ZERO);
                    for _ in 0..ticks {
                        look_back(&mut room, entities);
                        room.step();
                    }
                    room.game().spent.get()
                });
            });
        }
        group.finish();
    }
}

criterion_group! { name = benches; config = quick::criterion(); targets = queries }
criterion_main!(benches);
