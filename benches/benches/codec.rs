//! The WebSocket codec: frames out of a receive buffer, and unmasking.
//!
//! `frames/…` gives both readers the same bytes: a batch of masked binary frames as a client sends them, as
//! they would lie in receive buffers of 2 KiB. Ours unmasks in place; fastwebsockets reads from a stream,
//! which here is memory that is always ready, so neither pays for a socket or a scheduler.

mod quick;

use std::hint::black_box;
use std::io::Cursor;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastwebsockets::{FragmentCollector, WebSocket, unmask};
use tickring_protocol::websocket::{Decoder, Event, OpCode, Role, write_masked_frame};

/// Frames in one batch.
const FRAMES: usize = 256;
/// What a receive buffer of the server holds.
const BUFFER_BYTES: usize = 2_048;
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

fn batch(payload_bytes: usize) -> Vec<u8> {
    let payload: Vec<u8> = (0..=u8::MAX).cycle().take(payload_bytes).collect();
    let mut wire = Vec::new();
    for _ in 0..FRAMES {
        write_masked_frame(&mut wire, OpCode::Binary, &payload, MASK);
    }
    wire
}

/// Decodes a batch handed over buffer by buffer; the bytes of all payloads.
fn decode(wire: &mut [u8]) -> usize {
    let mut decoder = Decoder::new(Role::Server, 16 * 1024);
    let mut payload_bytes = 0;
    for buffer in wire.chunks_mut(BUFFER_BYTES) {
        let mut frames = decoder.feed(buffer);
        while let Some(event) = frames.next().expect("the batch is well formed") {
            let Event::Binary(payload) = event else { panic!("the batch holds binary messages only") };
            payload_bytes += black_box(payload).len();
        }
    }
    payload_bytes
}

/// The same by fastwebsockets' reader and collector of fragments.
fn read(wire: Vec<u8>) -> usize {
    let stream = WebSocket::after_handshake(Cursor::new(wire), fastwebsockets::Role::Server);
    let mut reader = FragmentCollector::new(stream);
    let mut context = Context::from_waker(Waker::noop());
    let mut payload_bytes = 0;
    for _ in 0..FRAMES {
        let Poll::Ready(frame) = pin!(reader.read_frame()).poll(&mut context) else {
            panic!("memory is always ready")
        };
        payload_bytes += black_box(frame.expect("the batch is well formed").payload).len();
    }
    payload_bytes
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    group.throughput(Throughput::Elements(FRAMES as u64));
    for payload_bytes in [34, 64, 1_024] {
        let wire = batch(payload_bytes);
        assert_eq!(decode(&mut wire.clone()), FRAMES * payload_bytes, "both readers see every payload");
        assert_eq!(read(wire.clone()), FRAMES * payload_bytes, "both readers see every payload");
        group.bench_function(BenchmarkId::new("tickring", payload_bytes), |bencher| {
            bencher.iter_batched_ref(|| wire.clone(), |wire| decode(wire), BatchSize::LargeInput);
        });
        group.bench_function(BenchmarkId::new("fastwebsockets", payload_bytes), |bencher| {
            bencher.iter_batched(|| wire.clone(), read, BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn unmasking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("unmask");
    for bytes in [16, 64, 512, 4_096] {
        let mut payload = vec![0x5a; bytes];
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(BenchmarkId::new("fastwebsockets", bytes), |bencher| {
            bencher.iter(|| unmask(black_box(&mut payload), MASK));
        });
        group.bench_function(BenchmarkId::new("byte by byte", bytes), |bencher| {
            bencher.iter(|| {
                for (index, byte) in black_box(&mut payload).iter_mut().enumerate() {
                    *byte ^= black_box(MASK[index % 4]);
                }
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = quick::criterion(); targets = frames, unmasking }
criterion_main!(benches);
