//! What is known when a run is over, gathered first so that judging is pure.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::AtomicBool;

use super::knock::{self, Knock};
use crate::budget::Demand;
use crate::doctor::Readings;
use crate::kernel::KernelCounters;
use crate::machine::Machine;
use crate::measure::errors::{Cause, ErrorTable, Stage};
use crate::plan::Plan;
use crate::report::Findings;
use crate::server_side::{self, Status, StatusTotals};
use crate::sources::Sources;

/// The signs of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signs {
    pub(crate) errors: ErrorTable,
    /// Connections asked for.
    pub(crate) conns: u64,
    pub(crate) connected: u64,
    /// Messages sent and received.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Messages of the window that were never answered.
    pub(crate) unanswered: u64,
    /// Whether they are plain bytes, without WebSocket.
    pub(crate) is_raw: bool,
    /// Whether they are a game's.
    pub(crate) plays: bool,
    /// What the run wants of the server, as the doctor reckons.
    pub(crate) demand: Option<Demand>,
    /// The address of the target, of several the one that does not answer, for commands.
    pub(crate) target: String,
    /// Whether the target is an address of this machine: then its kernel counters are the server's too.
    pub(crate) is_here: bool,
    /// Whether all targets are loopback: then both ends are open files here, as the doctor reckons.
    pub(crate) is_loopback: bool,
    /// The path given with the target, in place of the preset's own.
    pub(crate) path: Option<String>,
    /// Source addresses that ports are handed out from; `None`: the kernel chooses.
    pub(crate) sources: Option<usize>,
    pub(crate) interrupted: bool,
    /// Soft RLIMIT_NOFILE of this process.
    pub(crate) descriptors: Option<u64>,
    /// This machine's settings.
    pub(crate) here: Readings,
    pub(crate) kernel_before: KernelCounters,
    pub(crate) kernel_after: KernelCounters,
    /// The server's status before the first connection.
    pub(crate) status_before: Option<Status>,
    /// The newest one of the same process.
    pub(crate) status_after: Option<Status>,
    /// Whether another process answers than before the run.
    pub(crate) restarted: bool,
    /// Why figures of the server are missing, a sentence.
    pub(crate) gap: Option<String>,
    pub(crate) knock: Option<Knock>,
    /// The target that answered a TLS greeting with TLS, with its port.
    pub(crate) speaks_tls: Option<String>,
    /// How many targets the connections were shared out over.
    pub(crate) targets: u64,
}

impl Signs {
    /// Gathers them; knocks on the target and asks the server once more where that helps.
    pub(crate) fn gather(
        findings: &Findings,
        kernel_after: KernelCounters,
        interrupted: &AtomicBool,
    ) -> Self {
        let (plan, timeline) = (&*findings.plan, &findings.timeline);
        let mut errors = ErrorTable::default();
        findings.outcomes.iter().for_each(|outcome| errors.merge(&outcome.tally.errors));
        let tallies = || findings.outcomes.iter().map(|outcome| &outcome.tally);
        let before = (timeline.kernel_before.clone(), timeline.server_idle.status.clone());
        let mut signs = Self {
            sent: tallies().map(|tally| tally.counters.sent).sum(),
            received: tallies().map(|tally| tally.counters.received).sum(),
            unanswered: tallies().map(|tally| tally.unanswered).sum(),
            connected: tallies().map(|tally| tally.connections.connected).sum(),
            interrupted: timeline.interrupted,
            kernel_after,
            gap: timeline.server_gap.clone(),
            ..Self::before(plan, &findings.machine, before)
        };
        if (!errors.is_empty() || signs.leaves_unanswered()) && !timeline.interrupted {
            let at_the_end = timeline.server.last().and_then(|reading| reading.status.clone());
            signs.ask_again(plan, at_the_end, &errors, interrupted);
        }
        signs.errors = errors;
        signs
    }

    /// What is known before the first connection: with the kernel's counters, and the server's status if it told.
    pub(super) fn before(
        plan: &Plan,
        machine: &Machine,
        (kernel_before, status_before): (KernelCounters, Option<Status>),
    ) -> Self {
        let target = &plan.targets[0];
        Self {
            is_raw: plan.raw.is_some(),
            plays: plan.preset.plays(),
            demand: Some(Demand::of(plan)),
            conns: plan.conns.into(),
            target: target.address.to_string(),
            targets: plan.targets.len() as u64,
            is_here: is_here(target.address),
            is_loopback: plan.targets.iter().all(|target| target.address.ip().is_loopback()),
            sources: match &plan.sources {
                Sources::Kernel => None,
                Sources::Explicit(addresses) => Some(addresses.len()),
            },
            descriptors: machine.limits.descriptors,
            here: Readings::here(machine),
            kernel_after: kernel_before.clone(),
            kernel_before,
            status_before,
            path: target.other_path().cloned(),
            ..Self::default()
        }
    }

