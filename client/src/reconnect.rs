//! When to try again, and for which seat.

use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_protocol::fault::{CloseReason, ComeBack, FaultCode};
use tickring_protocol::websocket::UpgradeError;
use tickring_room::Game;

use crate::{ClientError, ClientEvent};

const MS: u64 = 1_000_000;
/// Longest wait after the first failure, and after many.
const CEILING_FIRST_NS: u64 = 500 * MS;
const CEILING_NS: u64 = 20_000 * MS;
/// A connection that held so long was no failure.
const UP_NS: u64 = 30_000 * MS;

/// A player's way back after its connection ended.
///
/// Waits grow exponentially with full jitter: anything from nothing to a ceiling that doubles from 0.5 s to 20 s,
/// so that players who lost a server together do not return together ("Exponential Backoff And Jitter", AWS
/// Architecture Blog, 2015). After 30 s in a seat the ceiling starts anew. A time to wait that the server named is
/// kept first and the jitter comes after it, and where the server says that coming back is useless it ends.
///
/// Tell it every event with [`Reconnect::heard`]; when the connection has ended, for whatever reason, ask
/// [`Reconnect::ended`] and connect again then with [`Connection::resuming`](crate::Connection::resuming) and
/// [`Reconnect::resume`]. It does not wait itself and reads no clock.
#[derive(Clone, Debug)]
pub struct Reconnect {
    rng: Pcg32,
    /// Connections in a row that did not hold.
    failures: u32,
    /// Since when there is a seat, on the present connection.
    seated_ns: Option<u64>,
    resume: [u8; 16],
    /// What the server said about coming back, and how long it wants to be left alone.
    told: Option<Told>,
}

/// The server's word, the most exact one that was heard.
#[derive(Clone, Copy, Debug)]
enum Told {
    After { ns: u64 },
    Never(Ending),
}

/// What to do after a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Connect again at this time.
    At {
        /// On the clock that the other times were given on.
        ns: u64,
    },
    /// Nothing is gained by trying again.
    Never(Ending),
}

/// Why there is no coming back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The server's fault code says so.
    Fault(u16),
    /// The server's close code says so, or its goodbye named no time.
    Close(u16),
    /// What answers the upgrade is not the server, or not this room.
    Upgrade(UpgradeError),
}

impl Reconnect {
    /// For a player's first connection. Give every player its own seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: Pcg32::seed_from_u64(seed), failures: 0, seated_ns: None, resume: [0; 16], told: None }
    }

    /// The token to ask for the last seat with; zeros for any seat.
    #[must_use]
    pub fn resume(&self) -> [u8; 16] {
        self.resume
    }

    /// Connections in a row that did not hold for 30 s.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Takes notice of an event of the present connection.
    pub fn heard<G: Game>(&mut self, now_ns: u64, event: &ClientEvent<'_, G>) {
        match *event {
            ClientEvent::Welcome(welcome) => {
                self.resume = welcome.resume;
                self.seated_ns = Some(now_ns);
            }
            ClientEvent::Fault { code, temporary, retry_after_ms, .. } => {
                self.told = Some(match FaultCode::from_code(code).map(FaultCode::come_back) {
                    Some(ComeBack::No) => Told::Never(Ending::Fault(code)),
                    None if !temporary => Told::Never(Ending::Fault(code)),
                    Some(ComeBack::Now | ComeBack::Later) | None => Told::after_ms(retry_after_ms),
                });
            }
            ClientEvent::Goodbye { reason, back_after_ms } => {
                self.told.get_or_insert(match closed(Some(reason)) {
                    Some(ending) => Told::Never(ending),
                    None if back_after_ms == 0 => Told::Never(Ending::Close(reason)),
                    None => Told::after_ms(back_after_ms),
                });
            }
            ClientEvent::Closed { code } => {
                if let Some(ending) = closed(code) {
                    self.told.get_or_insert(Told::Never(ending));
                }
            }
            ClientEvent::Upgraded
            | ClientEvent::Snapshot(_)
            | ClientEvent::Event { .. }
            | ClientEvent::Pong { .. } => {}
        }
    }

    /// The connection has ended or could not be made; `error` is what [`Connection::receive`] returned, if it did.
    ///
    /// [`Connection::receive`]: crate::Connection::receive
    pub fn ended(&mut self, now_ns: u64, error: Option<&ClientError>) -> Retry {
        if self.seated_ns.take().is_some_and(|since_ns| now_ns.saturating_sub(since_ns) >= UP_NS) {
            self.failures = 0;
        }
        let refused = match error {
            Some(ClientError::Upgrade(error)) if !is_passing(*error) => {
                Some(Told::Never(Ending::Upgrade(*error)))
            }
            _ => None,
        };
        let after_ns = match self.told.take().or(refused) {
            Some(Told::Never(ending)) => {
                self.resume = [0; 16];
                return Retry::Never(ending);
            }
            Some(Told::After { ns }) => ns,
            None => 0,
        };
        let wait_ns = after_ns + self.jitter_ns();
        self.failures = self.failures.saturating_add(1);
        Retry::At { ns: now_ns.saturating_add(wait_ns) }
    }

    /// Full jitter: evenly from nothing to the ceiling.
    fn jitter_ns(&mut self) -> u64 {
        let doubled = CEILING_FIRST_NS << self.failures.min(32);
        self.rng.next_u64() % (doubled.min(CEILING_NS) + 1)
    }
}

