//! Reads the merged values into types, one key at a time, and keeps every problem it meets.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use config::{Value, ValueKind};

use super::games::Games;
use super::layers::{self, Merged};
use super::problem::Problem;
use super::settings::{SETTINGS, Setting};
use super::{ArenaConfig, LogConfig, LogFormat, RecordConfig, ServerConfig};
use crate::limits::Machine;
use crate::logging;

/// The largest file table that is taken without being asked for.
const FIXED_TABLE_AUTO_MAX: u64 = 65_536;

pub(super) struct Reader<'a> {
    merged: &'a Merged,
    games: &'a Games,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(merged: &'a Merged, games: &'a Games) -> Self {
        Self { merged, games, problems: Vec::new() }
    }

    /// The problems met, and where each key came from that means something to this program.
    pub(super) fn finish(self) -> (Vec<Problem>, Vec<(&'static str, String)>) {
        let origin = |key: &str| self.merged.get(key).map_or("default".to_owned(), layers::origin);
        let settings = SETTINGS.iter().filter(|setting| self.games.have(setting));
        (self.problems, settings.map(|setting| (setting.key, origin(setting.key))).collect())
    }

    /// The value of `key`, or its default after noting what is wrong with the value.
    fn get<T>(&mut self, key: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let setting = Setting::find(key).expect("only keys of the table are read");
        let value = self.value(key);
        if !self.games.have(setting) && value.origin().is_some() {
            let why = "it is a rule of a game that this program does not have".to_owned();
            self.refuse(key, why, format!("the rules of {}", self.games.allowed()));
        }
        let parsed = parse(&text(value));
        parsed.unwrap_or_else(|why| {
            self.refuse(key, why, setting.allowed.to_owned());
            parse(setting.default).expect("defaults parse: a test loads them all")
        })
    }

    /// The game, which is one of the program's.
    fn game(&mut self) -> &'static str {
        let game = self.games.find(&text(self.value("game")));
        game.unwrap_or_else(|| {
            self.refuse("game", "there is no such name".to_owned(), self.games.allowed());
            self.games.first()
        })
    }

    fn value(&self, key: &str) -> &'a Value {
        self.merged.get(key).expect("the defaults are the lowest layer and have every key")
    }

    fn refuse(&mut self, key: &'static str, why: String, allowed: String) {
        let value = self.value(key);
        self.problems.push(Problem::Value {
            key: key.to_owned(),
            value: layers::shown(value),
            origin: layers::origin(value),
            why,
            allowed,
        });
    }
}

/// A value as a flag would give it.
fn text(value: &Value) -> String {
    match &value.kind {
        ValueKind::Array(items) => items.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        ValueKind::Boolean(on) => (if *on { "on" } else { "off" }).to_owned(),
        _ => value.to_string().trim().to_owned(),
    }
}

