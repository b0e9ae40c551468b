//! The command line of each trial: the preset's as given, with one value changed.

use std::time::Duration;

use crate::cli::PresetArgs;
use crate::cli::find::Over;
use crate::plan::{PlanError, PlanFile, TrafficName};

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
    /// What loads are, in words.
    pub(crate) unit: &'static str,
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
    pub(crate) fn of(args: &PresetArgs, file: &PlanFile, over: Over) -> Result<Self, PlanError> {
        let unit = match (over, args) {
            (Over::Conns, _) => "connections",
            (Over::Rate, PresetArgs::Handshake(_)) => "upgrades a second",
            (Over::Rate, _) => "messages a second and connection",
        };
        let scale = |units, grain, least, most, first| Self { over, units, grain, least, most, first, unit };
        let chosen = |flag: &str, value: String| {
            let problem = format!(
                "the search chooses it; leave it out, and bound it with --from and --to: \
                                   find --over {}",
                if over == Over::Conns { "conns --from 100" } else { "rate --from 10" }
            );
            Err(PlanError::new(flag, value, problem))
        };
        let flags = args.args();
        if over == Over::Conns {
            if let Some(conns) = flags.place.conns {
                return chosen("conns", conns.to_string());
            }
            if flags.stages.is_some() || file.phases.iter().any(|phase| phase.conns.is_some()) {
                let problem =
                    "the phases choose the connections; search a plan whose phases leave them alone";
                return Err(PlanError::new("over", "conns", problem));
            }
            let (grain, first) = if matches!(args, PresetArgs::Rewind(_)) { (2, 40) } else { (1, 100) };
            let workers = u64::from(flags.place.workers).next_multiple_of(grain);
            return Ok(scale(1, grain, grain, CONNS_MAX, workers.max(first)));
        }
        if let Some(rate) = flags.rate {
            return chosen("rate", rate.to_string());
        }
        let traffic = flags.traffic.unwrap_or(TrafficName::of(args)?);
        match (args, traffic) {
            (PresetArgs::Handshake(_), _) => match flags.leave_rate {
                Some(rate) => chosen("leave-rate", rate.to_string()),
                None => Ok(scale(1, 1, 1, 1_000_000, 100)),
            },
            (_, TrafficName::Echo) if !flags.closed => {
                Ok(scale(ECHO_UNITS, 1, 1, 1_000_000 * u64::from(ECHO_UNITS), 10 * u64::from(ECHO_UNITS)))
            }
            (_, TrafficName::Game) => Ok(scale(1, 1, 1, 1_000, 10)),
            _ => Err(PlanError::new(
                "over",
                "rate",
                "only game and echo traffic without --closed have a rate, and handshake; permitted here is --over conns, \
                 for example find echo --over rate --conns 100",
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
        match (self.over, load) {
            (Over::Conns, 1) => "1 connection".to_owned(),
            _ => format!("{} {}", self.shown(load), self.unit),
        }
    }

    /// The flag that a load is the value of.
    pub(crate) const fn flag(self, args: &PresetArgs) -> &'static str {
        match (self.over, args) {
            (Over::Conns, _) => "conns",
            (Over::Rate, PresetArgs::Handshake(_)) => "leave-rate",
            (Over::Rate, _) => "rate",
        }
    }

    /// The command line of a trial. Its report is the search's, so it writes none.
    pub(crate) fn apply(self, args: &PresetArgs, load: u64, step: Option<Duration>) -> PresetArgs {
        let mut args = args.clone();
        let whole = u32::try_from(load).expect("bounded by what the flags permit");
        let is_handshake = matches!(args, PresetArgs::Handshake(_));
        let flags = args.args_mut();
        flags.duration = step;
        flags.out.clear();
        match self.over {
            Over::Conns => flags.place.conns = Some(whole),
            Over::Rate if is_handshake => flags.leave_rate = Some(f64::from(whole)),
            Over::Rate => flags.rate = Some(self.shown(load)),
        }
        args
    }
}
