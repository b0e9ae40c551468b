//! How long to sleep, and how many completions to let gather.
//!
//! An input matters at the next tick, so while everybody plays nothing is gained by waking before
//! it. Somebody who shakes hands, pings, closes or echoes waits for an answer: then completions
//! gather for `gather` at most.

use std::time::Duration;

use tickring_ring::Wait;
use tickring_room::Game;

use super::Worker;
use super::waiting::RETRY_NS;
use crate::error::ServerError;
use crate::session::Now;

/// Without a tick in sight completions are never held back longer than this.
const GATHER_NS_MAX: u64 = 20_000_000;
/// Waking early is pointless for less than this, and never done for more than `LEAD_NS_MAX`.
const LEAD_NS_MIN: u64 = 40_000;
const LEAD_NS_MAX: u64 = 1_000_000;

/// How long before a tick the worker wakes to take in what has gathered.
///
/// The kernel copies gathered bytes into buffers when the sleep ends, and only then returns. Slept to
/// the deadline itself, that time would be the tick's lateness. It is measured: by how much a sleep
/// towards a tick overran.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lead {
    mean_ns: u64,
}

impl Lead {
    /// A sleep meant to end at `planned_ns` ended at `woken_ns`. One that ended early says nothing.
    fn learn(&mut self, planned_ns: u64, woken_ns: u64) {
        if let Some(overrun_ns) = woken_ns.checked_sub(planned_ns) {
            let overrun_ns = overrun_ns.min(LEAD_NS_MAX);
            self.mean_ns = (self.mean_ns * 7 + overrun_ns) / 8;
        }
    }

    /// A quarter more than the mean: half of all sleeps would be late with the mean itself.
    fn ns(self) -> u64 {
        let lead_ns = self.mean_ns + self.mean_ns / 4;
        if lead_ns < LEAD_NS_MIN { 0 } else { lead_ns.min(LEAD_NS_MAX) }
    }
}

/// A sleep whose completions have not been counted yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slept {
    wait: Wait,
    ns: u64,
    completions_before: u64,
}

/// What the length of a sleep depends on.
#[derive(Clone, Copy, Debug)]
struct Moment {
    now: Now,
    /// The next tick of any room, ns.
    tick_ns: Option<u64>,
    /// The next session deadline, ms.
    timer_ms: Option<u64>,
    /// Somebody waits for an answer.
    interactive: bool,
    /// The last pass has put some off who come or go.
    crowded: bool,
    /// Longest gathering while somebody does.
    gather_ns: u64,
    /// Completions worth waking for.
    want: u32,
    /// Completions worth waking for while somebody waits for an answer.
    batch: u32,
    /// How much earlier than a tick to take in what has gathered, ns.
    lead_ns: u64,
}

/// How to wait, and whether it is the long sleep before a tick (whose overrun [`Lead`] learns from).
fn decide(moment: Moment) -> (Wait, bool) {
    if moment.crowded {
        // Not slept, and all that the kernel has is taken in: inputs of those who play are among it.
        return (Wait { timeout: Some(Duration::ZERO), want: moment.want, gather: Duration::ZERO }, false);
    }
    let until_tick_ns = moment.tick_ns.map(|at| at.saturating_sub(moment.now.ns));
    let until_timer_ns = moment.timer_ms.map(|at| (at * 1_000_000).saturating_sub(moment.now.ns));
    let timeout_ns = match (until_tick_ns, until_timer_ns) {
        (Some(tick), Some(timer)) => Some(tick.min(timer)),
        (one, other) => one.or(other),
    };
    let playing = until_tick_ns.filter(|&tick| !moment.interactive && tick <= GATHER_NS_MAX);
    let towards_tick = playing.is_some() && timeout_ns == until_tick_ns;
    let mut gather_ns = playing.unwrap_or(moment.gather_ns);
    let mut timeout_ns = timeout_ns;
    let mut long = false;
    if let Some(early_ns) = playing.filter(|_| towards_tick).and_then(|tick| tick.checked_sub(moment.lead_ns))
        && early_ns > moment.lead_ns
    {
        (gather_ns, timeout_ns, long) = (early_ns, Some(early_ns), true);
    }
    let wait = Wait {
        timeout: timeout_ns.map(Duration::from_nanos),
        want: if playing.is_some() { moment.want } else { moment.batch },
        gather: Duration::from_nanos(gather_ns),
    };
    (wait, long)
}

