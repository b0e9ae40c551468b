//! The play side driven without a kernel.

mod crowd;
mod fake_ring;
mod fuzz_simulation;
mod keeper;
mod no_allocation;
mod overload;
mod recorded;
mod seats;
mod single_steps;
mod spectators;

use std::cell::RefCell;
use std::rc::Rc;

use tickring_protocol::message::{ClientMessage, Hello, InputHead, PROTOCOL_VERSION, Ping, combined_layout};
use tickring_protocol::websocket::{OpCode, write_masked_frame, write_request};
use tickring_room::{Game, RoomConfig};

use super::{Now, Rules, Stage};
use crate::rooms::Rooms;
use crate::rooms::overload::Limits;

const MS: u64 = 1_000_000;

/// Of the overload ladder: everything is allowed.
const LIMITS: Limits = Limits { rung_max: 4, dilation_percent_min: 50 };

fn rules() -> Rules {
    Rules {
        worker: 0,
        workers: 1,
        echo: true,
        outbox_bytes_max: 16 * 1024,
        handshake_ms: 5_000,
        ping_after_ms: 25_000,
        silent_close_ms: 10_000,
        close_ms: 5_000,
        door_max: 64,
    }
}

fn stage<G: Game>(settings: G::Settings, rules: Rules) -> Stage<G> {
    stage_of(settings, rules, 64, &Issued::default())
}

/// Every token given so far, in order.
type Issued = Rc<RefCell<Vec<[u8; 16]>>>;

fn stage_of<G: Game>(settings: G::Settings, rules: Rules, players_max: u16, issued: &Issued) -> Stage<G> {
    stage_with(RoomConfig { players_max, ..RoomConfig::with_rates(60, 30) }, settings, rules, issued)
}

fn stage_with<G: Game>(config: RoomConfig, settings: G::Settings, rules: Rules, issued: &Issued) -> Stage<G> {
    let issued = Rc::clone(issued);
    let draw_token = move || {
        let mut issued = issued.borrow_mut();
        let number = issued.len() as u128 + 1;
        issued.push((number << 64 | number).to_le_bytes());
        issued[issued.len() - 1]
    };
    let rooms = Rooms::new(config, settings, 4, LIMITS, Box::new(draw_token));
    Stage::new(rooms, rules, 64, 1 << 20, Now::from_ns(0))
}

fn request(path: &str) -> Vec<u8> {
    let mut out = Vec::new();
    write_request(&mut out, "server", path, &[7; 16], Some("tickring.v1"));
    out
}

fn frame(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write_masked_frame(&mut out, opcode, payload, [1, 2, 3, 4]);
    out
}

fn hello<G: Game>() -> Vec<u8> {
    hello_with::<G>([0; 16])
}

fn hello_with<G: Game>(resume: [u8; 16]) -> Vec<u8> {
    hello_asking::<G>(0, resume)
}

fn hello_asking<G: Game>(features: u32, resume: [u8; 16]) -> Vec<u8> {
    let mut payload = Vec::new();
    let layout = combined_layout(G::LAYOUT);
    Hello { version: PROTOCOL_VERSION, layout, features, resume }.write(&mut payload);
    frame(OpCode::Binary, &payload)
}

fn ping() -> Vec<u8> {
    let mut payload = Vec::new();
    Ping { client_time_ns: 1 }.write(&mut payload);
    frame(OpCode::Binary, &payload)
}

/// The payload of an input, behind what is in `payload`.
fn write_input(payload: &mut Vec<u8>, sequence: u32, game: &[u8]) {
    InputHead { sequence, target_tick: sequence, view_tick: 0, view_fraction: 0, newest_snapshot_tick: 0 }
        .write(payload);
    payload.extend_from_slice(game);
    debug_assert!(ClientMessage::decode(payload).is_ok());
}
