//! Which flags have no meaning for a preset, and so no place in its help: read off its traffic and its phases.

use crate::plan::{Phase, PlanFile};

/// Flags that are for some traffic only, by their names in `RunArgs`, and for which.
const OF_TRAFFIC: [(&str, &[&str]); 14] = [
    ("forge", &["rewind"]),
    ("rooms", &["game"]),
    ("game", &["game"]),
    ("rate", &["game", "echo"]),
    ("closed", &["echo"]),
    ("pipeline", &["echo"]),
    ("size", &["echo"]),
    ("latency", &["game", "rewind"]),
    ("jitter", &["game", "rewind"]),
    ("stall", &["game", "rewind"]),
    ("exact", &["game", "rewind", "echo"]),
    ("raw", &["game", "echo", "idle"]),
    ("raw_in", &["game", "echo", "idle"]),
    ("raw_out", &["game", "echo", "idle"]),
];

/// The flags without a meaning for a preset; none for a plan of the user's.
pub(super) fn flags(preset: &str) -> Vec<&'static str> {
    let Some(file) = PlanFile::preset(preset) else { return Vec::new() };
    let any = |is_so: fn(&Phase) -> bool| file.phases.iter().any(is_so);
    let (leave, drop) = (any(|phase| phase.leave_rate_hz.is_some()), any(|phase| phase.drop.is_some()));
    let stall = any(|phase| phase.stall_share.is_some());
    let own = file.flags.iter().find(|(key, _)| key == "traffic").and_then(|(_, value)| value.as_deref());
    // What befalls connections may befall any, but upgrades alone are measured without other traffic.
    let is_handshake = leave && own == Some("idle");
    let chooses = (leave || drop || stall) && !is_handshake;
    let traffic = if chooses { vec!["game", "echo", "idle"] } else { own.into_iter().collect() };
    let is_meant = |(flag, of): (&str, &[&str])| {
        of.iter().any(|of| traffic.contains(of)) && !(is_handshake && flag.starts_with("raw"))
    };
    let phases = [
        ("leave_rate", leave),
        ("drop", drop),
        ("backoff", drop),
        ("stall_share", stall),
        ("stages", !(leave || drop || stall)),
        ("traffic", chooses),
    ];
    let of_traffic = OF_TRAFFIC.into_iter().filter(|row| !is_meant(*row)).map(|(flag, _)| flag);
    let of_phases = phases.into_iter().filter(|(_, is_meant)| !is_meant).map(|(flag, _)| flag);
    of_traffic.chain(of_phases).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_shows_what_it_has_a_use_for() {
        for (preset, hidden) in [
            ("game", "forge closed pipeline size leave_rate drop backoff stall_share traffic"),
            (
                "rewind",
                "rooms game rate closed pipeline size raw raw_in raw_out leave_rate drop backoff stall_share traffic",
            ),
            ("churn", "forge drop backoff stall_share stages"),
            ("storm", "forge leave_rate stall_share stages"),
            ("slow-consumer", "forge leave_rate drop backoff stages"),
            (
                "handshake",
                "forge rooms game rate closed pipeline size latency jitter stall exact raw raw_in raw_out drop backoff \
                 stall_share stages traffic",
            ),
            ("evening.toml", ""),
        ] {
            assert_eq!(flags(preset).join(" "), hidden, "{preset}");
        }
    }
}
