//! The command line of each trial: the preset's as given, with one value changed.

use std::time::Duration;

use crate::cli::find::Over;
use crate::cli::{CommonArgs, PresetArgs};
use crate::plan::PlanError;

/// What grows, and in which units it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) over: Over,
    /// Units in one connection, or in one message a second.
    pub(crate) units: u32,
    /// Loads are multiples of so many units.
    pub(crate) grain: u64,
    /// The least and the most units that the preset's own flag permits.
    pub(crate) least: u64,
    pub(crate) most: u64,
    /// The first load unless told otherwise, units.
    pub(crate) first: u64,
}

/// Most connections of a run.
const CONNS_MAX: u64 = 4_000_000;
/// Echo rates are hundredths of a message a second.
const ECHO_UNITS: u32 = 100;

impl Scale {
    /// What can be searched with these flags.
    ///
    /// # Errors
    /// [`PlanError`] when the preset has no such value, or when it is given although the search chooses it.
    pub(crate) fn of(args: &PresetArgs, over: Over) -> Result<Self, PlanError> {
        let scale = |units, grain, least, most, first| Self { over, units, grain, least, most, first };
        let chosen = |flag: &str, value: String| {
            let problem = format!(
                "the search chooses it; leave it out, and bound it with --from and --to: \
                                   find --over {}",
                if over == Over::Conns { "conns --from 100" } else { "rate --from 10" }
            );
            Err(PlanError::new(flag, value, problem))
        };
        if over == Over::Conns {
            let place = &common(args).place;
            if let Some(conns) = place.conns {
                return chosen("conns", conns.to_string());
            }
            let (grain, first) = if matches!(args, PresetArgs::Rewind(_)) { (2, 40) } else { (1, 100) };
            let workers = u64::from(place.workers).next_multiple_of(grain);
            return Ok(scale(1, grain, grain, CONNS_MAX, workers.max(first)));
        }
        match args {
            PresetArgs::Echo(echo) if !echo.closed => match echo.rate {
                Some(rate) => chosen("rate", rate.to_string()),
                None => {
                    Ok(scale(ECHO_UNITS, 1, 1, 1_000_000 * u64::from(ECHO_UNITS), 10 * u64::from(ECHO_UNITS)))
                }
            },
            PresetArgs::Game(game) => match game.input_hz {
                Some(hz) => chosen("input-hz", hz.to_string()),
                None => Ok(scale(1, 1, 1, 1_000, 10)),
            },
            _ => Err(PlanError::new(
                "over",
                "rate",
                "only `game` and `echo` without --closed have a rate; permitted here is --over conns, for example \
                 find echo --over rate --conns 100",
            )),
        }
    }

    /// Units as a person counts.
    pub(crate) fn shown(self, load: u64) -> f64 {
        crate::report::share(load, u64::from(self.units)).expect("there are units")
    }

    /// A value of `--from` or `--to` in units.
    ///
    /// # Errors
    /// [`PlanError`] says what is permitted.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "looked at before")]
    pub(crate) fn units(self, flag: &str, value: f64) -> Result<u64, PlanError> {
        let units = (value * f64::from(self.units)).round();
        let exact = (units - value * f64::from(self.units)).abs() < 1e-6;
        let load = units as u64;
        if exact && load.is_multiple_of(self.grain) && (self.least..=self.most).contains(&load) {
            return Ok(load);
        }
        let kind = match (self.units, self.grain) {
            (1, 1) => "whole numbers",
            (1, _) => "even numbers",
            _ => "hundredths",
        };
        let (least, most, first) = (self.shown(self.least), self.shown(self.most), self.shown(self.first));
        Err(PlanError::new(
            flag,
            value,
            format!("permitted are {kind} from {least} to {most}, for example --{flag} {first}"),
        ))
    }

    /// With its unit.
    pub(crate) fn words(self, load: u64) -> String {
        let shown = self.shown(load);
        match self.over {
            Over::Conns => format!("{shown} connections"),
            Over::Rate => format!("{shown} messages a second and connection"),
        }
    }

    /// The command line of a trial. Its report is the search's, so it writes none.
    pub(crate) fn apply(self, args: &PresetArgs, load: u64, step: Duration) -> PresetArgs {
        let mut args = args.clone();
        let common = common_mut(&mut args);
        common.duration = Some(step);
        common.out.clear();
        let whole = u32::try_from(load).expect("bounded by what the flags permit");
        match (self.over, &mut args) {
            (Over::Conns, args) => common_mut(args).place.conns = Some(whole),
            (Over::Rate, PresetArgs::Echo(echo)) => echo.rate = Some(self.shown(load)),
            (Over::Rate, PresetArgs::Game(game)) => {
                game.input_hz = Some(u16::try_from(whole).expect("bounded by what the flag permits"));
            }
            (Over::Rate, _) => unreachable!("refused with the command line"),
        }
        args
    }
}

/// The flags that every preset has.
pub(crate) const fn common(args: &PresetArgs) -> &CommonArgs {
    match args {
        PresetArgs::Game(args) => &args.common,
        PresetArgs::Rewind(args) => &args.common,
        PresetArgs::Echo(args) => &args.common,
        PresetArgs::Idle(args) => &args.common,
    }
}

const fn common_mut(args: &mut PresetArgs) -> &mut CommonArgs {
    match args {
        PresetArgs::Game(args) => &mut args.common,
        PresetArgs::Rewind(args) => &mut args.common,
        PresetArgs::Echo(args) => &mut args.common,
        PresetArgs::Idle(args) => &mut args.common,
    }
}
