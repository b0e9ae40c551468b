//! What becomes of connections and of what they say, without a ring.

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;

use super::core::Core;
use super::lines::Lines;
use super::links::{Sequel, State};
use super::{CLOSE_HURRIED_NS, CLOSE_NS};
use crate::cli::Cli;
use crate::clock;
use crate::drivers::Driver;
use crate::drivers::idle::Idle;
use crate::drivers::raw::{Raw, Traffic};
use crate::link_model::HELD_BYTES_MAX;
use crate::measure::errors::Cause;
use crate::measure::health::RingCounters;
use crate::measure::tally::Window;
use crate::plan::{Pace, Plan, RawSizes};
use crate::shared::{Shared, Step};

/// The core of the only worker.
fn of<D: Driver>(plan: &Arc<Plan>, driver: D) -> Core<D> {
    Core::new(plan, Arc::new(Shared::new(1, clock::now_ns())), 0, driver, 0)
}

/// A worker's core with one connection in `state` that still has something to send.
fn with_unsent(state: State) -> Core<Idle> {
    let plan = Arc::new(Cli::plan(["idle", "--conns", "1"]).unwrap());
    let mut core = of(&plan, Idle { plan: Arc::clone(&plan), rng: Pcg64Mcg::seed_from_u64(1) });
    assert_eq!(core.dialer.due(u64::MAX, 0, 0), Some(0));
    core.links.list[0].state = state;
    core.links.list[0].out = b"unsent".to_vec();
    match state {
        State::Upgrading => core.handshakes = 1,
        _ => core.tally.connections.open = 1,
    }
    core
}

#[test]
fn a_handshake_that_is_interrupted_is_not_waited_for() {
    let mut core = with_unsent(State::Upgrading);
    core.shared.advance(Step::Closing);
    let now_ns = clock::now_ns();
    core.observe(now_ns);
    core.close_links(now_ns);
    assert_eq!(core.links.list[0].state, State::Gone);
    assert!(core.is_over(now_ns), "nobody would answer a goodbye that was never said");
    assert_eq!(core.tally.connections.failed, 1);
}

#[test]
fn nothing_more_is_said_to_a_peer_that_is_gone_or_silent() {
    for (state, cause) in [(State::Open, Cause::EndOfStream), (State::Upgrading, Cause::Timeout)] {
        let mut core = with_unsent(state);
        core.broken(0, cause, clock::now_ns());
        assert_eq!(core.links.list[0].state, State::Gone);
    }
}

/// The same with a link of 50 ms.
fn with_link() -> Core<Idle> {
    let mut core = with_unsent(State::Open);
    let plan = Cli::plan("game --conns 1 --latency 50ms".split(' ')).unwrap();
    core.lines = Lines::of(&plan, 0, 0);
    core
}

#[test]
fn the_end_of_a_stream_takes_its_time_on_the_link() {
    let mut core = with_link();
    core.down_ended(0, Cause::EndOfStream, 0);
    core.release(49_900_000);
    assert_eq!(core.links.list[0].state, State::Open, "the news is under way");
    core.release(50_000_000);
    assert_eq!(core.links.list[0].state, State::Gone);
    core.down_ended(0, Cause::EndOfStream, 60_000_000);
    core.release(1_000_000_000);
}

#[test]
fn a_link_that_is_full_ends_the_connection() {
    let mut core = with_link();
    assert_eq!(core.up(0, vec![0; HELD_BYTES_MAX], 0), None);
    assert_eq!(core.links.list[0].state, State::Open);
    assert_eq!(core.up(0, vec![0; 1], 0), None);
    assert_eq!(core.links.list[0].state, State::Gone);
    assert_eq!(core.tally.errors.lines()[0].error, "modelled link full");
    core.release(1_000_000_000);
}

#[test]
fn what_a_driver_answers_is_still_sent() {
    let mut core = with_unsent(State::Open);
    core.with_driver(0, clock::now_ns(), |_, _, _| Err(Cause::Close(1001)));
    assert_eq!(core.links.list[0].state, State::Closing, "a close is answered with a close");
    assert_eq!(core.links.list[0].out, b"unsent");
    assert_eq!(core.tally.connections.lost, 1);
}

