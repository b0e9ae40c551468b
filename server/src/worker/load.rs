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
        let told = told(up, to.rung);
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
fn told(up: bool, to: Rung) -> String {
    let done = done(to);
    match (up, to) {
        (true, _) => format!(
            "ticks are late: now {done}; fewer players per worker, more workers or a cheaper game would help"
        ),
        (false, Rung::Normal) => format!("ticks are on time with time to spare: now {done}"),
        (false, _) => format!("ticks are on time with time to spare: a step back, but still {done}"),
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
        assert!(told(true, Rung::Dilation).starts_with("ticks are late: now time passes more slowly; "));
        let down = told(false, Rung::Dilation);
        assert!(
            down.ends_with("a step back, but still time passes more slowly") && !down.contains("now"),
            "{down}"
        );
        assert!(told(false, Rung::Normal).ends_with("with time to spare: now nothing is left out"));
    }
}
