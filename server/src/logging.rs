//! Log set-up, and the limiter that keeps the data path from flooding the log.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{LogConfig, LogFormat};

/// Sends `tracing` to standard error, for the life of the process. Later calls change nothing.
pub fn init(config: &LogConfig) {
    let filter = EnvFilter::builder().parse_lossy(&config.level);
    let human = match config.format {
        LogFormat::Human => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    // Whoever reads the log may be gone. That is no reason to stop serving, and there is nobody to tell.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    // An error says that a subscriber is there already, which is what the caller wants.
    let _already_set = if human {
        lines.with_ansi(std::io::stderr().is_terminal()).try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
}

/// Checks a level or filter before it is used.
///
/// A bare word that is no level would silently become the name of a module, and the log would be
/// empty for no visible reason: it is refused.
///
/// # Errors
/// What is wrong with it, as a clause.
pub fn check_filter(filter: &str) -> Result<(), String> {
    for directive in filter.split(',').map(str::trim) {
        if directive.is_empty() {
            return Err("a directive is empty".to_owned());
        }
        let bare_word = directive.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if bare_word && directive.parse::<LevelFilter>().is_err() {
            return Err(format!("{directive:?} is not a level"));
        }
    }
    EnvFilter::builder().parse(filter).map(drop).map_err(|error| error.to_string())
}

/// Lets one line per cause and interval through and counts the rest. Bounded: causes are literals
/// in the program text, so there are only so many.
#[derive(Debug)]
pub struct RateLimited {
    interval_ns: u64,
    causes: Vec<Cause>,
}

#[derive(Debug)]
struct Cause {
    name: &'static str,
    allowed_at_ns: u64,
    suppressed: u64,
}

impl RateLimited {
    /// One line per cause every `interval_ns`.
    #[must_use]
    pub fn new(interval_ns: u64) -> Self {
        Self { interval_ns, causes: Vec::with_capacity(32) }
    }

    /// `Some(n)`: log now, and say that `n` lines of this cause were left out since the last one.
    /// `None`: leave this one out. `now_ns` must come from one monotonic clock.
    pub fn allow(&mut self, cause: &'static str, now_ns: u64) -> Option<u64> {
        let Some(known) = self.causes.iter_mut().find(|known| known.name == cause) else {
            self.causes.push(Cause { name: cause, allowed_at_ns: now_ns, suppressed: 0 });
            return Some(0);
        };
        if now_ns.saturating_sub(known.allowed_at_ns) < self.interval_ns {
            known.suppressed += 1;
            return None;
        }
        known.allowed_at_ns = now_ns;
        Some(std::mem::take(&mut known.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAUSES: [&str; 3] = ["reset", "slow_reader", "table_full"];

    proptest! {
        /// Nothing is lost and nothing floods: lines plus reported suppressions account for every
        /// call but the trailing ones, and two lines of a cause are an interval apart.
        #[test]
        fn every_call_is_logged_or_counted(
            interval_ns in 1_u64..1_000,
            calls in prop::collection::vec((0_usize..3, 0_u64..400), 0..200),
        ) {
            let mut limiter = RateLimited::new(interval_ns);
            let mut now_ns = 0;
            let mut made = [0_u64; 3];
            let mut accounted = [0_u64; 3];
            let mut trailing = [0_u64; 3];
            let mut line_at_ns = [None::<u64>; 3];
            for (cause, pause_ns) in calls {
                now_ns += pause_ns;
                made[cause] += 1;
                match limiter.allow(CAUSES[cause], now_ns) {
                    Some(suppressed) => {
                        prop_assert_eq!(suppressed, trailing[cause]);
                        if let Some(before) = line_at_ns[cause] {
                            prop_assert!(now_ns - before >= interval_ns);
                        }
                        accounted[cause] += 1 + suppressed;
                        trailing[cause] = 0;
                        line_at_ns[cause] = Some(now_ns);
                    }
                    None => {
                        let before = line_at_ns[cause].expect("the first line of a cause is let through");
                        prop_assert!(now_ns - before < interval_ns);
                        trailing[cause] += 1;
                    }
                }
            }
            for cause in 0..3 {
                prop_assert_eq!(made[cause], accounted[cause] + trailing[cause]);
            }
        }
    }

    #[test]
    fn a_clock_that_steps_back_only_suppresses() {
        let mut limiter = RateLimited::new(10);
        assert_eq!(limiter.allow("reset", 100), Some(0));
        assert_eq!(limiter.allow("reset", 50), None);
        assert_eq!(limiter.allow("reset", 110), Some(1));
    }

    #[test]
    fn filters_are_levels_or_targets_with_levels() {
        for good in ["info", "off", "WARN", "info,tickring_server=debug", "tickring_server::control=trace"] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in ["", "loud", "info,", "info,tickring_server=loud"] {
            assert!(check_filter(bad).is_err(), "{bad}");
        }
    }
}
