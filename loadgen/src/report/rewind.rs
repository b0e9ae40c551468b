//! What the rewind probe found, and what it proves.

use std::fmt::Write;

use serde::Serialize;

use super::figures::share;
use crate::forge::Forge;
use crate::lead::Timeline;
use crate::measure::tally::Probe;
use crate::plan::{Plan, Preset};
use crate::server_side::{Status, StatusViews};

/// With lag compensation at least this share of the shots aimed true must hit.
const GRANTED_MIN: f64 = 0.99;
/// Without it at most this share may: the target is somewhere else by then.
const PRESENT_MAX: f64 = 0.05;

/// The probe's figures, of the measuring window.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Rewind {
    /// How the marksmen lied.
    forge: Option<Forge>,
    /// Whether the server says that it compensates; `null`: it does not say.
    lag_compensation: Option<bool>,
    /// The farthest it looks back.
    rewind_ms_max: Option<u64>,
    fired: u64,
    /// Shots of which the server said what it made of them; all below are of these.
    judged: u64,
    /// Aimed at the target as the marksman really saw it.
    aimed_true: u64,
    /// Of those aimed true, hits granted by the server.
    granted: u64,
    granted_share: Option<f64>,
    /// Shots that meet the target where it stood when the server judged them.
    present: u64,
    present_share: Option<f64>,
    /// Not aimed true, but at the target as it was within the server's tolerance of what was seen.
    near: u64,
    /// Of those near, hits granted.
    near_granted: u64,
    /// Hits granted to shots that were aimed elsewhere.
    gained: u64,
    /// View times that the server did not believe, all its players together.
    views: Option<Views>,
}

/// By what was wrong with them.
#[derive(Clone, Copy, Debug, Serialize)]
struct Views {
    backwards: u64,
    future: u64,
    too_old: u64,
    implausible: u64,
}

impl Views {
    const fn sum(self) -> u64 {
        self.backwards + self.future + self.too_old + self.implausible
    }

    fn between(start: Option<&Status>, end: Option<&Status>) -> Option<Self> {
        let views = |status: Option<&Status>| status?.totals.inputs;
        let (start, end) = (views(start)?, views(end)?);
        let since = |pick: fn(&StatusViews) -> u64| pick(&end).saturating_sub(pick(&start));
        Some(Self {
            backwards: since(|views| views.view_backwards),
            future: since(|views| views.view_future),
            too_old: since(|views| views.view_too_old),
            implausible: since(|views| views.view_implausible),
        })
    }
}

impl Rewind {
    /// The figures of a run; `None` for the other presets.
    pub(super) fn of(plan: &Plan, probe: Probe, timeline: &Timeline) -> Option<Self> {
        let Preset::Rewind { forge, .. } = plan.preset else { return None };
        let start = timeline.server.first().and_then(|reading| reading.status.as_ref());
        let end = timeline.server.last().and_then(|reading| reading.status.as_ref());
        Some(Self {
            forge,
            lag_compensation: end.and_then(|status| status.lag_compensation),
            rewind_ms_max: end.and_then(|status| status.rewind_ms_max),
            fired: probe.fired,
            judged: probe.judged,
            aimed_true: probe.aimed_true,
            granted: probe.granted,
            granted_share: share(probe.granted, probe.aimed_true),
            present: probe.present,
            present_share: share(probe.present, probe.judged),
            near: probe.near,
            near_granted: probe.near_granted,
            gained: probe.gained,
            views: Views::between(start, end),
        })
    }

    /// What must not be, in words: a lie that pays, or one that is not noticed.
    pub(super) fn wrong(&self) -> Vec<String> {
        let Some(forge) = self.forge else { return Vec::new() };
        let mut wrong = Vec::new();
        if self.gained > 0 {
            let name = forge.name();
            wrong.push(format!("{} hits were gained by declaring a view time that was {name}", self.gained));
        }
        if self.judged > 0 && self.views.is_some_and(|views| views.sum() == 0) {
            wrong.push("the server counted no forged view time as such".to_owned());
        }
        wrong
    }

    /// What was to be shown and was not, in words.
    pub(super) fn unproved(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.judged == 0 {
            reasons.push(
                "no shot was judged: a longer --duration, or a server with another --seed, if its map has no lane"
                    .to_owned(),
            );
        }
        let share = self.granted_share.filter(|_| self.forge.is_none());
        match (self.lag_compensation, share) {
            (Some(true), Some(share)) if share < GRANTED_MIN => {
                reasons.push(format!(
                    "only {:.1}% of the shots aimed true hit; with lag compensation {:.0}% must{}",
                    share * 100.0,
                    GRANTED_MIN * 100.0,
                    self.hint()
                ));
            }
            (Some(false), Some(share)) if share > PRESENT_MAX => {
                reasons.push(format!(
                    "{:.1}% of the shots aimed true hit; without lag compensation at most {:.0}% may",
                    share * 100.0,
                    PRESENT_MAX * 100.0
                ));
            }
            _ => {}
        }
        reasons
    }

