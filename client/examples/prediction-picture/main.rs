//! Draws where one player is for itself, for the server and for another player, 75 ms away each way, over time.
//!
//! ```text
//! cargo run -p tickring-client --example prediction-picture -- [PICTURE.svg]
//! ```
//!
//! Two clients play the arena in a real room, over a simulated way; time is a number, so the picture is the same
//! every time. The first one runs to and fro, and for a moment nothing gets through.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

mod drawing;
#[path = "../../tests/link/mod.rs"]
mod link;

use std::error::Error;
use std::sync::Arc;

use tickring_arena::map::Map;
use tickring_arena::rules::Yaw;
use tickring_arena::{Arena, ArenaInput, Settings};
use tickring_client::Prediction;
use tickring_room::{RoomConfig, Tick};

use drawing::{Curve, Panel};
use link::Link;

const MS: u64 = 1_000_000;
const WAY_MS: u64 = 75;
/// What is drawn, and the stall in it.
const FROM_MS: u64 = 10_000;
const UNTIL_MS: u64 = 14_000;
const STALL_FROM_MS: u64 = 12_150;
const STALL_UNTIL_MS: u64 = 12_500;
/// Between two turns of the runner, and between two points of a curve.
const TURN_MS: u64 = 800;
const POINT_MS: u64 = 5;

/// Time in seconds against metres.
type Points = Vec<(f32, f32)>;

#[derive(Default)]
struct Positions {
    shown_to_itself: Points,
    in_the_room: Points,
    shown_to_the_other: Points,
    /// Predictions: when, for which tick, where.
    predicted: Vec<(f32, Tick, f32)>,
    /// Where the room had the player, by tick.
    by_tick: Vec<f32>,
    corrections: Points,
}

fn main() -> Result<(), Box<dyn Error>> {
    let picture = std::env::args().nth(1).unwrap_or_else(|| "prediction.svg".to_owned());
    let positions = play();
    let off = positions.off_centimetres();
    let off_max = off.iter().map(|(_, off)| *off).fold(0.0, f32::max);
    let title = |text: &str| text.to_owned();
    let curve = |name: &str, colour, points| Curve { name: title(name), colour, points };
    let panels = [
        Panel {
            title: title("where the runner is, metres along its way"),
            height: 300.0,
            curves: vec![
                curve("drawn on its own screen: predicted", "#5fd38d", positions.shown_to_itself),
                curve("in the room: what counts", "#c8d3df", positions.in_the_room),
                curve("drawn on the other screen: interpolated", "#ffb454", positions.shown_to_the_other),
            ],
        },
        Panel {
            title: title("how far a prediction was from what the room made of the same tick, centimetres"),
            height: 90.0,
            curves: vec![curve("off", "#ff6b6b", off)],
        },
    ];
    let seconds = |ms: u64| f32::from(u16::try_from(ms).unwrap_or(u16::MAX)) / 1000.0;
    let span = seconds(FROM_MS)..seconds(UNTIL_MS);
    let stall = seconds(STALL_FROM_MS)..seconds(STALL_UNTIL_MS);
    std::fs::write(&picture, drawing::draw(&panels, span, stall)?)?;
    for (at, metres) in &positions.corrections {
        println!("corrected at {at:.3} s by {metres:.2} m");
    }
    println!("a prediction was off by {off_max:.1} cm at most\ndrawn: {picture}");
    Ok(())
}

fn play() -> Positions {
    let open = Map::with_walls(64.0, Vec::new());
    let settings = Settings { map: Some(Arc::new(open)), ..Settings::default() };
    let config = RoomConfig { seed: 3, ..RoomConfig::default() };
    let mut link = Link::<Arena>::new(config, settings, WAY_MS * MS, 0);
    link.connect(1, None);
    link.connect(2, None);
    let mut prediction: Option<Prediction<Arena>> = None;
    let mut positions = Positions::default();
    for ms in 0..UNTIL_MS {
        if ms == STALL_FROM_MS {
            link.stalled_until_ns = STALL_UNTIL_MS * MS;
        }
        link.pass(MS, &mut |_, _| {});
        let now_ns = link.now_ns;
        let drawn = ms >= FROM_MS;
        let at = f32::from(u16::try_from(ms).expect("some seconds")) / 1000.0;
        let yaw = if (ms / TURN_MS).is_multiple_of(2) { Yaw(0) } else { Yaw(1 << 15) };
        let [runner, watcher] = link.peers.as_mut_slice() else { return positions };
        let (runner, watcher) = (&mut runner.connection, &mut watcher.connection);
        while watcher.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            watcher.send_input(now_ns, &ArenaInput::default());
        }
        let (Some(welcome), Some(entity)) = (runner.welcome(), runner.entity()) else { continue };
        let prediction = prediction.get_or_insert_with(|| Prediction::new(welcome));
        if let Some(correction) = prediction.follow(now_ns, runner)
            && drawn
            && correction.distance > 0.01
        {
            positions.corrections.push((at, correction.distance));
        }
        while runner.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            let target = runner.input_tick(now_ns);
            prediction.send(now_ns, runner, &ArenaInput { ahead: 127, yaw, ..ArenaInput::default() });
            if let (Some(target), Some(own)) = (target, prediction.own())
                && drawn
            {
                positions.predicted.push((at, target, own.body.position.z));
            }
        }
        let place = link.room.world().get(entity).map_or(0.0, |soldier| soldier.position.z);
        positions.by_tick.resize(usize::try_from(link.room.tick().0 + 1).expect("few ticks"), place);
        if drawn && ms % POINT_MS == 0 {
            positions.in_the_room.push((at, place));
            positions.shown_to_itself.extend(prediction.shown(now_ns).map(|shown| (at, shown.z)));
            positions
                .shown_to_the_other
                .extend(watcher.seen(now_ns, entity).map(|pose| (at, pose.position.z)));
        }
    }
    positions
}

impl Positions {
    /// Each prediction against what the room made of its tick.
    fn off_centimetres(&self) -> Points {
        let truth = |tick: Tick| self.by_tick.get(usize::try_from(tick.0).ok()?);
        let off = |(at, tick, z): &(f32, Tick, f32)| Some((*at, (truth(*tick)? - z).abs() * 100.0));
        self.predicted.iter().filter_map(off).collect()
    }
}
