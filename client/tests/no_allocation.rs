//! Nothing is allocated per tick once warm: not in the room, not in the connections.

#[path = "../../room/tests/dots/mod.rs"]
mod dots;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use dots::{Dots, Steer};
use tickring_client::{Config, Connection, Decoded};
use tickring_protocol::message::{ClientMessage, FEATURE_STATE_CHECKSUM};
use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, SUBPROTOCOL, parse_request, write_frame, write_frame_head,
    write_switching_protocols,
};
use tickring_room::{PlayerId, Room, RoomConfig};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting per thread.
struct Counting;

#[expect(unsafe_code, reason = "an allocator that counts cannot be written without")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Peer {
    connection: Connection<Dots>,
    decoder: Decoder,
    player: PlayerId,
}

fn connect(room: &mut Room<Dots>, shared: &mut Decoded<Dots>, seed: u64) -> Peer {
    let features = FEATURE_STATE_CHECKSUM;
    let config = Config { host: "localhost".into(), room: "one".into(), seed, features, input_hz: None };
    let mut connection = Connection::new(&config);
    let request = std::mem::take(connection.out());
    let (request, _) = parse_request(&request).expect("a request").expect("a whole request");
    let mut answer = Vec::new();
    write_switching_protocols(&mut answer, &request.accept, Some(SUBPROTOCOL));
    let player = room.join(features).expect("a seat is free").player;
    let mut welcome = Vec::new();
    room.welcome(player).write(&mut welcome);
    write_frame(&mut answer, OpCode::Binary, &welcome);
    connection.receive(0, &mut answer, shared, &mut |_| {}).expect("an honest server");
    connection.out().clear();
    Peer { connection, decoder: Decoder::new(Role::Server, 4096), player }
}

/// One tick at 60 Hz with an input and, when due, a snapshot for everybody.
fn tick(room: &mut Room<Dots>, peers: &mut [Peer], shared: &mut Decoded<Dots>, wire: &mut Vec<u8>) {
    let now_ns = u64::from(room.tick().0) * 16_666_667;
    for peer in peers.iter_mut() {
        peer.connection.send_input(now_ns, &Steer { dx: 1, ..Steer::default() }).expect("a seat");
        let mut frames = peer.decoder.feed(peer.connection.out());
        while let Some(event) = frames.next().expect("valid frames") {
            let Event::Binary(payload) = event else { panic!("an input") };
            let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(payload) else {
                panic!("an input")
            };
            let _ = room.input(peer.player, head, game);
        }
        peer.connection.out().clear();
    }
    room.step();
    room.events().for_each(drop);
    if room.snapshot_due() {
        room.encode_snapshot();
        for peer in peers {
            wire.clear();
            write_frame_head(wire, OpCode::Binary, room.prepare_snapshot(peer.player, false));
            room.write_snapshot(peer.player, 0, wire);
            peer.connection.receive(now_ns, wire, shared, &mut |_| {}).expect("an honest server");
        }
    }
}

#[test]
fn a_warm_tick_allocates_nothing() {
    let mut room = Room::<Dots>::new(RoomConfig::default(), dots::Settings::default());
    let (mut shared, mut wire) = (Decoded::default(), Vec::new());
    let mut peers: Vec<Peer> = (0..50).map(|seed| connect(&mut room, &mut shared, seed)).collect();
    // The history has been round once.
    (0..200).for_each(|_| tick(&mut room, &mut peers, &mut shared, &mut wire));
    let before = ALLOCATIONS.with(Cell::get);
    assert!(before > 0, "the counter counts");
    (0..600).for_each(|_| tick(&mut room, &mut peers, &mut shared, &mut wire));
    assert_eq!(ALLOCATIONS.with(Cell::get) - before, 0);
    assert!(room.counters().inputs_accepted > 50 * 700, "{:?}", room.counters());
}
