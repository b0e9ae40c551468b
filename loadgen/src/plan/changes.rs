//! What the flags change in the phases of a plan file.

use super::{Phase, Phases, PlanError, PlanFile, Stages};
use crate::cli::RunArgs;

/// Connections of a plan file that names none, at its start.
const CONNS_DEFAULT: u32 = 1_000;

/// The phases of the file, with what the flags change.
///
/// # Errors
/// [`PlanError`] for a flag that no phase has a use for, or for a plan without a connection.
pub(super) fn phases(args: &RunArgs, file: &PlanFile) -> Result<Phases, PlanError> {
    let mut list = args.stages.as_ref().map_or_else(|| file.phases.clone(), Stages::phases);
    let given = |name: &'static str, changed: usize, value: String| {
        let problem = || format!("no phase of `run {}` has {name}, which this would change", file.title);
        (changed > 0).then_some(()).ok_or_else(|| PlanError::new(name, value, problem()))
    };
    if let Some(duration) = args.duration {
        let longest = list.iter().map(|phase| phase.duration).max().expect("a plan has a phase");
        let phase = list.iter_mut().find(|phase| phase.duration == longest).expect("it is in there");
        phase.duration = duration;
    }
    if let Some(rate_hz) = args.leave_rate {
        let changed = change(&mut list, |phase| &mut phase.leave_rate_hz, rate_hz);
        given("leave-rate", changed, rate_hz.to_string())?;
    }
    if let Some(share) = args.drop {
        let changed = change(&mut list, |phase| &mut phase.drop, share);
        given("drop", changed, share.to_string())?;
    }
    if let Some(backoff) = args.backoff {
        let changed = list.iter_mut().filter(|phase| phase.drop.is_some());
        let changed = changed.map(|phase| phase.backoff = Some(backoff)).count();
        given("backoff", changed, format!("{backoff:?}").to_lowercase())?;
    }
    if let Some(share) = args.stall_share {
        let changed = change(&mut list, |phase| &mut phase.stall_share, share);
        given("stall-share", changed, share.to_string())?;
    }
    // Whose first phase says where it leads, begins with nobody.
    let nobody = if list[0].conns.is_some() { 0 } else { CONNS_DEFAULT };
    let phases = Phases::new(list, args.place.conns.unwrap_or(nobody));
    if phases.conns_max() == 0 {
        let problem = "in no phase is there a connection; permitted is, for example, --stages 30s:1000,10s:0";
        return Err(PlanError { given: "conns".to_owned(), problem: problem.to_owned() });
    }
    Ok(phases)
}

/// Changes a setting wherever it is set; returns in how many phases.
fn change<T: Copy>(list: &mut [Phase], setting: impl Fn(&mut Phase) -> &mut Option<T>, to: T) -> usize {
    list.iter_mut().filter_map(|phase| setting(phase).as_mut().map(|setting| *setting = to)).count()
}
