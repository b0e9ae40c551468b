//! Rooms: a tick of the arena with its bots' inputs, and snapshots for everybody.

mod quick;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tickring_arena::{Arena, Settings, Skirmish};
use tickring_room::{PlayerId, Room, RoomConfig};

const PLAYERS: [u16; 3] = [50, 200, 1_000];
/// Each way: 50 ms.
const LATENCY_TICKS: u32 = 3;
/// Before measuring, so that fights are under way and memory is warm.
const TICKS_BEFORE: u32 = 120;

fn config(players: u16) -> RoomConfig {
    RoomConfig { players_max: players, seed: 1, ..RoomConfig::with_rates(60, 30) }
}

/// The room's step alone: what bots and snapshots cost is left out.
fn tick(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tick");
    group.sample_size(10);
    for players in PLAYERS {
        let mut skirmish = Skirmish::new(config(players), Settings::default(), players, LATENCY_TICKS)
            .expect("the room has a seat for everybody");
        for _ in 0..TICKS_BEFORE {
            skirmish.tick(&mut |_, _, _| {});
        }
        group.throughput(Throughput::Elements(players.into()));
        group.bench_function(BenchmarkId::new("arena", players), |bencher| {
            bencher.iter_custom(|ticks| {
                let mut spent = Duration::ZERO;
                for _ in 0..ticks {
                    skirmish.prepare();
                    let from = Instant::now();
                    skirmish.step();
                    spent += from.elapsed();
                    skirmish.finish(&mut |_, _, _| {});
                }
                spent
            });
        });
    }
    group.finish();
}

/// The shared body once, then a message for each player, into one buffer as an outbox would keep it.
fn snapshots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot for all");
    group.sample_size(10);
    for players in PLAYERS {
        let mut room = Room::<Arena>::new(config(players), Settings::default());
        let seats: Vec<PlayerId> =
            (0..players).map(|_| room.join(0).expect("the room has a seat for everybody").player).collect();
        for _ in 0..TICKS_BEFORE {
            room.step();
        }
        let mut out = Vec::new();
        group.throughput(Throughput::Elements(players.into()));
        group.bench_function(BenchmarkId::new("arena", players), |bencher| {
            bencher.iter(|| {
                room.encode_snapshot();
                for player in &seats {
                    out.clear();
                    room.prepare_snapshot(*player, false);
                    room.write_snapshot(*player, 0, black_box(&mut out));
                }
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = quick::criterion(); targets = tick, snapshots }
criterion_main!(benches);
