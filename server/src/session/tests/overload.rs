//! Rooms whose steps cost more than there is time, on a clock that only their work and the worker's sleep move.

use std::sync::atomic::Ordering;

use tickring_protocol::message::{TIME_DILATION_MIN, TIME_DILATION_NONE};

use super::fake_ring::FakeRing;
use super::keeper::{Keeper, Settings, Toil};
use super::seats::{NO_TOKEN, arrive, cut, watch};
use super::{Issued, MS, rules, stage_of};
use crate::report::Overload;
use crate::session::Rules;

const TICK_NS: u64 = 1_000_000_000 / 60;

/// A worker that sleeps until something is due, works, and weighs its load.
struct Toiling {
    ring: FakeRing<Keeper>,
    toil: Toil,
    worked_ns: u64,
    /// In the head of the last snapshot to slot 0.
    time_dilation: u8,
}

impl Toiling {
    fn new() -> Self {
        let toil = Toil::default();
        let settings = Settings { private_bytes: 20, hold_seconds: 600, toil: toil.clone() };
        // Nobody says anything here.
        let rules = Rules { ping_after_ms: u32::MAX / 4, ..rules() };
        let ring = FakeRing::new(stage_of(settings, rules, 8, &Issued::default()), 8);
        Self { ring, toil, worked_ns: 0, time_dilation: 0 }
    }

    fn now_ns(&self) -> u64 {
        self.toil.clock_ns.load(Ordering::Relaxed)
    }

    /// Each step of a room costs so much of a tick from now on.
    fn cost(&self, ticks_percent: u64) {
        self.toil.step_ns.store(TICK_NS * ticks_percent / 100, Ordering::Relaxed);
    }

    fn run(&mut self, seconds: u64) {
        let until_ns = self.now_ns() + seconds * 1_000 * MS;
        while self.now_ns() < until_ns {
            let woken_ns = self.ring.stage.rooms.next_deadline_ns().unwrap_or(until_ns).max(self.now_ns());
            self.toil.clock_ns.store(woken_ns, Ordering::Relaxed);
            let clock_ns = &self.toil.clock_ns;
            self.ring.pass_by(|| clock_ns.load(Ordering::Relaxed));
            self.worked_ns += self.now_ns() - woken_ns;
            if self.ring.stage.rooms.load_is_due(self.now_ns()) {
                self.ring.stage.rooms.weigh(self.now_ns(), self.worked_ns);
            }
            if let Some([_, _, 0x82, head @ ..]) = self.ring.line(0).sending.as_deref() {
                self.time_dilation = head[10];
            }
            (0..8).for_each(|slot| self.ring.sent(slot, false));
        }
    }

    fn overload(&self) -> Overload {
        let rooms = &self.ring.stage.rooms;
        rooms.overload(self.now_ns(), &rooms.counters())
    }

    fn missed(&self) -> u64 {
        self.ring.stage.ticks.missed
    }
}

#[test]
fn a_room_that_costs_too_much_gets_more_time_until_it_costs_less() {
    let mut worker = Toiling::new();
    arrive(&mut worker.ring, 0, "r", NO_TOKEN).expect("a seat");
    worker.cost(50);
    worker.run(10);
    assert_eq!((worker.time_dilation, worker.overload().rung, worker.missed()), (TIME_DILATION_NONE, 0, 0));
    // A tick costs 1.3 times what there is: 0.7 of the rate would do, and what has piled up takes a step more.
    worker.cost(130);
    worker.run(20);
    assert_eq!((worker.time_dilation, worker.overload().rung), (153, 3));
    let missed = worker.missed();
    worker.run(120);
    assert_eq!((worker.time_dilation, worker.overload().rung), (153, 3), "no flapping");
    assert_eq!(worker.missed(), missed, "every tick is run");
    worker.cost(20);
    worker.run(30);
    assert_eq!((worker.time_dilation, worker.overload().rung), (TIME_DILATION_NONE, 0));
    assert_eq!(worker.overload().rung_ns.iter().sum::<u64>(), worker.now_ns());
}

#[test]
fn ticks_are_as_many_as_the_dilation_says() {
    let mut worker = Toiling::new();
    arrive(&mut worker.ring, 0, "r", NO_TOKEN).expect("a seat");
    worker.cost(150);
    worker.run(10);
    assert_eq!(worker.time_dilation, TIME_DILATION_MIN);
    let steps = worker.ring.stage.ticks.steps;
    worker.run(100);
    let steps = worker.ring.stage.ticks.steps - steps;
    assert!((3_007..=3_017).contains(&steps), "{steps} ticks instead of 100 x 60 x 128 / 255");
}

#[test]
fn at_the_end_nobody_is_taken_in_but_who_has_a_seat() {
    let mut worker = Toiling::new();
    arrive(&mut worker.ring, 0, "r", NO_TOKEN).expect("a seat");
    let (player, token) = arrive(&mut worker.ring, 1, "r", NO_TOKEN).expect("a seat");
    cut(&mut worker.ring, 1);
    worker.cost(300);
    worker.run(20);
    assert_eq!((worker.time_dilation, worker.overload().rung), (TIME_DILATION_MIN, 4));
    assert_eq!(arrive(&mut worker.ring, 2, "r", NO_TOKEN), None);
    assert_eq!(arrive(&mut worker.ring, 3, "another", NO_TOKEN), None);
    assert_eq!(watch(&mut worker.ring, 4, "r"), None);
    let told = worker.ring.line(2).sent.clone();
    let fault = told.windows(3).position(|three| three == [0x85, 105, 0]).expect("a fault 105");
    assert_eq!(told[fault + 91..fault + 93], 1013_u16.to_be_bytes());
    assert_eq!(worker.overload().joins_refused, 3);
    assert!(worker.ring.stage.ledger.closes().contains(&(1013, "overloaded", 3)));
    assert_eq!(arrive(&mut worker.ring, 5, "r", token).expect("its seat").0, player);
    // The room lives and goes on, however slowly.
    let steps = worker.ring.stage.ticks.steps;
    worker.run(10);
    assert!(worker.ring.stage.ticks.steps > steps + 100);
    worker.cost(20);
    worker.run(60);
    assert_eq!(worker.overload().rung, 0);
    arrive(&mut worker.ring, 6, "r", NO_TOKEN).expect("a seat");
}

#[test]
fn a_worker_whose_rooms_are_gone_recovers_by_itself() {
    let mut worker = Toiling::new();
    arrive(&mut worker.ring, 0, "r", NO_TOKEN).expect("a seat");
    worker.cost(300);
    worker.run(20);
    // The Leave of the protocol.
    worker.ring.receive(0, &super::frame(tickring_protocol::websocket::OpCode::Binary, &[0x04, 0]));
    worker.run(60);
    assert_eq!((worker.ring.stage.rooms.len(), worker.overload().rung), (0, 0));
    assert_eq!(worker.ring.stage.rooms.next_deadline_ns(), None);
}
