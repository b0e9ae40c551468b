use super::*;
use crate::measure::errors::{Cause, ErrorTable, Stage};
use crate::measure::latency::Percentiles;

const SECOND_NS: u64 = 1_000_000_000;

fn subject() -> Subject {
    Subject {
        preset: "game".to_owned(),
        target: "ws://127.0.0.1:9001".to_owned(),
        requested: 1_000,
        started_ns: 5 * SECOND_NS,
        interval_s: 1.0,
        window_s: 30.0,
        is_open_loop: true,
        send_lag_limit_us: 2_000.0,
    }
}

fn point(at_s: f64, cpu_percent: f64) -> Point {
    Point {
        at_s,
        requested: 1_000,
        open: 990,
        open_fewest: Some(990),
        failed: 7,
        lost: 3,
        sent_per_s: 30_000.0,
        received_per_s: 29_000.0,
        bytes_up_per_s: 1.5e6,
        bytes_down_per_s: 2.5e7,
        latency_us: Some(Percentiles {
            p50: 500.0,
            p90: 800.0,
            p95: Some(1_000.0),
            p99: 2_000.0,
            p999: 20_000.0,
            max: 200_000.0,
            count: 30_000,
        }),
        send_lag_p99_us: Some(100.0),
        cpu_percent,
    }
}

/// A window from the first second to the eleventh.
fn window() -> Window {
    Window { start_ns: 6 * SECOND_NS, end_ns: 36 * SECOND_NS }
}

fn points(cpus: &[f64]) -> Vec<Point> {
    (1_u32..).zip(cpus).map(|(at, cpu)| point(f64::from(at), *cpu)).collect()
}

impl ViewModel {
    /// A run with everything that can be seen.
    pub(in crate::view) fn example() -> Self {
        let mut table = ErrorTable::default();
        table.add_many(Stage::Connect, Cause::Errno(111), 7);
        table.add_many(Stage::Steady, Cause::Close(1001), 3);
        Self {
            subject: subject(),
            phase: "measuring".to_owned(),
            run_s: 17.2,
            elapsed_s: 12.3,
            remaining_s: Some(17.7),
            now: LiveReading { open: 990, failed: 7, lost: 3, ..LiveReading::default() },
            newest: Some(point(17.0, 92.0)),
            p99_us: (0..120).map(|i| (i % 7 != 0).then_some(i * 20)).collect(),
            throughput: (0..120).map(|i| Some(i * 500)).collect(),
            errors: table.lines(),
            health: health(&subject(), window(), &points(&[92.0; 20])),
        }
    }
}

#[test]
fn ten_busy_seconds_on_end_are_told_as_the_end_of_it() {
    let told = |cpus: &[f64]| health(&subject(), window(), &points(cpus));
    // The first interval lies before the window.
    let mut cpus = vec![99.0; 10];
    assert!(matches!(told(&cpus), Health::Strained(why) if why.contains("for 9 s")));
    cpus.push(99.0);
    assert!(matches!(told(&cpus), Health::Invalid(why) if why.contains("for 10 s")));
    cpus.push(10.0);
    assert!(matches!(told(&cpus), Health::Invalid(_)), "what has been cannot be undone");
    assert_eq!(told(&[99.0, 99.0, 99.0, 50.0]), Health::Good);
    assert_eq!(health(&subject(), Window::UNSET, &points(&[99.0; 20])), Health::Good);
}

#[test]
fn a_busy_closed_loop_may_be_the_servers_doing() {
    let closed = Subject { is_open_loop: false, ..subject() };
    let told = health(&closed, window(), &points(&[99.0; 20]));
    assert!(matches!(told, Health::Invalid(why) if why.contains("unless the server")));
}

#[test]
fn late_sends_are_told_while_they_last() {
    let mut late = points(&[10.0; 3]);
    late[2].send_lag_p99_us = Some(2_100.0);
    let told = health(&subject(), window(), &late);
    assert!(matches!(told, Health::Strained(why) if why.contains("2.10 ms")));
    late.push(point(4.0, 10.0));
    assert_eq!(health(&subject(), window(), &late), Health::Good);
}

#[test]
fn a_model_is_of_the_phase_and_the_run() {
    let moment =
        Moment { now_ns: 20 * SECOND_NS, phase: "churning", since_ns: 15 * SECOND_NS, until_ns: None };
    let model =
        ViewModel::of(&subject(), &moment, &Shared::new(2, 0), &Series::new(2, SECOND_NS), Vec::new());
    assert_eq!((model.phase.as_str(), model.remaining_s), ("churning", None));
    assert!((model.run_s - 15.0).abs() < 1e-9 && (model.elapsed_s - 5.0).abs() < 1e-9);
    assert!(model.newest.is_none() && model.errors.is_empty() && model.health == Health::Good);
}
