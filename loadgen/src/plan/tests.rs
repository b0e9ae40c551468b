use std::net::SocketAddr;

use super::*;
use crate::cli::Cli;
use crate::server_side::Admin;
use proptest::prelude::*;

fn parse(flags: &str) -> Result<Plan, String> {
    Cli::plan(flags.split_whitespace())
}

#[test]
fn the_defaults_suit_a_default_server() {
    let plan = parse("game --conns 1000").unwrap();
    assert_eq!(plan.preset, Preset::Game { game: GameName::Arena, rooms: 20, input_hz: None });
    assert_eq!(plan.targets[0].address, SocketAddr::from(([127, 0, 0, 1], 9001)));
    assert_eq!(plan.admins, [Admin { url: "http://127.0.0.1:9002".to_owned(), targets: vec![0] }]);
    assert_eq!(plan.duration, Duration::from_secs(30));
}

#[test]
fn raw_sizes_are_those_of_the_frames() {
    let sizes = |flags: &str| parse(flags).unwrap().raw.unwrap();
    assert_eq!(sizes("echo --raw --size 64"), RawSizes { in_bytes: 70, out_bytes: 66 });
    assert_eq!(sizes("echo --raw --size 126"), RawSizes { in_bytes: 134, out_bytes: 130 });
    assert_eq!(sizes("echo --raw --size 65536"), RawSizes { in_bytes: 65_550, out_bytes: 65_546 });
    assert_eq!(sizes("game --raw --raw-in 64"), RawSizes { in_bytes: 64, out_bytes: 512 });
}

#[test]
fn what_cannot_be_is_named_with_what_can() {
    for (flags, given, permitted) in [
        ("game --rooms 0", "'0' for '--rooms", "1 to 4000000, for example --rooms 20"),
        ("game --conns 10 --rooms 11", "--rooms 11", "1 to --conns (10)"),
        ("game --input-hz 1001", "--input-hz 1001", "1 to 1000, for example --input-hz 30"),
        ("game --input-hz 1.5", "--input-hz 1.5", "a whole number from 1 to 1000"),
        ("game --drop 50%", "--drop 0.5", "no phase of `run game` has drop"),
        ("churn --backoff none", "--backoff none", "no phase of `run churn` has backoff"),
        ("storm --drop 0%", "'0%' for '--drop", "above 0% and up to 100%"),
        ("game --traffic echo", "--traffic echo", "`run game` is that traffic already"),
        (
            "churn --forge old",
            "--forge",
            "has no meaning for `run churn` with game traffic; it is for rewind",
        ),
        ("echo --rooms 3", "--rooms", "it is for game"),
        ("game --stages 10s", "'10s' for '--stages", "for example --stages 30s:1000"),
        ("game --stages 10s:0", "conns", "in no phase is there a connection"),
        ("game --stages 10s:5 --duration 3s", "--stages", "cannot be used with"),
        ("game --target ws://127.0.0.1:1/x", "--target", "chooses the path"),
        ("game --target wss://127.0.0.1:1", "--target", "TLS"),
        ("game --target tcp://127.0.0.1:1", "--target", "--raw"),
        ("game --target ws://no.such.host.invalid:1", "--target", "does not resolve"),
        ("game --target ws://127.0.0.1:70000", "127.0.0.1:70000", "1 to 65535, for example 127.0.0.1:9001"),
        ("game --target ws://[::1]:0", "[::1]:0", "1 to 65535"),
        ("game --admin 127.0.0.1:70000", "--admin 127.0.0.1:70000", "1 to 65535"),
        ("echo --rate 0", "'0' for '--rate", "0.01 to 1000000, for example --rate 20"),
        ("echo --rate fast", "'fast' for '--rate", "0.01 to 1000000"),
        ("echo --closed --pipeline 0", "'0' for '--pipeline", "1 to 4096, for example --pipeline 16"),
        ("echo --size 99999999", "'99999999' for '--size", "1 to 16777216, for example --size 64"),
        ("idle --workers 0", "'0' for '--workers", "1 to 1024, for example --workers 4"),
        ("game --gather-us 5001", "'5001' for '--gather-us", "0 to 5000, for example --gather-us 200"),
        ("game --gather-us abc", "'abc' for '--gather-us", "0 to 5000, for example --gather-us 200"),
        ("idle --conns 3 --workers 4", "--workers 4", "1 to --conns (3), for example --workers 1"),
        ("idle --conns 0", "'0' for '--conns", "1 to 4000000, for example --conns 1000"),
        ("idle --conns 99999999999", "'99999999999' for '--conns", "1 to 4000000, for example --conns 1000"),
        (
            "idle --duration 0s",
            "'0s' for '--duration",
            "1ms to 24h, in ms, s, m or h, for example --duration 30s",
        ),
        ("idle --cpus 3-1", "--cpus 3-1", "like 1 or 0,2-3"),
        ("idle --src 1.2.3", "--src", "127.0.0.2-127.0.0.17"),
        ("idle --src 127.0.0.2 --target ws://[::1]:1", "--src", "IPv4"),
        ("idle --out xml=x", "--out xml=x", "prom=IP:PORT, for example --out json=run.json"),
        ("idle --out /x", "--out /x", "prom=IP:PORT, for example --out json=run.json"),
        ("idle --admin foo", "--admin foo", "http://HOST:PORT"),
        ("idle --admin https://x", "--admin https://x", "http://HOST:PORT"),
        ("idle --slo gaps==0.5", "gaps==0.5", "a whole number, for example gaps==0"),
        ("idle --exact", "--exact", "no effect"),
        ("echo --closed --exact", "--exact", "no effect"),
        ("rewind --conns 7", "--conns 7", "even numbers"),
        ("rewind --raw", "--raw", "plays no game"),
        ("rewind --forge young", "'young' for '--forge", "old, future, oscillating"),
        ("rewind --target ws://127.0.0.1:1/x", "--target", "the rewind preset chooses the path"),
        ("idle --latency 75ms", "--latency", "`run idle`, which measures the server without a link"),
        ("echo --stall 200ms", "--stall", "run game --stall 15ms"),
        ("game --raw --jitter 5ms", "--jitter", "`run game --raw`"),
        ("game --latency 75", "'75' for '--latency", "0ms to 500ms, for example --latency 75ms"),
        ("game --stall 200ms/100ms", "'200ms/100ms' for '--stall", "for example --stall 200ms"),
    ] {
        let error = parse(flags).unwrap_err();
        assert!(error.contains(given) && error.contains(permitted), "{flags}: {error}");
    }
}

