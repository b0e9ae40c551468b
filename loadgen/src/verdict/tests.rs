//! What a run is worth, by what was found.

use super::*;

fn good() -> Evidence {
    Evidence {
        requested: 10,
        connected: 10,
        achieved: Some(1.0),
        open_loop: true,
        window_s: 30.0,
        send_lag_p99_us: Some(100.0),
        busiest_percent: 40.0,
        objectives: vec![("p99<20ms".parse().unwrap(), Some(5_000.0))],
        ..Evidence::default()
    }
}

#[test]
fn a_good_run_passes() {
    assert_eq!(judge(&good()), (Verdict::Pass, Vec::new()));
}

#[test]
fn each_shortcoming_has_its_verdict_and_code() {
    let with = |change: fn(&mut Evidence)| {
        let mut evidence = good();
        change(&mut evidence);
        let (verdict, reasons) = judge(&evidence);
        assert!(!reasons.is_empty() || matches!(verdict, Verdict::Interrupted | Verdict::Pass));
        verdict.exit_code()
    };
    assert_eq!(with(|e| e.connected = 9), 99);
    assert_eq!(with(|e| e.lost = 1), 99);
    assert_eq!(with(|e| e.achieved = Some(0.9)), 99);
    assert_eq!(with(|e| e.unanswered = 1), 99);
    assert_eq!(with(|e| e.unproved.push("too few hits".to_owned())), 99);
    assert_eq!(with(|e| e.objectives[0].1 = Some(20_000.0)), 99);
    assert_eq!(with(|e| e.objectives[0].1 = None), 4);
    assert_eq!(with(|e| e.send_lag_p99_us = Some(2_100.0)), 4);
    assert_eq!(with(|e| e.objectives.push(("p50>1us".parse().unwrap(), Some(9.0)))), 0);
    assert_eq!(with(|e| e.busy_seconds = 10), 4);
    assert_eq!(with(|e| e.readings_late_s = 0.6), 4);
    assert_eq!(with(|e| (e.objectives, e.send_lag_p99_us) = (Vec::new(), Some(50_001.0))), 4);
    assert_eq!(with(|e| e.wrong.push("a gap".to_owned())), 5);
    assert_eq!(with(|e| e.interrupted = true), 130);
}

#[test]
fn what_the_generator_left_out_is_its_own_shortcoming() {
    let verdict = |achieved, left_out| {
        let (verdict, reasons) = judge(&Evidence { achieved: Some(achieved), left_out, ..good() });
        (verdict, reasons.join("; "))
    };
    let (starved, reason) = verdict(0.905, 0.095);
    assert_eq!(starved, Verdict::Invalid);
    assert!(reason.contains("9.5% of the messages that were due were not sent"), "{reason}");
    assert!(!reason.contains("only"), "the server is not blamed: {reason}");
    assert_eq!(verdict(0.905, 0.005).0, Verdict::Missed, "the server would have missed anyway");
    assert_eq!(verdict(0.985, 0.007).0, Verdict::Invalid, "without it enough had been sent");
    assert_eq!(verdict(0.995, 0.005).0, Verdict::Pass);
    let (both, reasons) = verdict(0.5, 0.2);
    assert_eq!(both, Verdict::Invalid);
    assert!(reasons.contains("20.0%") && reasons.contains("only 50.0%"), "{reasons}");
}

#[test]
fn an_objective_on_what_is_sent_is_not_missed_by_the_generator() {
    let objectives = vec![("achieved>=99.9%".parse().unwrap(), Some(0.995))];
    let own = Evidence { achieved: Some(0.995), left_out: 0.005, objectives, ..good() };
    assert_eq!(judge(&own).0, Verdict::Invalid);
    assert_eq!(judge(&Evidence { left_out: 0.0, ..own }).0, Verdict::Missed);
}

