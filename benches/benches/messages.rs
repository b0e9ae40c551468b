//! Messages: validated access in place, and writing.

mod quick;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tickring_arena::ArenaInput;
use tickring_protocol::message::{ClientMessage, InputHead, Ping, ServerMessage, SnapshotHead};
use tickring_room::Input as _;

/// What a room of 50 sends is of this order.
const BODY_BYTES: usize = 800;
const PRIVATE_BYTES: u16 = 24;

fn input() -> Vec<u8> {
    let mut payload = Vec::new();
    InputHead {
        sequence: 7,
        target_tick: 120,
        view_tick: 112,
        view_fraction: 128,
        newest_snapshot_tick: 116,
    }
    .write(&mut payload);
    ArenaInput::default().write(&mut payload);
    payload
}

fn snapshot_head() -> SnapshotHead {
    SnapshotHead {
        tick: 120,
        last_input: 7,
        input_slack: 16,
        time_dilation: 255,
        dropped: 0,
        checksum: 0,
        private_bytes: PRIVATE_BYTES,
    }
}

fn client_messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("client message");
    group.throughput(Throughput::Elements(1));
    let input = input();
    group.bench_function("input: decode and read the game's part", |bencher| {
        bencher.iter(|| {
            let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(black_box(&input)) else {
                panic!("it was written as an input")
            };
            (head.target_tick.to_native(), ArenaInput::read(game).expect("the game wrote it"))
        });
    });
    let mut ping = Vec::new();
    Ping { client_time_ns: 1 }.write(&mut ping);
    group.bench_function("ping: decode", |bencher| {
        bencher.iter(|| {
            let Ok(ClientMessage::Ping(ping)) = ClientMessage::decode(black_box(&ping)) else {
                panic!("it was written as a ping")
            };
            ping.client_time_ns.to_native()
        });
    });
    group.finish();
}

fn server_messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("server message");
    group.throughput(Throughput::Elements(1));
    let mut snapshot = Vec::new();
    snapshot_head().write(&mut snapshot);
    snapshot.resize(snapshot.len() + usize::from(PRIVATE_BYTES) + BODY_BYTES, 0x5a);
    group.bench_function("snapshot: decode the head", |bencher| {
        bencher.iter(|| {
            let Ok(ServerMessage::Snapshot { head, private, body }) =
                ServerMessage::decode(black_box(&snapshot))
            else {
                panic!("it was written as a snapshot")
            };
            (head.tick.to_native(), private.len(), body.len())
        });
    });
    let mut out = Vec::with_capacity(SnapshotHead::BYTES);
    group.bench_function("snapshot: write the head", |bencher| {
        bencher.iter(|| {
            out.clear();
            black_box(snapshot_head()).write(black_box(&mut out));
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = quick::criterion(); targets = client_messages, server_messages }
criterion_main!(benches);