impl<G: Game> Worker<G> {
    /// Sends what is queued, sleeps as long as there is nothing to do, and reads the clock.
    pub(super) fn sleep(&mut self) -> Result<Now, ServerError> {
        let started_ns = self.clock.now_ns();
        let completions = self.ring.counters().completions;
        if let Some(slept) = self.slept.take() {
            self.batch.learn(&slept.wait, slept.ns, completions - slept.completions_before);
        }
        let (mut wait, long) = decide(Moment {
            now: Now::from_ns(started_ns),
            tick_ns: self.stage.rooms.next_deadline_ns(),
            timer_ms: self.stage.next_timer_ms(),
            interactive: self.stage.sessions.any_interactive(),
            crowded: self.stage.sessions.any_at_the_door(),
            gather_ns: self.gather_ns,
            want: self.want,
            batch: self.batch.expected(),
            lead_ns: self.lead.ns(),
        });
        if let Some(drain) = self.drain {
            let left = Duration::from_nanos(drain.deadline_ns.saturating_sub(self.clock.now_ns()));
            wait.timeout = Some(wait.timeout.map_or(left, |timeout| timeout.min(left)));
        }
        if self.moves.waiting.anybody() {
            let retry = Duration::from_nanos(RETRY_NS);
            wait.timeout = Some(wait.timeout.map_or(retry, |timeout| timeout.min(retry)));
        }
        // Beside rooms that tick, a wait must not take in everybody who came.
        self.ring.accept_few(self.stage.rooms.next_deadline_ns().is_some());
        if !self.mailbox.fall_asleep() {
            wait.timeout = Some(Duration::ZERO);
        }
        let result = self.ring.wait(&wait);
        self.mailbox.wake();
        result.map_err(|source| ServerError::RingFailed { worker: self.index, source })?;
        let woken_ns = self.clock.now_ns();
        if let Some(timeout) = wait.timeout.filter(|_| long) {
            self.lead.learn(started_ns + u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX / 2), woken_ns);
        }
        // What a wait for a tick brought says nothing about those who wait for answers.
        let for_answers = self.stage.sessions.any_interactive()
            && wait.timeout.is_none_or(|timeout| timeout >= wait.gather);
        self.slept =
            for_answers.then_some(Slept { wait, ns: woken_ns - started_ns, completions_before: completions });
        Ok(Now::from_ns(woken_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment() -> Moment {
        Moment {
            now: Now::from_ns(1_000_000_000),
            tick_ns: None,
            timer_ms: None,
            interactive: false,
            crowded: false,
            gather_ns: 500_000,
            want: 256,
            batch: 20,
            lead_ns: 0,
        }
    }

    #[test]
    fn players_alone_are_gathered_until_the_tick() {
        let (wait, _) = decide(Moment { tick_ns: Some(1_009_000_000), timer_ms: Some(4_000), ..moment() });
        assert_eq!(wait.timeout, Some(Duration::from_millis(9)));
        assert_eq!(wait.gather, Duration::from_millis(9));
    }

    #[test]
    fn what_gathered_is_taken_in_before_the_tick() {
        let (wait, long) = decide(Moment { tick_ns: Some(1_009_000_000), lead_ns: 200_000, ..moment() });
        assert_eq!((wait.timeout, long), (Some(Duration::from_micros(8_800)), true));
        assert_eq!(wait.gather, Duration::from_micros(8_800));
        let (wait, long) = decide(Moment { tick_ns: Some(1_000_200_000), lead_ns: 200_000, ..moment() });
        assert_eq!((wait.timeout, long), (Some(Duration::from_micros(200)), false));
    }

    #[test]
    fn the_lead_follows_the_overrun() {
        let mut lead = Lead::default();
        assert_eq!(lead.ns(), 0);
        for _ in 0..100 {
            lead.learn(1_000_000, 1_400_000);
            lead.learn(1_000_000, 900_000);
        }
        assert!((480_000..=500_000).contains(&lead.ns()), "{}", lead.ns());
        for _ in 0..100 {
            lead.learn(1_000_000, 1_001_000);
        }
        assert_eq!(lead.ns(), 0, "too little to wake early for");
    }

    #[test]
    fn somebody_who_waits_bounds_the_gathering() {
        let (wait, _) = decide(Moment { tick_ns: Some(1_009_000_000), interactive: true, ..moment() });
        assert_eq!(wait.timeout, Some(Duration::from_millis(9)));
        assert_eq!(wait.gather, Duration::from_micros(500));
        assert_eq!(wait.want, 20, "and does not wait for more than usually comes");
    }

    #[test]
    fn without_rooms_a_newcomer_is_not_kept_waiting() {
        let (wait, _) = decide(moment());
        assert_eq!(wait.timeout, None);
        assert_eq!(wait.gather, Duration::from_micros(500));
    }

    #[test]
    fn those_who_were_put_off_are_not_slept_over() {
        let tick_ns = Some(1_009_000_000);
        let crowded = Moment { tick_ns, interactive: true, crowded: true, lead_ns: 200_000, ..moment() };
        let (wait, long) = decide(crowded);
        assert_eq!((wait.timeout, long), (Some(Duration::ZERO), false));
        assert_eq!(wait.want, 256, "as much as can be read warm, not only what usually comes");
    }

    #[test]
    fn what_is_overdue_is_not_slept_over() {
        let (wait, _) = decide(Moment { tick_ns: Some(999_999_999), timer_ms: Some(500), ..moment() });
        assert_eq!(wait.timeout, Some(Duration::ZERO));
    }
}
