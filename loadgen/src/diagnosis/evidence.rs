//! What shows a class: counters, limits and answers, each with its number.

use super::signs::Signs;
use crate::doctor::ports;
use crate::server_side::Status;
use crate::sources::PORTS;

/// Of its limit: from here on connection tracking counts as full, percent.
pub(super) const CONNTRACK_FULL: u64 = 99;

/// Whether the server lives, as far as anybody knows.
pub(super) fn server_alive(signs: &Signs) -> Vec<String> {
    let knock = signs.knock.map(|knock| knock.words().to_owned());
    // With plain bytes nobody asks for the figures of a server.
    let known = if signs.is_raw { Vec::new() } else { server_known(signs) };
    knock.into_iter().chain(signs.gap.clone()).chain(known).collect()
}

/// Whether a Tickring server answered.
pub(super) fn server_known(signs: &Signs) -> Vec<String> {
    let version = |status: &Status| status.version.clone().unwrap_or_default();
    let told = match (&signs.status_before, &signs.status_after) {
        (_, Some(after)) => format!("its admin endpoint answers: tickring-server {}", version(after)),
        (Some(before), None) => {
            format!("its admin endpoint answered before the run: tickring-server {}", version(before))
        }
        (None, None) => "its admin endpoint did not answer".to_owned(),
    };
    vec![told]
}

/// The places of the server's tables, and how many it can have in each.
fn tables(signs: &Signs) -> Option<(u64, u64)> {
    let limits = &signs.status()?.limits;
    limits.workers.zip(limits.connections_per_worker_max)
}

/// Whether a table that can be full is full: the connections of the run alone fill one.
pub(super) fn is_table_full(signs: &Signs) -> bool {
    let before = signs.status_before.as_ref().map_or(0, Status::open);
    tables(signs).is_some_and(|(_, places)| signs.connected + before >= places)
}

/// Why the server does not accept.
pub(super) fn server_table(signs: &Signs) -> Vec<String> {
    let mut shown = vec![format!(
        "/status: accept_pauses grew by {}, ring_accepts_dropped by {}",
        signs.served(|totals| totals.accept_pauses),
        signs.served(|totals| totals.ring_accepts_dropped)
    )];
    if let Some((workers, places)) = tables(signs) {
        shown.push(format!("{workers} worker(s) with {places} places each, {} connected", signs.connected));
    }
    if let Some(limit) = signs.status().and_then(|status| status.limits.descriptors) {
        shown.push(format!("the server's descriptor limit is {limit}"));
    }
    shown
}

/// Whether the server has as many connections as it may have; unknown counts as such.
pub(super) fn is_full(signs: &Signs) -> bool {
    let Some(status) = signs.status() else { return true };
    let before = signs.status_before.as_ref().map_or(0, Status::open);
    status.limits.connections_max.is_none_or(|max| signs.conns + before > max)
}

/// Whether the connections that are open are about as many as it may have; unknown counts as such. Of what was merely asked
/// for, rooms may have stopped the rest long before.
pub(super) fn has_filled(signs: &Signs) -> bool {
    let Some(max) = signs.status().and_then(|status| status.limits.connections_max) else { return true };
    let before = signs.status_before.as_ref().map_or(0, Status::open);
    // Those that are on their way out have a place as well.
    is_full(signs) && signs.connected + before >= max - max / 10
}

pub(super) fn full_words(signs: &Signs) -> String {
    let limits = signs.status().map(|status| &status.limits);
    match limits.and_then(|limits| Some((limits.connections_max?, limits.connections_bound()))) {
        Some((max, bound)) => format!("the server is full: it takes {max} connections ({bound})"),
        None => "the server says that it is full or draining".to_owned(),
    }
}

/// What the server takes, and how many it refused.
pub(super) fn server_limits(signs: &Signs) -> Vec<String> {
    let Some(status) = signs.status() else { return server_known(signs) };
    let mut shown = Vec::new();
    if let Some(max) = status.limits.connections_max {
        shown.push(format!("/status: connections_max is {max}, the run asked for {}", signs.conns));
    }
    shown.push(format!(
        "/status: upgrades_refused grew by {}",
        signs.served(|totals| totals.upgrades_refused)
    ));
    shown
}

/// How many a room seats.
pub(super) fn seats(signs: &Signs) -> Vec<String> {
    let seats = signs.status().and_then(|status| status.limits.players_max_per_room);
    seats.map(|seats| format!("/status: players_max_per_room is {seats}")).into_iter().collect()
}

/// How the server says that connections ended during the run.
pub(super) fn server_closes(signs: &Signs) -> Vec<String> {
    let Some(after) = &signs.status_after else { return server_alive(signs) };
    let before = signs.status_before.as_ref().map_or(&[][..], |status| &status.totals.closes);
    let knock = signs.knock.map(|knock| knock.words().to_owned());
    let grown = after.totals.closes.iter().filter_map(|close| {
        let same = |other: &&_| close.is_like(other);
        let count = close.count.saturating_sub(before.iter().find(same).map_or(0, |other| other.count));
        (count > 0).then(|| format!("/status: {count} closed as {}", close.cause))
    });
    knock.into_iter().chain(grown).collect()
}

