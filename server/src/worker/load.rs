//! Looking at the load twice a second, and telling the operator what is done about it.

use tickring_room::Game;

use super::Worker;
use crate::clock::Clock;
use crate::rooms::overload::{Move, Rung};
use crate::session::Now;

impl<G: Game> Worker<G> {
    /// Weighs the load when it is time to. `now` is that of the pass.
    pub(super) fn weigh_load(&mut self, now: Now) {
        if !self.stage.rooms.load_is_due(now.ns) {
            return;
        }
        // The ticks of this pass have taken their time.
        let now_ns = self.clock.now_ns();
        if let Some(moved) = self.stage.rooms.weigh(now_ns, Clock::thread_worked_ns()) {
            self.tell(moved, now_ns);
        }
    }

    fn tell(&mut self, Move { up, to, load }: Move, now_ns: u64) {
        // Each rung is told when it is reached, and its further steps once a second.
        let Some(left_out) = self.limiter.allow(done(to.rung), now_ns) else { return };
        let (worker, rung, relief) = (self.index, to.rung as u8, to.relief);
        let (late_percent, busy_percent) = (load.late_percent, load.busy_percent);
        let dilation_percent = u32::from(relief.time_dilation) * 100 / 255;
        let (far_every, budget_divisor) = (relief.far_every, relief.budget_divisor);
        let told = told(up, to.rung, busy_percent);
        // The end of it too is for those who read warnings only.
        tracing::warn!(
            worker,
            rung,
            late_percent,
            busy_percent,
            far_every,
            budget_divisor,
            dilation_percent,
            left_out,
            "{told}"
        );
    }
}

/// A move in words. On the way down, what is still done may be done less than before: a rung may have several steps.
fn told(up: bool, to: Rung, busy_percent: u64) -> String {
    let done = done(to);
    match (up, to) {
        (true, _) => format!("ticks are late: now {done}; {}", advice(busy_percent)),
        (false, Rung::Normal) => format!("ticks are on time with time to spare: now {done}"),
        (false, _) => format!("ticks are on time with time to spare: a step back, but still {done}"),
    }
}

/// What would make ticks come on time. A worker that was late but hardly ran lacks no speed.
const fn advice(busy_percent: u64) -> &'static str {
    if busy_percent < 50 {
        "the worker hardly ran: its processor is shared with other programs, or time was stolen by the host; \
         give it a processor of its own"
    } else {
        "fewer players per worker, more workers or a cheaper game would help"
    }
}

/// What a rung does, beside those below it.
const fn done(rung: Rung) -> &'static str {
    match rung {
        Rung::Normal => "nothing is left out",
        Rung::Far => "far cells are sent less often",
        Rung::Budget => "players are sent fewer bytes",
        Rung::Dilation => "time passes more slowly",
        Rung::Joins => "nobody is taken in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_down_does_not_sound_like_one_up() {
        assert!(told(true, Rung::Dilation, 90).starts_with("ticks are late: now time passes more slowly; "));
        let down = told(false, Rung::Dilation, 90);
        assert!(
            down.ends_with("a step back, but still time passes more slowly") && !down.contains("now"),
            "{down}"
        );
        assert!(told(false, Rung::Normal, 9).ends_with("with time to spare: now nothing is left out"));
    }

    #[test]
    fn a_worker_that_hardly_ran_is_not_told_to_do_less() {
        let (starved, busy) = (told(true, Rung::Far, 49), told(true, Rung::Far, 50));
        assert!(
            starved.contains("a processor of its own") && !starved.contains("fewer players"),
            "{starved}"
        );
        assert!(busy.contains("fewer players") && !busy.contains("a processor of its own"), "{busy}");
    }
}
