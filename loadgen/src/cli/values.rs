//! The values of flags. What does not parse is answered with what is permitted and an example; clap
//! puts the flag and the value given in front of it.

use std::time::Duration;

use super::CONNS_MAX;
use crate::link_model::Stall;
use crate::plan::{STAGES_MAX, Stages};

/// Shortest time of a phase.
const MOMENT: Duration = Duration::from_millis(1);
/// Longest time of any flag.
const TIME_MAX: Duration = Duration::from_secs(86_400);

/// A whole number from `min` to `max`.
pub(crate) fn whole<T: TryFrom<u64>>(
    min: u64,
    max: u64,
    example: &'static str,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("permitted is a whole number from {min} to {max}, for example {example}"))
    }
}

/// A number from `min` to `max`.
pub(crate) fn number(
    min: f64,
    max: f64,
    example: &'static str,
) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|number| (min..=max).contains(number));
        number.ok_or_else(|| format!("permitted is a number from {min} to {max}, for example {example}"))
    }
}

/// A share from 0.1 % to 100 %, as thousandths.
pub(super) fn permille(example: &'static str) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number from 1 to 1,000")]
    move |text| {
        let (number, thousandths) = text.strip_suffix('%').map_or((text, 1e3), |percent| (percent, 10.0));
        let share = number.trim().parse().map(|share: f64| (share * thousandths).round());
        match share {
            Ok(share) if (1.0..=1e3).contains(&share) => Ok(share as u64),
            _ => Err(format!("permitted is a share from 0.1% to 100%, for example {example}")),
        }
    }
}

/// A time from `min_ms` to a day.
pub(crate) fn time(
    min_ms: u64,
    example: &'static str,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync {
    move |text| {
        let permitted = Duration::from_millis(min_ms)..=TIME_MAX;
        parse_time(text).filter(|time| permitted.contains(time)).ok_or_else(|| {
            format!("permitted is a time from {min_ms}ms to 24h, in ms, s, m or h, for example {example}")
        })
    }
}

/// A time up to `max_ms`.
pub(super) fn short_time(
    max_ms: u64,
    example: &'static str,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync {
    move |text| {
        parse_time(text)
            .filter(|time| *time <= Duration::from_millis(max_ms))
            .ok_or_else(|| format!("permitted is a time from 0ms to {max_ms}ms, for example {example}"))
    }
}

/// A share: `50%` or `0.5`, more than nothing and at most all.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    let share = number.trim().parse::<f64>().ok().map(|number| number * scale);
    share
        .filter(|share| *share > 0.0 && *share <= 1.0)
        .ok_or_else(|| "permitted is a share above 0% and up to 100%, for example 50%".to_owned())
}

/// `TIME:CONNS,…`.
pub(super) fn stages(text: &str) -> Result<Stages, String> {
    let permitted = || {
        format!(
            "permitted are up to {STAGES_MAX} stages of a time (1ms to 24h) and the connections (0 to {CONNS_MAX}) at \
             its end, for example --stages 30s:1000,1m:1000,10s:0"
        )
    };
    let stage = |part: &str| {
        let (length, conns) = part.split_once(':')?;
        let length = parse_time(length.trim()).filter(|time| (MOMENT..=TIME_MAX).contains(time))?;
        let conns = conns.trim().parse().ok().filter(|conns| u64::from(*conns) <= CONNS_MAX)?;
        Some((length, conns))
    };
    let list: Option<Vec<(Duration, u32)>> = text.split(',').map(stage).collect();
    list.filter(|list| list.len() <= STAGES_MAX).map(Stages).ok_or_else(permitted)
}

/// Longest stall.
const STALL_MS_MAX: u64 = 1_000;
/// Longest time from one stall to the next.
const STALL_PERIOD_MAX: Duration = Duration::from_secs(60);
/// The period of stalls unless one is named.
const STALL_PERIOD: Duration = Duration::from_secs(5);

/// `TIME` or `TIME/PERIOD`.
pub(super) fn stall(text: &str) -> Result<Stall, String> {
    let (length, period) =
        text.split_once('/').map_or((text, None), |(length, period)| (length, Some(period)));
    let length = parse_time(length).filter(|length| *length <= Duration::from_millis(STALL_MS_MAX));
    let period = period.map_or(Some(STALL_PERIOD), parse_time).filter(|period| *period <= STALL_PERIOD_MAX);
    match (length, period) {
        (Some(length), Some(period)) if length <= period && !period.is_zero() => Ok(Stall { length, period }),
        _ => Err(format!(
            "permitted is a time from 0ms to {STALL_MS_MAX}ms, and after a / the period it comes once in (at \
             least as long, at most 60s; 5s if none is given), for example --stall 200ms or --stall 200ms/2s"
        )),
    }
}

/// `500ms`, `30s`, `2m`, `1h`; a bare number is seconds.
fn parse_time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_parse() {
        let parse = time(1, "--duration 30s");
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("7"), Ok(Duration::from_secs(7)));
        assert_eq!(parse("24h"), Ok(TIME_MAX));
        assert_eq!(time(0, "--warmup 3s")("0s"), Ok(Duration::ZERO));
        for wrong in ["", "s", "-1s", "1x", "1e9s", "25h", "1..2s", "0", "0.1ms"] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("1ms to 24h") && error.contains("--duration 30s"), "{wrong}: {error}");
        }
    }

    #[test]
    fn stalls_have_a_length_and_a_period() {
        let ms = Duration::from_millis;
        assert_eq!(stall("200ms"), Ok(Stall { length: ms(200), period: ms(5_000) }));
        assert_eq!(stall("0.2s/2s"), Ok(Stall { length: ms(200), period: ms(2_000) }));
        assert_eq!(stall("0ms"), Ok(Stall { length: ms(0), period: ms(5_000) }));
        for wrong in ["", "x", "2s", "200ms/100ms", "200ms/", "/2s", "200ms/61s", "0ms/0s", "200ms/2s/2s"] {
            assert!(stall(wrong).unwrap_err().contains("--stall 200ms/2s"), "{wrong}");
        }
        assert_eq!(short_time(500, "--latency 75ms")("75ms"), Ok(ms(75)));
        // A bare number is seconds: too long for a link, and refused rather than waited for.
        assert!(short_time(500, "--latency 75ms")("75").unwrap_err().contains("0ms to 500ms"));
    }

    #[test]
    fn shares_are_thousandths() {
        let parse = permille("--precision 5%");
        for (text, expected) in
            [("5%", 50), ("0.05", 50), ("2.5 %", 25), ("0.1%", 1), ("100%", 1_000), ("1", 1_000)]
        {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
        for wrong in ["0%", "0.01%", "101%", "5", "-5%", "nan", "inf", "%", ""] {
            assert!(parse(wrong).unwrap_err().contains("--precision 5%"), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_within_what_is_permitted() {
        let parse = whole::<u32>(1, 1_024, "--workers 4");
        assert_eq!((parse("1"), parse("1024")), (Ok(1), Ok(1_024)));
        for wrong in ["0", "1025", "99999999999", "999999999999999999999999", "-1", "abc", "1.5", ""] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("1 to 1024") && error.contains("--workers 4"), "{wrong}: {error}");
        }
        let parse = number(0.01, 1e6, "--rate 20");
        assert_eq!(parse("0.5"), Ok(0.5));
        for wrong in ["0", "nan", "inf", "1e7", "fast"] {
            assert!(parse(wrong).unwrap_err().contains("0.01 to 1000000"), "{wrong}");
        }
    }
}
