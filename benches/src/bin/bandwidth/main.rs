//! What players are sent, in bytes: counted, not timed, so it is the same on every machine.
//!
//! A room runs without a network; every message is framed as the server frames it. It is the work that other servers'
//! figures were taken with: everything moves, 16-bit positions, 8-bit angles. What a match of the arena costs, the load
//! generator counts.

#![expect(clippy::print_stdout, reason = "a program that talks to people")]

mod movers;

use anyhow::Context as _;
use clap::Parser;
use tickring_protocol::websocket::{OpCode, write_frame_head};
use tickring_room::{Game, PlayerId, Room, RoomConfig, To};

use movers::{Mover, Movers};

/// Bytes a player is sent per second, by room size and rate.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: bandwidth --seconds 20")]
struct Arguments {
    /// Seconds of play that are counted, after two that are not.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
}

const SECONDS_BEFORE: u32 = 2;
const TICK_HZ: u16 = 60;

fn main() -> anyhow::Result<()> {
    let Arguments { seconds } = Arguments::parse();
    println!("| players | snapshots/s | sent to each, kB/s | a snapshot, B | made per snapshot |");
    println!("|---|---|---|---|---|");
    for (players, snapshot_hz) in [(60, 20), (60, 30), (1_000, 30)] {
        show(players, snapshot_hz, &count(players, snapshot_hz, seconds)?);
    }
    Ok(())
}

/// Totals over the counted time.
#[derive(Debug, Default)]
struct Count {
    bytes: u64,
    snapshot_bytes: u64,
    snapshots: u64,
    rounds: u64,
    blocks: u64,
    player_seconds: u64,
}

fn show(players: u16, snapshot_hz: u16, count: &Count) {
    #[expect(clippy::cast_precision_loss, reason = "a table for people")]
    let per = |sum: u64, of: u64| sum as f64 / of.max(1) as f64;
    println!(
        "| {players} | {snapshot_hz} | {:.2} | {:.0} | {:.2} |",
        per(count.bytes, count.player_seconds) / 1_000.0,
        per(count.snapshot_bytes, count.snapshots),
        per(count.blocks, count.rounds),
    );
}

fn config(players: u16, snapshot_hz: u16) -> RoomConfig {
    RoomConfig { players_max: players, seed: 1, ..RoomConfig::with_rates(TICK_HZ, snapshot_hz) }
}

impl Count {
    /// What goes out after one step of a room.
    fn step<G: Game>(&mut self, room: &mut Room<G>, players: u16, message: &mut Vec<u8>) {
        for (to, event) in room.events() {
            message.clear();
            write_frame_head(message, OpCode::Binary, event.len());
            let readers = if matches!(to, To::All) { u64::from(players) } else { 1 };
            self.bytes += readers * (message.len() + event.len()) as u64;
        }
        if !room.snapshot_due() {
            return;
        }
        room.encode_snapshot();
        let before = room.counters().blocks_encoded;
        for player in (0..players).map(PlayerId) {
            message.clear();
            let bytes = room.prepare_snapshot(player, false);
            write_frame_head(message, OpCode::Binary, bytes);
            room.write_snapshot(player, 0, message);
            self.bytes += message.len() as u64;
            self.snapshot_bytes += message.len() as u64;
            self.snapshots += 1;
        }
        self.rounds += 1;
        self.blocks += room.counters().blocks_encoded - before;
    }

    fn over(mut self, players: u16, seconds: u32) -> Self {
        self.player_seconds = u64::from(players) * u64::from(seconds);
        self
    }
}

fn count(players: u16, snapshot_hz: u16, seconds: u32) -> anyhow::Result<Count> {
    let mut room = Room::<Movers>::new(config(players, snapshot_hz), ());
    for _ in 0..players {
        room.join(0).context("the room has a seat for everybody")?;
    }
    let mut message = Vec::new();
    let mut count = Count::default();
    for tick in 0..(SECONDS_BEFORE + seconds) * u32::from(TICK_HZ) {
        if tick == SECONDS_BEFORE * u32::from(TICK_HZ) {
            count = Count::default();
        }
        room.step();
        count.step(&mut room, players, &mut message);
    }
    anyhow::ensure!(room.world().iter().any(|(_, mover): (_, &Mover)| mover.has_moved()), "nobody moved");
    Ok(count.over(players, seconds))
}
