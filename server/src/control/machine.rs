//! What this machine allows, for whoever asks from another one: `loadgen doctor` judges it by the table of `tuning/`.

use std::fs;

use rustix::process::{Resource, getrlimit};
use serde_json::{Map, Value, json};

/// The settings that bound how many connections there can be, by their dotted names.
const SYSCTLS: [&str; 23] = [
    "fs.file-max",
    "fs.file-nr",
    "fs.nr_open",
    "kernel.io_uring_disabled",
    "net.core.netdev_max_backlog",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_tw_recycle",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
    "net.netfilter.nf_conntrack_buckets",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
];

/// `/status`, `machine`. What cannot be read is left out; a limit without bound is null.
pub(super) fn page() -> Value {
    let sysctls: Map<String, Value> =
        SYSCTLS.iter().filter_map(|name| Some(((*name).to_owned(), sysctl(name)?.into()))).collect();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let governor = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").ok();
    json!({
        "hostname": sysctl("kernel.hostname"),
        "kernel": sysctl("kernel.osrelease"),
        "page_bytes": rustix::param::page_size(),
        "memory_bytes": kilobytes(&memory, "MemTotal:"),
        "memory_available_bytes": kilobytes(&memory, "MemAvailable:"),
        "descriptors_hard": getrlimit(Resource::Nofile).maximum,
        "locked_memory_bytes_hard": getrlimit(Resource::Memlock).maximum,
        "governor": governor.map(|text| text.trim().to_owned()),
        "sysctls": sysctls,
    })
}

/// What the status page calls a counter of TCP, and what the kernel does.
const TCP: [(&str, &str); 3] = [
    ("listen_overflows", "ListenOverflows"),
    ("listen_drops", "ListenDrops"),
    ("aborts_on_memory", "TCPAbortOnMemory"),
];

/// `/status`, `tcp`: counters of this network namespace that tell why connections are not taken, which no other machine
/// can see. What this kernel does not count is left out.
pub(super) fn tcp() -> Map<String, Value> {
    let netstat = fs::read_to_string("/proc/net/netstat").unwrap_or_default();
    let mut lines = netstat.lines().filter(|line| line.starts_with("TcpExt:"));
    let (names, values) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let pairs = || names.split_whitespace().zip(values.split_whitespace());
    let counter = |name: &str| pairs().find(|(known, _)| *known == name)?.1.parse::<u64>().ok();
    TCP.iter().filter_map(|(key, name)| Some(((*key).to_owned(), counter(name)?.into()))).collect()
}

/// A setting, its numbers with single blanks between them.
fn sysctl(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A line of `/proc/meminfo`, as bytes; 0 when it is missing.
fn kilobytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_table_is_told() {
        let table = include_str!("../../../tuning/knobs.tsv");
        let places =
            table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split('\t').nth(1));
        for name in places.filter_map(|place| place.strip_prefix("sysctl:")?.split('[').next()) {
            assert!(SYSCTLS.contains(&name), "{name}");
        }
    }

    #[test]
    fn this_machine_is_told() {
        let page = page();
        for key in ["page_bytes", "memory_bytes", "memory_available_bytes"] {
            assert!(page[key].as_u64() > Some(0), "{key}: {page}");
        }
        assert!(page["kernel"].is_string() && page["hostname"].is_string());
        assert!(page["sysctls"]["fs.file-max"].is_string());
        let tcp = tcp();
        assert!(TCP.iter().all(|(key, _)| tcp[*key].is_u64()), "{tcp:?}");
    }
}