    /// What the server says now, and whether anybody is there.
    fn ask_again(
        &mut self,
        plan: &Plan,
        at_the_end: Option<Status>,
        errors: &ErrorTable,
        interrupted: &AtomicBool,
    ) {
        let is_worth_it = |(stage, cause, _): (Stage, &Cause, u64)| Knock::is_worth_it(stage, cause);
        if errors.counts().any(is_worth_it) {
            self.knock_on_all(plan);
        }
        if errors.counts().any(|(stage, cause, _)| knock::may_speak_tls(stage, cause)) {
            self.greet_all(plan);
        }
        if self.status_before.is_none() {
            return;
        }
        self.hear(at_the_end.or_else(|| {
            let is_gone = self.knock == Some(Knock::Refused);
            if is_gone { None } else { server_side::fetch_all(&plan.admins, interrupted).ok() }
        }));
    }

    /// What the server said last, unless that is another process by now.
    pub(super) fn hear(&mut self, now: Option<Status>) {
        let Some(before) = &self.status_before else { return };
        self.restarted = now.as_ref().is_some_and(|now| !now.continues(before));
        self.status_after = now.filter(|_| !self.restarted);
    }

    /// Knocks on the targets, up to the first that does not answer: that is the one to speak of.
    fn knock_on_all(&mut self, plan: &Plan) {
        for target in &plan.targets {
            let knock = Knock::on(target.address);
            if self.knock.is_none() || knock != Knock::Accepted {
                self.knock = Some(knock);
                self.target = target.address.to_string();
                self.is_here = is_here(target.address);
                self.path = target.other_path().cloned();
            }
            if knock != Knock::Accepted {
                return;
            }
        }
    }

    /// Greets the targets as TLS does, up to the first that answers so.
    fn greet_all(&mut self, plan: &Plan) {
        let found = plan.targets.iter().find(|target| knock::speaks_tls(target.address));
        self.speaks_tls = found.map(|target| target.address.to_string());
    }

    /// Of several targets each has its share of the connections: whether as many were refused as one has, which then never
    /// was there.
    pub(super) fn was_never_there(&self) -> bool {
        let is_refused =
            |(stage, cause, _): &(Stage, &Cause, u64)| *stage == Stage::Connect && cause.is_refused();
        let refused: u64 = self.errors.counts().filter(is_refused).map(|(_, _, count)| count).sum();
        self.targets > 1 && refused >= self.conns / self.targets
    }

    /// Whether connections were ready, and no message at all was answered. Who interrupts a run does not know what would
    /// have come.
    pub(super) fn is_mute(&self) -> bool {
        self.received == 0 && self.leaves_unanswered()
    }

    /// Whether messages of the window were never answered. Of an interrupted run nobody knows whether they were.
    pub(super) fn leaves_unanswered(&self) -> bool {
        self.unanswered > 0 && !self.interrupted
    }

    /// How much a counter of the kernel grew during the run; 0 where it is not known.
    pub(super) fn grown(&self, pick: fn(&KernelCounters) -> Option<u64>) -> u64 {
        let (before, after) = (pick(&self.kernel_before), pick(&self.kernel_after));
        before.zip(after).map_or(0, |(before, after)| after.saturating_sub(before))
    }

    /// How much a counter of the server grew during the run; 0 where it is not known.
    pub(super) fn served(&self, pick: fn(&StatusTotals) -> u64) -> u64 {
        let (before, after) = (self.status_before.as_ref(), self.status_after.as_ref());
        before
            .zip(after)
            .map_or(0, |(before, after)| pick(&after.totals).saturating_sub(pick(&before.totals)))
    }

    /// Connections that the machine with the listener found no room for, in its accept queue and altogether; `None`
    /// where nobody tells.
    pub(super) fn unaccepted(&self) -> Option<(u64, u64)> {
        let pair = |overflows: [Option<u64>; 2], drops: [Option<u64>; 2]| {
            let grown = |[before, after]: [Option<u64>; 2]| Some(after?.saturating_sub(before?));
            Some((grown(overflows)?, grown(drops).unwrap_or(0)))
        };
        if self.is_here {
            let (before, after) = (&self.kernel_before, &self.kernel_after);
            return pair(
                [before.listen_overflows, after.listen_overflows],
                [before.listen_drops, after.listen_drops],
            );
        }
        let (before, after) = (&self.status_before.as_ref()?.tcp, &self.status_after.as_ref()?.tcp);
        pair([before.listen_overflows, after.listen_overflows], [before.listen_drops, after.listen_drops])
    }

    /// A setting of the machine with the listener.
    pub(super) fn setting_there(&self, name: &str) -> Option<u64> {
        if self.is_here { self.here.number(name) } else { self.status()?.machine.as_ref()?.number(name) }
    }

    /// The server's status, the newest first.
    pub(super) fn status(&self) -> Option<&Status> {
        self.status_after.as_ref().or(self.status_before.as_ref())
    }
}

/// Whether an address is one of this machine's: only then a socket can be bound to it.
fn is_here(address: SocketAddr) -> bool {
    UdpSocket::bind(SocketAddr::new(address.ip(), 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_are_known() {
        assert!(is_here("127.0.0.9:1".parse().unwrap()));
        // 192.0.2.0/24 is nobody's (RFC 5737).
        assert!(!is_here("192.0.2.1:1".parse().unwrap()));
    }
}