/// Reads every key.
pub(super) fn read(from: &mut Reader<'_>, machine: &Machine) -> ServerConfig {
    let cpus = from.get("cpus", |text| auto_or(text, cpu_list));
    let workers = from.get("workers", |text| auto_or(text, |text| number::<usize>(text, 1..=256)));
    let workers = workers.or(cpus.as_ref().map(Vec::len)).unwrap_or(machine.parallelism).clamp(1, 256);
    let fixed_table = from
        .get("ring.fixed_table", |text| auto_or(text, |text| number::<u32>(text, 16..=1_048_576)))
        .unwrap_or_else(|| u32_at_most(machine.descriptors_hard.min(FIXED_TABLE_AUTO_MAX)));
    let connections_possible = u32_at_most(workers as u64 * u64::from(fixed_table));
    let max_conns = from.get("max_conns", |text| auto_or(text, |text| number::<u32>(text, 1..=268_435_456)));
    let short = Duration::from_millis(100)..=Duration::from_secs(60);
    let long = Duration::from_millis(100)..=Duration::from_secs(3600);
    let delay = Duration::ZERO..=Duration::from_secs(120);
    let rewind = Duration::from_millis(50)..=Duration::from_secs(1);
    let any = Duration::ZERO..=Duration::from_secs(3600);
    ServerConfig {
        listen: from.get("listen", address),
        admin: from.get("admin", |text| if text == "off" { Ok(None) } else { address(text).map(Some) }),
        workers,
        pin: from.get("pin", on_or_off),
        cpus,
        game: from.game(),
        echo: from.get("echo", on_or_off),
        max_conns: max_conns.unwrap_or(connections_possible),
        tick_hz: from.get("tick_hz", |text| number(text, 20..=128)),
        snapshot_hz: from.get("snapshot_hz", |text| number(text, 1..=128)),
        room_players_max: from.get("room.players_max", |text| number(text, 1..=4_096)),
        room_spectators_max: from.get("room.spectators_max", |text| number(text, 0..=4_096)),
        spectator_delay: from.get("room.spectator_delay", |text| duration(text, &delay)),
        rooms_max: from.get("room.rooms_max", |text| number(text, 1..=65_536)),
        lag_compensation: from.get("room.lag_compensation", on_or_off),
        rewind_max: from.get("room.rewind_max", |text| duration(text, &rewind)),
        snapshot_bytes_per_s: from.get("room.snapshot_bytes_per_s", |text| number(text, 1_000..=10_000_000)),
        overload_rung_max: from.get("overload.rung_max", |text| number(text, 0..=4)),
        overload_dilation_percent_min: from
            .get("overload.dilation_percent_min", |text| number(text, 50..=100)),
        seed: from.get("seed", |text| {
            if text == "random" { Ok(None) } else { number(text, 0..=u64::MAX).map(Some) }
        }),
        drain_timeout: from.get("drain_timeout", |text| duration(text, &any)),
        back_after: from.get("back_after", |text| duration(text, &any)),
        gather_us: from.get("ring.gather_us", |text| number(text, 0..=1_000)),
        buffers: from.get("ring.buffers", |text| power_of_two(text, 8..=32_768)),
        buffer_bytes: from.get("ring.buffer_bytes", |text| power_of_two(text, 512..=65_536)),
        fixed_table,
        outbox_bytes_max: from.get("session.outbox_bytes_max", |text| number(text, 4_096..=16_777_216)),
        handshake_timeout: from.get("session.handshake_timeout", |text| duration(text, &short)),
        ping_after: from.get("session.ping_after", |text| duration(text, &long)),
        silent_close: from.get("session.silent_close", |text| duration(text, &long)),
        close_timeout: from.get("session.close_timeout", |text| duration(text, &short)),
        record: read_record(from),
        arena: read_arena(from),
        pulse_snapshot_wire_bytes: from.get("pulse.snapshot_wire_bytes", |text| number(text, 130..=32_768)),
        pulse_step_work: from.get("pulse.step_work", |text| number(text, 0..=100_000_000)),
        log: read_log(from),
    }
}

fn read_record(from: &mut Reader<'_>) -> RecordConfig {
    RecordConfig {
        dir: from.get("record.dir", |text| match text {
            "off" => Ok(None),
            "" => Err("it is empty".to_owned()),
            path => Ok(Some(path.into())),
        }),
        bytes_max: from.get("record.bytes_max", |text| number(text, 1_048_576..=1_099_511_627_776)),
    }
}

fn read_log(from: &mut Reader<'_>) -> LogConfig {
    let formats = [LogFormat::Auto, LogFormat::Human, LogFormat::Json];
    LogConfig {
        level: from.get("log.level", |text| logging::check_filter(text).map(|()| text.to_owned())),
        format: from.get("log.format", |text| one_of(text, &formats, |format| format.as_str())),
    }
}

fn read_arena(from: &mut Reader<'_>) -> ArenaConfig {
    let pause = Duration::from_millis(100)..=Duration::from_secs(600);
    let hold = Duration::ZERO..=Duration::from_secs(3600);
    ArenaConfig {
        respawn: from.get("arena.respawn", |text| duration(text, &pause)),
        pick_up: from.get("arena.pick_up", |text| duration(text, &pause)),
        hold: from.get("arena.hold", |text| {
            let hold = duration(text, &hold)?;
            if hold.subsec_millis() == 0 {
                Ok(hold)
            } else {
                Err("it is no whole number of seconds".to_owned())
            }
        }),
        rifle_damage: from.get("arena.rifle_damage", |text| number(text, 0..=u8::MAX)),
        rocket_damage: from.get("arena.rocket_damage", |text| number(text, 0..=u8::MAX)),
    }
}

fn u32_at_most(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn auto_or<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if text == "auto" { Ok(None) } else { parse(text).map(Some) }
}

fn number<T>(text: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: TryFrom<u64> + PartialOrd + Display,
{
    let is_number = text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
    if !is_number || text.is_empty() || text == "-" {
        return Err("it is not a whole number".to_owned());
    }
    if text.starts_with('-') {
        return Err(format!("it is below {}", range.start()));
    }
    let too_large = || format!("it is above {}", range.end());
    let number = text.parse::<u64>().ok().and_then(|n| T::try_from(n).ok()).ok_or_else(too_large)?;
    if number < *range.start() {
        Err(format!("it is below {}", range.start()))
    } else if number > *range.end() {
        Err(too_large())
    } else {
        Ok(number)
    }
}

fn power_of_two<T>(text: &str, range: RangeInclusive<T>) -> Result<T, String>
where
    T: TryFrom<u64> + PartialOrd + Display + Copy + Into<u64>,
{
    let value = number(text, range)?;
    if value.into().is_power_of_two() { Ok(value) } else { Err("it is no power of two".to_owned()) }
}

fn on_or_off(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" => Ok(true),
        "off" | "false" => Ok(false),
        _ => Err("it is neither on nor off".to_owned()),
    }
}