#[test]
fn what_looks_like_a_flag_or_an_address_is_answered_as_what_it_was_meant_for() {
    for (flags, given, permitted) in [
        ("idle --conns -1", "'-1' for '--conns", "a whole number from 1 to 4000000"),
        ("idle --conns=-1", "'-1' for '--conns", "a whole number from 1 to 4000000"),
        ("echo --rate -0.5", "'-0.5' for '--rate", "0.01 to 1000000"),
        ("echo --rate -.5 --conns 3", "'-.5' for '--rate", "0.01 to 1000000"),
        ("idle --duration -5s", "'-5s' for '--duration", "1ms to 24h"),
        ("storm --drop -50%", "'-50%' for '--drop", "above 0%"),
        ("game --rooms 0", "'0' for '--rooms", "1 to 4000000, for example --rooms 20"),
        ("idle --raw -1", "'-1' for '--raw'", "no more were expected"),
        ("idle --target ws://[::1", "--target ws://[::1", "the bracket of an IPv6 address is not closed"),
        ("idle --target ws://[::1]x:1", "--target ws://[::1]x:1", "ws://[::1]:9001"),
        ("idle --target ws://[]:1", "--target ws://[]:1", "ws://[::1]:9001"),
        ("idle --target ws://[127.0.0.1]:1", "ws://[127.0.0.1]:1", "ws://[::1]:9001"),
        ("idle --target ws://::1", "--target ws://::1", "ws://[::1]:9001"),
        ("idle --target ws://", "--target ws://", "names no host"),
        ("idle --target ws://:9001", "--target ws://:9001", "names no host"),
        ("idle --out json=-", "--out json=-", "standard output has the summary"),
        (
            "idle --out json=/proc/none/run.json",
            "--out json=/proc/none/run.json",
            "name a file that you may write",
        ),
    ] {
        let error = parse(flags).unwrap_err();
        assert!(error.contains(given) && error.contains(permitted), "{flags}: {error}");
    }
}

#[test]
fn a_link_is_one_way_and_answers_are_waited_for_both_ways() {
    assert_eq!(parse("game").unwrap().link, None);
    assert_eq!(parse("game --latency 0ms").unwrap().link, None, "no link at all");
    let plan = parse("game --latency 75ms --jitter 15ms --stall 200ms/2s").unwrap();
    let link = plan.link.unwrap();
    assert_eq!((link.latency_ns, link.jitter_ns), (75_000_000, 15_000_000));
    assert_eq!((link.stall_ns, link.stall_period_ns), (200_000_000, 2_000_000_000));
    assert_eq!(plan.settle_ns() - parse("game").unwrap().settle_ns(), 2 * 290_000_000);
}

#[test]
fn the_probe_gives_every_pair_a_room() {
    let plan = parse("rewind --forge old").unwrap();
    assert_eq!(plan.preset, Preset::Rewind { rooms: 20, forge: Some(Forge::Old) });
    let rooms: Vec<u32> = (0..6).map(|connection| plan.room_of(connection, 20)).collect();
    assert_eq!(rooms, [0, 0, 1, 1, 2, 2]);
    assert!(parse("rewind --latency 75ms --jitter 15ms").unwrap().link.is_some());
}

