//! Deadlines of a session: the handshake, silence, a reader that does not read, a Close unanswered.

use tickring_protocol::websocket::{self, OpCode};
use tickring_room::Game;

use super::{Context, Ending, Peer, Rules, Session, State};

/// Milliseconds from `then` to `now`. Session times are 32 bit and wrap after 49 days; a difference
/// is right as long as it is below 24 days, and no deadline here is longer than minutes.
pub(crate) fn elapsed_ms(now_ms: u32, then_ms: u32) -> u32 {
    let elapsed = now_ms.wrapping_sub(then_ms);
    // A time slightly in the future (a deadline set by another clock reading) is no time at all.
    if elapsed > u32::MAX / 2 { 0 } else { elapsed }
}

/// How often a connection that waits for its reader is looked at.
const STALL_CHECK_MS: u32 = 2_500;
/// Up to this part of the ping interval is taken off it, by slot, so that idle connections that came
/// together are not pinged together.
const PING_JITTER_PART: u32 = 8;

impl Session {
    /// The wheel has come to this session: acts on what is due.
    pub(crate) fn timer_due<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        self.peer.check(cx);
    }

    /// The wheel entry that just came up is the one that counts; entries left over from deadlines
    /// that moved closer are not.
    pub(crate) fn timer_is_due(&self, now_ms: u32) -> bool {
        self.is_occupied() && now_ms.wrapping_sub(self.peer.timer_ms) <= u32::MAX / 2
    }

    /// In how many ms this session must be looked at, when the wheel has to be told: its entry
    /// `came_up`, or the deadline moved closer.
    pub(crate) fn reschedule(&mut self, rules: &Rules, now_ms: u32, came_up: bool) -> Option<u32> {
        let wait_ms = self.peer.next_check_ms(rules, now_ms);
        let at_ms = now_ms.wrapping_add(wait_ms);
        let sooner = elapsed_ms(self.peer.timer_ms, at_ms) > 0;
        (came_up || sooner).then(|| {
            self.peer.timer_ms = at_ms;
            wait_ms
        })
    }
}

impl Peer {
    fn ping_after_ms(&self, rules: &Rules) -> u32 {
        // A multiple of the golden ratio spreads neighbours (Knuth, vol. 3, section 6.4).
        let spread = self.slot.wrapping_mul(0x9e37_79b1) >> 8;
        rules.ping_after_ms - spread % (rules.ping_after_ms / PING_JITTER_PART + 1)
    }

    fn next_check_ms(&self, rules: &Rules, now_ms: u32) -> u32 {
        let left = |limit_ms: u32, since_ms: u32| limit_ms.saturating_sub(elapsed_ms(now_ms, since_ms));
        match self.state {
            State::Upgrading { .. } | State::Greeting { .. } => left(rules.handshake_ms, self.since_ms),
            State::Closing | State::Draining => left(rules.close_ms, self.since_ms),
            State::Moving | State::Vacant => rules.handshake_ms,
            State::Playing(_) | State::Watching(_) | State::Echo => {
                let silence = if self.pinged {
                    left(rules.silent_close_ms, self.since_ms)
                } else {
                    left(self.ping_after_ms(rules), self.heard_ms)
                };
                if self.outbox.is_empty() { silence } else { silence.min(STALL_CHECK_MS) }
            }
        }
    }

    fn check<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        let in_state_ms = elapsed_ms(cx.now_ms, self.since_ms);
        match self.state {
            State::Upgrading { .. } if in_state_ms >= cx.rules.handshake_ms => self.upgrade_timed_out(cx),
            State::Greeting { .. } if in_state_ms >= cx.rules.handshake_ms => self.hello_timed_out(cx),
            State::Closing | State::Draining if in_state_ms >= cx.rules.close_ms => self.ending = Ending::Now,
            State::Playing(_) | State::Watching(_) | State::Echo => self.check_silence(cx),
            _ => {}
        }
    }

    fn check_silence<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        if self.is_stalled(cx) {
            self.drop_slow_reader(cx);
        } else if self.pinged {
            if elapsed_ms(cx.now_ms, self.since_ms) >= cx.rules.silent_close_ms {
                self.drop_silent(cx);
            }
        } else if elapsed_ms(cx.now_ms, self.heard_ms) >= self.ping_after_ms(cx.rules) {
            self.pinged = true;
            self.ping_waits = true;
            self.since_ms = cx.now_ms;
        }
    }

    /// Puts the ping, if one waits, behind what is queued. Its time to be answered begins now.
    pub(super) fn queue_ping<G: Game>(&mut self, cx: &mut Context<'_, G>) {
        if std::mem::take(&mut self.ping_waits) && self.ending == Ending::No {
            self.since_ms = cx.now_ms;
            cx.ledger.traffic.pings_out += 1;
            websocket::write_frame(self.outbox.queue(cx.pool), OpCode::Ping, b"");
        }
    }

    /// The kernel has had a buffer of ours for too long: the peer does not read.
    pub(super) fn is_stalled<G: Game>(&self, cx: &Context<'_, G>) -> bool {
        self.outbox.stalled_ms(cx.now_ms).is_some_and(|ms| ms >= cx.rules.silent_close_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_time_survives_the_wrap() {
        assert_eq!(elapsed_ms(10, u32::MAX - 9), 20);
        assert_eq!(elapsed_ms(5, 9), 0, "slightly in the future");
        assert_eq!(elapsed_ms(9, 5), 4);
    }
}
