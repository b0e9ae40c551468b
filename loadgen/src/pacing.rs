//! When a message is *meant* to be sent.
//!
//! Open loop: connection `index` of `count` sends at `start + phase + k * period`, with the phases
//! spread evenly over one period, whatever the server does. Latency is measured from these times,
//! so a server that stalls cannot hide behind a generator that waited for it (coordinated omission).

/// The send times of one connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pacer {
    first_ns: u64,
    period_ns: f64,
    sent: u64,
}

impl Pacer {
    /// Messages at `rate_hz` (> 0), the first at the connection's phase after `start_ns`.
    pub(crate) fn new(start_ns: u64, rate_hz: f64, index: u32, count: u32) -> Self {
        assert!(rate_hz > 0.0, "a pace has a positive rate");
        let period_ns = 1e9 / rate_hz;
        let share = f64::from(index) / f64::from(count.max(1));
        Self { first_ns: start_ns + to_ns(share.fract() * period_ns), period_ns, sent: 0 }
    }

    /// When the next message is due.
    pub(crate) fn due_ns(&self) -> u64 {
        // From the start each time, not by adding periods: no drift for rates that do not divide 1e9.
        self.first_ns + to_ns(ns_f64(self.sent) * self.period_ns)
    }

    /// Goes on to the next message.
    pub(crate) fn advance(&mut self) {
        self.sent += 1;
    }
}

#[expect(clippy::cast_precision_loss, reason = "runs are shorter than the 104 days f64 holds exactly in ns")]
const fn ns_f64(ns: u64) -> f64 {
    ns as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a non-negative time below 2^53; the fraction of a nanosecond is meant to go"
)]
const fn to_ns(value: f64) -> u64 {
    value as u64
}

/// Timers of one worker: at most one per connection, in slots of [`Wheel::SLOT_NS`].
///
/// A hashed wheel with intrusive lists: arming and expiring cost a few memory writes, whatever the
/// number of connections. Invariant: a connection is in at most one slot's list.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// Per slot: the first connection of its list.
    heads: Vec<u32>,
    /// Per connection: the next in its list.
    next: Vec<u32>,
    /// Per connection: when it is due, or `IDLE`.
    due_ns: Vec<u64>,
    /// Per connection: the slot whose list it is in, if it is armed.
    slots: Vec<u16>,
    /// All slots before this one have expired.
    position: u64,
    armed: usize,
}

const NONE: u32 = u32::MAX;
const IDLE: u64 = u64::MAX;
const SLOTS: u64 = 8_192;

impl Wheel {
    /// Width of a slot. A message leaves at most this much late because of the wheel.
    pub(crate) const SLOT_NS: u64 = 32_768;

    /// A wheel for `connections` timers that starts at `now_ns`.
    pub(crate) fn new(connections: usize, now_ns: u64) -> Self {
        Self {
            heads: vec![NONE; usize::try_from(SLOTS).expect("a small number")],
            next: vec![NONE; connections],
            due_ns: vec![IDLE; connections],
            slots: vec![0; connections],
            position: now_ns / Self::SLOT_NS,
            armed: 0,
        }
    }

    /// Arms the timer of `connection`.
    ///
    /// # Panics
    /// When it is armed already: the caller's bug.
    pub(crate) fn arm(&mut self, connection: u32, due_ns: u64) {
        let at = connection as usize;
        assert!(self.due_ns[at] == IDLE, "a connection has one timer");
        let slot = Self::slot((due_ns / Self::SLOT_NS).max(self.position));
        self.due_ns[at] = due_ns;
        self.hang(connection, slot);
        self.armed += 1;
    }

    /// Forgets the timer of `connection`, if it is armed. Costs the length of a slot's list.
    pub(crate) fn disarm(&mut self, connection: u32) {
        let at = connection as usize;
        if std::mem::replace(&mut self.due_ns[at], IDLE) == IDLE {
            return;
        }
        self.armed -= 1;
        let after = self.next[at];
        let head = &mut self.heads[usize::from(self.slots[at])];
        if *head == connection {
            *head = after;
            return;
        }
        let mut before = *head as usize;
        while self.next[before] != connection {
            before = self.next[before] as usize;
        }
        self.next[before] = after;
    }

    /// Puts a connection into a slot's list.
    fn hang(&mut self, connection: u32, slot: usize) {
        let at = connection as usize;
        self.next[at] = self.heads[slot];
        self.heads[slot] = connection;
        self.slots[at] = u16::try_from(slot).expect("there are 8,192 slots");
    }

    /// Moves everything due at `now_ns` into `expired` as (due, connection), oldest slot first.
    pub(crate) fn expire(&mut self, now_ns: u64, expired: &mut Vec<(u64, u32)>) {
        let last = now_ns / Self::SLOT_NS;
        // After a long pause every slot is visited once, not once per missed turn of the wheel.
        let first = self.position.max(last.saturating_sub(SLOTS - 1));
        for position in first..=last {
            self.expire_slot(Self::slot(position), now_ns, expired);
        }
        // The current slot may hold later timers: it is looked at again.
        self.position = last;
    }

