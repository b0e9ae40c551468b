//! Rooms: a tick of the arena with its bots' inputs, snapshots for everybody, and what sharing them saves.

mod quick;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tickring_arena::rules::Yaw;
use tickring_arena::{AXIS_FULL, Arena, ArenaInput, Settings, Skirmish};
use tickring_protocol::message::{ClientMessage, InputHead};
use tickring_room::{Input as _, PlayerId, Room, RoomConfig};

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

/// A room in which everybody runs in circles.
struct Runners {
    room: Room<Arena>,
    players: Vec<PlayerId>,
    message: Vec<u8>,
}

impl Runners {
    fn new(players: u16) -> Self {
        let mut room = Room::<Arena>::new(config(players), Settings::default());
        let players = (0..players).map(|_| room.join(0).expect("the room has a seat for everybody").player);
        let mut runners = Self { players: players.collect(), room, message: Vec::new() };
        (0..TICKS_BEFORE).for_each(|_| runners.step());
        runners
    }

    /// One tick with an input of everybody.
    fn step(&mut self) {
        let tick = self.room.tick().0 + 1;
        for player in &self.players {
            self.message.clear();
            let head = InputHead {
                sequence: tick,
                target_tick: tick,
                view_tick: tick.saturating_sub(4),
                view_fraction: 0,
                newest_snapshot_tick: tick - 1,
            };
            head.write(&mut self.message);
            let turned = tick.wrapping_mul(600).wrapping_add(u32::from(player.0) * 7_919);
            let yaw = Yaw(turned.to_le_bytes().first_chunk().map_or(0, |low| u16::from_le_bytes(*low)));
            ArenaInput { ahead: AXIS_FULL, yaw, ..ArenaInput::default() }.write(&mut self.message);
            if let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(&self.message) {
                self.room.input(*player, head, game).expect("it comes in time");
            }
        }
        self.room.step();
    }

    /// Writes a snapshot for the first so many players and tells how long that took, from the world on or, with what
    /// all share already encoded, for the players alone.
    fn snapshot(&mut self, readers: usize, out: &mut Vec<u8>) -> [Duration; 2] {
        while !self.room.snapshot_due() {
            self.step();
        }
        let from = Instant::now();
        self.room.encode_snapshot();
        let quantised = from.elapsed();
        for player in &self.players[..readers] {
            out.clear();
            self.room.prepare_snapshot(*player, false);
            self.room.write_snapshot(*player, 0, black_box(out));
        }
        let all = from.elapsed();
        self.step();
        [all, all - quantised]
    }
}

/// The snapshot of one tick for everybody in step, who share what is encoded, beside the same for one player alone:
/// without sharing it would be as many times that as there are players.
fn sharing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sharing");
    group.sample_size(10);
    for players in [50, 1_000] {
        for (readers, name) in [(1, "one"), (players, "all")] {
            for (part, what) in [(0, "from the world on"), (1, "for the readers")] {
                let mut runners = Runners::new(players);
                let mut out = Vec::new();
                group.bench_function(BenchmarkId::new(format!("{name} of {players}"), what), |bencher| {
                    bencher.iter_custom(|snapshots| {
                        (0..snapshots).map(|_| runners.snapshot(readers.into(), &mut out)[part]).sum()
                    });
                });
            }
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = quick::criterion(); targets = tick, snapshots, sharing }
criterion_main!(benches);