pub(super) fn no_endpoint_words(signs: &Signs) -> String {
    let target = whose(signs);
    match (&signs.path, signs.status()) {
        (Some(path), _) => format!("{target} has no endpoint {path}"),
        // Every Tickring server has rooms.
        (None, _) if signs.plays => {
            format!("{target} has no rooms (/v1/rooms/NAME): it is not the port that players connect to")
        }
        (None, Some(_)) => format!("{target} has no echo endpoint: it was started without --echo"),
        (None, None) => {
            format!("{target} has no /v1/echo: it was started without --echo, or is not a Tickring server")
        }
    }
}

/// The target; which one of several it was, an answer does not tell.
fn whose(signs: &Signs) -> String {
    match signs.targets {
        0 | 1 => signs.target.clone(),
        count => format!("one of the {count} targets (each alone tells which)"),
    }
}

/// Of several targets another may be the one on which nobody listens.
pub(super) fn cut_words(signs: &Signs) -> String {
    let listens =
        if signs.knock == Some(super::knock::Knock::Refused) { "" } else { "; somebody still listens" };
    format!("the server, or something in between, ended connections without saying why{listens}")
}

/// How much was right before.
pub(super) fn answered(signs: &Signs) -> Vec<String> {
    std::iter::once(format!("{} messages were received before", signs.received))
        .chain(server_alive(signs))
        .collect()
}

/// Whether connections found an accept queue full.
pub(super) fn has_overflowed(signs: &Signs) -> bool {
    signs.unaccepted().is_some_and(|(overflows, _)| overflows > 0)
}

pub(super) fn overflow_words(signs: &Signs) -> String {
    let why = if signs.knock == Some(super::knock::Knock::Silent) {
        "it does not accept at all"
    } else {
        "more connections came than it accepts in time"
    };
    format!("the accept queue of {} overflowed: {why}", signs.target)
}

/// The queue and its length.
pub(super) fn accept_queue(signs: &Signs) -> Vec<String> {
    let (overflows, drops) = signs.unaccepted().unwrap_or_default();
    let whose = if signs.is_here { "" } else { " on the server's machine" };
    let mut shown = vec![format!("ListenOverflows grew by {overflows}, ListenDrops by {drops}{whose}")];
    if let Some(length) = signs.setting_there("net.core.somaxconn") {
        shown.push(format!("net.core.somaxconn is {length}{whose}"));
    }
    shown.extend(signs.knock.map(|knock| knock.words().to_owned()));
    shown
}

/// How full connection tracking is, percent.
pub(super) fn conntrack_share(signs: &Signs) -> Option<u64> {
    let max = signs.here.number("net.netfilter.nf_conntrack_max").filter(|max| *max > 0)?;
    let count = signs.kernel_before.conntrack_count.max(signs.kernel_after.conntrack_count)?;
    Some(count.saturating_mul(100) / max)
}

pub(super) fn conntrack(signs: &Signs) -> Vec<String> {
    let count = signs.kernel_before.conntrack_count.max(signs.kernel_after.conntrack_count);
    let max = signs.here.number("net.netfilter.nf_conntrack_max");
    let pair = count.zip(max);
    pair.map(|(count, max)| format!("nf_conntrack_count is {count} of nf_conntrack_max {max}"))
        .into_iter()
        .collect()
}

/// Nobody answers, and no queue here overflowed.
pub(super) fn unanswered(signs: &Signs) -> Vec<String> {
    let queue = match signs.unaccepted() {
        Some(_) => "ListenOverflows did not grow, so no accept queue was full",
        None => "whether ListenOverflows grew where the server is, nobody told",
    };
    let mut shown = vec![queue.to_owned()];
    shown.push(format!("TCPTimeouts grew by {}", signs.grown(|kernel| kernel.timeouts)));
    shown.extend(signs.knock.map(|knock| knock.words().to_owned()));
    shown
}

/// TCP's memory.
pub(super) fn kernel_memory(signs: &Signs) -> Vec<String> {
    let mut shown =
        vec![format!("TCPAbortOnMemory grew by {}", signs.grown(|kernel| kernel.aborts_on_memory))];
    if let Some(pages) = signs.kernel_after.tcp_memory_pages {
        shown.push(format!("TCP holds {pages} pages now"));
    }
    shown.extend(signs.here.sysctls.get("net.ipv4.tcp_mem").map(|mem| format!("net.ipv4.tcp_mem is {mem}")));
    shown
}

/// The ports there were.
pub(super) fn ports(signs: &Signs) -> Vec<String> {
    let mut shown = match signs.sources {
        Some(addresses) => {
            let ports = u64::from(PORTS) * addresses as u64;
            vec![format!("{addresses} source address(es) with {PORTS} ports each: {ports}")]
        }
        None => vec![format!(
            "net.ipv4.ip_local_port_range is {}, {} ports that are not reserved",
            signs.here.sysctls.get("net.ipv4.ip_local_port_range").map_or("unknown", String::as_str),
            ports::usable(&signs.here).unwrap_or(0)
        )],
    };
    shown.push(format!("{} connected", signs.connected));
    if let Some(waiting) = signs.kernel_before.tcp_time_wait {
        shown.push(format!("{waiting} sockets were in TIME_WAIT before the run"));
    }
    shown
}