#[test]
fn an_objective_without_a_figure_is_missed_where_the_server_is_why() {
    let unmeasured = |name: &str| vec![(name.parse().unwrap(), None)];
    let gap = Some("the server was restarted".to_owned());
    let restarted =
        Evidence { server_gap: gap, objectives: unmeasured("ticks_missed==0"), lost: 10, ..good() };
    let (verdict, reasons) = judge(&restarted);
    assert_eq!(verdict, Verdict::Missed);
    assert!(reasons[1].contains("ticks_missed==0: not measured: the server was restarted"), "{reasons:?}");
    let early = Evidence { objectives: unmeasured("p99<1ms"), lost: 10, ..good() };
    assert_eq!(judge(&early).0, Verdict::Missed);
    let unexplained = Evidence { objectives: unmeasured("lateness_p99<1ms"), ..good() };
    assert_eq!(judge(&unexplained).0, Verdict::Invalid);
}

#[test]
fn a_late_generator_is_told_what_made_it_late() {
    let reason = |gather_due_us, busiest_percent| {
        let late = Evidence { send_lag_p99_us: Some(2_345.0), gather_due_us, busiest_percent, ..good() };
        judge(&late).1.join("; ")
    };
    let gathered = reason(1_100, 7.0);
    assert!(gathered.contains("2.35 ms") && gathered.contains("more than 2.00 ms"), "{gathered}");
    assert!(gathered.contains("--gather-us, or --exact") && !gathered.contains("others"), "{gathered}");
    assert!(reason(1_000, 7.0).contains("others had it"));
    assert!(reason(200, 70.0).contains("less load per worker"));
}

#[test]
fn memory_that_was_there_before_is_why_it_was_not_measured() {
    let objectives = vec![("rss_bytes_per_conn<1kB".parse().unwrap(), None)];
    let used = Evidence { memory_was_there: true, objectives, ..good() };
    let (verdict, reasons) = judge(&used);
    assert_eq!(verdict, Verdict::Invalid);
    assert!(reasons[0].contains("the server had the memory already"), "{reasons:?}");
}

#[test]
fn wrong_answers_outweigh_a_busy_generator() {
    let evidence = Evidence { busy_seconds: 20, wrong: vec!["a gap".to_owned()], ..good() };
    let (verdict, reasons) = judge(&evidence);
    assert_eq!(verdict, Verdict::Correctness);
    assert_eq!(reasons.len(), 2);
}

#[test]
fn a_closed_loop_may_be_busy_when_the_server_is() {
    let closed = Evidence { open_loop: false, busy_seconds: 20, busiest_percent: 92.0, ..good() };
    assert_eq!(judge(&closed).0, Verdict::Invalid);
    let server_busy = Evidence { server_percent: Some(99.0), ..closed };
    assert_eq!(judge(&server_busy).0, Verdict::Pass);
}

#[test]
fn who_judged_nothing_does_not_pass() {
    let nobody = Evidence { unjudged: Some("nothing was judged".to_owned()), ..good() };
    assert_eq!(judge(&nobody), (Verdict::Invalid, vec!["nothing was judged".to_owned()]));
    assert_eq!(judge(&Evidence { lost: 1, ..nobody.clone() }).0, Verdict::Missed);
    assert_eq!(judge(&Evidence { interrupted: true, ..nobody }).0, Verdict::Interrupted);
}

#[test]
fn short_runs_can_be_invalid_too() {
    let short = Evidence { window_s: 4.5, busy_seconds: 4, ..good() };
    assert_eq!(judge(&short).0, Verdict::Invalid);
}

#[test]
fn a_generator_that_does_not_run_is_late_whatever_the_traffic() {
    let closed = || Evidence { open_loop: false, achieved: None, send_lag_p99_us: None, ..good() };
    let judged = |evidence| {
        let (verdict, reasons) = judge(&evidence);
        (verdict, reasons.join("; "))
    };
    assert_eq!(judged(Evidence { away_p99_us: 2_000.0, away_share: 0.3, ..closed() }).0, Verdict::Pass);
    let (verdict, reason) = judged(Evidence { away_p99_us: 2_345.0, cpus: 2, workers: 1, ..closed() });
    assert_eq!(verdict, Verdict::Invalid);
    assert!(reason.contains("generator late") && reason.contains("2.35 ms"), "{reason}");
    assert!(reason.contains("a CPU of its own with --cpus"), "{reason}");
    let unbounded = Evidence { objectives: Vec::new(), away_p99_us: 50_001.0, ..closed() };
    assert_eq!(judged(unbounded).0, Verdict::Invalid);
    let told_once = Evidence { send_lag_p99_us: Some(2_345.0), away_p99_us: 2_345.0, ..good() };
    assert_eq!(judge(&told_once).1.len(), 1);
}

