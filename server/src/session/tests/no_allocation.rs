//! No allocation per message on the warm path: inputs in, ticks, snapshots out.

use tickring_arena::Arena;
use tickring_protocol::websocket::{OpCode, write_masked_frame};
use tickring_pulse::Pulse;
use tickring_room::{Game, Input};

use super::{hello, request, rules, stage, write_input};
use crate::clock::Clock;
use crate::recording::{Outlet, connect};
use crate::session::{Flush, Now, Stage};

const PLAYERS: u32 = 50;
const TICK_NS: u64 = 16_666_667;

/// Players who give an input every tick, and a kernel that takes every send by the next one.
struct Match<G: Game> {
    stage: Stage<G>,
    in_flight: Vec<(u32, Vec<u8>)>,
    payload: Vec<u8>,
    frame: Vec<u8>,
    ticks: u32,
    sends: u64,
}

impl<G: Game> Match<G> {
    fn new(outlet: Option<Outlet>) -> Self {
        let mut stage = stage(G::Settings::default(), rules());
        outlet.into_iter().for_each(|outlet| stage.rooms.record(outlet));
        let mut all = Self {
            stage,
            in_flight: Vec::with_capacity(2 * PLAYERS as usize),
            payload: Vec::with_capacity(64),
            frame: Vec::with_capacity(64),
            ticks: 0,
            sends: 0,
        };
        for slot in 0..PLAYERS {
            let now = Now::from_ns(0);
            all.stage.act(slot, now, |session, cx| session.begin(1, cx.now_ms));
            all.stage.schedule(slot, now, true);
            for mut bytes in [request("/v1/rooms/r"), hello::<G>()] {
                all.stage.act(slot, now, |session, cx| assert!(session.received(&mut bytes, cx).is_none()));
            }
        }
        assert_eq!(all.stage.sessions.states().playing, u64::from(PLAYERS));
        all
    }

    fn tick(&mut self) {
        self.ticks += 1;
        let now = Now::from_ns(u64::from(self.ticks) * TICK_NS);
        while let Some((slot, buffer)) = self.in_flight.pop() {
            self.stage.pool.give(buffer);
            self.stage.act(slot, now, |session, cx| session.sent(false, cx));
        }
        for slot in 0..PLAYERS {
            self.payload.clear();
            self.frame.clear();
            write_input(&mut self.payload, self.ticks, &[]);
            G::Input::default().write(&mut self.payload);
            write_masked_frame(&mut self.frame, OpCode::Binary, &self.payload, [9, 8, 7, 6]);
            let frame = &mut self.frame;
            self.stage.act(slot, now, |session, cx| assert!(session.received(frame, cx).is_none()));
        }
        self.stage.tick(|| now.ns);
        self.stage.expire(now);
        while let Some(slot) = self.stage.sessions.pop_dirty() {
            match self.stage.flush(slot, now) {
                Flush::Work { send: Some(bytes), .. } => {
                    self.sends += 1;
                    self.in_flight.push((slot, bytes));
                }
                Flush::Work { .. } => {}
                Flush::Close => panic!("nobody leaves: {:?}", self.stage.ledger.closes()),
            }
            self.stage.schedule(slot, now, false);
        }
    }
}

fn a_warm_match_allocates_nothing<G: Game>() {
    let mut all = Match::<G>::new(None);
    // More than one turn of the timer wheel and of the history.
    (0..4_200).for_each(|_| all.tick());
    let (messages, sends) = (all.stage.ledger.traffic.messages_in, all.sends);
    let allocations = allocation_counter::measure(|| (0..1_200).for_each(|_| all.tick())).count_total;
    assert_eq!(all.stage.ledger.traffic.messages_in - messages, 1_200 * u64::from(PLAYERS));
    assert_eq!(all.sends - sends, 600 * u64::from(PLAYERS), "a snapshot each at 30 Hz");
    assert_eq!(allocations, 0, "of {}", G::NAME);
}

#[test]
fn a_warm_pulse_allocates_nothing() {
    a_warm_match_allocates_nothing::<Pulse>();
}

#[test]
fn a_warm_arena_allocates_nothing() {
    a_warm_match_allocates_nothing::<Arena>();
}

/// Once a second, or when 16 KiB have come together.
#[test]
fn a_recorded_arena_allocates_for_its_chunks_only() {
    let (outlet, mut inlet) = connect(1 << 40, Clock::start());
    let mut all = Match::<Arena>::new(Some(outlet));
    let mut beginning = inlet.beginnings.try_recv().unwrap();
    let mut chunks = 0;
    let mut ticks = |count: u32| {
        let before = chunks;
        for _ in 0..count {
            all.tick();
            while beginning.chunks.try_recv().is_ok() {
                chunks += 1;
            }
        }
        chunks - before
    };
    ticks(4_200);
    let mut taken = 0;
    let allocations = allocation_counter::measure(|| taken = ticks(1_200)).count_total;
    assert!((20..120).contains(&taken), "{taken} chunks");
    assert!(allocations <= 2 * taken, "{allocations} for {taken} chunks");
}

#[test]
fn the_counter_counts() {
    let allocations = allocation_counter::measure(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(9))));
    assert_eq!(allocations.count_total, 1);
}