    /// Why views that are honest may not be granted.
    fn hint(&self) -> String {
        let too_old = self.views.map_or(0, |views| views.too_old);
        match self.rewind_ms_max {
            Some(ms) if too_old > 0 => format!(
                " ({too_old} views were older than the {ms} ms the server looks back: its room.rewind_max)"
            ),
            _ => String::new(),
        }
    }

    /// The table of the summary.
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        let mode = match (self.lag_compensation, self.rewind_ms_max) {
            (Some(true), Some(ms)) => format!("on, looks back {ms} ms at most"),
            (Some(true), None) => "on".to_owned(),
            (Some(false), _) => "off".to_owned(),
            (None, _) => "not known: no admin endpoint".to_owned(),
        };
        writeln!(out, "  rewind       lag compensation {mode}")?;
        if let Some(forge) = self.forge {
            writeln!(out, "               the marksmen declare a view time that is {}", forge.name())?;
        }
        let lost = self.fired.saturating_sub(self.judged);
        writeln!(
            out,
            "               {} shots judged, {lost} of {} not yet or never",
            self.judged, self.fired
        )?;
        writeln!(out, "               {:<34}{:>8}{:>8}{:>9}", "", "shots", "hits", "share")?;
        let mut row = |name: &str, shots: u64, hits: u64| {
            let share = share(hits, shots).map_or("-".to_owned(), |share| format!("{:.1}%", share * 100.0));
            writeln!(out, "               {name:<34}{shots:>8}{hits:>8}{share:>9}")
        };
        row("granted, aimed at what was seen", self.aimed_true, self.granted)?;
        row("granted, aimed near it", self.near, self.near_granted)?;
        row("granted, aimed elsewhere", self.judged - self.aimed_true - self.near, self.gained)?;
        row("would hit in the present", self.judged, self.present)?;
        if let Some(views) = self.views {
            writeln!(
                out,
                "               views moved: {} implausible, {} too old, {} in the future, {} backwards",
                views.implausible, views.too_old, views.future, views.backwards
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn honest(lag_compensation: Option<bool>, aimed_true: u64, granted: u64) -> Rewind {
        Rewind {
            forge: None,
            lag_compensation,
            rewind_ms_max: Some(250),
            fired: aimed_true,
            judged: aimed_true,
            aimed_true,
            granted,
            granted_share: share(granted, aimed_true),
            present: 0,
            present_share: share(0, aimed_true),
            near: 0,
            near_granted: 0,
            gained: 0,
            views: Some(Views { backwards: 0, future: 0, too_old: 0, implausible: 0 }),
        }
    }

    #[test]
    fn each_mode_has_its_share() {
        for (mode, granted, proved) in [
            (Some(true), 990, true),
            (Some(true), 989, false),
            (Some(false), 50, true),
            (Some(false), 51, false),
            (None, 500, true),
        ] {
            let rewind = honest(mode, 1_000, granted);
            assert_eq!(rewind.unproved().is_empty(), proved, "{mode:?} {granted}: {:?}", rewind.unproved());
            assert!(rewind.wrong().is_empty());
        }
        assert!(honest(Some(true), 0, 0).unproved()[0].contains("no shot was judged"));
    }

    #[test]
    fn a_look_back_that_is_too_short_is_named() {
        let views = Some(Views { too_old: 7, backwards: 0, future: 0, implausible: 0 });
        let reasons = Rewind { views, ..honest(Some(true), 100, 3) }.unproved();
        assert!(reasons[0].contains("only 3.0%") && reasons[0].contains("250 ms"), "{reasons:?}");
        assert!(reasons[0].contains("room.rewind_max"), "{reasons:?}");
    }

    #[test]
    fn a_lie_must_not_pay_and_must_be_noticed() {
        let noticed = Some(Views { future: 9, backwards: 0, too_old: 0, implausible: 0 });
        let lie = Rewind { forge: Some(Forge::Future), aimed_true: 0, ..honest(Some(true), 9, 0) };
        assert!(lie.wrong()[0].contains("counted no forged view time"), "{:?}", lie.wrong());
        let lie = Rewind { views: noticed, ..lie };
        assert!(lie.wrong().is_empty() && lie.unproved().is_empty());
        let paid = Rewind { gained: 2, ..lie };
        assert!(paid.wrong()[0].contains("2 hits were gained") && paid.wrong()[0].contains("future"));
    }

    #[test]
    fn the_table_names_the_mode_and_every_share() {
        let mut text = String::new();
        honest(Some(true), 200, 199).write(&mut text).unwrap();
        for part in
            ["lag compensation on, looks back 250 ms", "99.5%", "would hit in the present", "0 too old"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        text.clear();
        Rewind { views: None, ..honest(None, 0, 0) }.write(&mut text).unwrap();
        assert!(text.contains("not known: no admin endpoint") && !text.contains("views moved"), "{text}");
    }
}