#[test]
fn what_is_shown_is_as_new_as_the_step_it_tells() {
    let mut core = with_unsent(State::Open);
    let shared = Arc::clone(&core.shared);
    core.observe(clock::now_ns());
    shared.advance(Step::Settling);
    assert!(!shared.read().settling, "what stands there may be from before the last message was sent");
    core.observe(clock::now_ns());
    assert!(shared.read().settling);
}

#[test]
fn an_answer_is_as_late_as_it_arrived_not_as_it_was_fetched() {
    const MS: u64 = 1_000_000;
    let plan = Arc::new(Cli::plan("echo --raw --conns 1 --rate 100".split(' ')).unwrap());
    let sizes = RawSizes { in_bytes: 8, out_bytes: 8 };
    let driver = Raw::new(Arc::clone(&plan), Traffic::Echo(Pace::Open { rate_hz: 100.0 }), sizes);
    let mut core = of(&plan, driver);
    core.links.list[0].state = State::Open;
    core.step = Step::Traffic;
    core.window = Window { start_ns: 0, end_ns: u64::MAX };
    let sent_ns = clock::now_ns();
    core.ready.push(0);
    core.begin_links(sent_ns);
    core.expire(sent_ns + MS);
    core.with_driver(0, sent_ns + MS, |driver, peer, turn| {
        driver.flushed(peer, turn);
        Ok(())
    });
    let (arrived, fetched_ns) = (Duration::from_nanos(sent_ns + 3 * MS), sent_ns + 500 * MS);
    core.received(Some(0), &mut [0; 8], Some(arrived), fetched_ns);
    assert!(core.leaves_answers(), "the next one may wait");
    let service_ns = core.tally.service.quantile_ns(1.0);
    assert!((MS..3 * MS).contains(&service_ns), "{service_ns}");
    core.handshakes = 1;
    assert!(!core.leaves_answers(), "whoever connects is waited for");
    core.handshakes = 0;
    // The next message, and half of its answer.
    core.expire(sent_ns + 11 * MS);
    core.received(Some(0), &mut [0; 4], None, fetched_ns);
    assert!(!core.leaves_answers(), "a kernel that does not tell");
}

/// Closing a connection whose goodbye nobody answers: its state, what was told about it, after so long.
fn closed_for(after_ns: u64, is_hurried: bool) -> (State, usize) {
    let mut core = with_unsent(State::Open);
    if is_hurried {
        core.shared.hurry();
    }
    core.shared.advance(Step::Closing);
    let now_ns = clock::now_ns();
    for at_ns in [now_ns, now_ns + after_ns] {
        core.observe(at_ns);
        core.close_links(at_ns);
    }
    (core.links.list[0].state, core.tally.errors.lines().len())
}

#[test]
fn goodbyes_are_waited_for_and_hardly_after_an_interruption() {
    assert_eq!(closed_for(CLOSE_NS - 1, false), (State::Closing, 0));
    assert_eq!(closed_for(CLOSE_NS, false), (State::Gone, 1));
    assert_eq!(closed_for(CLOSE_HURRIED_NS - 1, true), (State::Closing, 0));
    assert_eq!(closed_for(CLOSE_HURRIED_NS, true), (State::Gone, 0), "nobody knows what would have come");
}

#[test]
fn an_interruption_while_goodbyes_are_waited_for_cuts_that_short() {
    let mut core = with_unsent(State::Open);
    core.shared.advance(Step::Closing);
    let now_ns = clock::now_ns();
    core.observe(now_ns);
    core.close_links(now_ns);
    core.shared.hurry();
    core.close_links(now_ns + 1);
    core.close_links(now_ns + CLOSE_HURRIED_NS);
    assert_eq!(core.links.list[0].state, State::Closing);
    core.close_links(now_ns + 1 + CLOSE_HURRIED_NS);
    assert_eq!((core.links.list[0].state, core.tally.errors.is_empty()), (State::Gone, true));
    assert!(core.leave_ns < now_ns + CLOSE_NS, "and whatever happens it leaves as much sooner");
}