fn one_of<T: Copy>(text: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    all.iter().copied().find(|&item| name(item) == text).ok_or_else(|| "there is no such name".to_owned())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        if text.parse::<std::net::IpAddr>().is_ok() {
            "the port is missing".to_owned()
        } else if text.starts_with("localhost:") {
            "names are not looked up: write 127.0.0.1 instead of localhost".to_owned()
        } else {
            "it is no IP address with a port".to_owned()
        }
    })
}

fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (amount, unit) = text.split_at(digits);
    if amount.is_empty() {
        return Err("it is no number with a unit".to_owned());
    }
    let amount: u64 = amount.parse().map_err(|_| "it is too long".to_owned())?;
    let millis = match unit.trim_start() {
        "ms" => amount,
        "s" => amount.saturating_mul(1_000),
        "m" => amount.saturating_mul(60_000),
        "h" => amount.saturating_mul(3_600_000),
        "" => return Err("the unit is missing".to_owned()),
        // 0.5s, 1e9s, 1_000ms: the number is wrong, not the unit.
        other if other.contains(|c: char| "._,".contains(c) || c.is_ascii_digit()) => {
            return Err("whole numbers only, such as 500ms".to_owned());
        }
        _ => return Err("the unit is none of ms, s, m, h".to_owned()),
    };
    let value = Duration::from_millis(millis);
    if value < *range.start() {
        Err("it is too short".to_owned())
    } else if value > *range.end() {
        Err("it is too long".to_owned())
    } else {
        Ok(value)
    }
}

/// `0-3,6` in the order given, without repetition.
fn cpu_list(text: &str) -> Result<Vec<usize>, String> {
    let mut cpus = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bound =
            |text: &str| number::<usize>(text.trim(), 0..=1_023).map_err(|why| format!("{part:?}: {why}"));
        let (first, last) = (bound(first)?, bound(last)?);
        if first > last {
            return Err(format!("{part:?} runs backwards"));
        }
        for cpu in first..=last {
            if cpus.contains(&cpu) {
                return Err(format!("{cpu} is named twice"));
            }
            cpus.push(cpu);
        }
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_say_which_bound_they_break() {
        assert_eq!(number::<u16>("20", 20..=128), Ok(20));
        assert_eq!(number::<u16>("19", 20..=128), Err("it is below 20".to_owned()));
        assert_eq!(number::<u16>("-5", 20..=128), Err("it is below 20".to_owned()));
        assert_eq!(number::<u16>("129", 20..=128), Err("it is above 128".to_owned()));
        assert_eq!(number::<u16>("99999999999999999999", 20..=128), Err("it is above 128".to_owned()));
        for word in ["", "-", "6O", "1.5", " 60", "+60"] {
            assert_eq!(number::<u16>(word, 20..=128), Err("it is not a whole number".to_owned()), "{word}");
        }
    }

    #[test]
    fn durations_need_a_unit() {
        let range = Duration::ZERO..=Duration::from_secs(60);
        assert_eq!(duration("1500ms", &range), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("1m", &range), Ok(Duration::from_secs(60)));
        for bad in ["10", "s", "", "2m", "1.5s", "10 days", "99999999999999999999s", "-1s"] {
            assert!(duration(bad, &range).is_err(), "{bad}");
        }
        for fraction in ["0.5s", "1e9s", "1,5s", "1_000ms", "1.5"] {
            assert!(duration(fraction, &range).unwrap_err().contains("whole numbers only"), "{fraction}");
        }
        assert!(duration("5 sec", &range).unwrap_err().contains("unit"));
    }

    #[test]
    fn processor_lists_take_numbers_and_ranges() {
        assert_eq!(cpu_list("0-2,6"), Ok(vec![0, 1, 2, 6]));
        assert_eq!(cpu_list("3, 1"), Ok(vec![3, 1]));
        for bad in ["", "a", "3-1", "1,1", "0-2,2", "0--2", "5000"] {
            assert!(cpu_list(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_say_what_is_missing() {
        assert!(address("[::1]:9001").is_ok());
        assert!(address("127.0.0.1").unwrap_err().contains("port is missing"));
        assert!(address("localhost:9001").unwrap_err().contains("127.0.0.1"));
        assert!(address("9001").is_err());
    }
}
