//! The ports the kernel chooses from when a connection names none.

use super::readings::Readings;

/// The server's own; the widened range must not hand them to a client.
const OWN: &str = "9001-9002";

const RESERVED: &str = "net.ipv4.ip_local_reserved_ports";

/// Bytes of a list that `tune.sh` writes, which knows why.
const LIST_BYTES_MAX: usize = 3_900;

/// First and last port.
fn range(machine: &Readings) -> Option<(u32, u32)> {
    let (first, last) = machine.sysctls.get("net.ipv4.ip_local_port_range")?.split_once(' ')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn reserved(machine: &Readings) -> &str {
    machine.sysctls.get(RESERVED).map_or("", String::as_str)
}

/// Lists such as `80,9001-9002` as ranges, ascending and without overlap.
fn merged(lists: &[&str]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = lists
        .iter()
        .flat_map(|list| list.split(','))
        .filter_map(|part| {
            let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
            Some((first.parse().ok()?, last.parse().ok()?))
        })
        .collect();
    ranges.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::new();
    for (first, last) in ranges {
        match out.last_mut() {
            Some(open) if first <= open.1.saturating_add(1) => open.1 = open.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out
}

/// The ports of the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Those that the kernel chooses from: so many connections one source address can have to one destination.
    pub(crate) usable: u32,
    /// Those that are reserved.
    pub(crate) reserved: u32,
}

/// Counts the ports of the range; `None`: it cannot be read.
pub(crate) fn counted(machine: &Readings) -> Option<Counted> {
    let (first, last) = range(machine)?;
    let all = last.checked_sub(first)?.checked_add(1)?;
    let kept = merged(&[reserved(machine)]).into_iter().map(|(from, to)| {
        let (from, to) = (from.max(first), to.min(last));
        if from <= to { to - from + 1 } else { 0 }
    });
    let reserved = kept.sum();
    Some(Counted { usable: all.saturating_sub(reserved), reserved })
}

/// How many connections one source address can have to one destination.
pub(crate) fn usable(machine: &Readings) -> Option<u32> {
    counted(machine).map(|ports| ports.usable)
}

/// The same once [`commands`] were typed.
pub(crate) fn most(machine: &Readings) -> u64 {
    if is_too_long(machine) {
        return usable(machine).map_or(0, u64::from);
    }
    let (first, last) = (lowest(machine), 65_535);
    let kept = kept(machine).into_iter().map(|(from, to)| {
        let (from, to) = (u64::from(from).max(first), u64::from(to).min(last));
        if from <= to { to - from + 1 } else { 0 }
    });
    (last + 1).saturating_sub(first).saturating_sub(kept.sum())
}

/// First port of the widened range. The kernel refuses one that reaches below the ports it keeps for root; a lower start
/// than 1024, now or by a file, stays.
fn lowest(machine: &Readings) -> u64 {
    let of_root = machine.number("net.ipv4.ip_unprivileged_port_start").unwrap_or(0);
    let first = |range: String| range.split(' ').next()?.parse().ok();
    let asked = machine.asked.values("net.ipv4.ip_local_port_range").filter_map(first);
    let starts = asked.chain(range(machine).map(|(first, _)| u64::from(first)));
    starts.filter(|first| *first > 0 && *first >= of_root).fold(of_root.max(1_024), u64::min)
}

/// Those that are reserved when the range is widened: what is now, what files ask for, and the server's own.
fn kept(machine: &Readings) -> Vec<(u32, u32)> {
    let asked: Vec<String> = machine.asked.values(RESERVED).collect();
    merged(&asked.iter().map(String::as_str).chain([reserved(machine), OWN]).collect::<Vec<_>>())
}

fn kept_list(machine: &Readings) -> String {
    let words =
        |(first, last): (u32, u32)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    kept(machine).into_iter().map(words).collect::<Vec<_>>().join(",")
}

/// Whether the list of reserved ports is, or would be, longer than is surely written in one piece: then it is left, and with it
/// the range.
fn is_too_long(machine: &Readings) -> bool {
    reserved(machine).len().max(kept_list(machine).len()) > LIST_BYTES_MAX
}

/// What widens the range; nothing where that is not to be done.
pub(crate) fn commands(machine: &Readings) -> Vec<String> {
    if is_too_long(machine) {
        return Vec::new();
    }
    let settings = [
        (RESERVED, kept_list(machine)),
        ("net.ipv4.ip_local_port_range", format!("{} 65535", lowest(machine))),
    ];
    // What is set already need not be typed.
    let unset = |(name, value): &(&str, String)| machine.sysctls.get(*name) != Some(value);
    settings.into_iter().filter(unset).map(|(name, value)| format!("sysctl -w '{name}={value}'")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(range: &str, reserved: &str) -> Readings {
        let sysctls =
            [("net.ipv4.ip_local_port_range", range), ("net.ipv4.ip_local_reserved_ports", reserved)];
        let sysctls = sysctls.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Readings { sysctls, ..Readings::default() }
    }

    #[test]
    fn reserved_ports_are_not_usable() {
        assert_eq!(usable(&machine("32768 60999", "")), Some(28_232));
        assert_eq!(usable(&machine("1024 65535", "")), Some(64_512));
        assert_eq!(usable(&machine("32768 60999", "80,32768-32777,60999")), Some(28_221));
        assert_eq!(usable(&machine("32768 60999", "1-65535")), Some(0));
        assert_eq!(usable(&machine("none", "")), None);
        let some = counted(&machine("32768 60999", "80,32768-32777,60999"));
        assert_eq!(some, Some(Counted { usable: 28_221, reserved: 11 }));
    }

    #[test]
    fn the_widest_range_is_without_the_reserved_ports() {
        assert_eq!(most(&machine("32768 60999", "")), 64_510, "the server's own are kept");
        assert_eq!(most(&machine("1024 65535", "80,9000-9001,65000-70000")), 64_512 - 3 - 536);
    }

    #[test]
    fn the_servers_own_ports_are_kept_when_the_range_grows() {
        let commands = commands(&machine("32768 60999", "80,9000-9001"));
        assert_eq!(
            commands,
            [
                "sysctl -w 'net.ipv4.ip_local_reserved_ports=80,9000-9002'",
                "sysctl -w 'net.ipv4.ip_local_port_range=1024 65535'"
            ]
        );
    }
}