impl Told {
    fn after_ms(ms: u32) -> Self {
        Self::After { ns: u64::from(ms) * MS }
    }
}

/// The ending that a close code means; `None` when coming back may help, as after codes nobody knows.
fn closed(code: Option<u16>) -> Option<Ending> {
    let reason = CloseReason::from_code(code?)?;
    (reason.come_back() == ComeBack::No).then(|| Ending::Close(reason.code()))
}

/// Whether a failed upgrade may succeed later: the server or something before it is busy or being replaced.
fn is_passing(error: UpgradeError) -> bool {
    matches!(error, UpgradeError::Status(408 | 429 | 500 | 502..=504))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tickring_pulse::Pulse;

    use super::*;

    fn fault(code: u16, retry_after_ms: u32) -> ClientEvent<'static, Pulse> {
        let temporary = code < 200;
        ClientEvent::Fault { code, temporary, retry_after_ms, text: "" }
    }

    fn at(retry: Retry) -> u64 {
        let Retry::At { ns } = retry else { panic!("{retry:?}") };
        ns
    }

    proptest! {
        /// Whatever happens, waits keep to the ceiling and to what the server asked for.
        #[test]
        fn waits_are_within_bounds(
            seed: u64,
            endings in prop::collection::vec((0u64..90_000, prop::option::of(1u32..60_000), 0u8..3), 1..60),
        ) {
            let mut reconnect = Reconnect::new(seed);
            let (mut now_ns, mut failures) = (1, 0u32);
            for (up_ms, asked_ms, how) in endings {
                let seated = up_ms > 1_000;
                reconnect.seated_ns = seated.then_some(now_ns);
                now_ns += up_ms * MS;
                match (asked_ms, how) {
                    (Some(ms), 0) => reconnect.heard(now_ns, &fault(FaultCode::RoomFull.code(), ms)),
                    (Some(ms), 1) => reconnect.heard(now_ns, &fault(177, ms)),
                    (Some(ms), _) => {
                        let goodbye = ClientEvent::Goodbye { reason: 1001, back_after_ms: ms };
                        reconnect.heard::<Pulse>(now_ns, &goodbye);
                    }
                    (None, _) => reconnect.heard::<Pulse>(now_ns, &ClientEvent::Closed { code: Some(1011) }),
                }
                if seated && up_ms >= 30_000 { failures = 0; }
                let asked_ns = u64::from(asked_ms.unwrap_or(0)) * MS;
                let wait_ns = at(reconnect.ended(now_ns, None)) - now_ns;
                let ceiling_ns = (500u64 << failures.min(20)).min(20_000) * MS;
                prop_assert!(wait_ns >= asked_ns, "{} before {}", wait_ns, asked_ns);
                prop_assert!(wait_ns <= asked_ns + ceiling_ns, "{} after {}", wait_ns, ceiling_ns);
                failures += 1;
                prop_assert_eq!(reconnect.failures(), failures);
                now_ns += wait_ns;
            }
        }
    }

    #[test]
    fn jitter_is_full() {
        // After many failures waits lie anywhere below 20 s.
        let waits: Vec<u64> = (0..400)
            .map(|seed| {
                let mut reconnect = Reconnect::new(seed);
                reconnect.failures = 40;
                at(reconnect.ended(0, None))
            })
            .collect();
        for second in 0..20 {
            let within = waits.iter().filter(|wait| **wait / (1000 * MS) == second).count();
            assert!((5..60).contains(&within), "{within} of 400 in second {second}");
        }
    }

    #[test]
    fn every_code_is_obeyed() {
        for code in FaultCode::ALL {
            let mut reconnect = Reconnect::new(1);
            reconnect.heard(0, &fault(code.code(), code.retry_after_ms()));
            // The close that follows says the same.
            reconnect.heard::<Pulse>(0, &ClientEvent::Closed { code: Some(code.close_reason().code()) });
            match reconnect.ended(0, None) {
                Retry::Never(Ending::Fault(said)) => {
                    assert_eq!((said, code.come_back()), (code.code(), ComeBack::No));
                }
                Retry::At { ns } => {
                    assert!(ns >= u64::from(code.retry_after_ms()) * MS);
                    assert_ne!(code.come_back(), ComeBack::No);
                }
                other @ Retry::Never(_) => panic!("{other:?}"),
            }
        }
        for reason in CloseReason::ALL {
            let mut reconnect = Reconnect::new(1);
            reconnect.heard::<Pulse>(0, &ClientEvent::Closed { code: Some(reason.code()) });
            let never = Retry::Never(Ending::Close(reason.code()));
            assert_eq!(reconnect.ended(0, None) == never, reason.come_back() == ComeBack::No, "{reason:?}");
        }
    }

    #[test]
    fn refused_upgrades_are_told_apart() {
        let ended = |error| Reconnect::new(1).ended(0, Some(&ClientError::Upgrade(error)));
        for status in [408, 429, 500, 502, 503] {
            at(ended(UpgradeError::Status(status)));
        }
        for error in [404, 505, 200].map(UpgradeError::Status).into_iter().chain([UpgradeError::WrongAccept])
        {
            assert_eq!(ended(error), Retry::Never(Ending::Upgrade(error)));
        }
        at(Reconnect::new(1).ended(0, Some(&ClientError::Unexpected("anything"))));
    }

    #[test]
    fn one_connection_says_nothing_about_the_next() {
        let mut reconnect = Reconnect::new(1);
        reconnect.heard(0, &fault(FaultCode::Draining.code(), 60_000));
        assert!(at(reconnect.ended(0, None)) >= 60_000 * MS);
        assert!(at(reconnect.ended(0, None)) <= 1_000 * MS);
    }

    #[test]
    fn a_goodbye_without_a_time_is_final_and_forgets_the_seat() {
        let mut reconnect = Reconnect::new(1);
        reconnect.resume = [7; 16];
        reconnect.heard::<Pulse>(0, &ClientEvent::Goodbye { reason: 1001, back_after_ms: 9 });
        at(reconnect.ended(0, None));
        assert_eq!(reconnect.resume(), [7; 16]);
        reconnect.heard::<Pulse>(0, &ClientEvent::Goodbye { reason: 1001, back_after_ms: 0 });
        assert_eq!(reconnect.ended(0, None), Retry::Never(Ending::Close(1001)));
        assert_eq!(reconnect.resume(), [0; 16]);
    }

    #[test]
    fn unknown_codes_are_judged_by_what_comes_with_them() {
        let mut reconnect = Reconnect::new(1);
        reconnect.heard(0, &fault(299, 0));
        assert_eq!(reconnect.ended(0, None), Retry::Never(Ending::Fault(299)));
        reconnect.heard::<Pulse>(0, &ClientEvent::Closed { code: Some(4099) });
        at(reconnect.ended(0, None));
    }
}
