//! Who may have a modelled link.

use std::time::Duration;

use super::{PlanError, Preset};
use crate::cli::LinkArgs;
use crate::link_model::{LinkModel, Stall};

/// The link of a run, if the command line names one.
///
/// # Errors
/// [`PlanError`] where a link has no meaning.
pub(super) fn of(args: LinkArgs, preset: &Preset, raw: bool) -> Result<Option<LinkModel>, PlanError> {
    let given = [
        ("--latency", args.latency.is_some()),
        ("--jitter", args.jitter.is_some()),
        ("--stall", args.stall.is_some()),
    ];
    let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(None) };
    if raw || !preset.plays() {
        let run = if raw { format!("{} --raw", preset.name()) } else { preset.name().to_owned() };
        return Err(PlanError {
            given: flag.to_owned(),
            problem: format!(
                "has no meaning with `run {run}`, which measures the server without a link in between; leave it \
                 out, or let bots play over the link: run game {flag} {}",
                if flag == "--latency" { "75ms" } else { "15ms" }
            ),
        });
    }
    let time = |given: Option<Duration>| given.unwrap_or_default();
    Ok(LinkModel::new(time(args.latency), time(args.jitter), args.stall.unwrap_or(Stall::NONE)))
}