#[test]
fn exact_is_for_whoever_sends_at_given_times() {
    assert!(parse("game --exact").unwrap().exact && parse("echo --exact --rate 5").unwrap().exact);
}

/// An objective on a metric, with a unit where one is needed.
fn below_one(name: &str) -> String {
    let bare = format!("{name}<1");
    if bare.parse::<Slo>().is_ok() { bare } else { format!("{bare}s") }
}

#[test]
fn objectives_are_about_what_the_preset_measures() {
    for (flags, names) in [
        ("echo", "effect_p99 interval_p50 mismatches dropped down_bytes_per_player_s"),
        ("echo --closed", "achieved effect_max"),
        ("echo --raw", "upgrade_p99 gaps duplicates reordered corrupted"),
        (
            "idle",
            "p50 p90 p99 p999 max effect_p50 interval_max gaps corrupted achieved sent_per_s cpu_us_per_message",
        ),
        ("game", "corrupted"),
        ("game --raw", "p99 effect_p99 upgrade_p99 gaps mismatches hit_share"),
        ("rewind", "corrupted"),
    ] {
        for name in names.split(' ') {
            let error = parse(&format!("{flags} --slo {}", below_one(name))).unwrap_err();
            let (said, permitted) = error.split_once("permitted are ").unwrap();
            assert!(said.contains(&format!("`run {flags}` does not measure {name}")), "{error}");
            let permitted: Vec<&str> = permitted.split([' ', ';']).collect();
            assert!(!permitted.contains(&name) && permitted.contains(&"connect_p99"), "{error}");
        }
    }
    for (flags, names) in [
        ("echo", "p50 p90 p95 p99 p999 max gaps duplicates reordered corrupted achieved upgrade_p99"),
        ("echo --closed", "p99 sent_per_s received_per_s cpu_us_per_message"),
        ("echo --raw", "p99 achieved"),
        ("idle", "connect_p99 upgrade_p99 failed rss_bytes_per_conn lateness_p99"),
        (
            "game",
            "p99 effect_p50 effect_p99 effect_max interval_p50 interval_p99 interval_max mismatches dropped",
        ),
        ("rewind", "hit_share effect_p99 gaps achieved"),
        ("game --raw", "interval_p99 down_bytes_per_player_s achieved"),
    ] {
        for name in names.split(' ') {
            parse(&format!("{flags} --slo {}", below_one(name))).unwrap();
        }
    }
}

#[test]
fn cpus_go_round() {
    let plan = parse("idle --conns 10 --workers 5 --cpus 1,4-5").unwrap();
    let cpus: Vec<Option<usize>> = (0..5).map(|worker| plan.cpu_of(worker)).collect();
    assert_eq!(cpus, [Some(1), Some(4), Some(5), Some(1), Some(4)]);
    assert_eq!(parse("idle").unwrap().cpu_of(0), None);
}

proptest! {
    #[test]
    fn shares_rooms_and_turns_cover_everything_once(conns in 1_u32..5_000, workers in 1_u32..9, rooms in 1_u32..60) {
        let (workers, rooms) = (workers.min(conns), rooms.min(conns));
        let plan = parse(&format!("game --conns {conns} --workers {workers} --rooms {rooms}")).unwrap();
        let mut next = 0;
        for worker in 0..workers {
            let share = plan.share(worker);
            prop_assert_eq!(share.start, next);
            prop_assert!(share.end > share.start, "every worker has something to do");
            next = share.end;
        }
        prop_assert_eq!(next, conns);
        let mut players = vec![0_u32; rooms as usize];
        let mut turns = vec![false; conns as usize];
        for connection in 0..conns {
            players[plan.room_of(connection, rooms) as usize] += 1;
            let turn = plan.turn_of(connection) as usize;
            prop_assert!(!turns[turn], "turn {turn} twice");
            turns[turn] = true;
        }
        let (least, most) = (players.iter().min().unwrap(), players.iter().max().unwrap());
        prop_assert!(most - least <= 1, "{least} to {most} players a room");
    }
}

#[test]
fn the_course_of_the_longest_run_is_no_longer_than_a_thousand_points_or_two() {
    for flags in ["idle", "idle --duration 86400s", "idle --conns 1000000 --connect-rate 10"] {
        let plan = parse(flags).unwrap();
        let ramp_s = u64::from(plan.conns / plan.connect_rate);
        let length_s = ramp_s + plan.warmup.as_secs() + plan.duration.as_secs();
        let points = length_s * 1_000_000_000 / plan.sample_ns();
        assert!(points <= COURSE_POINTS, "{flags}: {points}");
    }
}
