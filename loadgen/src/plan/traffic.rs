//! What the connections do, from the flags.

use clap::ValueEnum;

use super::place::at_most_conns;
use super::rooms::BOTS_PER_ROOM;
use super::{Pace, PlanError, Preset, RawSizes};
use crate::cli::{GameName, PresetArgs, RunArgs};

/// The kinds of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrafficName {
    /// Bots play
    Game,
    /// Marksmen shoot at runners
    Rewind,
    /// Messages come back
    Echo,
    /// Nothing is said
    Idle,
}

/// Inputs of a game without WebSocket, where no server says its tick rate, a second.
const RAW_INPUT_HZ: u16 = 30;
/// Bytes a game without WebSocket receives per message unless told otherwise.
const RAW_SNAPSHOT_BYTES: u32 = 512;
/// Bytes a game without WebSocket sends per message unless told otherwise: an input's frame.
const RAW_INPUT_BYTES: u32 = 64;
/// Messages a second and connection of an echo unless told otherwise.
const ECHO_HZ: f64 = 20.0;
/// Bytes of an echo's payload unless told otherwise.
const ECHO_BYTES: u32 = 64;
/// Most inputs a second and bot.
const INPUT_HZ_MAX: u16 = 1_000;
/// Bytes of the mask in a client's frame.
const MASK_BYTES: u32 = 4;

impl TrafficName {
    /// Of a preset.
    ///
    /// # Errors
    /// When a preset that is named after its traffic was given another.
    pub(crate) fn of(preset: &PresetArgs) -> Result<Self, PlanError> {
        let own = match preset {
            PresetArgs::Game(_) => Some(Self::Game),
            PresetArgs::Rewind(_) => Some(Self::Rewind),
            PresetArgs::Echo(_) => Some(Self::Echo),
            PresetArgs::Idle(_) => Some(Self::Idle),
            PresetArgs::Churn(_)
            | PresetArgs::Storm(_)
            | PresetArgs::SlowConsumer(_)
            | PresetArgs::Handshake(_)
            | PresetArgs::File(_) => None,
        };
        match (own, preset.args().traffic) {
            (Some(own), Some(given)) if own != given => Err(PlanError::new(
                "traffic",
                given.word(),
                format!(
                    "`run {}` is that traffic already; choose another with churn, storm or slow-consumer",
                    own.word()
                ),
            )),
            (own, given) => Ok(own.or(given).expect("every file says its traffic")),
        }
    }

    /// Its name.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Game => "game",
            Self::Rewind => "rewind",
            Self::Echo => "echo",
            Self::Idle => "idle",
        }
    }
}

/// Refuses flags that the traffic has no use for.
///
/// # Errors
/// [`PlanError`] names the flag and where it has a meaning.
pub(super) fn refuse_meaningless(args: &RunArgs, name: TrafficName, title: &str) -> Result<(), PlanError> {
    use TrafficName::{Echo, Game, Idle, Rewind};
    let flags: [(&str, bool, &[TrafficName]); 8] = [
        ("--rooms", args.rooms.is_some(), &[Game]),
        ("--game", args.game.is_some(), &[Game]),
        ("--rate", args.rate.is_some(), &[Game, Echo]),
        ("--forge", args.forge.is_some(), &[Rewind]),
        ("--closed", args.closed, &[Echo]),
        ("--pipeline", args.pipeline.is_some(), &[Echo]),
        ("--size", args.size.is_some(), &[Echo]),
        ("--raw", args.raw, &[Game, Echo, Idle]),
    ];
    let wrong = flags.into_iter().find(|(_, given, of)| *given && !of.contains(&name));
    let Some((flag, _, of)) = wrong else { return Ok(()) };
    if name == Rewind && flag == "--raw" {
        return Err(PlanError {
            given: flag.to_owned(),
            problem: "a floor program plays no game; leave it out, or compare with run game --raw".to_owned(),
        });
    }
    let of: Vec<&str> = of.iter().map(|name| name.word()).collect();
    Err(PlanError {
        given: flag.to_owned(),
        problem: format!(
            "has no meaning for `run {title}` with {} traffic; it is for {}",
            name.word(),
            of.join(", ")
        ),
    })
}

/// The traffic of `conns` connections at most.
///
/// # Errors
/// [`PlanError`] names the flag, its value and what is allowed.
pub(super) fn of(
    args: &RunArgs,
    name: TrafficName,
    conns: u32,
) -> Result<(Preset, Option<RawSizes>), PlanError> {
    match name {
        TrafficName::Game => game(args, conns),
        TrafficName::Rewind => rewind(args, conns).map(|preset| (preset, None)),
        TrafficName::Echo => Ok(echo(args)),
        TrafficName::Idle => {
            let raw = args.raw.then_some(RawSizes { in_bytes: 1, out_bytes: 1 });
            Ok((Preset::Idle, raw))
        }
    }
}

fn game(args: &RunArgs, conns: u32) -> Result<(Preset, Option<RawSizes>), PlanError> {
    let rooms = args.rooms.unwrap_or_else(|| conns.div_ceil(BOTS_PER_ROOM));
    at_most_conns("rooms", rooms, conns)?;
    let mut input_hz = args.rate.map(input_hz).transpose()?;
    let raw = args.raw.then_some(RawSizes {
        in_bytes: args.raw_in.unwrap_or(RAW_INPUT_BYTES),
        out_bytes: args.raw_out.unwrap_or(RAW_SNAPSHOT_BYTES),
    });
    if raw.is_some() {
        input_hz = input_hz.or(Some(RAW_INPUT_HZ));
    }
    let game = args.game.unwrap_or(GameName::Arena);
    Ok((Preset::Game { game, rooms, input_hz }, raw))
}

/// Inputs come at whole rates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "looked at before")]
fn input_hz(rate: f64) -> Result<u16, PlanError> {
    let permitted =
        || format!("permitted is a whole number from 1 to {INPUT_HZ_MAX}, for example --input-hz 30");
    let fits = rate.fract() == 0.0 && (1.0..=f64::from(INPUT_HZ_MAX)).contains(&rate);
    fits.then_some(rate as u16).ok_or_else(|| PlanError::new("input-hz", rate, permitted()))
}

fn rewind(args: &RunArgs, conns: u32) -> Result<Preset, PlanError> {
    if !conns.is_multiple_of(2) {
        let problem = "permitted are even numbers, for a marksman and a runner in every room, for example \
                       --conns 40";
        return Err(PlanError::new("conns", conns, problem));
    }
    Ok(Preset::Rewind { rooms: conns / 2, forge: args.forge })
}

fn echo(args: &RunArgs) -> (Preset, Option<RawSizes>) {
    let pace = if args.closed {
        Pace::Closed { pipeline: args.pipeline.unwrap_or(1) }
    } else {
        Pace::Open { rate_hz: args.rate.unwrap_or(ECHO_HZ) }
    };
    let size = args.size.unwrap_or(ECHO_BYTES);
    let head = frame_head_bytes(size);
    let raw = args.raw.then_some(RawSizes {
        in_bytes: args.raw_in.unwrap_or(size + head + MASK_BYTES),
        out_bytes: args.raw_out.unwrap_or(size + head),
    });
    (Preset::Echo { pace, size }, raw)
}

/// Head of an unmasked frame (RFC 6455 5.2).
const fn frame_head_bytes(payload: u32) -> u32 {
    match payload {
        0..=125 => 2,
        126..=65_535 => 4,
        _ => 10,
    }
}
