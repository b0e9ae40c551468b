//! Loading as a whole: precedence, origins, every refusal, the documents.

use std::io::Write as _;
use std::time::Duration;

use super::*;

fn machine() -> Machine {
    Machine { descriptors_soft: 1_024, descriptors_hard: 20_000, parallelism: 2, cpus: vec![0, 1] }
}

/// Loads a file's text, `NAME=value` variables and `key=value` flags.
fn load_from(
    file: &str,
    environment: &[&str],
    flags: &[(&'static str, &str)],
) -> Result<Loaded, ConfigError> {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(file.as_bytes()).unwrap();
    let inputs = Inputs {
        file: Some(on_disk.path().to_owned()),
        flags: flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
        ..Inputs::default()
    };
    let split =
        |line: &&str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    load(&inputs.with_environment(environment.iter().map(split)), &machine())
}

fn origin(loaded: &Loaded, key: &str) -> String {
    loaded.origins.iter().find(|(known, _)| *known == key).unwrap().1.clone()
}

fn message(result: Result<Loaded, ConfigError>) -> String {
    result.expect_err("the configuration must be refused").to_string()
}

#[test]
fn defaults_alone_are_usable() {
    let loaded = load(&Inputs::default(), &machine()).unwrap();
    let config = &loaded.config;
    assert_eq!(config.listen.to_string(), "127.0.0.1:9001");
    assert_eq!(config.admin.unwrap().to_string(), "127.0.0.1:9002");
    assert_eq!((config.workers, config.fixed_table, config.max_conns), (2, 20_000, 40_000));
    assert_eq!((config.tick_hz, config.snapshot_hz, config.gather_us), (60, 30, 500));
    assert_eq!((config.game, config.seed), ("arena", None));
    assert!(config.pin && config.lag_compensation && !config.echo);
    assert_eq!(loaded.warnings, Vec::<String>::new());
    assert!(loaded.origins.iter().all(|(_, origin)| origin == "default"));
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_defaults() {
    let file = "tick_hz = 40\nsnapshot_hz = 20\ngame = \"pulse\"\n[room]\nplayers_max = 7\nrooms_max = 9\n";
    let environment = ["TICKRING_TICK_HZ=80", "TICKRING_ROOM__PLAYERS_MAX=8", "UNRELATED=1"];
    let loaded = load_from(file, &environment, &[("tick_hz", "100")]).unwrap();
    let config = &loaded.config;
    assert_eq!(
        (config.tick_hz, config.snapshot_hz, config.room_players_max, config.rooms_max),
        (100, 20, 8, 9)
    );
    assert_eq!((config.game, config.echo), ("pulse", false));
    assert_eq!(origin(&loaded, "tick_hz"), "flag --tick-hz");
    assert_eq!(origin(&loaded, "room.players_max"), "environment variable TICKRING_ROOM__PLAYERS_MAX");
    assert!(origin(&loaded, "snapshot_hz").starts_with("file "));
    assert_eq!(origin(&loaded, "echo"), "default");
}

#[test]
fn the_environment_names_the_file_unless_a_flag_does() {
    let variables = || [("TICKRING_CONFIG".to_owned(), "from-environment.toml".to_owned())].into_iter();
    let inputs = Inputs::default().with_environment(variables());
    assert_eq!(inputs.file, Some(PathBuf::from("from-environment.toml")));
    let flagged = Inputs { file: Some(PathBuf::from("from-flag.toml")), ..Inputs::default() };
    assert_eq!(flagged.with_environment(variables()).file, Some(PathBuf::from("from-flag.toml")));
}

#[test]
fn an_empty_name_of_the_file_is_refused_unless_a_flag_names_one() {
    let variables = || [("TICKRING_CONFIG".to_owned(), String::new())].into_iter();
    let text = message(load(&Inputs::default().with_environment(variables()), &machine()));
    assert!(text.contains("TICKRING_CONFIG") && text.contains("is empty"), "{text}");
    load_from("", &["TICKRING_CONFIG="], &[]).unwrap();
}

#[test]
fn rust_log_lies_between_the_file_and_its_own_variable() {
    let file = "[log]\nlevel = \"warn\"\n";
    let level = |environment: &[&str]| load_from(file, environment, &[]).unwrap().config.log.level;
    assert_eq!(level(&[]), "warn");
    assert_eq!(level(&["RUST_LOG=error"]), "error");
    assert_eq!(level(&["RUST_LOG="]), "warn");
    assert_eq!(level(&["RUST_LOG=error", "TICKRING_LOG__LEVEL=info"]), "info");
    let bad = message(load_from(file, &["RUST_LOG=loud"], &[]));
    assert!(bad.contains("log.level = \"loud\" (from environment variable RUST_LOG)"), "{bad}");
}

#[test]
fn values_may_be_written_as_toml_types_or_as_text() {
    let typed =
        "cpus = [1, 0]\nworkers = 2\necho = true\nseed = 5\nadmin = \"off\"\ndrain_timeout = \"1500ms\"\n";
    let text = "cpus = \"1,0\"\nworkers = \"2\"\necho = \"on\"\nseed = \"5\"\nadmin = \"off\"\ndrain_timeout = \"1500ms\"\n";
    let typed = load_from(typed, &[], &[]).unwrap().config;
    assert_eq!(typed, load_from(text, &[], &[]).unwrap().config);
    assert_eq!(typed.cpus, Some(vec![1, 0]));
    assert_eq!((typed.seed, typed.admin, typed.drain_timeout), (Some(5), None, Duration::from_millis(1_500)));
}

#[test]
fn naming_processors_decides_the_number_of_workers() {
    assert_eq!(load_from("", &[], &[("cpus", "1")]).unwrap().config.workers, 1);
}

/// Each line: key, a value that is not allowed, a word of the explanation.
#[rustfmt::skip]
const REFUSED: &[(&str, &str, &str)] = &[
    ("listen", "9001", "no IP address"), ("listen", "localhost:9001", "127.0.0.1"), ("listen", "127.0.0.1", "port is missing"),
    ("admin", "no", "no IP address"), ("workers", "0", "below 1"), ("workers", "257", "above 256"), ("workers", "two", "whole number"),
    ("pin", "maybe", "neither"), ("cpus", "3-1", "backwards"), ("cpus", "1,1", "twice"), ("game", "chess", "no such name"),
    ("echo", "2", "neither"), ("max_conns", "0", "below 1"), ("tick_hz", "19", "below 20"), ("tick_hz", "129", "above 128"),
    ("tick_hz", "60.5", "whole number"), ("snapshot_hz", "0", "below 1"), ("seed", "-1", "below 0"), ("seed", "x", "whole number"),
    ("drain_timeout", "10", "unit is missing"), ("drain_timeout", "2h", "too long"), ("back_after", "soon", "no number"),
    ("room.players_max", "0", "below 1"), ("room.players_max", "20000", "above"), ("room.rooms_max", "0", "below 1"),
    ("room.spectators_max", "4097", "above"), ("room.spectator_delay", "121s", "too long"), ("room.snapshot_bytes_per_s", "999", "below 1000"),
    ("overload.rung_max", "5", "above 4"), ("overload.dilation_percent_min", "49", "below 50"), ("pulse.step_work", "-1", "below 0"),
    ("record.dir", "", "empty"), ("record.bytes_max", "1000", "below 1048576"),
    ("room.lag_compensation", "", "neither"), ("room.rewind_max", "1001ms", "too long"), ("room.rewind_max", "49ms", "too short"),
    ("session.handshake_timeout", "0s", "too short"), ("session.ping_after", "1d", "none of"),
    ("arena.respawn", "0s", "too short"), ("arena.pick_up", "11m", "too long"), ("arena.hold", "1500ms", "whole number of seconds"),
    ("arena.rifle_damage", "256", "above 255"), ("arena.rocket_damage", "-1", "below 0"), ("pulse.snapshot_wire_bytes", "129", "below 130"),
    ("session.silent_close", "1ms", "too short"), ("session.close_timeout", "61s", "too long"), ("session.outbox_bytes_max", "1", "below 4096"),
    ("ring.gather_us", "1001", "above 1000"), ("ring.buffers", "1000", "power of two"), ("ring.buffers", "65536", "above"),
    ("ring.buffer_bytes", "2000", "power of two"), ("ring.fixed_table", "1", "below 16"), ("log.level", "loud", "not a level"),
    ("log.format", "xml", "no such name"),
];

#[test]
fn every_setting_refuses_what_is_wrong_and_says_key_value_origin_and_what_is_allowed() {
    for setting in SETTINGS {
        assert!(
            REFUSED.iter().any(|(key, ..)| *key == setting.key),
            "no refusal is tried for {}",
            setting.key
        );
    }
    for (key, value, word) in REFUSED {
        let setting = Setting::find(key).unwrap();
        let text = message(load_from("", &[&format!("{}={value}", setting.variable())], &[]));
        assert!(text.contains(&format!("{key} = {value:?}")), "{text}");
        assert!(text.contains(&format!("(from environment variable {})", setting.variable())), "{text}");
        assert!(text.contains(word), "{text} does not say {word:?}");
        assert!(text.contains(&format!("allowed: {}", setting.allowed)), "{text}");
    }
}

#[test]
fn unknown_keys_are_refused_in_every_layer() {
    let text =
        message(load_from("tickhz = 60\n[room]\nplayers = 5\n[rooms]\nx = 1\n", &["TICKRING_LISTN=1"], &[]));
    for expected in [
        "tickhz = 60",
        "did you mean tick_hz?",
        "room.players = 5",
        "rooms.x = 1",
        "listn = \"1\"",
        "TICKRING_LISTN)",
        "did you mean TICKRING_LISTEN?",
    ] {
        assert!(text.contains(expected), "{text} does not say {expected:?}");
    }
    let text = message(load_from("room = 5\n", &[], &[]));
    assert!(text.contains("room is a table"), "{text}");
    let text = message(load_from("[[room]]\nplayers_max = 1\n", &[], &[]));
    for expected in
        ["room = [{…}] (from file ", "it is an array, as [[room]] makes one", "allowed: room is a table"]
    {
        assert!(text.contains(expected), "{text} does not say {expected:?}");
    }
    let text = message(load_from("tick_hz = { a = 1 }\n", &[], &[]));
    assert!(text.contains("tick_hz.a = 1"), "{text}");
    let text = message(load_from("tick_hz = {}\n[rooms]\n\"room.players_max\" = 5\n[arena]\n", &[], &[]));
    for expected in ["tick_hz = {} (from file ", "rooms.\"room.players_max\" = 5"] {
        assert!(text.contains(expected), "{text} does not say {expected:?}");
    }
    assert_eq!(message(load_from("[rooms]\n", &[], &[])).matches("unknown key").count(), 1);
}

#[test]
fn a_variable_is_suggested_as_it_must_be_written() {
    let text = message(load_from("", &["TICKRING_ROOM_PLAYERS_MAX=5"], &[]));
    assert!(text.contains("did you mean TICKRING_ROOM__PLAYERS_MAX?"), "{text}");
}

#[test]
fn a_key_that_would_confuse_a_terminal_is_written_in_escapes() {
    let text = message(load_from("\"\\u001b[2J\" = 1\n", &["TICKRING_\u{1b}[2J=1"], &[]));
    assert!(!text.contains('\u{1b}') && text.contains("u{1b}"), "{text:?}");
}

#[test]
fn all_problems_are_told_at_once() {
    let error = load_from("tick_hz = 1\nworkers = 0\nnonsense = 1\n", &[], &[]).unwrap_err();
    assert_eq!(error.problems.len(), 3, "{error}");
    let text = message(load_from("tick_hz = =\n", &["TICKRING_NONSENSE=1"], &[("workers", "0")]));
    for expected in ["not valid TOML", "TICKRING_NONSENSE", "flag --workers"] {
        assert!(text.contains(expected), "{text} does not say {expected:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_not_made_to_clash() {
    let inputs = Inputs { file: Some(PathBuf::from("no/such/file")), ..Inputs::default() };
    let flags = vec![("tick_hz", "50".to_owned())];
    let error = load(&Inputs { flags, ..inputs }, &machine()).unwrap_err();
    assert_eq!(error.problems.len(), 1, "the file may hold the snapshot_hz that goes with it: {error}");
}

#[test]
fn many_problems_are_counted_instead_of_printed() {
    let wrong = |count: usize| (0..count).map(|n| format!("nonsense_{n} = {n}\n")).collect::<String>();
    let told = |count| {
        let text = message(load_from(&wrong(count), &[], &[]));
        (text.matches("unknown key").count(), text)
    };
    assert_eq!(told(20).0, 20);
    assert!(!told(20).1.contains("more problem"));
    assert!(told(21).1.ends_with("\nand 1 more problem"));
    let (shown, text) = told(5_000);
    assert!(shown == 20 && text.ends_with("\nand 4980 more problems"), "{text}");
    assert!(text.len() < 20_000, "{} bytes", text.len());
}

#[test]
fn long_keys_and_values_are_cut() {
    let long = "x".repeat(100_000);
    let text = message(load_from(&format!("{long} = \"{long}\"\ngame = \"{long}\"\n"), &[], &[]));
    assert!(text.contains("game = \"xxx") && text.len() < 2_000, "{} bytes", text.len());
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let inputs = Inputs { file: Some(PathBuf::from("no/such/file.toml")), ..Inputs::default() };
    let text = load(&inputs, &machine()).unwrap_err().to_string();
    assert!(text.contains("no/such/file.toml") && text.contains("No such file"), "{text}");
    let text = message(load_from("tick_hz = = 5\n", &[], &[]));
    assert!(text.contains("not valid TOML") && text.contains("line 1"), "{text}");
}

/// Settings that clash, and what the message must say.
type Clash = (&'static [(&'static str, &'static str)], &'static [&'static str]);

#[test]
fn settings_that_do_not_go_together_are_refused_with_both_named() {
    let cases: &[Clash] = &[
        (&[("tick_hz", "60"), ("snapshot_hz", "25")], &["snapshot_hz = 25", "tick_hz = 60", "20, 30, 60"]),
        (&[("tick_hz", "20")], &["snapshot_hz = 30 (from default)", "tick_hz = 20 (from flag --tick-hz)"]),
        (&[("listen", "0.0.0.0:9002")], &["admin = \"127.0.0.1:9002\"", "listen = \"0.0.0.0:9002\""]),
        (&[("cpus", "0"), ("workers", "2")], &["cpus = [0]", "workers = 2"]),
        (&[("cpus", "0,7")], &["cpus = [0, 7]", "processor 7", "[0, 1]"]),
        (
            &[("ring.fixed_table", "20001")],
            &["ring.fixed_table = 20001", "hard descriptor limit, 20000", "ulimit -Hn"],
        ),
        (&[("max_conns", "40001")], &["max_conns = 40001", "ring.fixed_table = 20000", "at most 40000"]),
    ];
    for (flags, expected) in cases {
        let text = message(load_from("", &[], flags));
        for word in *expected {
            assert!(text.contains(word), "{text} does not say {word:?}");
        }
    }
}

#[test]
fn two_listeners_may_share_what_does_not_collide() {
    for flags in [
        [("listen", "127.0.0.1:0"), ("admin", "127.0.0.1:0")],
        [("listen", "127.0.0.1:9001"), ("admin", "127.0.0.2:9001")],
        [("listen", "0.0.0.0:9002"), ("admin", "off")],
    ] {
        load_from("", &[], &flags).unwrap();
    }
}

#[test]
fn what_is_legal_but_hardly_meant_is_warned_about() {
    let flags = [
        ("workers", "3"),
        ("admin", "0.0.0.0:1"),
        ("listen", "0.0.0.0:2"),
        ("echo", "on"),
        ("ring.gather_us", "0"),
        ("log.level", "debug"),
    ];
    let warnings = load_from("", &[], &flags).unwrap().warnings;
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    let one = |flags: &[(&'static str, &str)]| load_from("", &[], flags).unwrap().warnings.len() == 1;
    assert!(one(&[("cpus", "0"), ("pin", "off")]));
    assert!(one(&[("record.dir", "/proc/nowhere")]) && !one(&[("record.dir", "/proc")]));
}

#[test]
fn the_effective_configuration_loads_to_itself() {
    let flags = [
        ("seed", "18446744073709551615"),
        ("drain_timeout", "1500ms"),
        ("admin", "off"),
        ("cpus", "0-1"),
        ("log.level", "info,tickring_server=warn"),
        ("echo", "on"),
    ];
    let first = load_from("", &[], &flags).unwrap();
    let second = load_from(&first.to_toml(), &[], &[]).unwrap();
    assert_eq!(second.config, first.config);
    assert!(first.to_toml().contains("# flag --seed"));
    assert!(second.origins.iter().all(|(_, origin)| origin.starts_with("file ")), "every key is written");
}

#[test]
fn the_example_file_holds_every_default() {
    let example = include_str!("../../../tickring.example.toml");
    let shipped = load_from(example, &[], &[]).unwrap();
    assert_eq!(shipped.config, load(&Inputs::default(), &machine()).unwrap().config);
    assert!(shipped.origins.iter().all(|(_, origin)| origin.starts_with("file ")), "every key is there");
    let said: Vec<_> = example.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    let said = said.join(" ");
    for setting in SETTINGS {
        assert!(said.contains(setting.meaning), "tickring.example.toml lacks what {} means", setting.key);
    }
}

#[test]
fn the_documentation_has_every_setting_with_default_and_range() {
    let page = include_str!("../../../docs/configuration.md");
    for setting in SETTINGS {
        let flag = setting.flag.map_or("—".to_owned(), |flag| format!("`{flag}`"));
        let row = format!(
            "| `{}` | {flag} | `{}` | {} | {} |",
            setting.key, setting.default, setting.allowed, setting.meaning
        );
        assert!(page.contains(&row), "docs/configuration.md lacks this line:\n{row}");
    }
}

#[test]
fn a_program_with_games_of_its_own_has_those_and_no_others() {
    let own = |flags: &[(&'static str, &str)], environment: &[(&str, &str)]| {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let inputs = Inputs {
            games: Games::new("chess", &["go"]),
            flags: flags.iter().map(|(key, value)| (*key, (*value).to_owned())).collect(),
            ..Inputs::default()
        };
        load(&inputs.with_environment(environment.iter().map(owned)), &machine())
    };
    let loaded = own(&[], &[]).unwrap();
    assert_eq!((loaded.config.game, origin(&loaded, "game")), ("chess", "default".to_owned()));
    let printed = loaded.to_toml();
    assert!(printed.contains("game = \"chess\"") && printed.contains("[session]"), "{printed}");
    assert!(!printed.contains("[arena]") && !printed.contains("[pulse]"), "{printed}");
    assert_eq!(own(&[("game", "go")], &[]).unwrap().config.game, "go");
    let text = message(own(&[("game", "arena")], &[("TICKRING_ARENA__HOLD", "5s")]));
    for expected in [
        "game = \"arena\" (from flag --game) is not allowed: there is no such name\n  allowed: chess or go",
        "arena.hold = \"5s\" (from environment variable TICKRING_ARENA__HOLD) is not allowed: it is a rule of a game",
    ] {
        assert!(text.contains(expected), "{text} does not say {expected:?}");
    }
}