    /// When to look again: the earliest slot with something in it, at most `horizon_ns` after
    /// `now_ns`. `None` when nothing is armed.
    pub(crate) fn next_due_ns(&self, now_ns: u64, horizon_ns: u64) -> Option<u64> {
        if self.armed == 0 {
            return None;
        }
        let slots = (horizon_ns / Self::SLOT_NS + 1).min(SLOTS);
        let found = (self.position..self.position + slots).find(|p| self.heads[Self::slot(*p)] != NONE);
        let limit = now_ns + horizon_ns;
        // The end of the slot, so that one wake-up takes the whole slot.
        Some(found.map_or(limit, |position| ((position + 1) * Self::SLOT_NS).min(limit)))
    }

    fn expire_slot(&mut self, slot: usize, now_ns: u64, expired: &mut Vec<(u64, u32)>) {
        let mut connection = std::mem::replace(&mut self.heads[slot], NONE);
        while connection != NONE {
            let at = connection as usize;
            let after = self.next[at];
            if self.due_ns[at] <= now_ns {
                expired.push((self.due_ns[at], connection));
                self.due_ns[at] = IDLE;
                self.armed -= 1;
            } else {
                // Later in this slot, or a later turn of the wheel.
                self.hang(connection, slot);
            }
            connection = after;
        }
    }

    fn slot(position: u64) -> usize {
        usize::try_from(position % SLOTS).expect("a small number")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn send_times_never_drift(rate in 0.5_f64..5_000.0, index in 0_u32..100, steps in 1_u32..2_000) {
            let mut pacer = Pacer::new(1_000, rate, index, 100);
            let first = pacer.due_ns();
            prop_assert!(first >= 1_000);
            prop_assert!(ns_f64(first - 1_000) < 1e9 / rate + 1.0, "the phase is within one period");
            for _ in 0..steps {
                let before = pacer.due_ns();
                pacer.advance();
                prop_assert!(pacer.due_ns() >= before);
            }
            let wanted = f64::from(steps) * 1e9 / rate;
            prop_assert!((ns_f64(pacer.due_ns() - first) - wanted).abs() <= 1.5);
        }

        #[test]
        fn phases_are_spread_evenly(count in 1_u32..500, rate in 1.0_f64..200.0) {
            let period = 1e9 / rate;
            for index in 0..count {
                let phase = ns_f64(Pacer::new(0, rate, index, count).due_ns());
                let wanted = period * f64::from(index) / f64::from(count);
                prop_assert!((phase - wanted).abs() <= 1.0);
            }
        }

        #[test]
        fn every_timer_expires_once_and_not_early(
            dues in prop::collection::vec(0_u64..2_000_000_000, 1..200), step in 1_000_u64..50_000_000,
        ) {
            let mut wheel = Wheel::new(dues.len(), 0);
            for (connection, due) in dues.iter().enumerate() {
                wheel.arm(u32::try_from(connection).unwrap(), *due);
            }
            let mut seen = vec![0; dues.len()];
            let (mut now, mut expired) = (0, Vec::new());
            while now < 2_000_000_000 + step {
                if let Some(next) = wheel.next_due_ns(now, 1_000_000_000) {
                    prop_assert!(next <= now + 1_000_000_000);
                }
                wheel.expire(now, &mut expired);
                for (due, connection) in expired.drain(..) {
                    prop_assert_eq!(due, dues[connection as usize]);
                    prop_assert!(due <= now && now - due < step.max(1) + Wheel::SLOT_NS);
                    seen[connection as usize] += 1;
                }
                now += step;
            }
            prop_assert!(seen.iter().all(|times| *times == 1));
            prop_assert_eq!(wheel.next_due_ns(now, 1_000), None);
        }
    }

    proptest! {
        #[test]
        fn what_is_disarmed_does_not_expire(
            dues in prop::collection::vec((0_u64..20_000_000, any::<bool>(), 0_u64..20_000_000), 1..60),
        ) {
            let mut wheel = Wheel::new(dues.len(), 0);
            for (connection, (due, ..)) in dues.iter().enumerate() {
                wheel.arm(u32::try_from(connection).unwrap(), *due);
            }
            let mut expired = Vec::new();
            wheel.expire(10_000_000, &mut expired);
            let mut wanted = Vec::new();
            for (connection, (due, again, later)) in dues.iter().enumerate() {
                let connection = u32::try_from(connection).unwrap();
                if *again {
                    wheel.disarm(connection);
                    wheel.arm(connection, 10_000_000 + later);
                    wanted.push(connection);
                } else if *due <= 10_000_000 {
                    wheel.disarm(connection);
                } else {
                    wanted.push(connection);
                }
            }
            expired.clear();
            wheel.expire(1_000_000_000, &mut expired);
            let mut seen: Vec<u32> = expired.iter().map(|(_, connection)| *connection).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, wanted);
            prop_assert_eq!(wheel.next_due_ns(1_000_000_000, 1_000), None);
        }
    }

    #[test]
    fn the_next_wake_up_is_near_the_timer() {
        let mut wheel = Wheel::new(2, 0);
        wheel.arm(1, 10 * Wheel::SLOT_NS + 5);
        assert_eq!(wheel.next_due_ns(0, 1_000_000_000), Some(11 * Wheel::SLOT_NS));
        assert_eq!(wheel.next_due_ns(0, 1_000), Some(1_000));
    }
}
