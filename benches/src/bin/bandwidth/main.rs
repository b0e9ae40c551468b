//! What players are sent, in bytes: counted, not timed, so it is the same on every machine.
//!
//! A room runs without a network; every message is framed as the server frames it. The first table is the work that other
//! servers' figures were taken with: everything moves, 16-bit positions, 8-bit angles. The second is a match of the
//! arena's bots.

#![expect(clippy::print_stdout, reason = "a program that talks to people")]

mod movers;

use anyhow::Context as _;
use clap::Parser;
use tickring_arena::{Settings, Skirmish};
use tickring_protocol::websocket::{OpCode, write_frame_head};
use tickring_room::{Game, PlayerId, Room, RoomConfig};

use movers::{Mover, Movers};

/// Bytes a player is sent per second, by room size and rate.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: bandwidth --seconds 20")]
struct Arguments {
    /// Seconds of play that are counted, after two that are not.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Counts only a match of the arena with so many bots.
    #[arg(long, value_name = "BOTS", value_parser = clap::value_parser!(u16).range(1..=4_096))]
    match_of: Option<u16>,
}

const SECONDS_BEFORE: u32 = 2;
const TICK_HZ: u16 = 60;

/// Each way in the arena: 50 ms.
const LATENCY_TICKS: u32 = 3;

fn main() -> anyhow::Result<()> {
    let Arguments { seconds, match_of } = Arguments::parse();
    heading();
    if let Some(players) = match_of {
        return count_match(players, 30, seconds).map(|count| show("arena", players, 30, &count));
    }
    for (players, snapshot_hz) in [(60, 20), (60, 30), (1_000, 30)] {
        show("movers", players, snapshot_hz, &count(players, snapshot_hz, seconds)?);
    }
    for players in [50, 250, 300, 1_000] {
        show("arena", players, 30, &count_match(players, 30, seconds)?);
    }
    Ok(())
}

/// Totals over the counted time.
#[derive(Debug, Default)]
struct Count {
    event_bytes: u64,
    snapshot_bytes: u64,
    snapshots: u64,
    rounds: u64,
    /// Blocks made, and blocks that would have been made for each player alone.
    blocks: u64,
    blocks_needed: u64,
    /// Cells that had to wait.
    put_off: u64,
    player_seconds: u64,
}

fn heading() {
    println!(
        "| game | players | snapshots/s | sent to each, kB/s | of that events, kB/s | a snapshot, B | blocks made per \
         snapshot | of needed | put off |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
}

fn show(game: &str, players: u16, snapshot_hz: u16, count: &Count) {
    #[expect(clippy::cast_precision_loss, reason = "a table for people")]
    let per = |sum: u64, of: u64| sum as f64 / of.max(1) as f64;
    let Count { event_bytes, snapshot_bytes, snapshots, rounds, blocks, blocks_needed, put_off, .. } = *count;
    println!(
        "| {game} | {players} | {snapshot_hz} | {:.2} | {:.2} | {:.0} | {:.2} | {:.0} | {:.2} % |",
        per(event_bytes + snapshot_bytes, count.player_seconds) / 1_000.0,
        per(event_bytes, count.player_seconds) / 1_000.0,
        per(snapshot_bytes, snapshots),
        per(blocks, rounds),
        per(blocks_needed, rounds),
        per(put_off, blocks_needed) * 100.0,
    );
}

fn config(players: u16, snapshot_hz: u16) -> RoomConfig {
    RoomConfig { players_max: players, seed: 1, ..RoomConfig::with_rates(TICK_HZ, snapshot_hz) }
}

impl Count {
    /// What goes out after one step of a room.
    fn step<G: Game>(&mut self, room: &mut Room<G>, players: u16, message: &mut Vec<u8>) {
        if !room.snapshot_due() {
            return;
        }
        room.encode_snapshot();
        let before = room.counters().clone();
        for player in (0..players).map(PlayerId) {
            message.clear();
            let bytes = room.prepare_snapshot(player, false);
            write_frame_head(message, OpCode::Binary, bytes);
            room.write_snapshot(player, 0, message);
            self.snapshot_bytes += message.len() as u64;
            self.snapshots += 1;
        }
        self.rounds += 1;
        self.blocks += room.counters().blocks_encoded - before.blocks_encoded;
        self.blocks_needed += room.counters().blocks_needed - before.blocks_needed;
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

/// A match of the arena: everything its bots are sent.
fn count_match(players: u16, snapshot_hz: u16, seconds: u32) -> anyhow::Result<Count> {
    let mut skirmish =
        Skirmish::new(config(players, snapshot_hz), Settings::default(), players, LATENCY_TICKS)
            .context("the room has a seat for everybody")?;
    let mut play = |seconds: u32| {
        (0..seconds * u32::from(TICK_HZ)).for_each(|_| skirmish.tick(&mut |_, _, _| {}));
        (skirmish.traffic(), skirmish.room().counters().clone(), skirmish.tally())
    };
    let (sent_before, before, _) = play(SECONDS_BEFORE);
    let (sent, after, tally) = play(seconds);
    anyhow::ensure!(tally.kills > 0, "nobody fought");
    let snapshots = sent.snapshots - sent_before.snapshots;
    let count = Count {
        event_bytes: sent.event_bytes - sent_before.event_bytes,
        snapshot_bytes: sent.snapshot_bytes - sent_before.snapshot_bytes,
        snapshots,
        rounds: snapshots / u64::from(players),
        blocks: after.blocks_encoded - before.blocks_encoded,
        blocks_needed: after.blocks_needed - before.blocks_needed,
        put_off: after.cells_put_off - before.cells_put_off,
        player_seconds: 0,
    };
    Ok(count.over(players, seconds))
}
