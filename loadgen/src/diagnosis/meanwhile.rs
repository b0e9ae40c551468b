//! What can be told of the errors while the run lasts: in the report's words, by the signs there are so far.

use crate::kernel::KernelCounters;
use crate::machine::Machine;
use crate::measure::errors::{ErrorLine, ErrorTable, Stage};
use crate::plan::Plan;
use crate::server_side::Status;
use crate::shared::LiveReading;

use super::knock::Knock;
use super::signs::Signs;

/// Nobody is asked and nobody is knocked on: a run that is measured is left alone. So what takes an answer to tell may be
/// told otherwise afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Meanwhile {
    signs: Signs,
}

impl Meanwhile {
    /// Of a run whose first connection has not been made, with the kernel's counters and the server's status by then.
    pub(crate) fn new(
        plan: &Plan,
        machine: &Machine,
        kernel: KernelCounters,
        status: Option<Status>,
    ) -> Self {
        Self { signs: Signs::before(plan, machine, (kernel, status)) }
    }

    /// The server has been read again.
    pub(crate) fn hear(&mut self, status: Option<&Status>) {
        if status.is_some() {
            self.signs.hear(status.cloned());
        }
    }

    /// The lines of what has gone wrong so far; nothing is read where nothing has.
    pub(crate) fn lines(&self, errors: ErrorTable, now: &LiveReading, interrupted: bool) -> Vec<ErrorLine> {
        if errors.is_empty() {
            return Vec::new();
        }
        super::lines(&self.signs_of(errors, now, KernelCounters::read(), interrupted))
    }

    /// What is known by now.
    fn signs_of(
        &self,
        errors: ErrorTable,
        now: &LiveReading,
        kernel_after: KernelCounters,
        interrupted: bool,
    ) -> Signs {
        let is_refused =
            errors.counts().any(|(stage, cause, _)| stage == Stage::Connect && cause.is_refused());
        Signs {
            connected: now.connected,
            sent: now.sent,
            received: now.received,
            unanswered: now.unanswered,
            interrupted,
            kernel_after,
            // Its own connections knock: there was somebody, and then there was nobody.
            knock: (is_refused && now.connected > 0).then_some(Knock::Refused),
            errors,
            ..self.signs.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::cli::Cli;
    use crate::diagnosis::{Diagnosis, diagnose};
    use crate::doctor::Readings;
    use crate::measure::errors::Cause;

    fn meanwhile(flags: &str) -> Meanwhile {
        let plan = Cli::plan(flags.split_whitespace()).unwrap();
        Meanwhile::new(&plan, &Machine::read(), KernelCounters::default(), None)
    }

    /// The only line, and what the report says when nothing else becomes known.
    fn told(of: &Meanwhile, stage: Stage, cause: Cause, kernel: KernelCounters) -> (ErrorLine, Diagnosis) {
        let mut errors = ErrorTable::default();
        errors.add_many(stage, cause, 10);
        let now = LiveReading { connected: 10, ..LiveReading::default() };
        let signs = of.signs_of(errors, &now, kernel, false);
        (super::super::lines(&signs).remove(0), diagnose(&signs).remove(0))
    }

    #[test]
    fn the_words_are_the_reports_with_the_numbers_of_this_run() {
        let mut meanwhile = meanwhile("echo --conns 20 --target ws://127.0.0.1:9001");
        // Not those of the machine that the test is on.
        let tracked = [("net.netfilter.nf_conntrack_max".to_owned(), "1000".to_owned())];
        meanwhile.signs.here = Readings { sysctls: tracked.into(), ..Readings::default() };
        let full = KernelCounters { conntrack_count: Some(1_000), ..KernelCounters::default() };
        let (line, found) = told(&meanwhile, Stage::Connect, Cause::Timeout, full);
        assert_eq!((line.side, &*line.remedy), (found.side, &*found.remedy));
        assert!(line.remedy.contains("nf_conntrack_max=8217"), "{line:?}");
        let gone = Cause::Errno(Errno::CONNREFUSED.raw_os_error());
        let (line, found) = told(&meanwhile, Stage::Connect, gone, KernelCounters::default());
        assert_eq!((found.class, &*line.remedy), ("server-gone", &*found.remedy), "somebody was there");
    }

    #[test]
    fn what_the_server_says_on_the_way_counts() {
        let mut meanwhile = meanwhile("game --conns 20 --target ws://127.0.0.1:9001");
        let of = |hand_overs_failed| {
            let mut status = Status { pid: Some(7), uptime_s: Some(1.0), ..Status::default() };
            status.totals.hand_overs_failed = hand_overs_failed;
            status
        };
        meanwhile.signs.status_before = Some(of(0));
        meanwhile.hear(Some(&of(3)));
        meanwhile.hear(None);
        let (line, found) = told(&meanwhile, Stage::Upgrade, Cause::Http(503), KernelCounters::default());
        assert_eq!((found.class, &*line.remedy), ("worker-full", &*found.remedy));
    }
}
