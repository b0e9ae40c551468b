//! A report for tests.

use serde_json::{Value, json};

use super::view::View;
use crate::measure::latency::Percentiles;
use crate::measure::series::Point;

/// So many seconds of a run. In the first one nothing was answered.
pub(super) fn course(seconds: u32) -> Vec<Point> {
    (0..seconds)
        .map(|second| {
            // Not regular, and the same in every run of the tests.
            let wobble = f64::from(second * 7_919 % 13);
            let p99 = 5_000.0 + 100.0 * wobble;
            Point {
                at_s: f64::from(second + 1),
                requested: 10,
                open: 10,
                open_fewest: Some(9),
                failed: 1,
                lost: 0,
                sent_per_s: 600.0 + wobble,
                received_per_s: 598.0 + wobble,
                bytes_up_per_s: 40_000.0,
                bytes_down_per_s: 90_000.0 + 10.0 * wobble,
                latency_us: (second > 0).then_some(Percentiles {
                    p50: 1_000.0 + wobble,
                    p90: 3_000.0,
                    p95: Some(4_000.0),
                    p99,
                    p999: 7_000.0,
                    max: 9_000.5,
                    count: 600,
                }),
                send_lag_p99_us: Some(120.5),
                cpu_percent: 20.25 + wobble,
            }
        })
        .collect()
}

/// What a storm does to connections.
fn crowd(spread: &Value) -> Value {
    json!({"left": 0, "not_left": 0, "dropped": 5, "returned": 5, "retried": 2, "stalled": 0, "shed": 0,
        "upgrades": 5, "upgrades_per_s": 0.25, "server_cpu_us_per_upgrade": 210.0,
        "generator_cpu_us_per_upgrade": null, "recovery_us": spread, "recovered_99_percent_us": 812_000.0})
}

/// Ten seconds of a window, in which some drop.
pub(super) fn phase(name: &str, start_s: f64, dropped: u64) -> Value {
    let spread = |p50: f64, p99: f64| json!({"p50": p50, "p90": p99, "p99": p99, "p999": p99, "max": p99, "count": 100});
    json!({"name": name, "start_s": start_s, "seconds": 10.0, "open": 9, "left": 0, "dropped": dropped,
        "upgrades": dropped, "sent_per_s": 600.0, "received_per_s": 600.0,
        "bystander_latency_us": spread(33_000.0, 46_000.0), "bystander_snapshot_interval_us": spread(33_000.0, 47_000.0),
        "recovery_us": null, "server_cpu_percent": 8.5, "tick_lateness_us": spread(100.0, 900.0), "ticks": 600,
        "ticks_missed": dropped})
}

/// A whole report as JSON: 20 s from second 2.5 on.
pub(super) fn report() -> Value {
    let spread = json!({"p50": 1_000.0, "p90": 3_000.0, "p99": 5_000.0, "p999": 7_000.0, "max": 9_000.5,
        "count": 12_000});
    let spectrum: Vec<Value> = [(0.0, 900.0, 1), (50.0, 1_000.0, 6_000), (99.0, 5_000.0, 11_880), (100.0, 9_000.5, 12_000)]
        .map(|(percentile, value_us, count)| json!({"percentile": percentile, "value_us": value_us, "count": count}))
        .into();
    let counters = json!({"listen_overflows": 1, "conntrack_count": null});
    json!({
        "schema": 1, "preset": "storm", "traffic": "game", "verdict": "missed", "exit_code": 99,
        "reasons": ["objective p99<1ms: measured 5ms"], "finished_unix_s": 1_795_000_000, "window_s": 20.0,
        "window_start_s": 2.5, "link": null,
        "conns": {"requested": 10, "attempted": 10, "connected": 9, "failed": 1, "lost": 0, "ports_skipped": 0,
            "connect_us": spread, "upgrade_us": spread, "errors": [{"stage": "upgrade", "error": "HTTP 503",
            "count": 1, "side": "server", "remedy": "more rooms"}]},
        "messages": {"sent": 12_000, "received": 12_000, "sent_per_s": 600.0, "received_per_s": 600.0,
            "bytes_up": 800_000, "bytes_down": 1_800_000, "achieved": 1.0, "withheld": 0, "unanswered": 0, "gaps": 0, "gaps_presumed": 0,
            "duplicates": 0, "reordered": 0, "dropped_declared": 0, "corrupted": 0},
        "latency_us": {"intended": spread, "service": spread},
        "game": {"input_to_effect_us": spread, "snapshot_interval_us": spread, "ping_us": null,
            "down_bytes_per_player_s": 9_000.0, "snapshots": 12_000, "snapshots_slow": 0, "events": 5,
            "state_mismatches": 0, "shots": 10, "hits_expected": 5, "hits_confirmed": 5},
        "rewind": null, "crowd": crowd(&spread), "phases": [phase("calm", 0.0, 0), phase("storm", 10.0, 3)],
        "server": {"source": "admin", "gap": null, "cpu_us_per_message": 12.5, "cpu_percent": 8.0,
            "rss_bytes": 50_000_000, "rss_bytes_before": 40_000_000, "rss_bytes_per_conn": 1_000.0,
            "tick_lateness_us": spread, "ticks": 1_200, "ticks_missed": 0, "tick_hz": 60.0, "snapshot_hz": 30.0},
        "generator": {"cpu_percent": 25.0, "cpu_percent_by_worker": [25.0], "busy_seconds": 0,
            "send_lag_us": spread, "left_out_share": 0.0, "away_share": 0.125,
            "away_p99_us": 250.0, "ring": {}, "rss_bytes": 30_000_000},
        "kernel": {"before": counters, "during": counters, "after": counters},
        "diagnosis": [{"class": "server-full", "side": "server", "cause": "the server seats 9 and no more",
            "evidence": ["1 x HTTP 503 at upgrade", "/status: max_conns is 9"], "remedy": "--max-conns 10 there"}],
        "machine": {"kernel": "6.12", "hostname": "here", "cpus": 2, "sysctls": {"fs.file-max": "9"}},
        "versions": {"loadgen": "0.1.0", "protocol": 1, "server": "0.1.0"}, "seed": 1,
        "slo": [{"objective": "p99<1ms", "measured": 5_000.0, "met": false}],
        "plan": {"preset": {"name": "game", "rooms": 1}, "targets": [{"url": "ws://127.0.0.1:9001"}], "conns": 10,
            "phases": [{"name": "calm", "drop": null}, {"name": "storm", "drop": 0.5}]},
        "course_interval_s": 1.0, "course": course(24),
        "spectra": {"intended": spectrum, "service": spectrum, "connect": spectrum, "upgrade": spectrum,
            "snapshot_interval": spectrum, "tick_lateness": spectrum},
    })
}

/// The same, read back.
pub(super) fn view() -> View {
    View::parse(report().to_string().as_bytes()).unwrap()
}