#[test]
fn what_was_due_in_the_window_counts_however_late_the_pass_is() {
    const MS: u64 = 1_000_000;
    for step in [Step::Traffic, Step::Settling, Step::Closing] {
        let plan = Arc::new(Cli::plan("echo --raw --conns 1 --rate 100".split(' ')).unwrap());
        let sizes = RawSizes { in_bytes: 8, out_bytes: 8 };
        let driver = Raw::new(Arc::clone(&plan), Traffic::Echo(Pace::Open { rate_hz: 100.0 }), sizes);
        let mut core = of(&plan, driver);
        core.links.list[0].state = State::Open;
        let start_ns = clock::now_ns();
        core.shared.set_window(Window { start_ns, end_ns: start_ns + 1_000 * MS });
        core.shared.advance(Step::Traffic);
        core.ready.push(0);
        for at_ms in [0, 500, 1_600] {
            if at_ms > 500 {
                core.shared.advance(step);
            }
            core.observe(start_ns + at_ms * MS);
            core.expire(start_ns + at_ms * MS);
            core.begin_links(start_ns + at_ms * MS);
        }
        let tally = core.finish(RingCounters::default()).tally;
        let told = (tally.measured.due, tally.measured.sent, tally.send_lag.histogram().len());
        assert_eq!(told, (100, 100, 100), "{step:?}");
    }
}

#[test]
fn departures_that_nobody_was_there_to_make_are_the_generators() {
    const MS: u64 = 1_000_000;
    let plan = "handshake --conns 4 --leave-rate 100 --duration 4s --warmup 0s".split(' ');
    let plan = Arc::new(Cli::plan(plan).unwrap());
    let mut core = of(&plan, Idle { plan: Arc::clone(&plan), rng: Pcg64Mcg::seed_from_u64(1) });
    core.links.list.iter_mut().for_each(|link| link.state = State::Open);
    core.tally.connections.open = 4;
    let start_ns = clock::now_ns();
    core.shared.set_window(Window { start_ns, end_ns: start_ns + 4_000 * MS });
    core.shared.advance(Step::Traffic);
    for at_ms in [0, 10, 20, 30, 40, 2_040, 4_500] {
        core.observe(start_ns + at_ms * MS);
        core.conduct(start_ns + at_ms * MS);
    }
    let connections = core.tally.connections;
    let told = (connections.left, connections.not_left, connections.left_out);
    assert_eq!(told.0, 4, "{told:?}");
    assert!(told.1 <= 7, "what nobody was there to make a moment ago is not its own: {told:?}");
    assert_eq!(told.0 + told.1 + told.2, 400, "all that were due: {told:?}");
}

#[test]
fn who_leaves_at_the_very_end_is_not_replaced() {
    const MS: u64 = 1_000_000;
    let plan = "handshake --conns 4 --leave-rate 4 --duration 1s --warmup 0s".split(' ');
    let plan = Arc::new(Cli::plan(plan).unwrap());
    let mut core = of(&plan, Idle { plan: Arc::clone(&plan), rng: Pcg64Mcg::seed_from_u64(1) });
    core.links.list.iter_mut().for_each(|link| link.state = State::Open);
    core.tally.connections.open = 4;
    let start_ns = clock::now_ns();
    core.shared.set_window(Window { start_ns, end_ns: start_ns + 1_000 * MS });
    core.shared.advance(Step::Traffic);
    for at_ms in [0, 1_010] {
        core.observe(start_ns + at_ms * MS);
        core.conduct(start_ns + at_ms * MS);
    }
    assert_eq!(core.tally.connections.left, 4);
    let replaced = core.links.list.iter().filter(|link| link.sequel != Sequel::None).count();
    assert_eq!(replaced, 1, "who left at the start");
}
