//! The modelled link of every connection: what arrives waits before the driver sees it, what is said waits
//! before the kernel gets it.

use super::core::Core;
use super::links::State;
use crate::drivers::Driver;
use crate::link_model::{DelayLine, Parcel};
use crate::measure::errors::Cause;
use crate::pacing::Wheel;
use crate::plan::Plan;

/// Directions of a link.
const UP: u32 = 0;
const DOWN: u32 = 1;
const DIRECTIONS: u32 = 2;

/// The delay lines of a worker's connections. Invariant: the timer of a line is armed while it holds
/// something, for when its first parcel leaves.
#[derive(Debug)]
pub(super) struct Lines {
    /// By connection and direction. The end of a stream is why it ended.
    lines: Vec<DelayLine<Cause>>,
    wheel: Wheel,
    expired: Vec<(u64, u32)>,
    /// Bytes that have come through and wait for the send before them, by connection.
    through: Vec<Vec<u8>>,
    /// Connections with such bytes and no send under way.
    pub(super) ready: Vec<u32>,
}

impl Lines {
    /// The lines of worker `index`; `None` when the plan models no link.
    pub(super) fn of(plan: &Plan, now_ns: u64, index: u32) -> Option<Self> {
        let model = plan.link?;
        let share = plan.share(index);
        let count = share.len();
        let seed_of = |connection: u32, direction: u32| {
            let line = u64::from(connection) * u64::from(DIRECTIONS) + u64::from(direction) + 1;
            plan.seed ^ line.wrapping_mul(0xd134_2543_de82_ef95)
        };
        let lines = share.flat_map(|connection| {
            [UP, DOWN].map(|direction| DelayLine::new(model, seed_of(connection, direction)))
        });
        Some(Self {
            lines: lines.collect(),
            wheel: Wheel::new(2 * count, now_ns),
            expired: Vec::new(),
            through: vec![Vec::new(); count],
            ready: Vec::new(),
        })
    }

    /// When to look at the lines again; `None` when nothing is under way.
    pub(super) fn next_due_ns(&self, now_ns: u64, horizon_ns: u64) -> Option<u64> {
        self.wheel.next_due_ns(now_ns, horizon_ns)
    }

    /// Sends a parcel on its way; whether there was room for it.
    fn push(&mut self, local: u32, direction: u32, now_ns: u64, parcel: Parcel<Cause>) -> bool {
        let key = local * DIRECTIONS + direction;
        let line = &mut self.lines[key as usize];
        let was_empty = line.next_ns().is_none();
        if line.push(now_ns, parcel).is_err() {
            return false;
        }
        if let Some(next_ns) = line.next_ns().filter(|_| was_empty) {
            self.wheel.arm(key, next_ns);
        }
        true
    }

    fn clear(&mut self, local: u32) {
        for direction in [UP, DOWN] {
            let key = local * DIRECTIONS + direction;
            self.lines[key as usize].clear();
            self.wheel.disarm(key);
        }
        self.through[local as usize] = Vec::new();
    }
}

impl<D: Driver> Core<D> {
    /// What a connection said goes on its way; where no link is modelled the bytes come back, to be sent.
    pub(super) fn up(&mut self, local: u32, bytes: Vec<u8>, now_ns: u64) -> Option<Vec<u8>> {
        let Some(lines) = &mut self.lines else { return Some(bytes) };
        if !lines.push(local, UP, now_ns, Parcel::Bytes(bytes)) {
            self.broken(local, Cause::LinkFull, now_ns);
        }
        None
    }

    /// What arrived at a connection goes to its driver, over the link if one is modelled.
    pub(super) fn down(&mut self, local: u32, bytes: &mut [u8], now_ns: u64) {
        match &mut self.lines {
            None => self.with_driver(local, now_ns, |driver, peer, turn| driver.received(peer, turn, bytes)),
            Some(lines) => {
                if !lines.push(local, DOWN, now_ns, Parcel::Bytes(bytes.to_vec())) {
                    self.broken(local, Cause::LinkFull, now_ns);
                }
            }
        }
    }

    /// The server ended a connection: so it seems when everything it said before has come through.
    pub(super) fn down_ended(&mut self, local: u32, cause: Cause, now_ns: u64) {
        let is_gone = self.links.list[local as usize].state == State::Gone;
        let lines = self.lines.as_mut().filter(|_| !is_gone);
        let under_way =
            lines.is_some_and(|lines| lines.push(local, DOWN, now_ns, Parcel::End(cause.clone())));
        if !under_way {
            self.ended(local, cause, now_ns);
        }
    }

    /// Lets through what has been under way for long enough.
    pub(super) fn release(&mut self, now_ns: u64) {
        let Some(lines) = &mut self.lines else { return };
        let mut expired = std::mem::take(&mut lines.expired);
        lines.wheel.expire(now_ns, &mut expired);
        for (_, key) in expired.drain(..) {
            let local = key / DIRECTIONS;
            while let Some(parcel) = self.pop(key, now_ns) {
                match parcel {
                    Parcel::Bytes(bytes) if key % DIRECTIONS == UP => self.came_up(local, bytes),
                    Parcel::Bytes(mut bytes) => {
                        if self.links.list[local as usize].state != State::Gone {
                            self.with_driver(local, now_ns, |driver, peer, turn| {
                                driver.received(peer, turn, &mut bytes)
                            });
                        }
                        self.recycle(bytes);
                    }
                    Parcel::End(cause) => self.ended(local, cause, now_ns),
                }
            }
            self.arm_line(key);
        }
        if let Some(lines) = &mut self.lines {
            lines.expired = expired;
        }
    }

    fn pop(&mut self, key: u32, now_ns: u64) -> Option<Parcel<Cause>> {
        self.lines.as_mut()?.lines[key as usize].pop(now_ns)
    }

    fn arm_line(&mut self, key: u32) {
        let Some(lines) = &mut self.lines else { return };
        // A driver that answers fills the other line, whose timer is its own.
        if let Some(next_ns) = lines.lines[key as usize].next_ns() {
            lines.wheel.arm(key, next_ns);
        }
    }

    fn came_up(&mut self, local: u32, mut bytes: Vec<u8>) {
        let sending = self.links.list[local as usize].sending;
        let Some(lines) = &mut self.lines else { return };
        let through = &mut lines.through[local as usize];
        if through.is_empty() {
            std::mem::swap(through, &mut bytes);
            if !sending {
                lines.ready.push(local);
            }
        } else {
            through.append(&mut bytes);
        }
        self.recycle(bytes);
    }

    /// The bytes of a connection that have come through, for the kernel.
    pub(super) fn take_through(&mut self, local: u32) -> Option<(tickring_ring::ConnectionId, Vec<u8>)> {
        let bytes = std::mem::take(&mut self.lines.as_mut()?.through[local as usize]);
        let link = &mut self.links.list[local as usize];
        let can = !link.sending && !bytes.is_empty() && link.state != State::Gone;
        let id = link.id.filter(|_| can)?;
        link.sending = true;
        Some((id, bytes))
    }

    /// A send is done: what came through meanwhile is next.
    pub(super) fn line_is_free(&mut self, local: u32) {
        if let Some(lines) = &mut self.lines
            && !lines.through[local as usize].is_empty()
        {
            lines.ready.push(local);
        }
    }

    /// What is under way to or from a connection that is gone is lost.
    pub(super) fn cut(&mut self, local: u32) {
        if let Some(lines) = &mut self.lines {
            lines.clear(local);
        }
    }
}