/// Our own limit.
pub(super) fn descriptors(signs: &Signs) -> Vec<String> {
    let limit = signs.descriptors.map_or("unlimited".to_owned(), |limit| limit.to_string());
    vec![format!("RLIMIT_NOFILE of the generator is {limit}")]
}

/// The machine's.
pub(super) fn open_files(signs: &Signs) -> Vec<String> {
    let open = signs.kernel_after.files_open.unwrap_or(0);
    vec![format!("{open} files are open, fs.file-max is {}", signs.here.number("fs.file-max").unwrap_or(0))]
}

/// Packets that this machine dropped during the run, because a CPU's queue of received ones was full.
pub(super) fn dropped(signs: &Signs) -> u64 {
    signs.grown(|kernel| kernel.softnet_dropped)
}

/// The same in words.
pub(super) fn drops(signs: &Signs) -> Vec<String> {
    let limit = signs.here.number("net.core.netdev_max_backlog");
    let limit = limit.map_or_else(String::new, |limit| format!(" (net.core.netdev_max_backlog = {limit})"));
    let retransmitted = signs.grown(|kernel| kernel.retransmitted_segments);
    vec![
        format!("softnet dropped {} packets here{limit}", dropped(signs)),
        format!("{retransmitted} segments were sent again"),
    ]
}

/// Connections that the worker of their room could not take.
pub(super) fn hand_overs(signs: &Signs) -> Vec<String> {
    let failed = signs.served(|totals| totals.hand_overs_failed);
    std::iter::once(format!("/status: hand_overs_failed grew by {failed}"))
        .chain(server_table(signs))
        .collect()
}

/// How many rooms the server makes.
pub(super) fn rooms(signs: &Signs) -> Vec<String> {
    let limits = signs.status().map(|status| &status.limits);
    let each = limits.and_then(|limits| limits.rooms_max_per_worker.zip(limits.workers));
    each.map(|(each, workers)| format!("/status: {workers} worker(s) with {each} rooms at most each"))
        .into_iter()
        .collect()
}

/// Nothing at all came back.
pub(super) fn mute_words(signs: &Signs) -> String {
    let took = if signs.is_raw { "took" } else { "upgraded" };
    format!(
        "{} {took} {} connections, and then answered none of their messages",
        signs.target, signs.connected
    )
}

/// Something came back, and then no more.
pub(super) fn fell_silent_words(signs: &Signs) -> String {
    format!(
        "{} holds its connections, and left {} messages of the window unanswered; others it answered",
        signs.target, signs.unanswered
    )
}

/// The messages, and whether anybody lives there.
pub(super) fn mute(signs: &Signs) -> Vec<String> {
    let messages = format!("{} messages were sent and none received", signs.sent);
    std::iter::once(messages).chain(server_alive(signs)).collect()
}

/// Everything was answered but the end.
pub(super) fn goodbye_words(signs: &Signs) -> String {
    let before = if signs.received > 0 { "answered the traffic" } else { "held the connections" };
    format!("the server {before}, and left goodbyes (WebSocket close frames) unanswered")
}

/// What was answered, and whether anybody lives there.
pub(super) fn goodbyes(signs: &Signs) -> Vec<String> {
    let traffic = (signs.received > 0).then(|| {
        format!("{} messages were received and none of the window was left unanswered", signs.received)
    });
    traffic.into_iter().chain(server_alive(signs)).collect()
}

/// Plain bytes were sent to who expects an upgrade.
pub(super) fn websocket_words(signs: &Signs) -> String {
    let who = if signs.status().is_some() { "is a Tickring server" } else { "answers in HTTP" };
    format!("{} {who}: it wants WebSocket, and --raw sends plain bytes", signs.target)
}

#[cfg(test)]
mod tests {
    use super::super::diagnose;
    use super::*;
    use crate::measure::errors::{Cause, Stage};
    use crate::server_side::StatusLimits;

    #[test]
    fn rooms_are_the_wall_where_the_server_has_places_left() {
        let limits = StatusLimits {
            connections_max: Some(52),
            workers: Some(1),
            rooms_max_per_worker: Some(4),
            ..StatusLimits::default()
        };
        let status = Some(Status { limits, ..Status::default() });
        for (connected, class) in [(8, "rooms-full"), (52, "server-full")] {
            let status_before = status.clone();
            let mut signs = Signs {
                conns: 70,
                connected,
                status_before,
                status_after: status.clone(),
                ..Signs::default()
            };
            signs.errors.add_many(Stage::Upgrade, Cause::Fault(101), 70 - connected);
            let found = diagnose(&signs);
            assert_eq!((found.len(), found[0].class), (1, class), "{found:?}");
        }
    }
}