#[test]
fn more_workers_than_cpus_are_told_to_be_fewer() {
    let own = Evidence { workers: 500, cpus: 2, busiest_percent: 1.0, ..good() };
    for late in [
        Evidence { send_lag_p99_us: Some(2_345.0), ..own.clone() },
        Evidence { away_p99_us: 2_345.0, ..own.clone() },
    ] {
        let reason = judge(&late).1.join("; ");
        assert!(reason.contains("fewer --workers: there are 2 CPUs"), "{reason}");
        assert!(!reason.contains("others had it"), "{reason}");
    }
}

#[test]
fn departures_that_the_generator_was_late_for_are_its_own() {
    let of = |departures| judge(&Evidence { departures, ..good() }).0;
    assert_eq!(of((2_000, 20)), Verdict::Pass);
    let (verdict, reasons) = judge(&Evidence { departures: (2_000, 1_860), ..good() });
    assert_eq!(verdict, Verdict::Invalid);
    assert!(reasons[0].contains("generator late: 1860 of 2000 departures"), "{reasons:?}");
}

#[test]
fn a_recovery_that_never_came_is_missed() {
    let objectives = vec![("recovery_p99<10s".parse().unwrap(), None)];
    let away = Evidence { still_away: 20, objectives, ..good() };
    let (verdict, reasons) = judge(&away);
    assert_eq!(verdict, Verdict::Missed, "{reasons:?}");
    assert!(reasons.join("; ").contains("fewer than 99% of those dropped were back"), "{reasons:?}");
    let objectives = vec![("p99<1ms".parse().unwrap(), None)];
    let other = Evidence { still_away: 20, objectives, ..good() };
    assert_eq!(judge(&other).0, Verdict::Invalid, "that has nothing to do with it");
}

#[test]
fn goodbyes_that_most_answer_are_enough() {
    let with = |goodbyes_unanswered, interrupted| {
        let of = Evidence { connected: 100, requested: 100, goodbyes_unanswered, interrupted, ..good() };
        judge(&of)
    };
    assert_eq!(with(1, false).0, Verdict::Pass);
    let (verdict, reasons) = with(2, false);
    assert_eq!(verdict, Verdict::Missed);
    assert!(reasons[0].contains("2 of 100 goodbyes were not answered"), "{reasons:?}");
    assert_eq!(with(100, true), (Verdict::Interrupted, Vec::new()));
}

#[test]
fn what_a_generator_without_a_cpu_held_up_is_in_no_latency() {
    let with = |away_share, away_cpu_percent, objective: Option<&str>, unpaced| {
        let objectives = objective.map(|text| (text.parse().unwrap(), Some(1_000.0))).into_iter().collect();
        let of =
            Evidence { objectives, unpaced, away_share, away_cpu_percent, cpus: 2, workers: 1, ..good() };
        judge(&of).0
    };
    assert_eq!(with(0.51, 49.0, None, true), Verdict::Invalid, "half of the time");
    assert_eq!(with(0.27, 7.0, None, true), Verdict::Invalid, "most of the time that it wanted to run");
    assert_eq!(with(0.39, 40.0, None, true), Verdict::Pass, "some noise");
    assert_eq!(with(0.19, 1.0, None, true), Verdict::Pass, "little of the window");
    assert_eq!(with(0.6, 1.0, None, false), Verdict::Pass, "what is due is judged by its lag");
    assert_eq!(
        with(0.6, 1.0, Some("p99<20s"), true),
        Verdict::Pass,
        "a latency is judged by how long it took"
    );
    for speed in ["upgrades_per_s>500", "sent_per_s>=500", "received_per_s>500"] {
        assert_eq!(with(0.6, 1.0, Some(speed), true), Verdict::Invalid, "{speed}");
    }
}
