use proptest::prelude::*;

use super::*;

fn view(tick: u32, fraction: u8) -> ViewTime {
    ViewTime { tick: Tick(tick), fraction }
}

proptest! {
    #[test]
    fn offset_and_since_are_inverse(tick: u32, fraction: u8, delta in -(1i64 << 38)..1 << 38) {
        let start = view(tick, fraction);
        prop_assert_eq!(start.offset(delta).since(start), delta);
        prop_assert_eq!(start.offset(delta).offset(-delta), start);
    }

    /// Whatever is declared, the answer keeps the promises, also while ticks wrap.
    #[test]
    fn accepted_views_are_monotone_and_never_in_the_future(
        start: u32,
        inputs in prop::collection::vec((any::<u32>(), any::<u8>(), any::<u32>(), 0u32..3, any::<bool>()), 1..200),
    ) {
        let rules = ViewRules::new(4, 60, 30);
        let mut check = ViewCheck::new(Tick(start));
        let (mut now, mut last) = (Tick(start), None);
        for (tick, fraction, snapshot, ticks, wild) in inputs {
            now = now + ticks;
            // Half the values are near what a client would say.
            let tick = if wild { tick } else { now.0.wrapping_sub(tick % 24) };
            let snapshot = if wild { snapshot } else { now.0.wrapping_sub(snapshot % 24) };
            check.acknowledge(now, Tick(snapshot));
            let declared = view(tick, fraction);
            let (answer, fault) = check.accept(&rules, now, declared);
            prop_assert!(answer.since(ViewTime::at(now)) <= 0);
            prop_assert!(last.is_none_or(|last| answer.since(last) >= 0));
            prop_assert_eq!(fault.is_none(), answer == declared, "moved and told, or neither");
            last = Some(answer);
        }
    }

    /// What a delay may be: from none to the configured one and the tolerance. What is outside becomes the nearest
    /// inside, and never looks back farther than an honest player with the configured delay may.
    #[test]
    fn shorter_delays_are_believed_and_longer_ones_are_not(
        start in 0u32..1_000_000, interpolation_ticks in 0u8..=32, round_trip in 0u32..30,
        delay_256ths in -4_000i64..20_000,
    ) {
        let rules = ViewRules::new(interpolation_ticks, 60, 30);
        let mut check = ViewCheck::new(Tick(start));
        let mut now = Tick(start);
        for _ in 0..200 {
            now = now + 1;
            if now.since(Tick(start + round_trip)) >= 0 {
                check.acknowledge(now, Tick(now.0 - round_trip));
            }
        }
        // The newest snapshot that the player has, half a tick after it was acknowledged.
        let has = middle_of(Tick(now.0 - round_trip)).offset(-128);
        let declared = has.offset(-delay_256ths);
        let (answer, fault) = check.accept(&rules, now, declared);
        let delay = has.since(answer);
        let configured = i64::from(interpolation_ticks) * TICK;
        prop_assert!(delay <= configured + 2 * TICK + 130, "looks back {delay}");
        prop_assert!(answer.since(ViewTime::at(now)) <= 0);
        if (0..=configured).contains(&delay_256ths) {
            prop_assert_eq!((answer, fault), (declared, None));
        }
        if delay_256ths < -2 * TICK - 130 || delay_256ths > configured + 2 * TICK + 130 {
            prop_assert!(fault.is_some() && answer != declared);
        }
    }

    /// Against walking back tick by tick.
    #[test]
    fn bounds_agree_with_the_ring(newest in 0u32..1000, recorded in 1u32..64, ticks_max in 1u32..62, back in -600i64..20_000) {
        let oldest = Tick(newest.wrapping_sub(recorded - 1));
        let wanted = ViewTime::at(Tick(newest)).offset(-back);
        let (answer, fault) = bounded(wanted, oldest, Tick(newest), ticks_max);
        let allowed = i64::from(ticks_max.min(recorded - 1)) * 256;
        prop_assert_eq!(ViewTime::at(Tick(newest)).since(answer), back.clamp(0, allowed));
        prop_assert_eq!(fault, if back < 0 { Some(ViewFault::Future) } else if back > allowed { Some(ViewFault::TooOld) } else { None });
    }
}

#[test]
fn the_round_trip_follows_the_acknowledgements() {
    let mut check = ViewCheck::new(Tick(0));
    for now in 10..400 {
        check.acknowledge(Tick(now), Tick(now - if now < 200 { 4 } else { 10 }));
        // Saying it again later does not make the way longer.
        check.acknowledge(Tick(now + 3), Tick(now - 10));
    }
    assert!((check.round_trip - (10 * 256 + 128)).abs() < 8, "{}", check.round_trip);
    assert!(check.jitter < 16);
}

/// Silence, a stale acknowledgement, a few fresh ones, and again: a wild connection, or one that lies. The longest
/// look back is that of the fast connection it shows itself to be, whatever the mean and the deviation say.
#[test]
fn stale_acknowledgements_between_fresh_ones_buy_no_look_back() {
    for (silent, fresh) in [(14, 2), (20, 2), (30, 2), (20, 1), (40, 4)] {
        let rules = ViewRules::new(4, 60, 30);
        let mut check = ViewCheck::new(Tick(1_000));
        let (mut phase, mut oldest, mut moved, mut claims) = (0, 0, 0, 0);
        for now in 1_000..4_000 {
            phase = (phase + 1) % (silent + fresh + 1);
            match phase {
                0 => check.acknowledge(Tick(now), Tick(now - silent + fresh)),
                late if late > silent => check.acknowledge(Tick(now), Tick(now)),
                _ => {}
            }
            let back = if now % 2 == 0 { 1 } else { 14 };
            let (answer, fault) = check.accept(&rules, Tick(now), view(now - back, 0));
            if now > 1_200 {
                oldest = oldest.max(ViewTime::at(Tick(now)).since(answer));
                claims += u32::from(back == 14);
                moved += u32::from(back == 14 && fault.is_some());
            }
        }
        // Interpolation, the two ticks that are always tolerated, and one of jitter.
        assert!(oldest <= 7 * TICK, "{silent}, {fresh}: {} ticks back", oldest / TICK);
        assert_eq!(moved, claims, "{silent}, {fresh}: each is told");
    }
}

/// Whose way is as long as it says and jitters by a tenth each way is believed.
#[test]
fn a_slow_and_unsteady_connection_is_believed() {
    for (round_trip, jitter) in [(3, 1), (9, 2), (15, 3)] {
        let rules = ViewRules::new(4, 60, 30);
        let mut check = ViewCheck::new(Tick(1_000));
        let mut rng = 7_u32;
        for now in (1_100..4_000_u32).step_by(2) {
            rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let age = round_trip + (rng >> 16) % (jitter + 1);
            check.acknowledge(Tick(now), Tick(now - age));
            // What it shows does not jitter.
            let declared = view(now - round_trip - jitter.div_ceil(2) - 4, 0);
            let (_, fault) = check.accept(&rules, Tick(now), declared);
            assert!(fault.is_none() || now < 1_200, "{round_trip} and {jitter} ticks, at {now}: {fault:?}");
        }
    }
}

#[test]
fn impossible_acknowledgements_are_ignored() {
    let mut check = ViewCheck::new(Tick(100));
    check.acknowledge(Tick(110), Tick(99));
    check.acknowledge(Tick(110), Tick(111));
    assert_eq!(check.acknowledged, None);
    check.acknowledge(Tick(110), Tick(105));
    assert_eq!((check.acknowledged, check.round_trip), (Some(Tick(105)), 5 * 256 + 128));
}
